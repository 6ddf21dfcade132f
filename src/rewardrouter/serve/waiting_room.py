"""Completions of one prompt that arrive one by one, held for a moment so that they are routed together.

A router's context is of a pair of responses, and a judge that names winners needs somebody to compare with. So the
first completion of a prompt waits: until as many are there as a prompt is said to have, or a short time is over.
Then all that are there go to the RMs as one group. Trainers that score a completion as soon as it is written send the
others much later; they find their prompt's RM remembered. With ``hold_seconds: 0`` nothing waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from rewardrouter.pairs import Message, digest
from rewardrouter.serve.chat import Completion
from rewardrouter.serve.completions import Asked, Score


class WaitingRoom:
    """Groups completions by prompt.

    Parameters
    ----------
    judge
        Scores the completions of one prompt, in order.
    is_known
        Tells of the digest of a prompt whether it has an RM: its completions need not wait.
    hold_seconds, responses
        As in :class:`rewardrouter.config.serve.CompletionSettings`.
    """

    def __init__(
        self,
        judge: Callable[[Asked], Awaitable[Sequence[Score]]],
        is_known: Callable[[str], bool],
        hold_seconds: float,
        responses: int | None,
    ) -> None:
        self._judge, self._is_known = judge, is_known
        self._hold, self._enough = hold_seconds, responses
        self._open: dict[str, _Group] = {}

    @property
    def held(self) -> int:
        """Prompts that wait."""
        return len(self._open)

    async def score(self, completion: Completion, row: dict[str, Any]) -> Score:
        """Return the score of one completion; ``row`` are columns of its prompt's data."""
        key = digest(completion.prompt)
        group = self._open.get(key)
        if group is None:
            group = self._open[key] = _Group(completion.prompt, row)
            group.scored = asyncio.create_task(self._scored(key, group))
        group.responses.append(completion.response)
        if self._enough is not None and len(group.responses) >= self._enough:
            group.complete.set()
        scores = await asyncio.shield(group.scored)
        return scores[completion.response]

    async def _scored(self, key: str, group: _Group) -> dict[str, Score]:
        if self._hold and not self._is_known(key):
            with contextlib.suppress(TimeoutError):  # the others come later
                await asyncio.wait_for(group.complete.wait(), self._hold)
        else:
            await asyncio.sleep(0)  # the completion that opened the group is put in
        del self._open[key]
        distinct = tuple(dict.fromkeys(group.responses))
        found = await self._judge(Asked(group.prompt, distinct, group.row))
        return dict(zip(distinct, found, strict=True))


class _Group:
    """Completions that wait; ``scored`` becomes their scores."""

    scored: asyncio.Task[dict[str, Score]]

    def __init__(self, prompt: tuple[Message, ...], row: dict[str, Any]) -> None:
        self.prompt, self.row = prompt, row
        self.responses: list[str] = []
        self.complete = asyncio.Event()
