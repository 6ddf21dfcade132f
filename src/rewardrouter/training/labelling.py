"""Labelling a step's pairs: those of all processes together, by the annotator of the first one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from accelerate import Accelerator

from rewardrouter.annotators import Annotation, Annotator, Outcome, StepContext
from rewardrouter.pairs import PreferencePair
from rewardrouter.phases import Phase, measured
from rewardrouter.training.experience import Embeddings, Experience
from rewardrouter.training.processes import decided, gathered


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Labelling:
    """The labels of all processes' pairs in one step.

    ``pairs`` are in the order in which they were labelled; ``annotations`` are by the pair's id; ``seconds`` are those
    of the first process.
    """

    step: int
    pairs: tuple[PreferencePair, ...]
    annotations: Mapping[str, Annotation]
    seconds: Mapping[Phase, float]

    @property
    def labelled(self) -> int:
        """The pairs that have a label."""
        return sum(one.label is not None for one in self.annotations.values())


class Labeller:
    """Has pairs labelled, at once or while something else goes on.

    Parameters
    ----------
    annotator
        The strategy; only the first process needs one.
    accelerator
        Of the processes.
    background
        Whether the annotator works in a thread of its own between :meth:`begin` and :meth:`finish`.
    """

    def __init__(self, annotator: Annotator | None, accelerator: Accelerator, *, background: bool) -> None:
        if annotator is None and accelerator.is_main_process:
            raise ValueError("annotator: the first process needs one")
        self._annotator, self._accelerator = annotator, accelerator
        self._thread = ThreadPoolExecutor(1, "annotator") if background else None
        self._begun: Future[Labelling] | None = None
        self._all: tuple[int, tuple[PreferencePair, ...], Embeddings] | None = None

    def begin(self, experience: Experience) -> None:
        """Gather the pairs of all processes; every process must call it."""
        pairs = gathered(self._accelerator, experience.pairs)
        embeddings = dict(gathered(self._accelerator, list(experience.embeddings.items())))
        # By id: the same order however the prompts were spread.
        self._all = experience.step, tuple(sorted(pairs, key=lambda pair: pair.id)), embeddings
        if self._thread is not None and self._accelerator.is_main_process:
            self._begun = self._thread.submit(self._annotate)

    def finish(self) -> Labelling:
        """Return the labels of what was begun; every process must call it.

        Raises
        ------
        Exception
            What the annotator raised.
        """
        return decided(self._accelerator, self._labelling)

    def observe(self, outcomes: Mapping[str, Outcome]) -> Mapping[Phase, float]:
        """Hand the annotator the outcomes of all processes, and return the seconds; every process must call it.

        Raises
        ------
        Exception
            What the annotator raised.
        """
        return decided(self._accelerator, lambda: self._observe(outcomes))

    def _labelling(self) -> Labelling:
        if self._begun is None:
            return self._annotate()
        begun, self._begun = self._begun, None
        return begun.result()

    def _observe(self, outcomes: Mapping[str, Outcome]) -> Mapping[Phase, float]:
        if self._annotator is None:
            raise RuntimeError("only the first process has an annotator")
        with measured("observe") as seconds:
            self._annotator.observe(outcomes)
        return seconds

    def _annotate(self) -> Labelling:
        if self._annotator is None or self._all is None:
            raise RuntimeError("labels were asked for before there were pairs")
        step, pairs, embeddings = self._all
        found = None
        if embeddings and pairs:
            found = np.stack([embeddings[pair.group] for pair in pairs])
        with measured("route") as seconds:
            annotations = self._annotator.annotate(pairs, StepContext(f"step-{step}", step, found))
        by_id = {one.pair_id: one for one in annotations}
        return Labelling(step, pairs, by_id, seconds)
