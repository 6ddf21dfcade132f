"""The shift test: how often it fires in vain, whether it fires at all, and that it resumes."""

from __future__ import annotations

import numpy as np
import pytest

from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.online.shift import BINS, DIRECTIONS, ContextReference, ShiftTest
from rewardrouter.state import State

D = 12
SCALES = np.arange(1, D + 1) ** -0.7


def skewed(rng, n):
    """Contexts that are neither normal nor symmetric."""
    return rng.standard_exponential((n, D)) * SCALES


def watched(reference, stream, seed=0, level=0.01, size=16):
    test = ShiftTest(reference, level=level, seed=seed)
    for start in range(0, len(stream), size):
        test.add(stream[start : start + size])
    return test


def test_it_fires_in_vain_no_more_often_than_stated():
    """120 runs of 25 looks each; at a level of 10 %, 12 false alarms are allowed for, 20 have a chance of 1 %."""
    rng = np.random.default_rng(0)
    fired = [
        watched(ContextReference.of(skewed(rng, 300)), skewed(rng, 400), seed, level=0.1).fired
        for seed in range(120)
    ]
    assert sum(fired) < 20


def test_its_evidence_is_one_on_average():
    """A martingale that starts at 1: the mean over runs is 1, most runs are below."""
    rng = np.random.default_rng(1)
    final = [
        np.exp(watched(ContextReference.of(skewed(rng, 200)), skewed(rng, 64), seed).log_evidence)
        for seed in range(200)
    ]
    assert np.mean(final) == pytest.approx(1.0, abs=4 * np.std(final) / np.sqrt(len(final)) + 0.05)


@pytest.mark.parametrize("after", [0, 40])
def test_it_fires_soon_after_contexts_have_moved(after):
    """Half a standard deviation in one direction of twelve: within 15 batches of 16."""
    rng = np.random.default_rng(2)
    test = ShiftTest(ContextReference.of(skewed(rng, 500)))
    for _ in range(after):
        test.add(skewed(rng, 16))
    assert not test.fired
    before = test.log_evidence
    for _ in range(15):
        test.add(skewed(rng, 16) + 0.5 * SCALES * (np.arange(D) == 0))
    assert test.fired
    assert test.log_evidence > before


def test_a_spread_that_differs_is_no_shift():
    rng = np.random.default_rng(3)
    reference = ContextReference.of(rng.standard_normal((500, D)))
    assert not watched(reference, 0.5 * rng.standard_normal((800, D))).fired


def clustered(rng, n_groups):
    """Contexts of groups of one to six that are nearly the same; large groups lie elsewhere, as sources do."""
    sizes = rng.integers(1, 7, n_groups)
    centres = skewed(rng, n_groups) + 0.5 * (sizes > 3)[:, None]
    groups = rng.permutation(np.repeat(np.arange(n_groups), sizes))
    return centres[groups] + 0.01 * rng.standard_normal((len(groups), D)), groups


def test_read_by_groups_contexts_that_belong_together_do_not_make_it_fire_in_vain():
    """60 runs of one context of each group; at 10 %, 6 false alarms are allowed for, 12 have a chance of 2 %."""
    rng, fired = np.random.default_rng(11), 0
    for seed in range(60):
        contexts, groups = clustered(rng, 100)
        reference = ContextReference.of(contexts, None, groups).by_groups()
        stream, of = clustered(rng, 100)
        _, firsts = np.unique(of, return_index=True)
        fired += watched(reference, stream[firsts], seed, level=0.1).fired
    assert fired < 12


def test_read_by_groups_a_reference_holds_one_of_each():
    contexts = np.random.default_rng(12).standard_normal((6, D))
    reference = ContextReference.of(contexts, None, list("aabbcc"))
    assert (reference.group_counts.sum(axis=1) == 3).all()
    assert (reference.group_counts <= reference.counts).all()
    assert reference.by_groups().weight == 1.0
    alone = ContextReference.of(contexts)
    np.testing.assert_array_equal(alone.group_counts, alone.counts)
    others = [ContextReference.of(contexts, None, list("aabbcc"), seed=seed) for seed in range(8)]
    assert any((one.group_counts != reference.group_counts).any() for one in others)


