"""A reward model whose replicas are actors of Ray.

Pairs are cut into calls of up to ``batch``, those of one prompt next to each other, so that a response that stands in
several pairs is scored once; with several replicas, each gets a share. Verdicts come back in the order of the pairs,
whichever process answered first, and whatever happens to the processes is a failed verdict at worst.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rewardrouter.errors import one_line
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.ray.replica import Recipe
from rewardrouter.reward_models.ray.replicas import Failed, Replicas
from rewardrouter.verdicts import Unanswered, Verdict


class RayRewardModel:
    """A reward model on Ray; this process must be connected to a cluster.

    The processes begin with it. What they are asked first, or :meth:`described`, waits for them.

    Parameters
    ----------
    recipe
        What each process is made of.
    nodes
        Ray's name of the machine of each replica; ``None`` leaves it to Ray.

    Examples
    --------
    >>> from functools import partial
    >>> recipe = Recipe("rm", partial(MyRewardModel, "rm"), Keys({}), RayConfig(replicas=2), gpus=0)  # doctest: +SKIP
    >>> with open_cluster(ClusterConfig()):  # doctest: +SKIP
    ...     RayRewardModel(recipe).judge(pairs)
    """

    apart: Literal[True] = True

    def __init__(self, recipe: Recipe, nodes: Sequence[str | None] | None = None) -> None:
        self._recipe = recipe
        self._replicas = Replicas(recipe, nodes or [None] * recipe.settings.replicas)

    @property
    def name(self) -> str:
        """The name in the pool."""
        return self._recipe.name

    @property
    def pids(self) -> list[int]:
        """The processes that are up, as far as is known; on their machines."""
        return self._replicas.pids

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the reward model says of itself where it runs: the same as if it ran here."""
        return self._replicas.described().identity

    def described(self) -> None:
        """Wait until all processes are up.

        Raises
        ------
        UserError
            If the reward model cannot be made there, or its replicas differ.
        """
        if not self._replicas.described().cacheable:
            # Found only where it is true.
            self.reads_metadata: Literal[True] = True

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        """Return one verdict per pair.

        Raises
        ------
        UserError
            If the reward model cannot be made, or its weights not be loaded, the first time that they are needed.
        """
        if not pairs:
            return []
        self._replicas.load()
        verdicts: list[Verdict | None] = [None] * len(pairs)
        packed: dict[int, bytes] = {}
        for row in _by_prompt(pairs):
            try:
                packed[row] = pickle.dumps(pairs[row])
            except Exception as error:  # whatever the objects in its metadata raise
                verdicts[row] = Unanswered.failed(
                    self.name, f"its pair cannot be sent to a process: {one_line(error)}"
                )
        calls = self._cut(list(packed))
        answers = self._replicas.run([[packed[row] for row in call] for call in calls])
        for call, answer in zip(calls, answers, strict=True):
            if isinstance(answer, Failed):
                answer = [Unanswered.failed(self.name, answer.reason)] * len(call)
            for row, verdict in zip(call, answer, strict=True):
                verdicts[row] = verdict
        return [verdict for verdict in verdicts if verdict is not None]

    def load(self) -> None:
        """Have the weights loaded now.

        Raises
        ------
        UserError
            If they cannot be.
        """
        self._replicas.load()

    def unload(self) -> None:
        """Have the memory of the weights given back; the next call loads them again."""
        self._replicas.unload()

    def notes(self) -> list[str]:
        """Return what the processes have to say of what they read, and how many of them were begun again."""
        notes = [note for said in self._replicas.ask_each("notes") for note in said]
        if self._replicas.replaced:
            notes.append(
                f"{self.name}: processes that died or hung and were begun again: {self._replicas.replaced:,}"
            )
        return notes

    def close(self) -> None:
        """End the processes."""
        self._replicas.close()

    def _cut(self, rows: Sequence[int]) -> list[Sequence[int]]:
        settings = self._recipe.settings
        size = max(1, min(settings.batch, math.ceil(len(rows) / settings.replicas)))
        return [rows[start : start + size] for start in range(0, len(rows), size)]


def _by_prompt(pairs: Sequence[PreferencePair]) -> list[int]:
    """Return the rows of ``pairs``, those of one prompt together."""
    rows: dict[Any, list[int]] = {}
    for row, pair in enumerate(pairs):
        rows.setdefault(pair.prompt, []).append(row)
    return [row for together in rows.values() for row in together]
