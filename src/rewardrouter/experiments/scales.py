"""The three scales: a sandbox made on the spot, verdicts of the user's, the paper's models and data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rewardrouter.config.experiment import FullScale
from rewardrouter.config.loading import dump_config, load_config
from rewardrouter.config.pool import PoolConfig
from rewardrouter.config.sandbox import SandboxConfig
from rewardrouter.datasets.pair_files import pairs_table, write_table
from rewardrouter.datasets.pairs import LoadedPairs, load_pairs
from rewardrouter.datasets.report import RowReport
from rewardrouter.datasets.verdict_folder import PAIRS
from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.errors import UserError
from rewardrouter.experiments.catalogue import BENCHMARK, POOL, TRAIN
from rewardrouter.experiments.material import Choices, Material, Source, Split, Training
from rewardrouter.experiments.selection import Selection
from rewardrouter.experiments.steps import Step, Unit, command_step, own_step
from rewardrouter.files import write_text_atomically
from rewardrouter.offline.cache import default_folder
from rewardrouter.sandbox import Sandbox, build_sandbox
from rewardrouter.sandbox.build import digest_of
from rewardrouter.sandbox.layout import PAIR_PARTS
from rewardrouter.sandbox.training import training_config
from rewardrouter.simulation.run_folder import table_digest

_LEFT_OUT = (
    ("neighbours", "extreme"),
    ("sorting", "filtering"),
    ("doubling", "opposites"),
    ("numerals", "translation"),
)
"""Kinds of the sandbox that are left out of the fit together: its reward models learn them together."""


def sandbox_scale(choices: Choices, config: SandboxConfig, processes: int) -> Material:
    """Return the sandbox's material; it is built, where it is missing, by the first step."""
    sandbox, out = Sandbox(default_folder() / "sandbox" / digest_of(config)), choices.out
    verdicts = {part: sandbox.folder / "verdicts" / part for part in PAIR_PARTS}
    built = Step(
        f"the sandbox, from its settings: {sandbox.folder}",
        (Unit(sandbox.folder, ("sandbox.json",)),),
        lambda _: _built(config, processes),
    )
    made = {}
    for part, folder in verdicts.items():
        receipt = out / "collected" / f"{sandbox.folder.name}-{part}"
        made[folder] = (built, _collect(sandbox.pairs(part), sandbox.pool, folder, receipt))
    router, evaluation = Source(verdicts["router"]), Source(verdicts["evaluation"])
    away = [
        Split(
            f"ood-{'-'.join(kinds)}",
            Source(router.path, Selection(without=kinds)),
            Source(evaluation.path, Selection(only=kinds)),
        )
        for kinds in _LEFT_OUT
    ]
    training = out / "train.yaml"
    write = partial(_write_training, sandbox, out / "router", training)
    return Material(
        scale="sandbox",
        rms=sandbox.rms,
        made=made,
        # The language model reads its own answers well enough, and a hundred times faster than minilm does.
        fit=("--freeze-encoder", f"--encoder.checkpoint={sandbox.policy}"),
        columns={"id": (Split("id", router, evaluation),), "ood": tuple(away)},
        replay=Split("replay", router, Source(verdicts["stream"])),
        simulate=("--policy-texts", str(sandbox.pairs("router"))),
        trainings=(
            Training(
                "sandbox",
                ("--config", str(training)),
                (own_step(f"{training}: settings of the training", training, write),),
            ),
        ),
        policy=str(sandbox.policy),
        says=(f"Sandbox: {sandbox.folder}; two CPU cores",),
    )


def verdict_scale(verdicts: Path, rms: Sequence[str] | None) -> Material:
    """Return the material of recorded verdicts: one half fits and the other is evaluated and streamed.

    Raises
    ------
    DataError
        If the verdicts cannot be read.
    UserError
        If all are of one domain, or of one RM.
    """
    table = load_verdicts(verdicts, rms).table
    if len(table.rms) < 2:
        raise UserError(
            f"--verdicts {verdicts}: a router chooses among two reward models at least, found"
            f" {', '.join(table.rms)}"
        )
    domains, content = sorted(set(table.domains)), table_digest(table)
    if len(domains) < 2:
        raise UserError(
            f"--verdicts {verdicts}: all pairs are of one domain; out of distribution needs two or more, in a"
            " column `domain`"
        )
    fitted, rest = (Source(verdicts, Selection(half=half), content) for half in ("fit", "rest"))
    away = [
        Split(
            f"ood-{domain}",
            Source(verdicts, Selection(without=(domain,)), content),
            Source(verdicts, Selection(only=(domain,)), content),
        )
        for domain in map(str, domains)
    ]
    return Material(
        scale="verdicts",
        rms=table.rms,
        made={},
        fit=("--freeze-encoder",),
        columns={"id": (Split("id", fitted, rest),), "ood": tuple(away)},
        replay=Split("replay", fitted, rest),
        policy_reads_fit=True,
        says=(f"Verdicts: {verdicts}, {len(table):,} pairs, {', '.join(table.rms)}",),
    )


