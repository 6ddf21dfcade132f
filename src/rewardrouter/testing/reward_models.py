"""The check of a reward model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.base import RewardModel
from rewardrouter.testing.samples import ConformanceError, pairs_to_ask, shown
from rewardrouter.verdicts import Verdict, Winner

_TURNED: dict[Winner | None, Winner | None] = {"A": "B", "B": "A", "tie": "tie", None: None}


def check_reward_model(
    model: RewardModel,
    pairs: Sequence[PreferencePair] | None = None,
    *,
    deterministic: bool = True,
    tolerance: float = 1e-4,
) -> None:
    """Check a reward model by asking it about P pairs, as they are, exchanged, and shuffled together.

    Parameters
    ----------
    model
        The reward model; it is given no pair, P, P and 2 P pairs in four calls.
    pairs
        P pairs with distinct ids; ``None`` takes :func:`~rewardrouter.testing.sample_pairs`.
    deterministic
        Whether the same question gets the same answer. ``False``, for a judge that samples, leaves out what
        compares two calls: exchanged responses, and pairs in another order.
    tolerance
        How far apart two scores of one text may be, relative to the score, or to 1 if that is more: a batch
        of other texts rounds otherwise. The winner may then change only where both scores are that close.

    Raises
    ------
    ConformanceError
        At the first law that is broken.
    ValueError
        If there are no pairs, or two share an id.
    """
    pairs = pairs_to_ask(pairs)
    if not isinstance(model, RewardModel):
        raise ConformanceError(f"{type(model).__name__}: a reward model has a name and a method judge(pairs)")
    name = model.name
    if not (isinstance(name, str) and name.strip()):
        raise ConformanceError(
            f"{type(model).__name__}: the name must be a string with letters, not {name!r}"
        )
    _judge(model, name, ())
    given = _judge(model, name, pairs)
    if all(verdict.winner is None for verdict in given):
        raise ConformanceError(
            f"{name}: failed on all {len(pairs)} pairs ({given[0].error}); give pairs that it can judge"
        )
    exchanged = [pair.swapped() for pair in pairs]
    turned = _judge(model, name, exchanged)
    everything = [*pairs, *exchanged]
    order = np.random.default_rng(0).permutation(len(everything)).tolist()
    shuffled = dict(zip(order, _judge(model, name, [everything[i] for i in order]), strict=True))
    if model.name != name:
        raise ConformanceError(f"{name}: the name became {model.name!r}; it names the arm: keep it")
    if not deterministic:
        return
    for i, verdict in enumerate([*given, *turned]):
        if not _agree(verdict, shuffled[i], tolerance):
            raise ConformanceError(
                f"{name}: the order of the pairs changes the verdict on {everything[i].id}: {_told(verdict)},"
                f" shuffled {_told(shuffled[i])}; reply in the order of the pairs, on each by itself"
            )
    for pair, before, after in zip(pairs, given, turned, strict=True):
        if pair.response_a != pair.response_b and not _agree(before, _turned(after), tolerance):
            raise ConformanceError(
                f"{name}: exchanging the responses of {pair.id} must exchange winner and scores:"
                f" {_told(before)}, exchanged {_told(after)}"
            )


def _judge(model: RewardModel, name: str, pairs: Sequence[PreferencePair]) -> list[Verdict]:
    """Ask once, and hold the reply to what is true of every reply."""
    try:
        verdicts = model.judge(list(pairs))
    except Exception as error:
        raise ConformanceError(
            f"{name}: judge raised {shown(error)} on {len(pairs)} pairs; a call that fails is a failed Verdict"
        ) from error
    if not isinstance(verdicts, list):
        raise ConformanceError(f"{name}: judge must give a list, gave a {type(verdicts).__name__}")
    if len(verdicts) != len(pairs):
        raise ConformanceError(
            f"{name}: judge must give one verdict per pair, gave {len(verdicts)} for {len(pairs)} pairs"
        )
    for pair, verdict in zip(pairs, verdicts, strict=True):
        _check_verdict(verdict, name, pair)
    return verdicts


def _check_verdict(verdict: Verdict, name: str, pair: PreferencePair) -> None:
    def broken(law: str) -> NoReturn:
        raise ConformanceError(f"{name}: on {pair.id}: {law}; found {verdict}")

    if not isinstance(verdict, Verdict):
        broken("a verdict must be a rewardrouter.verdicts.Verdict")
    if verdict.rm != name:
        broken(f"a verdict must speak in the RM's name, {name!r}")
    if verdict.winner not in _TURNED:
        broken("the winner must be 'A', 'B', 'tie' or, where it failed, None")
    if (verdict.winner is None) != bool(verdict.error and verdict.error.strip()):
        broken("a verdict must have a winner or say why there is none, not both")
    score_a, score_b = verdict.score_a, verdict.score_b
    if (score_a is None) != (score_b is None):
        broken("give both scores or neither")
    if verdict.winner is None or score_a is None or score_b is None:
        return
    if not (math.isfinite(score_a) and math.isfinite(score_b)):
        broken("scores must be finite; without one the verdict is a failed one")
    if Verdict.from_scores(name, score_a, score_b).winner != verdict.winner:
        broken("the winner must be the response with the higher score, 'tie' for equal ones")


def _agree(one: Verdict, other: Verdict, tolerance: float) -> bool:
    """Tell whether two answers to one question are the same but for rounding; scores decide the winner."""
    if one.score_a is None or one.score_b is None or other.score_a is None or other.score_b is None:
        return one.winner == other.winner and (one.score_a is None) == (other.score_a is None)

    def close(a: float, b: float) -> bool:
        return abs(a - b) <= tolerance * max(1.0, abs(a), abs(b))

    return close(one.score_a, other.score_a) and close(one.score_b, other.score_b)


def _turned(verdict: Verdict) -> Verdict:
    return Verdict(verdict.rm, _TURNED[verdict.winner], verdict.score_b, verdict.score_a, verdict.error)


def _told(verdict: Verdict) -> str:
    if verdict.winner is None:
        return f"failed ({verdict.error})"
    scores = f" ({verdict.score_a} : {verdict.score_b})" if verdict.score_a is not None else ""
    return f"{verdict.winner}{scores}"
