"""A reward model that checks each response against the right answer."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import math
import pickle
import time
from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

from rewardrouter.config.verifier import VerifierConfig
from rewardrouter.errors import MissingDependencyError, one_line
from rewardrouter.pairs import PreferencePair, Text
from rewardrouter.reward_models.functions import source_file
from rewardrouter.reward_models.verifiers.checks import ANSWER, READER
from rewardrouter.reward_models.verifiers.workers import Checked, CheckWorkers
from rewardrouter.thoughts import answer_of
from rewardrouter.verdicts import Verdict

_UNENDED = "its thoughts do not end"


class VerifierRewardModel:
    """Scores each response by a check: 1 for right, 0 for wrong, or the number that the check gives.

    The response with the higher score wins; both right or both wrong is a tie. A pair without a gold answer, a response
    whose thoughts do not end, a check that takes too long, raises or crashes, or cannot say, is a failed verdict with
    the reason. A check reads what follows a response's thoughts, and so does a function of yours.

    Parameters
    ----------
    config
        Which check, and where the gold answer is.

    Raises
    ------
    ConfigError
        If the check cannot be imported.
    MissingDependencyError
        If ``check: math`` lacks math-verify.
    """

    reads_metadata = True

    def __init__(self, config: VerifierConfig) -> None:
        self.config = config
        self._workers = CheckWorkers(config.check, workers=config.workers, seconds=config.timeout)
        if config.check == "math" and importlib.util.find_spec("math_verify") is None:
            raise MissingDependencyError("math-verify", "verifiers", f"{config.name} (check: math)")
        if not config.built_in:
            self._workers.start()  # a name that is misspelt is told before the work, not in the midst of it

    @property
    def name(self) -> str:
        """The name in the pool."""
        return self.config.name

    @property
    def identity(self) -> Mapping[str, Any]:
        """The check and the column of the gold answer.

        Of a function, a digest of its module's file stands for what it does; of ``math``, math-verify's version.
        """
        given: dict[str, Any] = {"kind": "verifier", "check": self.config.check, "reader": READER}
        if self.config.built_in:
            given["answer"] = self.config.answer
        if self.config.check == "math":
            given["math-verify"] = importlib.metadata.version("math-verify")
        file = None if self.config.built_in else source_file(self.config.check)
        if file is not None and file.is_file():
            given["module"] = f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
        return given

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        """Return one verdict per pair; each distinct response to a row is checked once.

        ``seconds`` is an equal share of the call's time.
        """
        start = time.perf_counter()
        asked = [(self._task(p, p.response_a), self._task(p, p.response_b)) for p in pairs]
        tasks = list(dict.fromkeys(task for both in asked for task in both if isinstance(task, bytes)))
        found = dict(zip(tasks, self._workers.run(tasks), strict=True))
        share = (time.perf_counter() - start) / max(1, len(pairs))

        def checked(task: bytes | Checked) -> Checked:
            return task if isinstance(task, Checked) else found[task]

        return [self._verdict(checked(a), checked(b), share) for a, b in asked]

    def load(self) -> None:
        """Begin a process now.

        Raises
        ------
        ConfigError
            If it cannot import the check.
        """
        self._workers.start()

    def unload(self) -> None:
        """End the processes; the next call begins new ones."""
        self._workers.stop()

    def notes(self) -> list[str]:
        """Return how many processes had to be replaced, where some had."""
        replaced = self._workers.replaced
        return (
            [f"{self.name}: {replaced:,} processes crashed or were killed and replaced"] if replaced else []
        )

    def _task(self, pair: PreferencePair, response: Text) -> bytes | Checked:
        """Return what a process is sent, or why it is sent nothing."""
        said = answer_of(as_text(response))
        if said is None:
            return Checked(None, _UNENDED)
        row: Mapping[str, Any] = dict(pair.metadata)
        if self.config.built_in:
            gold, column = pair.metadata.get(self.config.answer), self.config.answer
            if gold is None or not str(gold).strip() or (isinstance(gold, float) and math.isnan(gold)):
                return Checked(None, f"no gold answer in column {column!r}")
            if not isinstance(gold, str | Number):
                kind = type(gold).__name__
                return Checked(
                    None, f"the gold answer in column {column!r} is a {kind}, expected text or a number"
                )
            row = {ANSWER: str(gold)}
        try:
            return pickle.dumps((said, row))
        except Exception as error:  # whatever the objects in a row raise
            return Checked(None, f"its row cannot be sent to a process: {one_line(error)}")

    def _verdict(self, a: Checked, b: Checked, seconds: float) -> Verdict:
        for side, checked in (("A", a), ("B", b)):
            if checked.error is not None:
                repeats = checked.error == _UNENDED
                return Verdict.failed(
                    self.name, f"response {side}: {checked.error}", seconds, repeats=repeats
                )
        return Verdict.from_scores(self.name, a.value, b.value, seconds)


def as_text(text: Text) -> str:
    """Return a response as one text, messages a line each."""
    return text if isinstance(text, str) else "\n".join(message.content for message in text)
