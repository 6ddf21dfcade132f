"""Train a reward model: the policy's body with a score instead of the next token, on right against wrong responses.

As real ones are made: a sequence classifier with one label, begun from a language model, trained with the
Bradley-Terry loss ``-log sigmoid(score of the right - score of the wrong)`` on responses that the policy gave. It errs
because it is small, and where it has seen nothing.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import (
    AutoTokenizer,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
)

from rewardrouter.config.sandbox import SandboxRewardModelsConfig
from rewardrouter.errors import DataError
from rewardrouter.policies.cosine_adam import CosineAdam
from rewardrouter.pretrained.loading import quiet_transformers
from rewardrouter.sandbox.chat import ChatTokens, Ids, padded
from rewardrouter.sandbox.problems import answered
from rewardrouter.sandbox.samples import Sample
from rewardrouter.sandbox.specialities import Speciality

_WEIGHT_DECAY = 0.1

_AT_MOST = 2
"""Right, and wrong, responses of one problem in one step."""

_SORTED_TOGETHER = 8
"""Steps whose problems are drawn at once and cut by length, so that little is padding."""

_NEW_LAYER = 0.3
"""A layer on top of the policy's begins with less influence than one that has learnt something."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Contest:
    """One problem's responses, each with its prompt, as token ids."""

    right: list[Ids]
    wrong: list[Ids]


def train_reward_model(
    policy: Path,
    speciality: Speciality,
    samples: Sequence[Sample],
    config: SandboxRewardModelsConfig,
    folder: Path,
    seed: int,
) -> None:
    """Train on the samples' responses that the speciality covers, and save model and tokenizer to ``folder``.

    Raises
    ------
    DataError
        If none of these responses is wrong.
    """
    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(policy)
        model = _begun_from(policy, speciality.more_layers, seed)
    tokens = ChatTokens(tokenizer)
    chance = random.Random(seed)
    contests = _contests(samples, speciality, tokens, chance)
    if not contests:
        raise DataError(
            f"sandbox: reward model {speciality.name} has nothing to learn from; raise samples.reward_models"
        )
    adam = CosineAdam(model, config.learning_rate, _WEIGHT_DECAY, config.steps)
    batches = _batches(contests, config.problems_per_step, chance)
    for _ in range(config.steps):
        adam.step(_loss(model, next(batches), tokens.pad))
    with quiet_transformers():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _begun_from(policy: Path, more_layers: int, seed: int) -> LlamaForSequenceClassification:
    base = LlamaForCausalLM.from_pretrained(policy)
    settings = base.config
    known = settings.num_hidden_layers
    settings.num_hidden_layers += more_layers
    settings.num_labels = 1
    settings.architectures = None
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForSequenceClassification(settings)  # type: ignore[no-untyped-call]
    model.model.load_state_dict(base.model.state_dict(), strict=False)
    with torch.no_grad():
        for layer in model.model.layers[known:]:
            layer.self_attn.o_proj.weight.mul_(_NEW_LAYER)
            layer.mlp.down_proj.weight.mul_(_NEW_LAYER)
    return model


def _contests(
    samples: Sequence[Sample], speciality: Speciality, tokens: ChatTokens, chance: random.Random
) -> list[_Contest]:
    """Return the problems of which the speciality covers a wrong response.

    Where the policy never was right, the right response is the known answer, in one of the speciality's manners.
    """
    contests = []
    for sample in samples:
        right, wrong = (
            [response for response in side if speciality.covers(sample.problem, response)]
            for side in (sample.right, sample.wrong)
        )
        if wrong:
            known = answered(sample.problem, chance.choice(speciality.manners))
            prompt = tokens.prompts([sample.problem.prompt])[0]
            sides = (tokens.responses(right or [known]), tokens.responses(wrong))
            contests.append(_Contest(*([prompt + ids for ids in side] for side in sides)))
    return contests


def _batches(contests: Sequence[_Contest], size: int, chance: random.Random) -> Iterator[list[_Contest]]:
    """Yield contests without end, every one once before any comes again, those of a batch alike in length."""
    waiting: list[_Contest] = []
    while True:
        while len(waiting) < size * _SORTED_TOGETHER:
            waiting += chance.sample(contests, len(contests))
        drawn, waiting = waiting[: size * _SORTED_TOGETHER], waiting[size * _SORTED_TOGETHER :]
        drawn.sort(key=lambda contest: len(contest.right[0]))
        batches = [drawn[start : start + size] for start in range(0, len(drawn), size)]
        chance.shuffle(batches)
        for batch in batches:
            yield [_Contest(_some(contest.right, chance), _some(contest.wrong, chance)) for contest in batch]


def _some(responses: list[Ids], chance: random.Random) -> list[Ids]:
    return responses if len(responses) <= _AT_MOST else chance.sample(responses, _AT_MOST)


def _loss(model: LlamaForSequenceClassification, batch: Sequence[_Contest], pad: int) -> Tensor:
    """Return the mean Bradley-Terry loss over every right with every wrong response of a problem."""
    texts, owners, right = [], [], []
    for number, contest in enumerate(batch):
        for side, is_right in ((contest.right, True), (contest.wrong, False)):
            texts += side
            owners += [number] * len(side)
            right += [is_right] * len(side)
    ids = padded(texts, pad)
    scores = model(input_ids=ids, attention_mask=ids.ne(pad).long()).logits[:, 0]
    owner, good = torch.tensor(owners), torch.tensor(right)
    meet = (owner[:, None] == owner) & good[:, None] & ~good
    return -functional.logsigmoid((scores[:, None] - scores)[meet]).mean()
