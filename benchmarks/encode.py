"""How fast pairs are encoded: naive, each distinct text once, batched by length, in bf16.

Run ``python benchmarks/encode.py --json -`` (``--help`` for the rest). Four ways to the same
vectors, each with the savings of the one before it:

* naive: both texts of every pair, batches of a fixed size in the order of the file, fp32;
* deduplicated: every distinct text once, otherwise the same;
* bucketed: batches of texts of similar length, by tokens (``PairEncoder.encode``), fp32;
* bf16: the same in bf16.

All are measured in one run, in turn, several times; a figure is the median. Tokenising and cutting
is common to them and given apart. Without ``--source`` the pairs are made up: the lengths of chat
data (log-normal), six responses to a prompt of which four pairs are formed (paper 4.1).
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from figures import add_json_option, write_figures
from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.datasets.pairs import load_pairs
from rewardrouter.offline.checkpoint import load_encoder_checkpoint
from rewardrouter.offline.encoder import PairEncoder
from rewardrouter.offline.prepared import PreparedPairs
from rewardrouter.offline.text import TokenText
from rewardrouter.pairs import PreferencePair

WORDS = ["the", "of", "to", "and", "in", "is", "that", "it", "for", "as", "with", "was", "on", "this", "by"]


def main() -> None:
    """Measure and print."""
    options = parse()
    torch.set_num_threads(options.threads)
    pairs = load(options.source, options.pairs) if options.source else synthetic(options.pairs, options.seed)
    config = EncoderConfig(checkpoint=options.encoder, max_tokens=options.max_tokens, precision="fp32")
    checkpoint = load_encoder_checkpoint(config)
    exact = PairEncoder(checkpoint, config)
    half = PairEncoder(checkpoint, config.model_copy(update={"precision": "bf16"}))
    started = time.perf_counter()
    prepared = exact.prepare(pairs)
    prepare_seconds = time.perf_counter() - started
    sides = np.stack([prepared.index_a, prepared.index_b], axis=1).ravel()
    ways: dict[str, Callable[[], npt.NDArray[np.float32]]] = {
        "naive": lambda: in_file_order(exact, [prepared.texts[side] for side in sides], options.batch),
        "deduplicated": lambda: in_file_order(exact, prepared.texts, options.batch)[sides],
        "bucketed": lambda: exact.encode(prepared)[sides],
        "bf16": lambda: half.encode(prepared)[sides],
    }
    vectors = {name: way() for name, way in ways.items()}  # also warms up
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.repeats):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    report(options, summary(options, exact, pairs, prepared, prepare_seconds, seconds, vectors))


def summary(
    options: argparse.Namespace,
    encoder: PairEncoder,
    pairs: Sequence[PreferencePair],
    prepared: PreparedPairs,
    prepare_seconds: float,
    seconds: dict[str, list[float]],
    vectors: dict[str, npt.NDArray[np.float32]],
) -> dict[str, object]:
    """Return the figures; ``least_cosine`` is of the vectors of each way with the naive ones."""
    speed = {name: len(pairs) / statistics.median(times) for name, times in seconds.items()}
    lengths = [len(text) for text in prepared.texts]
    return {
        "encoder": options.encoder,
        "device": str(encoder.model.device),
        "threads": options.threads,
        "source": options.source.name if options.source else f"synthetic, seed {options.seed}",
        "pairs": len(pairs),
        "texts": len(prepared.texts),
        "max_tokens": encoder.max_tokens,
        "median_tokens": statistics.median(lengths),
        "longest_tokens": max(lengths),
        "repeats": options.repeats,
        "prepare_pairs_per_second": round(len(pairs) / prepare_seconds, 1),
        "pairs_per_second": {name: round(value, 2) for name, value in speed.items()},
        "speedup": {name: round(value / speed["naive"], 2) for name, value in speed.items()},
        "seconds": {name: [round(value, 3) for value in times] for name, times in seconds.items()},
        "least_cosine": {
            name: round(least_cosine(found, vectors["naive"]), 6) for name, found in vectors.items()
        },
    }


def in_file_order(encoder: PairEncoder, texts: Sequence[TokenText], size: int) -> npt.NDArray[np.float32]:
    """Return the vectors of ``texts``, encoded in batches of ``size`` as they come."""
    batches = [texts[start : start + size] for start in range(0, len(texts), size)]
    with torch.inference_mode():
        vectors = [encoder.forward_texts(batch).cpu().numpy() for batch in batches]
    return np.concatenate(vectors)


def least_cosine(found: npt.NDArray[np.float32], reference: npt.NDArray[np.float32]) -> float:
    """Return the least cosine of two sets of vectors, row by row."""
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(reference, axis=1)
    return float(((found * reference).sum(axis=1) / norms).min())


def load(source: Path, count: int) -> list[PreferencePair]:
    """Return ``count`` pairs spread evenly over a file, in its order."""
    pairs = load_pairs(source).pairs
    return [pairs[int(row)] for row in np.linspace(0, len(pairs) - 1, min(count, len(pairs)))]


def synthetic(count: int, seed: int) -> list[PreferencePair]:
    """Return ``count`` pairs of made-up text: four pairs of six responses per prompt."""
    rng = random.Random(seed)

    def text(median: float) -> str:
        return " ".join(rng.choices(WORDS, k=max(1, int(rng.lognormvariate(np.log(median), 0.8)))))

    pairs: list[PreferencePair] = []
    while len(pairs) < count:
        prompt, responses = text(40), [text(120) for _ in range(6)]
        for one, other in rng.sample(list(itertools.combinations(responses, 2)), 4):
            pairs.append(PreferencePair(str(len(pairs)), prompt, one, other))
    return pairs[:count]


def report(options: argparse.Namespace, figures: dict[str, object]) -> None:
    """Write the figures, and a line per way to standard output where it is free."""
    if not write_figures(figures, options.json):
        speeds, factors = figures["pairs_per_second"], figures["speedup"]
        for name in speeds:
            print(f"{name:13} {speeds[name]:9.2f} pairs/s {factors[name]:6.2f} x")


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--source", type=Path, help="pairs file (parquet or JSONL); made-up pairs where not given"
    )
    parser.add_argument("--pairs", type=int, default=128, help="number of pairs (default 128)")
    parser.add_argument("--encoder", default="minilm", help="alias, hub id or folder (default minilm)")
    parser.add_argument("--max-tokens", type=int, default=512, help="tokens per text (default 512)")
    parser.add_argument(
        "--batch", type=int, default=32, help="texts per batch where not bucketed (default 32)"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each way (default 3)")
    parser.add_argument("--seed", type=int, default=0, help="of the made-up pairs (default 0)")
    add_json_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
