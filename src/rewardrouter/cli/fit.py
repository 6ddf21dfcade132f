"""``rewardrouter fit``: verdicts in, a router out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rewardrouter.cli.options import config_option, names_of, no_cache_option
from rewardrouter.cli.output import keep_inputs, make_folder
from rewardrouter.cli.overrides import check_overrides
from rewardrouter.errors import UserError
from rewardrouter.progress import log

if TYPE_CHECKING:
    from rewardrouter.config.offline import OfflineConfig
    from rewardrouter.router import BayesianRouter


@click.command("fit", context_settings={"ignore_unknown_options": True})
@click.option(
    "--verdicts",
    required=True,
    metavar="V",
    help="Labelled pairs with verdicts: a wide file, or a folder of recorded calls.",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="ROUTER", help="Folder of the router."
)
@click.option(
    "--encoder", metavar="ID|minilm", help="Alias (minilm, smollm2), hub id or folder.  [default: minilm]"
)
@click.option("--rms", metavar="a,b,c", help="The pool, in order.  [default: every RM of the verdicts]")
@click.option("--freeze-encoder", is_flag=True, help="Leave the encoder as it is: minutes on a CPU.")
@click.option("--seed", type=click.IntRange(min=0), metavar="S", help="Of splits and training.  [default: 0]")
@config_option("Settings (YAML).  [default: the paper's, or those for a frozen encoder]")
@no_cache_option
@click.option("--overwrite", is_flag=True, help="Replace a router that stands in ROUTER.")
@click.argument("overrides", nargs=-1, metavar="[--a.b=c ...]")
def fit(
    verdicts: str,
    out: Path,
    encoder: str | None,
    rms: str | None,
    freeze_encoder: bool,
    seed: int | None,
    config_file: Path | None,
    no_cache: bool,
    overwrite: bool,
    overrides: tuple[str, ...],
) -> None:
    """Learn from human-labelled pairs which reward model to trust on which pair.

    Any setting can be given as --a.b=c, for example --heads.cls_weight=0 or
    --encoder.max_tokens=256. An interrupted training goes on when the same
    command is given again.
    """
    config = _settings(config_file, overrides, encoder, freeze_encoder, seed)
    keep_inputs({"--out": out}, {"--verdicts": verdicts})

    from rewardrouter.datasets.verdict_tables import load_verdicts
    from rewardrouter.offline.cache import EmbeddingCache, default_folder
    from rewardrouter.offline.checkpointing import remove_checkpoint
    from rewardrouter.router import fit_router
    from rewardrouter.router.files import refuse_foreign

    refuse_foreign(out)
    if out.exists() and not overwrite:
        raise UserError(f"--out {out}: exists already; give another folder, or --overwrite")
    make_folder("--out", out.parent)
    loaded = load_verdicts(verdicts, names_of(rms))
    report = loaded.report.lines()
    for line in [*report, *loaded.coverage.lines()]:
        log(line)
    unfinished = out.with_name(f"{out.name}.training")
    router = fit_router(
        loaded.table,
        config,
        source=Path(verdicts).name,
        report=report,
        cache=EmbeddingCache(None if no_cache else default_folder()),
        resume_folder=unfinished,
    )
    router.save_pretrained(out)
    remove_checkpoint(unfinished)
    _tell(router, out, verdicts)


def _settings(
    config_file: Path | None,
    overrides: tuple[str, ...],
    encoder: str | None,
    freeze_encoder: bool,
    seed: int | None,
) -> OfflineConfig:
    """Return the preset, changed by the file, then by the dotted overrides, then by the named options."""
    from rewardrouter.config.loading import load_config
    from rewardrouter.config.offline import OfflineConfig, frozen_preset, full_preset

    check_overrides(overrides)
    named = [f"seed={seed}"] if seed is not None else []
    named += ["freeze_encoder=true"] if freeze_encoder else []
    named += [f"encoder.checkpoint={json.dumps(encoder)}"] if encoder is not None else []
    given = [*overrides, *named]
    frozen = load_config(OfflineConfig, config_file, given).freeze_encoder
    return load_config(
        OfflineConfig, config_file, given, defaults=frozen_preset() if frozen else full_preset()
    )


def _tell(router: BayesianRouter, out: Path, verdicts: str) -> None:
    validation, training = router.training.validation, router.training
    for line in training.cuts:
        log(line)
    click.echo(
        f"Accuracy {validation.accuracy:.3f} by {validation.method}; best single"
        f" {validation.best_single} {validation.best_single_accuracy:.3f}"
    )
    for domain, (n, accuracy) in validation.by_domain.items():
        click.echo(f"  {domain:<24} {n:>6,} pairs  {accuracy:.3f}")
    click.echo(f"Router: {out}  ({training.seconds:.0f} s)")
    click.echo(
        f"Next: rewardrouter evaluate --router {out} --verdicts OTHER"
        f"  (pairs that are not in {Path(verdicts).name}, to which it was fitted)"
    )
