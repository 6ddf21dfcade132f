"""``rewardrouter explain``: one pair, its scores, the chosen reward model, and why."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rewardrouter.cli.options import router_option
from rewardrouter.cli.output import STDOUT, json_option, keep_inputs, signed, write_json
from rewardrouter.errors import DataError, UserError, did_you_mean
from rewardrouter.progress import log

if TYPE_CHECKING:
    from rewardrouter.pairs import PreferencePair
    from rewardrouter.router.evidence import PairEvidence
    from rewardrouter.router.explanation import Explanation
    from rewardrouter.verdicts import Verdict


@click.command("explain")
@router_option
@click.option(
    "--pair", required=True, metavar="FILE|ID", help="A file with one pair, or the id of one in --pairs."
)
@click.option(
    "--pairs",
    metavar="P",
    help="Where to look an id up: parquet, JSONL, a dataset, or the folder of collect.",
)
@json_option
def explain(folder: Path, pair: str, pairs: str | None, json_file: str | None) -> None:
    """Say why one pair went to its reward model.

    Shows every reward model's score and chance of being right, how far the
    first leads, and which parts of the pair make up the lead; then the
    calibrated P(right), what a verdict would tell, and whom a cascade would
    ask first. Verdicts that stand beside the pair, in the columns of a wide
    file or the folder of collect, are weighed by their margins.
    """
    inputs: dict[str, Path | str] = {"--pair": pair, "--router": folder}
    if pairs is not None:
        inputs["--pairs"] = pairs
    keep_inputs({"--json": json_file}, inputs)
    found = _find(pair, pairs)

    # After the pair is found: this takes seconds, which a mistyped id need not wait for.
    from rewardrouter.offline.cache import EmbeddingCache, default_folder
    from rewardrouter.router import BayesianRouter
    from rewardrouter.router.explanation import explain_pair

    router = BayesianRouter.from_pretrained(folder, cache=EmbeddingCache(default_folder()))
    explanation = explain_pair(router, found.pair, found.verdicts)
    if json_file is not None:
        write_json(json_file, explanation.as_json())
    if json_file != STDOUT:
        click.echo(as_text(explanation))


@dataclasses.dataclass(frozen=True)
class _Found:
    """The pair, and the verdicts that stand beside it, by the RMs' names."""

    pair: PreferencePair
    verdicts: dict[str, Verdict]


def _find(pair: str, pairs: str | None) -> _Found:
    if pairs is None and not Path(pair).exists():
        raise UserError(f"--pair {pair}: no such file; if it is an id, say with --pairs where to look it up")
    found = _read(pair if pairs is None else pairs)
    if pairs is None:
        if len(found) != 1:
            raise DataError(
                f"{pair}: holds {len(found):,} usable pairs; choose one: --pairs {pair} --pair ID"
            )
        return next(iter(found.values()))
    if pair not in found:
        raise DataError(f"{pairs}: no usable pair has the id {pair!r}.{did_you_mean(pair, found)}")
    return found[pair]


def _read(source: str) -> dict[str, _Found]:
    """Return every usable pair by its id, telling of the others on stderr."""
    from rewardrouter.datasets.pairs import VERDICT_COLUMN, columns_of, pairs_of_rows
    from rewardrouter.datasets.rows import read_rows
    from rewardrouter.datasets.verdict_columns import column_answers
    from rewardrouter.datasets.verdict_folder import PAIRS, folder_answers, is_verdict_folder

    path = Path(source).expanduser()
    collected = is_verdict_folder(path)
    rows = read_rows(path / PAIRS if collected else source)
    loaded = pairs_of_rows(rows, source)
    ids = [pair.id for pair in loaded.pairs]
    answers = {}
    if collected:
        answers = folder_answers(path, ids, set(ids), loaded.report)
    elif loaded.form == "ours" and any(map(VERDICT_COLUMN.fullmatch, columns_of(rows))):
        answers = column_answers(rows, loaded.rows, source, loaded.report)
    for line in loaded.report.lines():
        log(line)
    return {
        pair.id: _Found(pair, {name: given[row].verdict for name, given in answers.items()})
        for row, pair in enumerate(loaded.pairs)
    }


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
            f"  {arm.name:<{width}}  {signed(arm.score, 2):>6}  {_share(arm.correctness):>8}  {_share(arm.accuracy):>8}"
            f"  {_share(arm.domain_accuracy):>14}"
        )
    lines += [
        "",
        f"Lead over {explanation.arms[1].name}: {explanation.lead:.2f}; spread of all: {explanation.spread:.2f}",
    ]
    for name, part in sorted(explanation.reasons.items(), key=lambda item: -abs(item[1])):
        lines.append(f"  {signed(part, 2):>6}  {name}")
    if explanation.evidence is not None:
        lines += ["", *_evidence_lines(explanation.evidence)]
    return "\n".join([*lines, *explanation.notes])


def _evidence_lines(evidence: PairEvidence) -> list[str]:
    """Return what calibration says; columns about verdicts only where one is recorded."""
    some = any(arm.verdict is not None for arm in evidence.arms)
    arms = [["reward model", "P(right)", "gain"] + ["verdict", "margin", "P(right | margin)"] * some]
    for arm in evidence.arms:
        cells = [arm.name, _share(arm.expected), f"{arm.gain:.3f}"]
        margin = "-" if arm.margin is None else f"{arm.margin:.3g}"
        arms.append(cells + [arm.verdict or "-", margin, _share(arm.calibrated)] * some)
    head = [
        f"Calibrated on {evidence.held_out:,} held-out pairs (gain: nats that a verdict tells); the router alone"
        f" is {evidence.sure:.3f} sure of the label",
        "",
        *_aligned(arms, left=1),
        "",
    ]
    if not some:
        return [*head, f"A cascade asks {evidence.calls[0].name} first, the best scored"]
    calls = [["a cascade asks", "as", "gain", "verdict", "label", "P(label)"]]
    for call in evidence.calls:
        why = "best scored" if call.why == "score" else "telling most"
        said = [call.verdict or "-", call.label or "-", _share(call.probability)]
        calls.append([call.name, why, f"{call.gain:.3f}", *said])
    return [*head, *_aligned(calls, left=2)]


def _aligned(rows: list[list[str]], left: int) -> list[str]:
    """Return rows as lines of columns, the first ``left`` of them words."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if n < left else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
