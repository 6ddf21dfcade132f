"""``rewardrouter benchmark``: how good a policy is at GSM8K, MMLU, AlpacaEval 2, MT-Bench and Arena-Hard."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import click

from rewardrouter.cli.options import config_option, names_of
from rewardrouter.cli.output import keep_inputs
from rewardrouter.cli.overrides import check_overrides
from rewardrouter.errors import MissingDependencyError, UserError
from rewardrouter.progress import log


@click.command("benchmark", context_settings={"ignore_unknown_options": True})
@click.option("--model", metavar="M", help="The policy: a folder, a hub id, or http://... of a server.")
@click.option(
    "--outputs", metavar="FILE|DIR", help="Its answers, in place of a policy; DIR holds TASK.jsonl each."
)
@click.option(
    "--tasks", required=True, metavar="LIST", help="Of gsm8k, mmlu, alpaca_eval, mt_bench, arena_hard."
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="RUN", help="Folder of the run."
)
@config_option("Settings (YAML): questions, judge, baselines.")
@click.option("--answers-only", is_flag=True, help="Let the policy answer, ask no judge, and stop.")
@click.option("--dry-run", is_flag=True, help="Say what would be asked and what it would cost, and stop.")
@click.argument("overrides", nargs=-1, metavar="[--a.b=c ...]")
def benchmark(
    model: str | None,
    outputs: str | None,
    tasks: str,
    out: Path,
    config_file: Path | None,
    answers_only: bool,
    dry_run: bool,
    overrides: tuple[str, ...],
) -> None:
    """Measure a policy by benchmarks.

    Questions are yours to give, for example --gsm8k.questions=test.jsonl or
    hub:owner/name:split; the judge is any OpenAI-compatible server
    (--judge.url, --judge.model). What it will cost is said before it is asked.
    Answers and replies are kept as they come: the same command goes on where
    it was killed, and asks nothing twice.
    """
    check_overrides(overrides)
    if (model is None) == (outputs is None):
        raise UserError("--model, --outputs: give one of them: the policy, or its answers")
    names = names_of(tasks)
    if not names:
        raise UserError("--tasks: names none; give for example gsm8k,mt_bench")
    if outputs is not None:
        if answers_only:
            raise UserError("--answers-only: there is nothing to answer with --outputs; leave one out")
        keep_inputs({"--out": out}, {"--outputs": outputs})

    if find_spec("httpx2") is None:
        raise MissingDependencyError("httpx2", "http", "rewardrouter benchmark")

    from rewardrouter.config.benchmark import BenchmarkConfig
    from rewardrouter.config.loading import load_config

    served = model is not None and model.startswith(("http://", "https://"))
    given = [*overrides, *([f"endpoint.url={json.dumps(model)}"] if served else [])]
    config = load_config(BenchmarkConfig, config_file, given)
    if config.endpoint is not None and not served:
        config = config.model_copy(update={"endpoint": None})  # the policy named on the command line answers

    from rewardrouter.benchmarks.run import BenchmarkRun

    run = BenchmarkRun(config, names, out, model=None if served else model, outputs=outputs)
    if dry_run:
        lines = run.plan().lines()
        if model is not None and not served:
            from rewardrouter.cli.policy_check import check_policy

            lines.append(check_policy(model, config.generation.revision))
        click.echo("\n".join(lines))
        return
    try:
        if answers_only:
            for file in run.answer():
                click.echo(f"Answers: {file}")
            return
        results = run.run()
    except KeyboardInterrupt:
        log("stopped; the same command goes on")
        raise
    click.echo(results.text())
    click.echo(f"Results: {out / 'results.json'}")
