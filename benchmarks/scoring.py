"""How fast a reward model scores responses: each distinct one once and by length, against naive padding.

Run ``python benchmarks/scoring.py --json -`` (``--help`` for the rest). What is scored is what online DPO asks for
(paper 4.1): six responses to a prompt, of which four pairs are formed, so that most responses stand in several pairs;
lengths are those of chat data (log-normal). 512 responses are 256 pairs of 64 prompts. Three ways to the same scores:

* naive: both responses of every pair in their order, batches of ``--batch``, padded to the longest, plain transformers;
* deduplicated: each distinct response once, otherwise the same;
* ours: ``HfRewardModel.judge``: each distinct response once, batches of similar length, by tokens.

Tokenising counts in all. They are measured in one run, in turn, each round in another order; a figure is the median,
and a ratio the median of the rounds' ratios: on the wall, and of the process's CPU time, which a busy machine changes
less. ``largest_difference`` is between ours and naive, of scores whose ``standard_deviation`` stands beside it;
``same_winners`` is a share of the pairs. Without ``--model`` it is a Qwen3 with random weights, of a size that can be
given: how fast a model is does not depend on what its weights are.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import transformers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Qwen3Config,
    Qwen3ForSequenceClassification,
)

from figures import add_json_option, write_figures
from rewardrouter.config.pool import HfConfig
from rewardrouter.pairs import PreferencePair
from rewardrouter.policies.small_tokenizer import learn_tokenizer
from rewardrouter.reward_models.hf import HfRewardModel
from timing import Times

WORDS = ["the", "of", "to", "and", "in", "is", "that", "it", "for", "as", "with", "was", "on", "this", "by"]
RESPONSES, PAIRS = 6, 4
"""Of a prompt."""

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Naive:
    """The reward model as a few lines of transformers have it."""

    def __init__(self, source: str, options: argparse.Namespace) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(source, padding_side="right")
        self._model = (
            AutoModelForSequenceClassification.from_pretrained(source, dtype=DTYPES[options.dtype])
            .to(options.device)
            .eval()
        )
        self._batch, self._most = options.batch, options.max_tokens

    @torch.inference_mode()
    def scores(self, texts: Sequence[tuple[str, str]]) -> list[float]:
        """Return the score of each prompt with a response, in their order."""
        scores: list[float] = []
        for start in range(0, len(texts), self._batch):
            written = [
                self._tokenizer.apply_chat_template(
                    [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}],
                    tokenize=False,
                )
                for prompt, response in texts[start : start + self._batch]
            ]
            inputs = self._tokenizer(written, add_special_tokens=False, padding=True, return_tensors="pt").to(
                self._model.device
            )
            assert inputs["input_ids"].shape[1] <= self._most, "a text is too long: it would be cut"
            scores += self._model(**inputs).logits.squeeze(-1).double().tolist()
        return scores


def made_pairs(responses: int, seed: int, longest: int) -> list[PreferencePair]:
    """Return pairs of ``responses`` responses in all: four pairs of six responses to each prompt."""
    chance = random.Random(seed)

    def text(median: float, most: int) -> str:
        return " ".join(
            chance.choices(WORDS, k=max(1, min(most, int(chance.lognormvariate(np.log(median), 0.8)))))
        )

    pairs: list[PreferencePair] = []
    while len(pairs) < responses // 2:
        prompt, answers = text(40, longest // 4), [text(120, longest // 2) for _ in range(RESPONSES)]
        for one, other in chance.sample(list(itertools.combinations(answers, 2)), PAIRS):
            pairs.append(PreferencePair(str(len(pairs)), prompt, one, other))
    return pairs[: responses // 2]


def write_model(folder: str, pairs: Sequence[PreferencePair], options: argparse.Namespace) -> str:
    """Write a reward model with random weights, and a tokenizer that has learnt the texts' words."""
    texts = (str(text) for pair in pairs for text in (pair.prompt, pair.response_a, pair.response_b))
    tokenizer = learn_tokenizer(texts, 2000, options.max_tokens)
    torch.manual_seed(options.seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=options.hidden,
        intermediate_size=3 * options.hidden,
        num_hidden_layers=options.layers,
        num_attention_heads=options.hidden // 64,
        num_key_value_heads=max(1, options.hidden // 128),
        head_dim=64,
        num_labels=1,
        pad_token_id=tokenizer.pad_token_id,
        max_position_embeddings=options.max_tokens,
        initializer_range=0.1,
    )
    Qwen3ForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def measure(source: str, pairs: Sequence[PreferencePair], options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures."""
    naive = Naive(source, options)
    ours = HfRewardModel(
        HfConfig(
            name="rm",
            source=source,
            device=options.device,
            dtype=options.dtype,
            max_tokens=options.max_tokens,
            batch_tokens=options.batch_tokens,
        )
    )
    slots = [(str(p.prompt), str(text)) for p in pairs for text in (p.response_a, p.response_b)]
    distinct = list(dict.fromkeys(slots))

    def deduplicated() -> list[float]:
        scores = dict(zip(distinct, naive.scores(distinct), strict=True))
        return [scores[slot] for slot in slots]

    def judged() -> list[float]:
        return [float(score) for v in ours.judge(pairs) for score in (v.score_a, v.score_b)]

    ways: dict[str, Callable[[], list[float]]] = {
        "naive": lambda: naive.scores(slots),
        "deduplicated": deduplicated,
        "ours": judged,
    }
    scores = {name: np.array(way()) for name, way in ways.items()}  # also warms up
    times = {name: Times() for name in ways}
    for number in range(options.rounds):
        names = list(ways)[number % len(ways) :] + list(ways)[: number % len(ways)]
        for name in names:
            times[name].measure(ways[name])  # its scores are numbers: a GPU has done its work
    difference = np.abs(scores["ours"] - scores["naive"])
    winners = {name: np.sign(found[::2] - found[1::2]) for name, found in scores.items()}
    return {
        "model": options.model or f"Qwen3, random, {options.layers} layers of {options.hidden}",
        "device": options.device,
        "dtype": options.dtype,
        "threads": torch.get_num_threads(),
        "responses": len(slots),
        "distinct": len(distinct),
        "pairs": len(pairs),
        "rounds": options.rounds,
        "responses_per_second": {name: 1e3 * len(slots) / one.wall_median for name, one in times.items()},
        "ratio": {name: ratio(times["naive"].wall, one.wall) for name, one in times.items()},
        "ratio_of_cpu_time": {name: ratio(times["naive"].cpu, one.cpu) for name, one in times.items()},
        "largest_difference": float(difference.max()),
        "standard_deviation": float(scores["naive"].std()),
        "same_winners": float((winners["ours"] == winners["naive"]).mean()),
        "milliseconds": {name: one.wall for name, one in times.items()},
    }


def ratio(naive: Sequence[float], other: Sequence[float]) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median(n / o for n, o in zip(naive, other, strict=True))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_json_option(parser, default="-")
    parser.add_argument("--responses", type=int, default=512, help="in all, two to a pair (default 512)")
    parser.add_argument(
        "--model", help="folder of a reward model with a chat template, in place of a random one"
    )
    parser.add_argument("--layers", type=int, default=2, help="of the random model (default 2)")
    parser.add_argument("--hidden", type=int, default=256, help="its hidden size, n x 64 (default 256)")
    parser.add_argument("--max-tokens", type=int, default=512, help="of a text; made-up ones are no longer")
    parser.add_argument("--batch", type=int, default=16, help="texts of a naive batch (default 16)")
    parser.add_argument("--batch-tokens", type=int, default=8192, help="of our batches (default 8192)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... (default cpu)")
    parser.add_argument("--dtype", choices=list(DTYPES), default="fp32", help="of the weights (default fp32)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument("--rounds", type=int, default=5, help="of measurements (default 5)")
    parser.add_argument("--seed", type=int, default=0, help="of texts and weights (default 0)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.utils.logging.disable_progress_bar()
    pairs = made_pairs(options.responses, options.seed, options.max_tokens)
    with tempfile.TemporaryDirectory(prefix="scoring-") as folder:
        figures = measure(options.model or write_model(folder, pairs, options), pairs, options)
    write_figures(figures, options.json)


if __name__ == "__main__":
    main()
