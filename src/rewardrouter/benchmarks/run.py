"""A run of benchmarks in its folder.

========================  ==================================================================================
config.yaml               the settings of the last command
calls/                    answers and replies, one line each, under a digest of what was asked; only added to
answers/TASK.jsonl        the policy's answers, in a form that is a baseline or ``--outputs`` for another run
results.json              the scores (``results``), also of benchmarks that earlier commands ran
========================  ==================================================================================
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from rewardrouter import run_folders
from rewardrouter.benchmarks.answering import KeptAnswers
from rewardrouter.benchmarks.answers import Answer, Answers, read_answers, write_answers
from rewardrouter.benchmarks.asking import Policy
from rewardrouter.benchmarks.calls import (
    CachedCalls,
    Call,
    Reply,
    Service,
    Tally,
    chat_service,
    xfinder_service,
)
from rewardrouter.benchmarks.plan import Plan, plan_task, price
from rewardrouter.benchmarks.results import BenchmarkResults, BenchmarkScore, Spent
from rewardrouter.benchmarks.served_policy import ServedPolicy
from rewardrouter.benchmarks.task import Ask, Task
from rewardrouter.benchmarks.tasks import make_tasks
from rewardrouter.config.benchmark import BenchmarkConfig, JudgeServer
from rewardrouter.config.loading import dump_config, load_config
from rewardrouter.config.saved import read_saved
from rewardrouter.errors import ConfigError, DataError, UserError
from rewardrouter.files import write_text_atomically
from rewardrouter.progress import log

_SUFFIXES = (".jsonl", ".json", ".parquet")


class BenchmarkRun:
    """Benchmarks of one policy.

    Parameters
    ----------
    config
        The settings.
    names
        Of the benchmarks.
    folder
        Of the run.
    model
        The policy: a folder or hub id; ``None`` where ``config.endpoint`` or ``outputs`` says what answers.
    outputs
        A file of answers, or a folder with one per benchmark (``TASK.jsonl``).

    Raises
    ------
    UserError
        If a benchmark is unknown, or its questions cannot be read.
    """

    def __init__(
        self,
        config: BenchmarkConfig,
        names: Sequence[str],
        folder: Path,
        *,
        model: str | None = None,
        outputs: str | None = None,
    ) -> None:
        self.config, self.folder = config, folder
        self._model, self._outputs = model, outputs
        self.tasks = make_tasks(names, config)

    def plan(self) -> Plan:
        """Return what a run would ask, from the answers that there are; nobody is asked, nothing is written.

        Raises
        ------
        UserError
            If something that scoring needs is missing.
        """
        self._load()
        return self._plan({task.name: self._there(task) for task in self.tasks}, self._calls(asks=False))

    def run(self) -> BenchmarkResults:
        """Answer, ask, score, and write ``results.json``.

        Raises
        ------
        UserError
            If something that scoring needs is missing, the policy or a server cannot be asked, or the estimated costs
            are above ``judge.max_cost``.
        """
        self._load()
        with self._opened():
            calls = self._calls(asks=True)
            policy = self._policy()
            answers = self._all_answers(policy)
            plan = self._plan(answers, calls)
            for line in plan.lines():
                log(line)
            self._check_cost(plan)
            scores: dict[str, BenchmarkScore] = {}
            for task in self.tasks:
                server = calls.get(task.server or "")
                scores |= task.score(answers[task.name], _asker(server, task.name))
            results = self._with_earlier(self._results(scores, calls, policy))
            results.write(self.folder / "results.json")
            return results

    def answer(self) -> list[Path]:
        """Only let the policy answer; return the files of its answers.

        Raises
        ------
        UserError
            If the policy cannot be loaded or asked.
        """
        with self._opened():
            self._all_answers(self._policy())
        return [self._answers_file(task) for task in self.tasks]

    def _load(self) -> None:
        for task in self.tasks:
            if task.server == "judge" and self.config.judge is None:
                raise ConfigError(f"judge: not given; {task.name} needs judge.url and judge.model")
            task.load()

    def _opened(self) -> contextlib.AbstractContextManager[bool]:
        def write(path: Path) -> None:
            write_text_atomically(path, dump_config(self.config))

        def go_on(path: Path) -> None:
            try:
                load_config(BenchmarkConfig, path)
            except ConfigError:
                raise UserError(
                    f"--out {self.folder}: holds a run of another kind; give another folder"
                ) from None
            write(path)

        return run_folders.opened(self.folder, begin=write, go_on=go_on, undo=self._undo)

    def _undo(self) -> bool:
        calls = self.folder / "calls"
        if any(file.stat().st_size for file in calls.glob("*")):
            return False
        shutil.rmtree(calls, ignore_errors=True)
        return True

    def _policy(self) -> Policy | None:
        if self._outputs is not None:
            return None
        if self.config.endpoint is not None:
            return ServedPolicy(
                self.config.endpoint, self.folder / "calls" / "policy.jsonl", seed=self.config.seed
            )
        if self._model is None:
            raise UserError("--model: missing; name the policy, or give its answers with --outputs")
        # Here: a run that loads no model need not wait for torch.
        from rewardrouter.benchmarks.local_policy import LocalPolicy

        return LocalPolicy(self._model, self.config.generation, seed=self.config.seed)

    def _calls(self, *, asks: bool) -> dict[str, CachedCalls]:
        services: dict[str, Service] = {}
        if self.config.judge is not None:
            services["judge"] = chat_service(self.config.judge)
        if self.config.mmlu.xfinder is not None:
            services["xfinder"] = xfinder_service(self.config.mmlu.xfinder)
        wanted = {task.server for task in self.tasks}
        return {
            name: CachedCalls(service, self.folder / "calls" / f"{name}.jsonl", asks=asks)
            for name, service in services.items()
            if name in wanted
        }

    def _all_answers(self, policy: Policy | None) -> dict[str, Answers]:
        if policy is None:
            return {task.name: self._given(task) for task in self.tasks}
        kept = KeptAnswers(self.folder / "calls" / "answers.jsonl", policy, self.config)
        found: dict[str, Answers] = {}
        for task in self.tasks:
            found[task.name] = kept.complete(task.name, task.questions, task.max_new_tokens)
            write_answers(self._answers_file(task), task.name, policy.name, task.questions, found[task.name])
        return {
            name: {key: answer.without_thoughts() for key, answer in answers.items()}
            for name, answers in found.items()
        }

    def _there(self, task: Task) -> dict[str, Answer]:
        """Return the answers to plan with: those given, or those of an earlier run."""
        if self._outputs is not None:
            return self._given(task)
        with contextlib.suppress(DataError):  # none yet, or to other questions
            return read_answers(str(self._answers_file(task)), task.name, task.questions)
        return {}

    def _given(self, task: Task) -> dict[str, Answer]:
        place = Path(self._outputs or "").expanduser()
        if place.is_dir():
            files = [place / f"{task.name}{suffix}" for suffix in _SUFFIXES]
            file = next((file for file in files if file.exists()), None)
            if file is None:
                raise DataError(f"--outputs {place}: holds no {task.name}.jsonl; give one file per benchmark")
            return read_answers(str(file), task.name, task.questions)
        if len(self.tasks) > 1:
            raise UserError(
                f"--outputs {place}: one file answers one benchmark; give a folder with TASK.jsonl for each"
            )
        return read_answers(str(place), task.name, task.questions)

    def _plan(self, answers: Mapping[str, Answers], calls: Mapping[str, CachedCalls]) -> Plan:
        longest = self.config.generation.max_new_tokens
        found = [
            plan_task(
                task,
                answers[task.name],
                calls.get(task.server or ""),
                self.config.judge,
                longest or task.max_new_tokens,
            )
            for task in self.tasks
        ]
        return Plan(tuple(one for one, _ in found), self.config.judge, sum(assumed for _, assumed in found))

    def _check_cost(self, plan: Plan) -> None:
        limit = self.config.judge.max_cost if self.config.judge is not None else None
        if limit is None:
            return
        if plan.cost is None:
            raise ConfigError(
                "judge.max_cost: the prices are not given: judge.input_price, judge.output_price"
            )
        if plan.cost > limit:
            raise UserError(
                f"judge.max_cost: the judge would cost about {plan.cost:,.2f}, more than {limit:,.2f}; nothing was"
                " asked of it. Raise it, or judge fewer questions (limit)"
            )

    def _results(
        self, scores: dict[str, BenchmarkScore], calls: Mapping[str, CachedCalls], policy: Policy | None
    ) -> BenchmarkResults:
        judge = self.config.judge if "judge" in calls else None
        asked = {**calls, **({"policy": policy.calls} if isinstance(policy, ServedPolicy) else {})}
        return BenchmarkResults(
            policy=policy.name if policy is not None else f"answers in {self._outputs}",
            judge=None if judge is None else f"{judge.model} at {judge.url}",
            seed=self.config.seed,
            limit=self.config.limit,
            scores=scores,
            spent={
                name: _spent(one.tally, judge if name == "judge" else None) for name, one in asked.items()
            },
        )

    def _with_earlier(self, now: BenchmarkResults) -> BenchmarkResults:
        """Return the results with the scores that the folder holds of benchmarks that were not run now."""
        file = self.folder / "results.json"
        if not file.exists():
            return now
        earlier = read_saved(BenchmarkResults, file)
        kept = {
            name: score
            for name, score in earlier.scores.items()
            if not any(name == task.name or name.startswith(f"{task.name}_") for task in self.tasks)
        }
        other = [
            f"{what} {was}"
            for what, was, new in (
                ("policy", earlier.policy, now.policy),
                ("seed", earlier.seed, now.seed),
                ("limit", earlier.limit or "none", now.limit or "none"),
                ("judge", earlier.judge or now.judge, now.judge or earlier.judge),
            )
            if was != new
        ]
        if other:
            note = f"of an earlier command: {', '.join(other)}"
            kept = {
                name: score
                if any(one.startswith("of an earlier command: ") for one in score.notes)
                else score.model_copy(update={"notes": [*score.notes, note]})
                for name, score in kept.items()
            }
        return now.model_copy(
            update={
                "scores": {**kept, **now.scores},
                "judge": now.judge or (earlier.judge if kept else None),
                "spent": {**(earlier.spent if kept else {}), **now.spent},
            }
        )

    def _answers_file(self, task: Task) -> Path:
        return self.folder / "answers" / f"{task.name}.jsonl"


def _spent(tally: Tally, judge: JudgeServer | None) -> Spent:
    return Spent(
        calls=tally.made,
        kept=tally.kept,
        input_tokens=tally.input_tokens,
        output_tokens=tally.output_tokens,
        cost=price(judge, tally.input_tokens, tally.output_tokens),
        cost_now=price(
            judge,
            tally.input_tokens - tally.kept_input_tokens,
            tally.output_tokens - tally.kept_output_tokens,
        ),
    )


def _asker(server: CachedCalls | None, task: str) -> Ask:
    def ask(calls: Sequence[Call]) -> Mapping[str, Reply]:
        if server is None:
            raise RuntimeError(f"{task} asks a server that it does not name")
        return server.ask(calls, task)

    return ask