def paper_scale(choices: Choices, full: FullScale) -> Material:
    """Return the paper's material: its data sets are prepared and its reward models asked by the first steps."""
    data = choices.out / "data"
    pool = load_config(PoolConfig, POOL)
    rms = tuple(str(rm.name) for rm in pool.rms)

    def prepared(words: Sequence[str], name: str) -> tuple[Path, Step]:
        file = data / f"{name}.parquet"
        given = ["prepare", *words, "--out", str(file)]
        return file, command_step(given, [Unit(file.parent, (file.name,))], into=data)

    def judged(file: Path) -> tuple[Path, Step]:
        folder = choices.out / "verdicts" / file.stem
        return folder, _collect(file, POOL, folder, choices.out / "collected" / file.stem)

    parts = [prepared(words, f"fit-{n}-{words[0]}") for n, words in enumerate(full.fit_pairs)]
    joined, files = data / "fit.parquet", [file for file, _ in parts]
    says = f"{joined}: {' and '.join(map(str, files))}, one after the other"
    fit, asked = judged(joined)
    made = {fit: (*(step for _, step in parts), own_step(says, joined, partial(_join, files, joined)), asked)}
    columns = {}
    for column, words in full.columns.items():
        file, step = prepared(words, column)
        folder, asked = judged(file)
        made[folder] = (step, asked)
        columns[column] = (Split(column, Source(fit), Source(folder)),)
    questions = {task: prepared(words, f"{task}-questions") for task, words in full.questions.items()}
    benchmark = ["--config", str(BENCHMARK)]
    benchmark += [f"--{task}.questions={file}" for task, (file, _) in questions.items()]
    trainings = []
    for name, words in full.prompts.items():
        file, step = prepared(words, f"{name}-prompts")
        given = ("--config", str(TRAIN), f"--prompts.source={file}", f"--annotator.pool={POOL}",
                 f"--policy.checkpoint={full.policy}")  # fmt: skip
        asked_for = [questions[task][1] for task in full.benchmarks[name] if task in questions]
        trainings.append(Training(name, given, (step, *asked_for), full.benchmarks[name]))
    return Material(
        scale="full",
        rms=rms,
        made=made,
        fit=(f"--encoder.checkpoint={full.encoder}",),
        columns=columns,
        replay=Split("replay", Source(fit), columns[full.stream][0].held_out),
        simulate=("--policy", full.policy),
        streamed=("epochs=1",),  # as in the paper, though that is few batches
        trainings=tuple(trainings),
        benchmark=tuple(benchmark),
        policy=full.policy,
        judged=full.judged,
        says=(
            f"Models: policy {full.policy}; encoder {full.encoder}; reward models"
            f" {', '.join(str(getattr(rm, 'source', rm.name)) for rm in pool.rms)}",
            f"GPUs: {full.gpus}",
        ),
    )


def _collect(pairs: Path, pool: Path, folder: Path, receipt: Path) -> Step:
    """Return the step that asks every reward model; that the folder is there does not say that all were asked."""
    words = ["collect", "--pairs", str(pairs), "--pool", str(pool), "--out", str(folder)]
    return command_step(words, [Unit(folder, (PAIRS,))], receipt=receipt)


def _built(config: SandboxConfig, processes: int) -> None:
    build_sandbox(config, processes=processes)


def _write_training(sandbox: Sandbox, router: Path, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(file, dump_config(training_config(sandbox, router)))


def _join(files: Sequence[Path], out: Path) -> None:
    """Write the pairs of several files as one; ids are the data sets' own and do not meet."""
    loaded = [load_pairs(file) for file in files]
    pairs = tuple(pair for one in loaded for pair in one.pairs)
    labels = tuple(label for one in loaded for label in one.labels)
    rows = tuple(range(len(pairs)))
    write_table(out, pairs_table(LoadedPairs(pairs, labels, RowReport(rows_read=len(pairs)), "ours", rows)))
