"""``rewardrouter speed``: what a training step takes as the pool grows (paper Figure 2)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rewardrouter.cli.options import config_option
from rewardrouter.cli.output import signed
from rewardrouter.cli.overrides import check_overrides
from rewardrouter.errors import MissingDependencyError
from rewardrouter.progress import log

if TYPE_CHECKING:
    from rewardrouter.efficiency.results import EfficiencyResults, MeasuredPool, SimulatedPool


_SETTINGS = """\b
Main settings, as --NAME=VALUE or in the file of --config:
  pool_sizes           [4, 8, 16, 32]
  strategies           [single/fastest, single/slowest, majority, laser,
                        router, router+cascade@1.35]
  prompts_per_step     16
  measure.rounds       3   in each, every strategy has its steps
  measure.steps        3   of each strategy in a round
  tiny.rm_widths       [48, 96, 192]   [] leaves that comparison out
  given                models of your own: {policy, pool, prompts}
  cluster              what is extrapolated to; see examples/paper/figure2.yaml
All of them: docs/howto/speed.md."""


@click.command("speed", context_settings={"ignore_unknown_options": True}, epilog=_SETTINGS)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="RUN", help="Folder of the run."
)
@config_option("Settings (YAML), such as examples/paper/figure2.yaml.  [default: tiny models, built here]")
@click.option("--quick", is_flag=True, help="Pools of 2 and 4, one round: to see that it works.")
@click.argument("overrides", nargs=-1, metavar="[--a.b=c ...]")
def speed(out: Path, config_file: Path | None, quick: bool, overrides: tuple[str, ...]) -> None:
    """Measure a training step against the size of the pool.

    Real steps of online DPO are timed under single reward models, majority,
    LASER, the router and a cascade, in pools of several sizes and with reward
    models of several sizes. A simulator, calibrated on single calls, is checked
    against them and extrapolates to a cluster (--cluster...). Killed on the
    way, the same command goes on.
    """
    check_overrides(overrides)
    for package in ("trl", "peft", "accelerate", "datasets"):
        if find_spec(package) is None:
            raise MissingDependencyError(package, "train", "rewardrouter speed")

    from rewardrouter.config.loading import load_config
    from rewardrouter.config.speed import SpeedConfig

    config = load_config(SpeedConfig, config_file, [*(QUICK if quick else ()), *overrides])

    from rewardrouter.efficiency.run import SpeedRun

    try:
        results = SpeedRun(config, out).run()
    except KeyboardInterrupt:
        log("stopped; the same command goes on")
        raise
    click.echo(as_text(results))
    click.echo(f"Figures: {out / 'results.json'}   Next: rewardrouter report {out}")


QUICK = (
    "pool_sizes=[2, 4]",
    "tiny.rm_layers=[1, 2]",
    "tiny.rm_width=32",
    "tiny.rm_widths=[]",
    "tiny.width=32",
    "tiny.layers=1",
    "generation.max_new_tokens=8",
    "prompts_per_step=4",
    "measure.rounds=1",
    "measure.steps=2",
    "measure.repeats=2",
    "measure.calibration_pairs=[1, 4, 16]",
)
"""Settings of ``--quick``."""


def as_text(results: EfficiencyResults) -> str:
    """Return what ``speed`` prints."""
    lines: list[str] = []
    for title, pools in (("", results.pools), ("Reward models of several sizes", results.widths)):
        lines += [title] if title and pools else []
        for pool in pools:
            lines += [*_measured(pool, results.reference), ""]
    for name, found in results.scaling.items():
        low, high = found.exponent_interval
        lines.append(
            f"{name}: grows as N^{found.exponent:.2f} ({low:.2f} to {high:.2f}), {found.growth:.2f} times over all"
            f" pools; judging alone {found.judging:.2f} times, CPU as N^{found.work_exponent:.2f}"
        )
    for one in results.overheads:
        lines.append(
            f"pool of {one.size}: routing adds {1000 * one.encode:.1f} ms of encoding, {1000 * one.route:.1f} ms of"
            f" choosing and learning ({one.share:.1%} of the step), {1000 * one.smaller_batches:.1f} ms of work in"
            " smaller batches"
        )
    if results.check is not None:
        check = results.check
        low, high = check.interval
        lines.append(
            f"Simulator: off by {check.mean_error:.1%} in the mean ({low:.1%} to {high:.1%}; {check.n} cells),"
            f" at worst {check.worst:.1%} ({check.worst_where})"
        )
    if results.cluster is not None:
        lines += ["", f"Simulated, not measured: {results.cluster.source}"]
        for simulated in results.cluster.pools:
            lines += ["", *_simulated(simulated, results.reference)]
    return "\n".join(lines).strip() + "\n"


def _measured(pool: MeasuredPool, reference: str) -> list[str]:
    of = f", width {pool.rm_width}" if pool.rm_width else ""
    width = max(len(name) for name in pool.strategies)
    head = f"{f'pool of {pool.size}{of}':<{width}}   s/step  95 %            to {reference:<16}"
    lines = [f"{head}  calls   pairs   RM s  CPU s  predicted"]
    for name, one in pool.strategies.items():
        low, high = one.interval
        below, above = one.ratio_interval
        lines.append(
            f"{name:<{width}} {one.seconds:>8.3f}  {f'{low:.3f} to {high:.3f}':<14}"
            f"  {f'{one.ratio:.2f} ({below:.2f} to {above:.2f})':<19} {one.calls:>6.1f} {one.asked:>7.1f}"
            f" {one.rm_seconds:>6.2f} {one.cpu_seconds:>6.2f}  {one.predicted:.3f} ({signed(100 * one.error, 0)}%)"
        )
    return lines


def _simulated(pool: SimulatedPool, reference: str) -> list[str]:
    width = max(len(name) for name in pool.strategies)
    lines = [
        f"{f'pool of {pool.size}, devices {pool.devices}':<{width}}   s/step  to {reference:<16}  judging   routing"
        "  calls    pairs     RM s"
    ]
    lines += [
        f"{name:<{width}} {one.seconds:>8.2f}  {one.ratio:<19.2f} {one.judge:>8.2f}  {one.overhead:>8.3f}"
        f" {one.calls:>6.1f} {one.asked:>8.1f} {one.rm_seconds:>8.2f}"
        for name, one in pool.strategies.items()
    ]
    return lines
