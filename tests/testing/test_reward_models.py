"""One reward model that breaks each law, caught by name; and several that keep them all."""

import dataclasses
import random

import pytest

from rewardrouter.pairs import PreferencePair, as_messages
from rewardrouter.reward_models import RecordedRewardModel
from rewardrouter.testing import ConformanceError, check_reward_model, sample_pairs
from rewardrouter.verdicts import Verdict


def length(text):
    return float(sum(len(message.content) for message in as_messages(text, "assistant")))


class Longer:
    """Keeps the contract: the longer response scores higher."""

    name = "longer"

    def judge(self, pairs):
        return [self.one(pair) for pair in pairs]

    def one(self, pair):
        return Verdict.from_scores(self.name, length(pair.response_a), length(pair.response_b))


class Judge(Longer):
    """Keeps the contract: names a winner, without scores; is silent on the empty response."""

    def one(self, pair):
        if "" in (pair.response_a, pair.response_b):
            return Verdict.failed(self.name, "nothing to judge")
        return Verdict(self.name, super().one(pair).winner)


class Rounding(Longer):
    """Keeps the contract within rounding that depends on the batch; its scores are all nearly equal."""

    def judge(self, pairs):
        noise = random.Random(len(pairs))
        return [
            Verdict.from_scores(self.name, 1 + noise.gauss(0, 1e-6), 1 + noise.gauss(0, 1e-6)) for _ in pairs
        ]


class Coin(Longer):
    """Samples its verdicts."""

    def __init__(self):
        self.rng = random.Random(0)

    def one(self, pair):
        return Verdict(self.name, self.rng.choice("AB"))


@pytest.mark.parametrize("model", [Longer(), Judge(), Rounding()])
def test_what_keeps_the_contract_passes(model):
    check_reward_model(model)


def test_equal_responses_have_nothing_to_exchange():
    class First(Longer):
        def one(self, pair):
            return Verdict(self.name, "A" if pair.response_a == pair.response_b else super().one(pair).winner)

    check_reward_model(First(), [*sample_pairs(), PreferencePair("same", "p", "x", "x")])


def test_a_judge_that_samples_passes_only_as_one():
    check_reward_model(Coin(), deterministic=False)
    with pytest.raises(ConformanceError):
        check_reward_model(Coin())


def test_the_tolerance_is_the_callers():
    with pytest.raises(ConformanceError, match="order of the pairs"):
        check_reward_model(Rounding(), tolerance=1e-9)


def test_a_recording_is_checked_on_what_it_recorded():
    pairs = sample_pairs()
    model = RecordedRewardModel("longer", pairs, Longer().judge(pairs))
    check_reward_model(model, pairs)
    others = [PreferencePair("other", "q", "x", "y")]
    with pytest.raises(ConformanceError, match=r"longer: failed on all 1 pairs \(no verdict recorded"):
        check_reward_model(model, others)


# One law each


def corrupted(**changes):
    """Return a class whose verdicts are changed where their own constructor would object."""

    class Corrupted(Longer):
        def one(self, pair):
            verdict = super().one(pair)
            for name, value in changes.items():
                object.__setattr__(verdict, name, value)
            return verdict

    return Corrupted


class Nameless(Longer):
    name = " "


class Renamed(Longer):
    def __init__(self):
        self.asked = 0

    @property
    def name(self):
        return "longer" if self.asked <= 3 else "other"

    def judge(self, pairs):
        self.asked += 1
        return [dataclasses.replace(verdict, rm="longer") for verdict in super().judge(pairs)]


class Mute:
    name = "mute"


class Tuples(Longer):
    def judge(self, pairs):
        return tuple(super().judge(pairs))


class Greeting(Longer):
    def judge(self, pairs):
        return super().judge(pairs) or [Verdict(self.name, "A")]


class Short(Longer):
    def judge(self, pairs):
        return super().judge(pairs)[:-1]


class Dicts(Longer):
    def one(self, pair):
        return {"rm": self.name, "winner": "A", "error": None}


