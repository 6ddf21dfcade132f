"""A small policy where none is given: a causal LM built from the texts at hand, in seconds on one core.

It learns to continue prompts with responses as a language model does (next token), from *both* responses of every
pair, each distinct text once: no label is read, and a response that occurs in many pairs counts no more than others.
The result is an ordinary checkpoint folder. What it was made of is noted in it, so that the same settings and texts
are not trained twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast

from rewardrouter.config.policy import SmallPolicyConfig
from rewardrouter.errors import CheckpointError
from rewardrouter.pairs import PreferencePair, as_messages, digest
from rewardrouter.policies.language_model import train_language_model, unigram_entropy
from rewardrouter.policies.small_model import small_llama
from rewardrouter.policies.small_tokenizer import learn_tokenizer
from rewardrouter.policies.tokens import Ids, PolicyLayout
from rewardrouter.pretrained.loading import quiet_transformers

FORMAT = "rewardrouter small policy 1"
"""To be raised when the same settings and texts would give another policy."""

RECORD = "small_policy.json"
"""The file in the checkpoint's folder that says what it was made of."""


@dataclasses.dataclass(frozen=True, slots=True)
class SmallPolicyRecord:
    """What a small policy was made of and how well it learnt."""

    made_of: str
    """Digest of settings, texts and seed."""
    texts: int
    tokens: int
    seconds: float
    """Time that it took to make."""
    unigram_entropy: float
    """Nats per token of the best prediction without any context: by the tokens' frequencies."""
    epoch_losses: tuple[float, ...]
    """Mean loss of each epoch while it was trained, nats per token."""


def small_policy(
    pairs: Sequence[PreferencePair], config: SmallPolicyConfig, folder: Path, *, seed: int
) -> Path:
    """Make ``folder`` the checkpoint of a small policy trained on the pairs' texts, unless it is that already.

    The folder appears finished or not at all, whenever the process dies. One that holds a small policy made of
    other settings or texts is replaced.

    Returns
    -------
    The folder.

    Raises
    ------
    DataError
        If the texts do not fill one training example.
    CheckpointError
        If the folder holds something else than a small policy.
    """
    made_of = _digest(pairs, config, seed)
    if folder.exists() and read_record(folder).made_of == made_of:
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        part = Path(temporary) / "new"
        _build(pairs, config, seed, made_of, part)
        if folder.exists():
            folder.rename(Path(temporary) / "old")
        part.rename(folder)
    return folder


def read_record(folder: Path) -> SmallPolicyRecord:
    """Return what the small policy in ``folder`` was made of.

    Raises
    ------
    CheckpointError
        If the folder holds no small policy.
    """
    try:
        return SmallPolicyRecord(**json.loads((folder / RECORD).read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{folder}: holds no small policy (its {RECORD} cannot be read). Name another folder or remove this one"
        ) from error


def _build(
    pairs: Sequence[PreferencePair], config: SmallPolicyConfig, seed: int, made_of: str, folder: Path
) -> None:
    began = time.perf_counter()
    tokenizer = learn_tokenizer(_contents(pairs), config.vocabulary, config.positions)
    texts = _texts(pairs, tokenizer)
    model = small_llama(config, tokenizer, config.positions, seed=seed)
    losses = train_language_model(model, texts, config, seed)
    record = SmallPolicyRecord(
        made_of=made_of,
        texts=len(texts),
        tokens=sum(map(len, texts)),
        seconds=round(time.perf_counter() - began, 1),
        unigram_entropy=unigram_entropy(texts),
        epoch_losses=losses,
    )
    with quiet_transformers():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    (folder / RECORD).write_text(json.dumps(dataclasses.asdict(record), indent=2) + "\n", encoding="utf-8")


def _contents(pairs: Sequence[PreferencePair]) -> list[str]:
    """Return every prompt's and response's text, for the tokenizer to learn from; repeats do not matter."""
    given = {text for pair in pairs for text in (pair.prompt, pair.response_a, pair.response_b)}
    contents = [message.content for text in given for message in as_messages(text, "user")]
    return [text.encode("utf-8", "replace").decode("utf-8") for text in contents]


def _texts(pairs: Sequence[PreferencePair], tokenizer: PreTrainedTokenizerFast) -> list[Ids]:
    """Return each distinct prompt with each of its responses, whole, in an order that the pairs' does not change."""
    tokens = PolicyLayout(tokenizer, "auto", None, None).tokens(pairs)
    distinct = {
        (prompt.tobytes(), answer.tobytes()): (prompt, answer)
        for prompt, both in zip(tokens.prompts, tokens.responses, strict=True)
        for answer in both
    }
    return [torch.cat([torch.from_numpy(ids) for ids in distinct[key]]).numpy() for key in sorted(distinct)]


def _digest(pairs: Sequence[PreferencePair], config: SmallPolicyConfig, seed: int) -> str:
    texts = sorted(
        {digest(pair.prompt, answer) for pair in pairs for answer in (pair.response_a, pair.response_b)}
    )
    made_of = json.dumps([FORMAT, seed, config.model_dump(mode="json"), texts], sort_keys=True)
    return hashlib.sha256(made_of.encode()).hexdigest()
