"""``rewardrouter annotate``: label new pairs, each by the reward model chosen for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rewardrouter.cli.accounts import tell_accounts, tell_failures
from rewardrouter.cli.label_counts import LabelCounts
from rewardrouter.cli.options import no_cache_option, router_option
from rewardrouter.cli.output import keep_inputs, make_folder
from rewardrouter.errors import ConfigError, did_you_mean
from rewardrouter.pairs import as_json
from rewardrouter.progress import log, progress

if TYPE_CHECKING:
    from rewardrouter.annotators import Annotation
    from rewardrouter.pairs import PreferencePair

_CHUNK = 256
"""Pairs labelled and written at once."""


@click.command("annotate")
@click.option(
    "--pairs", "source", required=True, metavar="P", help="Pairs to label: parquet, JSONL, or a dataset."
)
@router_option
@click.option(
    "--pool",
    "pool_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="POOL.yaml",
    help="The reward models that may be asked.",
)
@click.option(
    "--strategy",
    "strategy_name",
    default="router",
    metavar="S",
    help="Who labels: router, router+cascade@1.35, single/NAME, majority, uwo, ...",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="F",
    help="Labelled file, .jsonl or .parquet; resumed if it was begun.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, metavar="S", help="Of random choices.")
@no_cache_option
def annotate(
    source: str, folder: Path, pool_file: Path, strategy_name: str, out: Path, seed: int, no_cache: bool
) -> None:
    """Label pairs and write them in TRL's preference format.

    Each row has prompt, chosen, rejected, the weight of the pair, the reward
    model whose answer the label is (rm) and all that were called (rms). Pairs
    without a label are kept, with the reason, in F.dropped.jsonl. The same
    command again asks what a killed run did not reach, and pairs that have no
    label because calls failed; when it ends, rows are in the order of the pairs.
    """
    keep_inputs({"--out": out}, {"--pairs": source, "--pool": pool_file, "--router": folder})

    from rewardrouter.config.loading import load_config
    from rewardrouter.config.pool import PoolConfig
    from rewardrouter.datasets.pairs import load_pairs
    from rewardrouter.reward_models.loading import load_pool, recorded_files

    loaded = load_pairs(source)
    for line in loaded.report.lines():
        log(line)
    pool = click.get_current_context().with_resource(load_pool(pool_file))

    # After the files are read: this takes seconds, which a mistake in them need not wait for.
    from rewardrouter.annotators import StepContext
    from rewardrouter.annotators.cascade import CascadeAnnotator
    from rewardrouter.annotators.planned import Planned
    from rewardrouter.datasets.preferences import PreferenceWriter, preference_row
    from rewardrouter.offline.cache import EmbeddingCache, default_folder
    from rewardrouter.router import BayesianRouter
    from rewardrouter.router.files import router_fingerprint
    from rewardrouter.simulation.strategies import strategy

    cache = EmbeddingCache(None if no_cache else default_folder())
    router = BayesianRouter.from_pretrained(folder, cache=cache)
    _check_pool(pool_file, pool.names, router.arms)
    annotator = strategy(strategy_name, router, pool, seed=seed)
    if isinstance(annotator, CascadeAnnotator) and annotator.moves:
        raise ConfigError(
            f"--strategy {strategy_name}: with keep_budget a label depends on those before it, which a file that is"
            " gone on with would not repeat; leave keep_budget out"
        )
    measured = False
    if isinstance(annotator, Planned):
        annotator.prepare()  # a budget that cannot be kept is told before the file is begun
        measured = annotator.measures
    manifest = {
        "strategy": strategy_name,
        "seed": seed,
        "router": router_fingerprint(folder)[:16],
        "rms": list(pool.names),
        "pool": load_config(PoolConfig, pool_file).deciding,
        "verdicts": _fingerprint(*recorded_files(pool_file)),
        "pairs": _content(loaded.pairs),
    }
    if pool.live:
        manifest["models"] = {rm: dict(pool.identity(rm)) for rm in pool.live}
    counts = LabelCounts()
    make_folder("--out", out.parent)
    order = [pair.id for pair in loaded.pairs]
    with PreferenceWriter(out, manifest, order) as writer, progress("annotate", len(order)) as advance:
        done, again = writer.done_ids(), writer.failed_ids()
        resumed = _resumed(len(done), len(writer.dropped_ids() - again), len(again))
        for start in range(0, len(loaded.pairs), _CHUNK):
            chunk = loaded.pairs[start : start + _CHUNK]
            if missing := [pair for pair in chunk if pair.id not in done]:
                step = StepContext(batch_id=f"annotate/{start}")
                given = list(zip(missing, annotator.annotate(missing, step), strict=True))
                writer.drop(
                    {pair.id: str(a.reason) for pair, a in given if a.label is None},
                    failed={pair.id: _failed(a) for pair, a in given if a.label is None},
                )
                writer.write(
                    [
                        preference_row(pair, a.label, {"weight": a.weight, "rm": a.rm, "rms": list(a.rms)})
                        for pair, a in given
                        if a.label is not None
                    ]
                )
                counts.add(a for _, a in given)
            advance(len(chunk))
        dropped, failed = len(writer.dropped_ids()), len(writer.failed_ids())
        labelled = len(writer.done_ids() | writer.failed_ids()) - dropped
    click.echo(
        f"{len(loaded.pairs):,} pairs{resumed}: {counts.labelled:,} labelled now, {counts.dropped:,} without a label"
    )
    for line in counts.lines({rm: account.price for rm, account in pool.accounts().items()}):
        click.echo(line)
    if measured and resumed and counts.pairs:
        click.echo(
            "Thresholds were planned anew from measured seconds: labels may differ from the first run's"
        )
    tell_failures([account for rm, account in pool.accounts().items() if rm not in pool.live])
    tell_accounts([pool.accounts()[rm] for rm in pool.live])
    for note in (note for rm in pool.live for note in pool.notes(rm)):
        log(note)
    click.echo(f"Labelled pairs: {out}" + (f"     Without a label: {out}.dropped.jsonl" if dropped else ""))
    if failed:
        click.echo(f"Without a label since calls failed: {failed:,}; the same command asks them again")
    if counts.reasons and not labelled:
        reason, times = max(counts.reasons.items(), key=lambda one: ("not asked" not in one[0], one[1]))
        log(f"error: no pair has a label: calls failed, most often ({times:,} times): {reason}")
        click.get_current_context().exit(1)


def _check_pool(pool_file: Path, names: Sequence[str], arms: Sequence[str]) -> None:
    for arm in arms:
        if arm not in names:
            raise ConfigError(
                f"{pool_file}: the router may choose {arm!r}, which the pool lacks.{did_you_mean(arm, names)}"
                f" It holds: {', '.join(names)}"
            )


def _failed(annotation: Annotation) -> list[str]:
    """Return the RMs whose calls failed and may go better another time."""
    return [v.rm for v in annotation.verdicts if v.error is not None and not v.repeats]


def _resumed(before: int, dropped: int, again: int) -> str:
    """Return what is told of an earlier run: how many pairs it settled, and how many are asked again."""
    parts = [f", {before:,} of them before ({dropped:,} without a label)"] if before else []
    return "".join([*parts, f", {again:,} asked again after failed calls"] if again else parts)


def _fingerprint(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _content(pairs: Sequence[PreferencePair]) -> str:
    """Return a digest of ids and texts: a file is not resumed with other pairs under the same ids."""
    digest = hashlib.sha256()
    for pair in pairs:
        texts = [pair.id, as_json(pair.prompt), as_json(pair.response_a), as_json(pair.response_b)]
        digest.update(json.dumps(texts).encode() + b"\n")
    return digest.hexdigest()[:16]