def test_read_by_pairs_contexts_that_belong_together_do_not_make_it_fire_in_vain():
    """40 runs; at a level of 10 %, 4 false alarms are allowed for."""
    rng = np.random.default_rng(9)
    fired, fired_as_if_alone = 0, 0
    for seed in range(40):
        contexts, groups = clustered(rng, 100)
        stream, _ = clustered(rng, 100)
        fired += watched(ContextReference.of(contexts, None, groups), stream, seed, level=0.1).fired
        fired_as_if_alone += watched(ContextReference.of(contexts), stream, seed, level=0.1).fired
    assert fired <= 4 < fired_as_if_alone


def test_a_context_weighs_one_over_the_size_of_the_group_that_it_is_likely_in():
    contexts = np.random.default_rng(10).standard_normal((6, D))
    assert ContextReference.of(contexts).weight == 1.0
    assert ContextReference.of(contexts, None, list("aabbcc")).weight == 0.5
    assert ContextReference.of(contexts, None, list("aaaabc")).weight == pytest.approx(6 / 18)
    state = ContextReference.of(contexts).state()
    with pytest.raises(CheckpointError, match="a weight of"):
        ContextReference.from_state(State(state.arrays, {"weight": 2.0}), D)


def test_it_does_not_look_where_it_is_told_not_to():
    rng = np.random.default_rng(4)
    contexts = skewed(rng, 400)
    blind = np.eye(D)[:2] + 0.1 * np.eye(D)[[2, 2]]
    moved = skewed(rng, 400) + 5.0 * blind[0]
    assert watched(ContextReference.of(contexts), moved).fired
    test = watched(ContextReference.of(contexts, blind), moved)
    assert not test.fired


def test_what_does_not_vary_gives_no_reference():
    assert ContextReference.of(np.ones((5, 3))) is None
    assert ContextReference.of(np.empty((0, 3))) is None
    assert ContextReference.of(np.random.default_rng(0).standard_normal((5, 3)), np.eye(3)) is None


def test_a_reference_has_no_more_directions_than_needed():
    rng = np.random.default_rng(5)
    wide = ContextReference.of(rng.standard_normal((200, 50)))
    assert wide.directions.shape == (50, DIRECTIONS)
    assert (wide.counts.sum(axis=1) == 200).all()
    thin = ContextReference.of(np.c_[rng.standard_normal((200, 2)), np.ones(200)])
    assert thin.directions.shape == (3, 2)
    assert thin.counts.shape == (2, BINS)
    back = ContextReference.from_state(thin.state(), 3)
    np.testing.assert_array_equal(back.directions, thin.directions)
    with pytest.raises(CheckpointError):
        ContextReference.from_state(thin.state(), 4)


def test_how_contexts_are_cut_into_batches_does_not_matter():
    rng = np.random.default_rng(13)
    reference, stream = ContextReference.of(skewed(rng, 100)), skewed(rng, 70)
    whole = watched(reference, stream, size=70)
    for size in (1, 9):
        cut = watched(reference, stream, size=size)
        assert (cut.log_evidence, cut.most) == pytest.approx((whole.log_evidence, whole.most), rel=1e-12)


def test_resumed_is_uninterrupted_and_a_shuffled_batch_of_one_is_itself():
    rng = np.random.default_rng(6)
    reference, stream = ContextReference.of(skewed(rng, 100)), skewed(rng, 96)
    whole = watched(reference, stream, seed=3)
    for part in (0, 48):
        begun = watched(reference, stream[:part], seed=3)
        resumed = ShiftTest(reference, seed=99)
        resumed.load_state_dict(begun.state_dict())
        for start in range(part, 96, 16):
            resumed.add(stream[start : start + 16])
        assert (resumed.log_evidence, resumed.most) == (whole.log_evidence, whole.most)


def test_an_empty_batch_is_no_look():
    reference = ContextReference.of(skewed(np.random.default_rng(7), 100))
    test = ShiftTest(reference)
    assert test.add(np.empty((0, D))) == 0.0
    assert not test.fired


def test_a_state_of_other_pairs_or_broken_is_refused():
    rng = np.random.default_rng(8)
    one, other = (ContextReference.of(skewed(rng, n)) for n in (100, 150))
    state = watched(one, skewed(rng, 16)).state_dict()
    test = ShiftTest(other)
    before = test.state_dict()
    with pytest.raises(CheckpointError, match="other fitting pairs"):
        test.load_state_dict(state)
    with pytest.raises(CheckpointError):
        test.load_state_dict(State({}, {}))
    assert test.state_dict().metadata == before.metadata
    with pytest.raises(ConfigError, match="level"):
        ShiftTest(one, level=1.0)
