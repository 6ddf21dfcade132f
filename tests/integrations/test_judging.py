"""One RM scores a whole group, and gives way as a whole."""

from __future__ import annotations

import numpy as np
import pytest
from scripted_scorer import ScriptedScorer
from text_rewards import TextJudge, TextScorer, hashed, pool_of

from rewardrouter.integrations.groups import Group, Opponents, pairs_of
from rewardrouter.integrations.judging import GroupJudge, completion_scores
from rewardrouter.online.thompson import ThompsonSampler
from rewardrouter.verdicts import Verdict

GROUPS = [Group("p", ("a", "b", "c", "d", "e"), 0), Group("q", ("x", "y", "x"), 5), Group("r", ("z", "z"), 8)]


def judged(*models, groups=GROUPS, deviations=None, limit=100):
    router = ScriptedScorer([model.name for model in models])
    policy = ThompsonSampler.with_prior(router.arms, router.prior_mean)
    judge = GroupJudge(pool_of(*models), policy, router, limit, seed=3)
    draws = np.zeros((len(groups), len(models))) if deviations is None else deviations
    return judge.judge(groups, [{} for _ in groups], draws)


def forced(*arms, count=2):
    """Deviations under which these arms win, the first one first, the others in the order of their number."""
    draws = np.tile(-100.0 * np.arange(count), (len(arms), 1))
    draws[np.arange(len(arms)), arms] = 1e4
    return draws


def test_a_pointwise_rm_reads_each_completion_as_often_as_needed():
    rm = TextScorer("rm", hashed("s"))
    for group, one in zip(GROUPS, judged(rm), strict=True):
        assert one.rm == "rm"
        assert one.scores.tolist() == [hashed("s")(text) for text in group.distinct]
    (call,) = rm.calls
    assert len(call) == 3 + 1 + 1  # pairs that show five completions, two, and one


def test_a_judge_gives_win_rates_over_all_pairs():
    value = {"a": 5, "b": 4, "c": 3, "d": 3, "e": 1, "x": 0, "y": 1, "z": 0}
    one, two, three = judged(TextJudge("judge", lambda text: value[text]))
    assert one.scores.tolist() == [1.0, 0.75, 0.375, 0.375, 0.0]
    assert two.scores.tolist() == [0.0, 1.0]
    assert three.scores.tolist() == [0.5]


def test_a_judge_is_asked_about_no_more_pairs_than_the_limit():
    judge = TextJudge("judge", hashed("s"))
    judged(judge, groups=GROUPS[:1], limit=6)
    assert sum(map(len, judge.calls)) == 6
    assert len(judge.calls) == 2


def test_the_context_is_the_mean_over_the_groups_pairs():
    router = ScriptedScorer(["rm"])
    for limit in (3, 100):
        one = judged(TextScorer("rm", hashed("s")), limit=limit)[0]
        _, pairs = pairs_of(GROUPS[0], limit, 3, {})
        assert len(pairs) == min(limit, 10)
        np.testing.assert_allclose(one.context, router.contexts(pairs).mean(axis=0))


def test_a_failure_on_one_completion_sends_the_whole_group_to_the_next_best():
    bad = TextScorer("rm0", lambda text: None if text in "cz" else 1.0)
    good = TextScorer("rm1", hashed("1"))
    found = judged(bad, good, deviations=forced(0, 0, 0))
    assert [one.rm for one in found] == ["rm1", "rm0", "rm1"]
    assert found[0].scores.tolist() == [hashed("1")(text) for text in "abcde"]
    assert len(good.calls) == 1


def test_a_judge_that_leaves_some_pairs_out_answers_by_the_others():
    judge = TextJudge("judge", {"a": 2.0, "b": 1.0, "c": 0.0}.get)
    verdicts = [Verdict("judge", "A"), Verdict.failed("judge", "no"), Verdict("judge", "tie")]
    places = [Opponents(0, 1), Opponents(1, 2), Opponents(2, 0)]
    assert completion_scores(3, places, verdicts).tolist() == [0.75, 0.0, 0.5]
    assert np.isnan(completion_scores(3, places[:1], verdicts[:1])[2])
    (one,) = judged(judge, groups=[Group("p", ("a", "b", "c"), 0)])
    assert one.scores.tolist() == [1.0, 0.5, 0.0]


def test_where_none_answers_there_is_a_reason():
    dumb, deaf = TextScorer("rm0", lambda text: None), TextJudge("rm1", lambda text: None)
    for one in judged(dumb, deaf):
        assert one.rm is None
        assert not len(one.scores)
        assert "rm0: no score" in one.reason
        assert "rm1: no score" in one.reason
    assert sum(map(len, deaf.calls)) == 5  # nothing further once it has failed


def test_equal_scores_are_an_answer():
    (one,) = judged(
        TextScorer("rm0", lambda text: 1.0),
        TextScorer("rm1", hashed("1")),
        groups=GROUPS[:1],
        deviations=forced(0),
    )
    assert one.rm == "rm0"
    assert one.scores.tolist() == [1.0] * 5


@pytest.mark.parametrize("model", [TextScorer, TextJudge])
def test_one_call_judges_all_groups_of_an_rm(model):
    rm = model("rm", hashed("s"))
    judged(rm)
    assert len(rm.calls) == (1 if model is TextScorer else 2)
    assert judged(rm, groups=[]) == []
