"""``rewardrouter demo``: the whole story on small models that are trained on the spot.

It calls the other commands and shows each as it could be given by hand.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from rewardrouter.cli.commands import run_command
from rewardrouter.cli.output import make_folder
from rewardrouter.cli.overrides import check_overrides

if TYPE_CHECKING:
    from rewardrouter.sandbox import Sandbox

_PARTS: tuple[Literal["router", "stream", "evaluation"], ...] = ("router", "stream", "evaluation")
_REPLAY, _TRAIN = "--replay.", "--train."


@click.command("demo", context_settings={"ignore_unknown_options": True})
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    metavar="DIR",
    help="Folder of the router, the replay and the report.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, metavar="S", help="Of the sandbox and fit."
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=1,
    metavar="K",
    help="Of the replay and of online DPO: 0 to K - 1.",
)
@click.option("--strategies", metavar="LIST", help="Of the replay, as in simulate.  [default: the paper's]")
@click.option(
    "--train-strategies",
    metavar="LIST",
    help="Of online DPO.  [default: router, LASER, random, the best single RM, majority, oracle]",
)
@click.argument("overrides", nargs=-1, metavar="[--a.b=c ...]")
def demo(
    out: Path,
    seed: int,
    seeds: int,
    strategies: str | None,
    train_strategies: str | None,
    overrides: tuple[str, ...],
) -> None:
    """See the whole of it, without hub, GPU or data of your own.

    A small language model learns tasks whose answers can be checked, and reward
    models learn to judge its answers, each on its own slice. Their verdicts are
    collected, a router is fitted and measured, and a replay trains a policy on
    the labels of every strategy. At last the language model itself is trained
    on its own answers (online DPO). The models are kept in the cache: a second
    run is quicker. Interrupted, the same command goes on. Any setting of the
    sandbox can be given as --a.b=c, of the replay as --replay.a.b=c, of online
    DPO as --train.a.b=c.
    """
    check_overrides(overrides)

    from rewardrouter.config.loading import dump_config, load_config
    from rewardrouter.config.sandbox import SandboxConfig
    from rewardrouter.files import write_text_atomically
    from rewardrouter.sandbox import Sandbox, build_sandbox, using_verdicts
    from rewardrouter.sandbox.training import training_config

    def given_to(prefix: str) -> list[str]:
        return [f"--{word.removeprefix(prefix)}" for word in overrides if word.startswith(prefix)]

    ours = [word for word in overrides if not word.startswith((_REPLAY, _TRAIN))]
    config = load_config(SandboxConfig, None, [*ours, f"seed={seed}"])
    make_folder("--out", out)
    built = build_sandbox(config)
    click.echo(f"Sandbox: {built.folder}  (its README.md says what the models are)")
    sandbox = Sandbox(_linked(built.folder, out / "sandbox"))
    replayed = ["--seeds", str(seeds), *(["--strategies", strategies] if strategies else [])]
    with using_verdicts(built):
        for words in _until_fitted(sandbox, out, seed):
            _show(words)
    for words in _until_replayed(sandbox, out, [*replayed, *given_to(_REPLAY)]):
        _show(words)
    file = out / "train.yaml"
    write_text_atomically(file, dump_config(training_config(sandbox, out / "router")))
    names = train_strategies or ",".join(
        ["router", "laser", "random", _best_single(out / "router"), "majority", "oracle"]
    )
    _show(["train", "--config", str(file), "--out", str(out / "training"), "--strategies", names,
           "--seeds", str(seeds), *given_to(_TRAIN)])  # fmt: skip
    report = out / "report.html"
    _show(["report", str(out / "run"), str(out / "training"), "--out", str(report)])
    click.echo(f"\nDone. Open {report}")


def _linked(folder: Path, link: Path) -> Path:
    """Return a link to the sandbox under a short name; where there can be none, the folder itself."""
    if link.is_symlink():
        link.unlink()
    try:
        link.symlink_to(folder.resolve(), target_is_directory=True)
    except OSError:
        return folder
    return link


def _until_fitted(sandbox: Sandbox, out: Path, seed: int) -> list[list[str]]:
    """Return the commands up to the router; what an earlier run of the demo finished is left out or gone on with."""
    commands = [
        [
            "collect",
            "--pairs",
            str(sandbox.pairs(part)),
            "--pool",
            str(sandbox.pool),
            "--out",
            _verdicts(sandbox, part),
        ]
        for part in _PARTS
    ]
    router = out / "router"
    if not router.exists():
        # The language model reads its own answers well enough, and a hundred times faster than minilm does.
        commands.append(["fit", "--verdicts", _verdicts(sandbox, "router"), "--encoder", str(sandbox.policy),
                         "--freeze-encoder", "--seed", str(seed), "--out", str(router)])  # fmt: skip
    return commands


def _until_replayed(sandbox: Sandbox, out: Path, replay: list[str]) -> list[list[str]]:
    router, run = str(out / "router"), out / "run"
    # Batches of 40: more than a hundred of them in one pass over the stream.
    simulate = [
        "simulate", "--verdicts", _verdicts(sandbox, "stream"), "--router", router, "--policy-texts",
        str(sandbox.pairs("router")), "--out", str(run), "--batch_size=40", *replay,
    ]  # fmt: skip
    return [
        ["evaluate", "--router", router, "--verdicts", _verdicts(sandbox, "evaluation")],
        [*simulate, "--resume"] if (run / "config.yaml").exists() else simulate,
    ]


def _verdicts(sandbox: Sandbox, part: str) -> str:
    """Return where the verdicts on a part lie: with the models that gave them, so that another demo finds them."""
    return str(sandbox.folder / "verdicts" / part)


def _best_single(router: Path) -> str:
    """Return the strategy of the RM that is right most often on the pairs that the router was fitted to."""
    from rewardrouter.router import BayesianRouter

    arms = BayesianRouter.from_pretrained(router).arm_records
    return f"single/{max(arms, key=lambda arm: arm.accuracy or 0.0).name}"


def _show(words: list[str]) -> None:
    """Say a command as it could be given by hand, and run it."""
    click.echo(f"\n$ rewardrouter {shlex.join(words)}")
    run_command(words)
