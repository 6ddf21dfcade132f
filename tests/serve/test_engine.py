"""The gateway's state: what changes it, and that doing an event again changes it alike, to the bit."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from gateways import engine, gateway, reward_models, same_state, settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rewardrouter.annotators import Outcome, StepContext
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.pairs import PreferencePair
from rewardrouter.serve.completions import Asked
from rewardrouter.serve.errors import ConflictError, NotFoundError, RequestError
from rewardrouter.serve.labelled import Labelled

STRATEGIES = (
    "router",
    "without-offline",
    "weighted-score",
    "light-advantage:size=2",
    "without-online",
    "random",
    "majority",
    "uwo",
    "single/rm1",
    "neural-linear:every=1",
    "laser",
    "router+cascade@1.35:keep_budget=true",
    "router+cost@1.0:unit=second",
)


def pairs(count, batch=0, start=0):
    return [
        PreferencePair(f"p{n}", f"q{batch}/{n}", f"a{batch}/{n}", f"b{batch}/{n}", {"gold": n})
        for n in range(start, start + count)
    ]


def outcomes_of(reply, seed=0):
    rng = np.random.default_rng(seed)
    labelled = [one["decision_id"] for one in reply["annotations"] if one["label"] is not None]
    return {name: Outcome(*map(float, rng.normal(size=3))) for name in labelled}


def embeddings(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)


def same(one, other):
    same_state(one.state_dict(), other.state_dict(), timed=True)


def through_json(event):
    return json.loads(json.dumps(event))


def life(one, steps=12, flaky=None):
    """Let an engine live through all that may happen; return its events."""
    events, replies = [], []
    for step in range(steps):
        if flaky is not None:
            flaky.down = step % 3 == 1
        reply, event = one.annotate(
            Labelled(pairs(5, step), f"b{step}", step, embeddings(5, step)), 100.0 + step
        )
        events.append(event)
        replies.append(reply)
        if step:
            given = outcomes_of(replies[step - 1], step)
            if step % 4 == 0:
                given = dict(list(given.items())[::2])
            events.append(one.observe(given, 100.5 + step)[1])
        asked = [Asked(f"prompt {step // 2}", (f"r{step}", f"r{step + 1}")), Asked(f"other {step}", ("x",))]
        events.append(one.score(asked, 100.7 + step)[1])
    return [event for event in events if event is not None]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_state_and_the_events_since_are_the_state(strategy, tmp_path):
    config = settings(tmp_path, f"strategy={strategy}", "policy_width=4")
    models = reward_models(judges=["rm2"])
    lived = engine(config, models)
    states = [lived.state_dict()]
    events = life(lived, flaky=models["rm0"])
    for event in events:
        replayed = engine(config, reward_models(judges=["rm2"]))  # RMs that would say other things
        for model in replayed._pool._models.values():
            model.down = True
        replayed.load_state_dict(states[-1])
        replayed.replay(through_json(event))
        states.append(replayed.state_dict())
    same(lived, replayed)
    assert lived.seq == len(events)


@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_happens_can_be_done_again(data, tmp_path):
    config = settings(tmp_path, "saving.decisions=40", "limits.pairs=40", "completions.prompts=3")
    models = reward_models(judges=["rm1"])
    lived, replayed = engine(config, models), engine(config)
    decisions = []
    for moment in range(data.draw(st.integers(1, 12))):
        for model in models.values():
            model.down = data.draw(st.booleans())
        kind = data.draw(st.sampled_from(["annotate", "annotate", "observe", "score", "add", "remove"]))
        event = None
        if kind == "annotate":
            batch = data.draw(st.sampled_from([None, "b0", "b1"]))
            reply, event = lived.annotate(
                Labelled(pairs(3, 0, data.draw(st.integers(0, 9))), batch), float(moment)
            )
            decisions += [one["decision_id"] for one in reply["annotations"]]
        elif kind == "observe":
            some = data.draw(st.lists(st.sampled_from([*decisions, "never"]), max_size=4, unique=True))
            numbers = st.floats(allow_nan=True, allow_infinity=True)
            given = {name: Outcome(*(data.draw(numbers) for _ in range(3))) for name in some}
            event = lived.observe(given, float(moment))[1]
        elif kind == "score":
            prompts = data.draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=4, unique=True))
            texts = data.draw(st.lists(st.sampled_from("uvwxyz"), min_size=1, max_size=3, unique=True))
            event = lived.score([Asked(prompt, tuple(texts)) for prompt in prompts], float(moment))[1]
        elif kind == "add" and "spare" not in lived.arms:
            event = lived.add_arm("spare", data.draw(st.sampled_from([None, "rm1"])), float(moment))
        elif kind == "remove" and len(lived.arms) > 1:
            event = lived.remove_arm(data.draw(st.sampled_from(lived.arms)), float(moment))
        if event is not None:
            replayed.replay(through_json(event))
    same(lived, replayed)


def test_a_pair_asked_about_again_gets_the_same_and_nothing_happens(tmp_path):
    models = reward_models()
    one = engine(settings(tmp_path), models)
    first, event = one.annotate(Labelled(pairs(4), "b"), 0.0)
    assert event is not None
    before, calls = one.state_dict(), sum(len(model.calls) for model in models.values())
    again, event = one.annotate(Labelled(pairs(4), "b"), 1.0)
    assert (again, event) == (first, None)
    same_as = engine(settings(tmp_path))
    same_as.load_state_dict(before)
    same(one, same_as)
    assert sum(len(model.calls) for model in models.values()) == calls
    more, event = one.annotate(Labelled(pairs(4, start=2), "b"), 2.0)
    assert more["annotations"][:2] == first["annotations"][2:]
    assert [pair[0] for pair in event["pairs"]] == ["p4", "p5"]


def test_another_pair_under_a_known_id_is_refused(tmp_path):
    one = engine(settings(tmp_path))
    one.annotate(Labelled(pairs(2), "b"), 0.0)
    with pytest.raises(ConflictError, match="decision b/p0: was made on other texts"):
        one.annotate(Labelled(pairs(2, batch=1), "b"), 1.0)
    # An id is made of two names: another way to cut it must not go unnoticed.
    one.annotate(Labelled([PreferencePair("c", "q", "x", "y")], "a/b"), 2.0)
    with pytest.raises(ConflictError, match="decision a/b/c"):
        one.annotate(Labelled([PreferencePair("b/c", "q2", "x", "y")], "a"), 3.0)


def test_pairs_without_a_batch_are_one_of_their_own(tmp_path):
    one = engine(settings(tmp_path))
    names = [one.annotate(Labelled(pairs(2)), float(n))[0]["batch_id"] for n in range(3)]
    assert names == ["auto/1", "auto/2", "auto/3"]


def test_labels_are_the_annotator_s_own(tmp_path):
    config = settings(tmp_path, "strategy=majority")
    one, alone = engine(config), engine(config).annotator
    reply, _ = one.annotate(Labelled(pairs(6), "b", 3), 0.0)
    expected = alone.annotate(pairs(6), StepContext("b", 3))
    assert [found["label"] for found in reply["annotations"]] == [given.label for given in expected]
    assert [found["decision_id"] for found in reply["annotations"]] == [f"b/p{n}" for n in range(6)]


def test_outcomes_teach_as_they_would_the_annotator_alone(tmp_path):
    config = settings(tmp_path)
    one, alone = engine(config), engine(config).annotator
    for step in range(4):
        reply, _ = one.annotate(Labelled(pairs(6, step), f"b{step}"), 0.0)
        alone.annotate(pairs(6, step), StepContext(f"b{step}"))
        one.observe(outcomes_of(reply, step), 0.0)
        alone.observe(outcomes_of(reply, step))
    left, right = one.annotator.policy.posteriors, alone.policy.posteriors
    assert left.counts.tolist() == right.counts.tolist()
    assert left.counts.sum() > 0
    np.testing.assert_array_equal(left.mean, right.mean)


def test_what_becomes_of_outcomes(tmp_path):
    models = reward_models()
    one = engine(settings(tmp_path), models)
    reply, _ = one.annotate(Labelled(pairs(3), "b"), 0.0)
    for model in models.values():
        model.down = True
    lost, _ = one.annotate(Labelled(pairs(1, batch=9), "c"), 0.0)
    assert lost["annotations"][0]["label"] is None
    assert "rm0: no score" in lost["annotations"][0]["reason"]
    first, second, third = (annotation["decision_id"] for annotation in reply["annotations"])
    nan = Outcome(math.nan, 1.0, 0.0)
    received, event = one.observe({first: nan, "b/never": nan, "c/p0": nan}, 1.0)
    assert received == {"accepted": [first], "unknown": ["b/never"], "unlabelled": ["c/p0"]}
    assert event is not None
    received, event = one.observe({first: nan}, 2.0)  # the same again, NaN and all
    assert (received, event) == ({"accepted": [], "duplicate": [first]}, None)
    received, _ = one.observe({first: Outcome(1, 1, 0), second: Outcome(1, 1, 0)}, 3.0)
    assert received == {"accepted": [second], "conflicting": [first]}
    received, _ = one.observe({third: Outcome(1, 1, 0)}, 4.0)
    assert received == {"accepted": [third]}


def test_old_decisions_are_forgotten(tmp_path):
    one = engine(settings(tmp_path, "saving.decisions=4", "limits.pairs=4"))
    one.annotate(Labelled(pairs(4), "a"), 0.0)
    one.annotate(Labelled(pairs(4), "b"), 0.0)
    received, _ = one.observe({"a/p0": Outcome(1, 1, 0), "b/p0": Outcome(1, 1, 0)}, 0.0)
    assert received == {"accepted": ["b/p0"], "unknown": ["a/p0"]}


def test_an_arm_joins_and_leaves_and_the_others_keep_what_they_learnt(tmp_path):
    one = engine(settings(tmp_path))
    waiting = None
    for step in range(3):
        reply, _ = one.annotate(Labelled(pairs(12, step), f"b{step}"), 0.0)
        waiting = reply if step == 2 else one.observe(outcomes_of(reply, step), 0.0) and None
    before = one.annotator.policy.posteriors
    one.add_arm("spare", "rm1", 1.0)
    joined = one.annotator.policy.posteriors
    assert joined.names == ["rm0", "rm1", "rm2", "spare"]
    for name in ("rm0", "rm1", "rm2"):
        np.testing.assert_array_equal(joined.mean[joined.index(name)], before.mean[before.index(name)])
        np.testing.assert_array_equal(joined.covariance(name), before.covariance(name))
    np.testing.assert_array_equal(joined.mean[3], one._router.prior_mean[1])
    assert joined.counts[3] == 0
    one.remove_arm("rm0", 2.0)
    left = one.annotator.policy.posteriors
    assert left.names == ["rm1", "rm2", "spare"]
    received, _ = one.observe(outcomes_of(waiting), 3.0)  # some of them are of the arm that is gone
    assert len(received["accepted"]) == 12
    late = [a for a in waiting["annotations"] if a["rm"] != "rm0"]
    assert (
        one.annotator.policy.posteriors.counts.sum()
        == left.counts.sum()
        == (before.counts.sum() - before.counts[0] + len(late))
    )
    reply, _ = one.annotate(Labelled(pairs(40, 7), "later"), 4.0)
    assert {annotation["rm"] for annotation in reply["annotations"]} <= {"rm1", "rm2", "spare"}
    assert "spare" in {annotation["rm"] for annotation in reply["annotations"]}


@pytest.mark.parametrize("strategy", ["router+cascade@1.5:keep_budget=true", "router+cost@1.0:unit=call"])
def test_arms_come_and_go_under_a_budget(tmp_path, strategy):
    config = settings(tmp_path, f"strategy={strategy}")
    one, again = engine(config), engine(config)
    events = [one.annotate(Labelled(pairs(8), "b0"), 0.0)[1]]
    before = one.annotator.state_dict().metadata
    events += [one.add_arm("spare", "rm1", 1.0), one.remove_arm("rm1", 2.0)]
    assert one.annotator.state_dict().metadata == before
    reply, labelled = one.annotate(Labelled(pairs(40, 1), "b1"), 3.0)
    called = {rm for annotation in reply["annotations"] for rm in annotation["rms"]}
    assert "spare" in called <= {"rm0", "rm2", "spare"}
    for event in (*events, labelled):
        again.replay(through_json(event))
    same(one, again)
    if "cascade" in strategy:
        assert before["correction"] != 0.0


def test_an_arm_nobody_knows_is_trusted_as_the_mean_of_all(tmp_path):
    one = engine(settings(tmp_path))
    one.add_arm("spare", None, 0.0)
    mean = one._router.prior_mean.mean(axis=0)
    np.testing.assert_allclose(one.annotator.policy.posteriors.mean[3], mean, rtol=0, atol=1e-15)


def test_arms_that_cannot_join_or_leave(tmp_path):
    one = engine(settings(tmp_path))
    with pytest.raises(NotFoundError, match=r"no reward model 'spar'\. Did you mean spare"):
        one.add_arm("spar", None, 0.0)
    with pytest.raises(ConflictError, match="rm1 is an arm already"):
        one.add_arm("rm1", None, 0.0)
    with pytest.raises(NotFoundError, match="not fitted to 'spare'"):
        one.add_arm("spare", "spare", 0.0)
    with pytest.raises(NotFoundError, match="no arm 'spare'"):
        one.remove_arm("spare", 0.0)
    one.remove_arm("rm0", 0.0)
    one.remove_arm("rm1", 0.0)
    with pytest.raises(ConflictError, match="rm2 is the only arm"):
        one.remove_arm("rm2", 0.0)
    single = engine(settings(tmp_path, "strategy=single/rm1"))
    single.remove_arm("rm0", 0.0)
    with pytest.raises(ConflictError, match="single/rm1: unknown"):
        single.remove_arm("rm1", 0.0)
    network = engine(settings(tmp_path, "strategy=neural-linear:every=1"))
    with pytest.raises(ConflictError, match="cannot change its arms while it runs"):
        network.remove_arm("rm0", 0.0)
    assert network.arms == ("rm0", "rm1", "rm2")


def test_a_pool_may_hold_more_after_a_restart_and_must_hold_the_arms(tmp_path):
    config = settings(tmp_path)
    models = reward_models()
    spare = models.pop("spare")
    one = engine(config, models)
    one.score([Asked("p", ("x", "y"))], 0.0)
    state = one.state_dict()
    more = engine(config, {**models, "spare": spare})
    more.load_state_dict(state)
    assert more.score([Asked("p", ("x", "y"))], 1.0) == (one.score([Asked("p", ("x", "y"))], 1.0)[0], None)
    more.add_arm("spare", None, 1.0)
    with pytest.raises(CheckpointError, match="its arm spare is not in"):
        engine(config, models).load_state_dict(more.state_dict())


def test_states_of_others_are_refused(tmp_path):
    state = engine(settings(tmp_path)).state_dict()
    with pytest.raises(CheckpointError, match="its strategy is router, here random"):
        engine(settings(tmp_path, "strategy=random")).load_state_dict(state)
    with pytest.raises(CheckpointError, match="its seed is 0, here 1"):
        engine(settings(tmp_path, "seed=1")).load_state_dict(state)


@pytest.mark.parametrize("strategy", ["router+cascade@0.5", "router+cost@0.5:unit=call", "router+cost@0.1"])
def test_a_budget_that_cannot_be_kept_is_told_at_the_start(tmp_path, strategy):
    with pytest.raises(ConfigError, match=r"less than one call|rm0 has none"):
        gateway(settings(tmp_path, f"strategy={strategy}"))
    assert not (tmp_path / "state").exists()


def test_strategies_that_cannot_serve(tmp_path):
    models = reward_models()
    del models["rm1"]
    with pytest.raises(ConfigError, match="may choose 'rm1', which the pool lacks"):
        engine(settings(tmp_path), models)
    with pytest.raises(ConfigError, match="routes on the policy's prompt embeddings"):
        engine(settings(tmp_path, "strategy=laser"))
    with pytest.raises(ConfigError, match="reads the labels"):
        engine(settings(tmp_path, "strategy=oracle"))
    laser = engine(settings(tmp_path, "strategy=laser", "policy_width=4"))
    with pytest.raises(RequestError, match="routes on prompt_embeddings; give them"):
        laser.annotate(Labelled(pairs(2), "b"), 0.0)
    with pytest.raises(RequestError, match="expected 4 numbers for each pair, found 3"):
        laser.annotate(Labelled(pairs(2), "b", 0, np.zeros((2, 3), np.float32)), 0.0)
    assert laser.seq == 0
