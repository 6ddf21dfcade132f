"""``rewardrouter demo``: the whole story on small models that are trained on the spot.

It calls the other commands and shows each as it could be given by hand.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from rewardrouter.cli.output import make_folder
from rewardrouter.cli.overrides import check_overrides

if TYPE_CHECKING:
    from rewardrouter.sandbox import Sandbox

_PARTS: tuple[Literal["router", "stream", "evaluation"], ...] = ("router", "stream", "evaluation")
_REPLAY = "--replay."


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
    "--seeds", type=click.IntRange(min=1), default=1, metavar="K", help="Of the replay: 0 to K - 1."
)
@click.option("--strategies", metavar="LIST", help="Of the replay, as in simulate.  [default: the paper's]")
@click.argument("overrides", nargs=-1, metavar="[--a.b=c ...]")
def demo(out: Path, seed: int, seeds: int, strategies: str | None, overrides: tuple[str, ...]) -> None:
    """See the whole of it, without hub, GPU or data of your own.

    A small language model learns tasks whose answers can be checked, and reward
    models learn to judge its answers, each on its own slice. Their verdicts are
    collected, a router is fitted and measured, and a replay trains a policy on
    the labels of every strategy. The models are kept in the cache: a second
    run is quicker. Interrupted, the same command goes on. Any setting of the
    sandbox can be given as --a.b=c, any of the replay as --replay.a.b=c.
    """
    check_overrides(overrides)

    from rewardrouter.config.loading import load_config
    from rewardrouter.config.sandbox import SandboxConfig
    from rewardrouter.sandbox import build_sandbox

    replay = [f"--{word.removeprefix(_REPLAY)}" for word in overrides if word.startswith(_REPLAY)]
    ours = [word for word in overrides if not word.startswith(_REPLAY)]
    config = load_config(SandboxConfig, None, [*ours, f"seed={seed}"])
    make_folder("--out", out)
    sandbox = build_sandbox(config)
    click.echo(f"Sandbox: {sandbox.folder}  (its README.md says what the models are)")
    asked = ["--seeds", str(seeds), *(["--strategies", strategies] if strategies else []), *replay]
    for words in _commands(sandbox, out, seed, asked):
        click.echo(f"\n$ rewardrouter {shlex.join(words)}")
        _run(words)
    click.echo(f"\nDone. Open {out / 'run' / 'report.html'}")


def _commands(sandbox: Sandbox, out: Path, seed: int, replay: list[str]) -> list[list[str]]:
    """Return the commands, in order; what an earlier run of the demo finished is left out or gone on with."""
    # With the models that gave them, so that a demo elsewhere finds them again.
    verdicts = {part: str(sandbox.folder / "verdicts" / part) for part in _PARTS}
    router, run = out / "router", out / "run"
    commands = [
        ["collect", "--pairs", str(sandbox.pairs(part)), "--pool", str(sandbox.pool), "--out", verdicts[part]]
        for part in _PARTS
    ]
    if not router.exists():
        commands.append(["fit", "--verdicts", verdicts["router"], "--freeze-encoder", "--seed", str(seed),
                         "--out", str(router)])  # fmt: skip
    commands.append(["evaluate", "--router", str(router), "--verdicts", verdicts["evaluation"]])
    # Batches of 40: more than a hundred of them in one pass over the stream.
    simulate = [
        "simulate", "--verdicts", verdicts["stream"], "--router", str(router), "--policy-texts",
        str(sandbox.pairs("router")), "--out", str(run), "--batch_size=40", *replay,
    ]  # fmt: skip
    commands.append([*simulate, "--resume"] if (run / "config.yaml").exists() else simulate)
    commands.append(["report", str(run)])
    return commands


def _run(words: list[str]) -> None:
    """Run a command in this process; its errors are this command's."""
    from rewardrouter.cli.main import cli

    context = click.get_current_context()
    command = cli.get_command(context, words[0])
    if command is None:
        raise RuntimeError(f"no command {words[0]}")
    with command.make_context(words[0], words[1:], parent=context) as inner:
        command.invoke(inner)
