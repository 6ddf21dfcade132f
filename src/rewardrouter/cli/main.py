"""The entry point ``rewardrouter``: its commands, and how each way of ending looks.

=====================  =========================================  =========
how a command ends     what stderr says                           exit code
=====================  =========================================  =========
done                                                              0
the user's mistake     ``error: ...``, one line                   2
interrupted            ``interrupted``                            130
reader of a pipe left  nothing                                    141
a fault of ours        traceback, and a request to report it      1
=====================  =========================================  =========
"""

from __future__ import annotations

import errno
import os
import select
import sys
import traceback
from collections.abc import Sequence

import click

from rewardrouter import __version__
from rewardrouter.cli.lazy import LazyCommand, LazyGroup
from rewardrouter.errors import UserError, did_you_mean

COMMANDS = {
    "demo": LazyCommand(
        "rewardrouter.cli.demo:demo", "See the whole of it on small models made on the spot."
    ),
    "prepare": LazyCommand(
        "rewardrouter.cli.prepare:prepare", "Make pairs or prompts of a published data set."
    ),
    "collect": LazyCommand(
        "rewardrouter.cli.collect:collect", "Run every reward model of a pool on every pair."
    ),
    "fit": LazyCommand("rewardrouter.cli.fit:fit", "Learn from labelled pairs which reward model to trust."),
    "evaluate": LazyCommand(
        "rewardrouter.cli.evaluate:evaluate", "Measure a router and the baselines on labelled pairs."
    ),
    "annotate": LazyCommand(
        "rewardrouter.cli.annotate:annotate", "Label new pairs, each by the reward model chosen for it."
    ),
    "explain": LazyCommand("rewardrouter.cli.explain:explain", "Say why one pair went to its reward model."),
    "simulate": LazyCommand(
        "rewardrouter.cli.simulate:simulate", "Replay labelled pairs past a policy that trains on the labels."
    ),
    "train": LazyCommand(
        "rewardrouter.cli.train:train", "Train a policy on its own responses, labelled as it goes."
    ),
    "benchmark": LazyCommand(
        "rewardrouter.cli.benchmark:benchmark",
        "Measure a policy by benchmarks, with a judge where they need one.",
    ),
    "speed": LazyCommand(
        "rewardrouter.cli.speed:speed", "Measure a training step against the size of the pool."
    ),
    "reproduce": LazyCommand(
        "rewardrouter.cli.reproduce:reproduce", "Run a table of the paper, or an ablation."
    ),
    "serve": LazyCommand(
        "rewardrouter.cli.serve:serve", "Label pairs over HTTP, for trainers that are not ours."
    ),
    "arms": LazyCommand(
        "rewardrouter.cli.arms:arms",
        "List, add or remove the reward models of a router.",
    ),
    "report": LazyCommand(
        "rewardrouter.cli.report:report", "Write one page of tables and plots from finished runs."
    ),
    "env": LazyCommand("rewardrouter.cli.env:env", "Show versions, devices and folders, for a report."),
}


_NOT_OURS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG)
"""What the system says of a disk or folder that cannot be written to; a command that knows more says it itself."""


@click.group(
    "rewardrouter",
    cls=LazyGroup,
    lazy=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 100},
    epilog="Help of one command: rewardrouter COMMAND --help",
)
@click.version_option(__version__, prog_name="rewardrouter", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Send each preference pair to the one reward model most likely to judge it right."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments
        The words after ``rewardrouter``; by default those of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(words)
        sys.stdout.flush()  # a reader who left is noticed here rather than after the last line of ours
    except UserError as error:
        return _refuse(str(error))
    except click.ClickException as error:
        return _refuse(_usage(error, words))
    except (KeyboardInterrupt, click.Abort):
        click.echo("\ninterrupted", err=True)
        return 130
    except BrokenPipeError:
        return 141 if _reader_left() else _report()
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}") if error.errno in _NOT_OURS else _report()
    except Exception:
        return _report()
    return code


def _run(arguments: list[str]) -> int:
    # Not cli.main(): it turns every broken pipe, also one between processes, into exit code 1.
    try:
        with cli.make_context("rewardrouter", arguments) as context:
            cli.invoke(context)
    except click.exceptions.Exit as ended:  # after --help and --version
        return ended.exit_code
    return 0


def _refuse(message: str) -> int:
    click.echo(f"error: {' '.join(message.split())}", err=True)
    return 2


def _usage(error: click.ClickException, words: Sequence[str]) -> str:
    """Return click's message in our form: one line, what is meant, where the help is."""
    message = error.format_message()
    if isinstance(error, click.MissingParameter) and (meant := _meant(error, words)):
        message = meant
    if isinstance(error, click.NoSuchOption):
        hint = f" Did you mean {error.possibilities[0]}?" if error.possibilities else ""
        message = f"unknown option {error.option_name}.{hint}"
    message = message[:1].lower() + message[1:] + ("" if message.endswith((".", "?")) else ".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message} See {context.command_path} --help" if context else message


def _meant(error: click.MissingParameter, words: Sequence[str]) -> str | None:
    """Return what is told of an option that is not missing but mistyped, where settings may follow as ``--a.b=c``."""
    command = error.ctx.command if error.ctx else None
    known = {name for param in (command.params if command else ()) for name in param.opts}
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("--") and "." not in name and name not in known and name != "--":
            return f"unknown option {name}.{did_you_mean(name, known)}"
    return None


def _reader_left() -> bool:
    """Whether it is our own output that nobody reads; if so, drop what is left of it."""
    left = [stream for stream in (sys.stdout, sys.stderr) if _unread(stream.fileno())]
    for stream in left:
        # What is buffered would raise once more when Python closes the stream at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return bool(left)


def _unread(descriptor: int) -> bool:
    watch = select.poll()
    watch.register(descriptor, 0)  # POLLERR, a pipe without a reader, is reported unasked
    return any(event & select.POLLERR for _, event in watch.poll(0))


def _report() -> int:
    traceback.print_exc()
    click.echo(
        f"error: a fault in rewardrouter {__version__}, not yours;"
        " please report it with the lines above and the output of: rewardrouter env",
        err=True,
    )
    return 1
