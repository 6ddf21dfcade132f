"""What TRL hands to a reward function, on one rank and on all of them together.

GRPO and RLOO repeat each prompt once per completion, the completions of a prompt one behind the other, and give every
rank its share. A group may begin on one rank and end on the next (three completions per device, groups of two), so
groups are formed of what all ranks hold.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from rewardrouter.datasets import texts
from rewardrouter.errors import DataError
from rewardrouter.integrations.groups import Group, groups_of
from rewardrouter.integrations.ranks import gathered, rank
from rewardrouter.pairs import Text, as_messages
from rewardrouter.pretrained.conversation import answer_text


@dataclasses.dataclass(frozen=True, slots=True)
class Completions:
    """The n completions of one rank.

    ``prompts`` and ``completions`` are in TRL's own form, strings or lists of messages, one prompt per completion;
    ``texts`` are the completions as plain text, ``token_ids`` their tokens, ``rows`` the columns of the data set,
    the prompt among them.
    """

    prompts: Sequence[Any]
    completions: Sequence[Any]
    texts: Sequence[str]
    token_ids: Sequence[Sequence[int]]
    rows: Sequence[Mapping[str, Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class RanksBatch:
    """The completions of all ranks: their groups, what feedback said of each, and where this rank's are."""

    groups: Sequence[Group]
    values: Sequence[float | None]
    mine: slice


def completions_of(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    token_ids: Sequence[Sequence[int]],
    columns: Mapping[str, Any],
) -> Completions:
    """Return what TRL gave to this rank; of ``columns`` the lists with an entry per completion are the data set's."""
    kept = {
        name: values
        for name, values in columns.items()
        if isinstance(values, list) and len(values) == len(prompts) and name != "environments"
    }
    rows = [
        {"prompt": prompt, **{name: values[n] for name, values in kept.items()}}
        for n, prompt in enumerate(prompts)
    ]
    plain = [answer_text(as_messages(as_text(one), "assistant")) for one in completions]
    return Completions(prompts, completions, plain, token_ids, rows)


def batch_of_ranks(own: Completions, values: Sequence[float | None]) -> RanksBatch:
    """Tell all ranks of this one's completions and their values; return what all have told."""
    asked = [(as_text(p), as_text(c)) for p, c in zip(own.prompts, own.completions, strict=True)]
    shares = gathered(list(zip(asked, values, strict=True)))
    told = [entry for share in shares for entry in share]
    start = sum(map(len, shares[: rank()]))
    groups = groups_of([prompt for (prompt, _), _ in told], [answer for (_, answer), _ in told])
    return RanksBatch(groups, [value for _, value in told], slice(start, start + len(asked)))


def as_text(value: Any) -> Text:
    """Return TRL's form of a prompt or completion, a string or a list of messages, as a text.

    Raises
    ------
    DataError
        If a message holds anything but text.
    """
    try:
        return texts.as_text(value)
    except texts.BadRow as error:
        raise DataError(error.words) from None