class Impostor(Longer):
    def one(self, pair):
        return dataclasses.replace(super().one(pair), rm="another")


class Raises(Longer):
    def one(self, pair):
        if pair.response_a == "":
            raise KeyError("choices")
        return super().one(pair)


class Sorts(Longer):
    def judge(self, pairs):
        return super().judge(sorted(pairs, key=lambda pair: pair.id))


class Ranks(Longer):
    """Scores by the rank within the call."""

    def judge(self, pairs):
        scores = sorted(length(text) for pair in pairs for text in (pair.response_a, pair.response_b))
        return [
            Verdict.from_scores(
                self.name, scores.index(length(pair.response_a)), scores.index(length(pair.response_b))
            )
            for pair in pairs
        ]


class FirstIsBest(Longer):
    def one(self, pair):
        return Verdict(self.name, "A")


class HalfFails(Longer):
    def one(self, pair):
        fails = length(pair.response_a) > length(pair.response_b)
        return Verdict.failed(self.name, "too long") if fails else super().one(pair)


class OnlyScoresTurn(Longer):
    """Exchanges the winner, not the scores: the higher one always differs."""

    def one(self, pair):
        longer = length(pair.response_a) > length(pair.response_b)
        return Verdict.from_scores(self.name, 2.0 if longer else 0.0, 1.0)


@pytest.mark.parametrize(
    ("model", "law"),
    [
        (Mute(), "Mute: a reward model has a name and a method judge"),
        (Nameless(), "Nameless: the name must be a string with letters, not ' '"),
        (Renamed(), "longer: the name became 'other'"),
        (Tuples(), "longer: judge must give a list, gave a tuple"),
        (Greeting(), "longer: judge must give one verdict per pair, gave 1 for 0 pairs"),
        (Short(), "longer: judge must give one verdict per pair, gave 5 for 6 pairs"),
        (Dicts(), r"on sample/plain: a verdict must be a rewardrouter\.verdicts\.Verdict; found {'rm'"),
        (Impostor(), "on sample/plain: a verdict must speak in the RM's name, 'longer'"),
        (Raises(), "longer: judge raised KeyError: 'choices' on 6 pairs; a call that fails is a failed"),
        (corrupted(winner="a")(), "the winner must be 'A', 'B', 'tie' or"),
        (corrupted(error="but")(), "a verdict must have a winner or say why there is none, not both"),
        (corrupted(winner=None, error=" ")(), "a verdict must have a winner or say why there is none"),
        (corrupted(score_b=None)(), "give both scores or neither"),
        (corrupted(score_a=float("nan"))(), "scores must be finite"),
        (corrupted(score_a=float("inf"))(), "scores must be finite"),
        (corrupted(winner="tie")(), "the winner must be the response with the higher score"),
        (corrupted(score_a=1.0, score_b=1.0)(), "the winner must be the response with the higher score"),
        (Sorts(), "longer: the order of the pairs changes the verdict on"),
        (Ranks(), "longer: the order of the pairs changes the verdict on"),
        (FirstIsBest(), r"exchanging the responses of sample/plain must exchange .*: A, exchanged A"),
        (HalfFails(), r"exchanging the responses of \S+ must .*failed \(too long\)"),
        (OnlyScoresTurn(), r"exchanging the responses of .*: B \(0\.0 : 1\.0\), exchanged A \(2\.0 : 1\.0\)"),
        (corrupted(winner=None, error="down")(), r"failed on all 6 pairs \(down\); give pairs that it can"),
    ],
)
def test_each_broken_law_is_named_in_one_line(model, law):
    with pytest.raises(ConformanceError, match=law) as error:
        check_reward_model(model)
    assert "\n" not in str(error.value)


def test_what_every_single_reply_must_keep_binds_sampling_judges_too():
    with pytest.raises(ConformanceError, match="speak in the RM's name"):
        check_reward_model(Impostor(), deterministic=False)
