"""``rewardrouter report``: one HTML page from finished runs, to be read in a browser or printed."""

from __future__ import annotations

from pathlib import Path

import click

from rewardrouter.cli.output import check_file, keep_inputs, write_text
from rewardrouter.errors import UserError


@click.command("report")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    callback=check_file,
    metavar="FILE",
    help="Where to write it.  [default: RUN/report.html; of several runs, report.html]",
)
def report(runs: tuple[Path, ...], out: Path | None) -> None:
    """Write one HTML page from finished runs.

    Of simulate, train, benchmark and speed, and from the file of `evaluate --json`: tables with intervals, plots,
    named failures and how to read them. The page needs no network and no other file.
    """
    alone = runs[0].with_suffix(".html") if runs[0].is_file() else runs[0] / "report.html"
    file = out or (alone if len(runs) == 1 else Path("report.html"))
    for run in runs:
        if run.resolve() in file.resolve().parents and file.resolve() != run.resolve() / "report.html":
            raise UserError(f"--out {file}: lies in {run}, which holds a run's own files; give another place")
    keep_inputs({"--out": file}, {str(run): run if run.is_file() else run / "results.json" for run in runs})

    from rewardrouter.report import report as page

    text = page(runs)
    write_text("--out", file, text)
    click.echo(f"Report: {file}")
