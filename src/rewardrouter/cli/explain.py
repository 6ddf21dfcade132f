"""``rewardrouter explain``: one pair, its scores, the chosen reward model, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rewardrouter.cli.options import router_option
from rewardrouter.cli.output import STDOUT, json_option, keep_inputs, write_json
from rewardrouter.errors import DataError, UserError, did_you_mean
from rewardrouter.progress import log

if TYPE_CHECKING:
    from rewardrouter.pairs import PreferencePair
    from rewardrouter.router.explanation import Explanation


@click.command("explain")
@router_option
@click.option(
    "--pair", required=True, metavar="FILE|ID", help="A file with one pair, or the id of one in --pairs."
)
@click.option("--pairs", metavar="P", help="Where to look an id up: parquet, JSONL, or a dataset.")
@json_option
def explain(folder: Path, pair: str, pairs: str | None, json_file: str | None) -> None:
    """Say why one pair went to its reward model.

    Shows every reward model's score and chance of being right, how far the
    first leads, and which parts of the pair make up the lead.
    """
    inputs: dict[str, Path | str] = {"--pair": pair, "--router": folder}
    if pairs is not None:
        inputs["--pairs"] = pairs
    keep_inputs({"--json": json_file}, inputs)
    chosen = _find(pair, pairs)

    # After the pair is found: this takes seconds, which a mistyped id need not wait for.
    from rewardrouter.offline.cache import EmbeddingCache, default_folder
    from rewardrouter.router import BayesianRouter
    from rewardrouter.router.explanation import explain_pair

    router = BayesianRouter.from_pretrained(folder, cache=EmbeddingCache(default_folder()))
    explanation = explain_pair(router, chosen)
    if json_file is not None:
        write_json(json_file, explanation.as_json())
    if json_file != STDOUT:
        click.echo(as_text(explanation))


def _find(pair: str, pairs: str | None) -> PreferencePair:
    from rewardrouter.datasets.pairs import load_pairs

    if pairs is None and not Path(pair).exists():
        raise UserError(f"--pair {pair}: no such file; if it is an id, say with --pairs where to look it up")
    loaded = load_pairs(pair if pairs is None else pairs)
    for line in loaded.report.lines():
        log(line)
    if pairs is None:
        if len(loaded.pairs) != 1:
            raise DataError(
                f"{pair}: holds {len(loaded.pairs):,} usable pairs; choose one: --pairs {pair} --pair ID"
            )
        return loaded.pairs[0]
    by_id = {one.id: one for one in loaded.pairs}
    if pair not in by_id:
        raise DataError(f"{pairs}: no usable pair has the id {pair!r}.{did_you_mean(pair, by_id)}")
    return by_id[pair]


def as_text(explanation: Explanation) -> str:
    """Return what ``explain`` prints."""
    width = max(len(arm.name) for arm in explanation.arms)
    lines = [
        f"Pair {explanation.pair_id} ({explanation.domain}) goes to {explanation.arms[0].name}",
        "",
        f"  {'reward model':<{width}}   score  P(right)  accuracy  in this domain",
    ]
    for arm in explanation.arms:
        lines.append(
            f"  {arm.name:<{width}}  {arm.score:+6.2f}  {_share(arm.correctness):>8}  {_share(arm.accuracy):>8}"
            f"  {_share(arm.domain_accuracy):>14}"
        )
    lines += [
        "",
        f"Lead over {explanation.arms[1].name}: {explanation.lead:.2f}; spread of all: {explanation.spread:.2f}",
    ]
    for name, part in sorted(explanation.reasons.items(), key=lambda item: -abs(item[1])):
        lines.append(f"  {part:+6.2f}  {name}")
    return "\n".join([*lines, *explanation.notes])


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
