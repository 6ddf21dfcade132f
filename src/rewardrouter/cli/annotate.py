"""``rewardrouter annotate``: label new pairs, each by the reward model chosen for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rewardrouter.cli.accounts import tell_accounts
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
"""Pairs labelled and written at once. The chunks of a file are the same in a resumed run."""


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
    without a label are kept, with the reason, in F.dropped.jsonl.
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
    from rewardrouter.annotators.cost_aware import CostAwareAnnotator
    from rewardrouter.datasets.preferences import PreferenceWriter, preference_row
    from rewardrouter.offline.cache import EmbeddingCache, default_folder
    from rewardrouter.router import BayesianRouter
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
    if isinstance(annotator, CascadeAnnotator | CostAwareAnnotator):
        annotator.prepare()  # a budget that cannot be kept is told before the file is begun
    manifest = {
        "strategy": strategy_name,
        "seed": seed,
        "router": _fingerprint(folder / "config.json", folder / "model.safetensors", folder / "arms.json"),
        "rms": list(pool.names),
        "pool": load_config(PoolConfig, pool_file).deciding,
        "verdicts": _fingerprint(*recorded_files(pool_file)),
        "pairs": _content(loaded.pairs),
    }
    if pool.live:
        manifest["models"] = {rm: dict(pool.identity(rm)) for rm in pool.live}
    counts = LabelCounts()
    make_folder("--out", out.parent)
    with PreferenceWriter(out, manifest) as writer, progress("annotate", len(loaded.pairs)) as advance:
        done = writer.done_ids()
        ids = {pair.id for pair in loaded.pairs}
        before, dropped_before = len(done & ids), len(writer.dropped_ids() & ids)
        for start in range(0, len(loaded.pairs), _CHUNK):
            chunk = loaded.pairs[start : start + _CHUNK]
            if any(pair.id not in done for pair in chunk):
                given = _missing(
                    chunk, annotator.annotate(chunk, StepContext(batch_id=f"annotate/{start}")), done
                )
                writer.drop({pair.id: str(a.reason) for pair, a in given if a.label is None})
                writer.write(
                    [
                        preference_row(pair, a.label, {"weight": a.weight, "rm": a.rm, "rms": list(a.rms)})
                        for pair, a in given
                        if a.label is not None
                    ]
                )
                counts.add(a for _, a in given)
            advance(len(chunk))
        dropped = len(writer.dropped_ids())
    resumed = f", {before:,} of them before ({dropped_before:,} without a label)" if before else ""
    click.echo(
        f"{len(loaded.pairs):,} pairs{resumed}: {counts.labelled:,} labelled now, {counts.dropped:,} without a label"
    )
    for line in counts.lines({rm: account.price for rm, account in pool.accounts().items()}):
        click.echo(line)
    tell_accounts([pool.accounts()[rm] for rm in pool.live])
    click.echo(f"Labelled pairs: {out}" + (f"     Without a label: {out}.dropped.jsonl" if dropped else ""))


def _check_pool(pool_file: Path, names: Sequence[str], arms: Sequence[str]) -> None:
    for arm in arms:
        if arm not in names:
            raise ConfigError(
                f"{pool_file}: the router may choose {arm!r}, which the pool lacks.{did_you_mean(arm, names)}"
                f" It holds: {', '.join(names)}"
            )


def _missing(
    pairs: Sequence[PreferencePair], annotations: Sequence[Annotation], done: frozenset[str]
) -> list[tuple[PreferencePair, Annotation]]:
    return [(pair, a) for pair, a in zip(pairs, annotations, strict=True) if pair.id not in done]


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
