"""Strategies that take turns step by step, and a note of what each asked: all meet the same policy and machine."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from rewardrouter.annotators import Annotation, Annotator, Outcome, StepContext
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.base import Counting, Resident, RewardModel
from rewardrouter.state import State
from rewardrouter.verdicts import Verdict


@dataclasses.dataclass
class Asked:
    """What reward models were asked: calls, pairs by name, and the seconds that they worked.

    On a CPU these are the calling thread's own (``time.thread_time``): calls that share its cores would otherwise
    count each other's time. ``cpu_seconds`` are this process's for the whole of labelling and learning: what a strategy
    costs a CPU, however busy it is with other things.
    """

    calls: int = 0
    pairs: Counter[str] = dataclasses.field(default_factory=Counter)
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class MeteredRewardModel:
    """A reward model, and a note of what it is asked.

    Parameters
    ----------
    model
        Who answers.
    on_cpu
        Whether it works in the thread that asks it.
    """

    def __init__(self, model: RewardModel, *, on_cpu: bool) -> None:
        self._model = model
        self._clock = time.thread_time if on_cpu else time.perf_counter
        self.asked = Asked()

    @property
    def name(self) -> str:
        """The reward model's."""
        return self._model.name

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        """Ask it."""
        began = self._clock()
        verdicts = self._model.judge(pairs)
        self.asked.seconds += self._clock() - began
        self.asked.calls += 1
        self.asked.pairs[self.name] += len(pairs)
        return verdicts

    def load(self) -> None:
        """Let it take its memory."""
        if isinstance(self._model, Resident):
            self._model.load()

    def unload(self) -> None:
        """Let it give its memory back."""
        if isinstance(self._model, Resident):
            self._model.unload()

    def notes(self) -> list[str]:
        """Return what it has to say."""
        return self._model.notes() if isinstance(self._model, Counting) else []

    def taken(self) -> Asked:
        """Return the note, and begin a new one."""
        asked, self.asked = self.asked, Asked()
        return asked


class TakingTurns:
    """An annotator that is another one at every step.

    Parameters
    ----------
    turns
        The annotators by name, in their order; the first has step 1.
    meters
        The pool's reward models.
    reads_prompts
        Whether they want the policy's embeddings of the prompts.

    Attributes
    ----------
    asked
        By step, whose turn it was and what was asked.
    pairs
        The pairs of the last step.
    """

    def __init__(
        self,
        turns: Mapping[str, Annotator],
        meters: Sequence[MeteredRewardModel],
        *,
        reads_prompts: bool = False,
    ) -> None:
        self._names, self._turns, self._meters = list(turns), dict(turns), meters
        self._now, self._asked = self._turns[self._names[0]], Asked()
        self.reads_prompts = reads_prompts
        self.asked: dict[int, tuple[str, Asked]] = {}
        self.pairs: Sequence[PreferencePair] = ()

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Let the one whose turn it is label the pairs."""
        name = self._names[(step.step - 1) % len(self._names)]
        self._now, self.pairs = self._turns[name], pairs
        for meter in self._meters:
            meter.taken()
        began = time.process_time()
        found = self._now.annotate(pairs, step)
        self._asked = total = Asked(cpu_seconds=time.process_time() - began)
        for meter in self._meters:
            part = meter.taken()
            total.calls += part.calls
            total.pairs += part.pairs
            total.seconds += part.seconds
        self.asked[step.step] = name, total
        return found

    def observe(self, outcomes: Mapping[str, Outcome]) -> None:
        """Tell the one whose turn it was."""
        began = time.process_time()
        self._now.observe(outcomes)
        self._asked.cpu_seconds += time.process_time() - began

    def state_dict(self) -> State:
        """Return the states of all, by place."""
        states = {f"turn-{n}": self._turns[name].state_dict() for n, name in enumerate(self._names)}
        return State.joined({"names": self._names}, **states)

    def load_state_dict(self, state: State) -> None:
        """Restore them."""
        for n, name in enumerate(self._names):
            self._turns[name].load_state_dict(state.part(f"turn-{n}"))
