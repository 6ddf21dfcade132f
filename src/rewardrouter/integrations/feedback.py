"""What teaches the bandit of a scalar trainer: a second opinion, never the RM's own score.

An RM that is rewarded by its own scores learns to be trusted for being generous. So each feedback gives every
completion a number from elsewhere, and the bandit reward of the RM that scored a prompt is how well its order of the
completions agrees with that of the numbers: the share of pairs, among those whose numbers differ, that both put the
same way round; where the RM ties, a half. It lies in [0, 1]. Completions that do not differ give no reward.

* :class:`VerifierFeedback`: right or wrong, by a program or a gold answer. Correctness itself.
* :class:`AgreementFeedback`: how much more likely the policy has become to give the completion. Agreement is no
  correctness: it says nothing while the policy is its reference, rewards the RM that shares the policy's errors where
  the policy is wrong, and confirms itself where RMs share a bias. It is what the paper's own bandit reward measures
  (``-loss = -log(2 cosh(m / 2)) + l m / 2``: given the pair, RMs differ only by whether their label l agrees with the
  policy's margin m).
* :class:`NoFeedback`: nothing is learnt, and so nothing is tried out: every prompt goes to the RM that the offline
  router trusts most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rewardrouter.errors import DataError, did_you_mean
from rewardrouter.integrations.batches import Completions
from rewardrouter.integrations.log_ratios import PolicyLogRatios
from rewardrouter.online.arrays import Floats
from rewardrouter.thoughts import answer_of, opens_thoughts

Verify: TypeAlias = Callable[[str, Mapping[str, Any]], float | bool | None]
"""Given a completion's text and its row of the data set (the prompt among it), says how good it is; None: unknown."""


@runtime_checkable
class Feedback(Protocol):
    """A second opinion on completions."""

    @property
    def name(self) -> str:
        """Goes into saved states: one kind of feedback does not go on from another's."""

    @property
    def least_difference(self) -> float:
        """Two values that are no further apart are the same."""

    @property
    def teaches(self) -> bool:
        """Whether it ever says anything: where not, the bandit does not try arms out."""

    def values(self, completions: Completions) -> list[float | None]:
        """Return a number for each completion, higher for better, or ``None``; called on every rank alike."""


@runtime_checkable
class WatchesPolicy(Protocol):
    """Feedback that asks the policy."""

    def watch(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Take the trainer's model, as it is before wrapping, adapters included, and its tokenizer."""


class NoFeedback:
    """The bandit learns nothing."""

    name, least_difference, teaches = "none", 0.0, False

    def values(self, completions: Completions) -> list[float | None]:
        """Return ``None`` for every completion."""
        return [None] * len(completions.texts)


class VerifierFeedback:
    """The order of a verifier.

    >>> VerifierFeedback(lambda text, row: text.strip().endswith(row["answer"]))  # doctest: +SKIP

    It reads what follows a completion's thoughts; a completion whose thoughts do not end is left out. An exception of
    the verifier ends the training; ``None`` leaves a completion out.
    """

    name, least_difference, teaches = "verifier", 0.0, True

    def __init__(self, verify: Verify) -> None:
        self._verify = verify

    @classmethod
    def gold(cls, column: str = "answer", answer: Callable[[str], str] = str.strip) -> VerifierFeedback:
        """Return the feedback of gold answers in a column of the data set.

        ``answer`` takes the answer out of a text: a completion is right if what it takes out of it is what it
        takes out of the gold answer.

        Raises
        ------
        DataError
            When it is used, if the data set has no such column.
        """

        def verify(text: str, row: Mapping[str, Any]) -> bool:
            if column not in row:
                raise DataError(
                    f"feedback: the data set has no column {column!r}.{did_you_mean(column, row)} It has:"
                    f" {', '.join(row)}"
                )
            return answer(text) == answer(str(row[column]))

        return cls(verify)

    def values(self, completions: Completions) -> list[float | None]:
        """Return what the verifier says of each completion.

        Raises
        ------
        DataError
            If that is no finite number.
        """
        found = []
        for prompt, text, row in zip(completions.prompts, completions.texts, completions.rows, strict=True):
            said = answer_of(text, opened=isinstance(prompt, str) and opens_thoughts(prompt))
            found.append(None if said is None else self._verify(said, row))
        for value in found:
            if value is not None and not np.isfinite(value):
                raise DataError(
                    f"feedback: the verifier said {value}; give a finite number, or None for unknown"
                )
        return [None if value is None else float(value) for value in found]


class AgreementFeedback:
    """The order of the policy's own log-ratios ``log pi(y|x) - log ref(y|x)`` at the moment of scoring.

    Trainers ask for rewards before they update: the ratios say what the policy has learnt up to then. Computing them
    takes one pass of the policy and one of the reference over the completions.

    Parameters
    ----------
    reference
        The policy as it was; ``None`` where the policy trains a LoRA adapter, without which it is the reference.
    """

    name, teaches = "agreement", True
    least_difference = 1e-3
    """Nats: what rounding may do to the log-probability of a text."""

    def __init__(self, reference: PreTrainedModel | None = None) -> None:
        self._log_ratios = PolicyLogRatios(reference)

    def watch(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Take the policy and its tokenizer."""
        self._log_ratios.watch(model, tokenizer)

    def values(self, completions: Completions) -> list[float | None]:
        """Return each completion's log-ratio, nats.

        Raises
        ------
        ConfigError
            If no policy was given, or no reference to compare it with.
        """
        found: list[float | None] = []
        found += self._log_ratios(completions.prompts, completions.token_ids).tolist()
        return found


def order_agreement(scores: Floats, values: Sequence[float | None], least_difference: float) -> float | None:
    """Return how well two orders of n completions agree, in [0, 1].

    Parameters
    ----------
    scores
        ``[n]``: of the RM.
    values
        Of the feedback; ``None`` where it has none.
    least_difference
        Two values that are no further apart are the same.

    Returns
    -------
    The mean over pairs with different values of: 1 where the scores have the same order, 0 where the opposite one, 1/2
    where they are equal. ``None`` without such a pair.
    """
    given = np.array([np.nan if value is None else value for value in values], np.float64)
    one, other = np.triu_indices(len(given), 1)
    gaps = given[one] - given[other]
    differ = np.abs(gaps) > least_difference  # NaN is no difference
    if not differ.any():
        return None
    agrees = np.sign(gaps) * np.sign(scores[one] - scores[other])
    return float((1.0 + agrees[differ]).mean() / 2.0)
