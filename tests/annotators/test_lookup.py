from __future__ import annotations

import pytest

from rewardrouter.annotators import LookupAnnotator, StepContext
from rewardrouter.errors import ConfigError
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models import RewardModelPool
from rewardrouter.router import Arm
from rewardrouter.testing import check_annotator
from rewardrouter.verdicts import Verdict


class Says:
    """An RM with one answer."""

    def __init__(self, name: str, winner: str) -> None:
        self.name, self.winner = name, winner

    def judge(self, pairs):
        return [Verdict(self.name, self.winner) for _ in pairs]


ARMS = [
    Arm("careful", 100, 0, 0, 0.80, by_domain={"maths": (50, 45), "chat": (50, 35), "rare": (1, 0)}),
    Arm("fluent", 100, 0, 0, 0.70, by_domain={"maths": (50, 25), "chat": (50, 45), "rare": (1, 1)}),
]


def pair(domain: str) -> PreferencePair:
    return PreferencePair(domain, "q", "a", "b", {"domain": domain})


@pytest.fixture
def lookup() -> LookupAnnotator:
    return LookupAnnotator(RewardModelPool([Says("fluent", "B"), Says("careful", "A")]), ARMS)


@pytest.mark.parametrize(
    ("domain", "expected"),
    [("maths", "careful"), ("chat", "fluent"), ("unknown", "careful")],
)
def test_the_best_of_the_domain_is_asked(lookup: LookupAnnotator, domain: str, expected: str) -> None:
    [annotation] = lookup.annotate([pair(domain)], StepContext("step"))
    assert annotation.rms == (expected,)


def test_one_pair_of_a_domain_says_little(lookup: LookupAnnotator) -> None:
    """(0 + 5 * 0.8) / 6 = 0.667 against (1 + 5 * 0.7) / 6 = 0.75: one pair turns a small difference..."""
    [annotation] = lookup.annotate([pair("rare")], StepContext("step"))
    assert annotation.rm == "fluent"


def test_one_pair_does_not_turn_a_large_difference() -> None:
    arms = [
        Arm("strong", 100, 0, 0, 0.95, by_domain={"rare": (1, 0)}),
        Arm("weak", 100, 0, 0, 0.55, by_domain={"rare": (1, 1)}),
    ]
    lookup = LookupAnnotator(RewardModelPool([Says("strong", "A"), Says("weak", "B")]), arms)
    [annotation] = lookup.annotate([pair("rare")], StepContext("step"))
    assert annotation.rm == "strong"


def test_a_tie_fails_over_along_the_domains_order() -> None:
    lookup = LookupAnnotator(RewardModelPool([Says("fluent", "B"), Says("careful", "tie")]), ARMS)
    [annotation] = lookup.annotate([pair("maths")], StepContext("step"))
    assert (annotation.rms, annotation.rm, annotation.label) == (("careful", "fluent"), "fluent", "B")


def test_an_rm_that_was_never_observed_comes_last() -> None:
    silent = Arm("silent", 0, 9, 0, None, by_domain={"maths": (0, 0)})
    poor = Arm("poor", 9, 0, 0, 0.1, by_domain={"maths": (9, 1)})
    lookup = LookupAnnotator(RewardModelPool([Says("silent", "A"), Says("poor", "B")]), [silent, poor])
    labels = [one.label for one in lookup.annotate([pair("maths"), pair("chat")], StepContext("step"))]
    assert labels == ["B", "B"]


def test_an_arm_that_is_not_in_the_pool_is_refused() -> None:
    with pytest.raises(ConfigError, match="the pool has no reward model 'fluent'"):
        LookupAnnotator(RewardModelPool([Says("careful", "A")]), ARMS)


class Earlier(Says):
    """Prefers the response that comes first in the alphabet."""

    def judge(self, pairs):
        return [Verdict(self.name, "A" if str(p.response_a) < str(p.response_b) else "B") for p in pairs]


def test_it_keeps_the_contract() -> None:
    pool = RewardModelPool([Earlier("fluent", ""), Says("careful", "tie")])
    check_annotator(lambda: LookupAnnotator(pool, ARMS))
