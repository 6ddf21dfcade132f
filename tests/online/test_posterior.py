"""Posteriors: closed form, batches, permutations, arms that come and go, a long run, state."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.numpy
from bayesian_regression import posterior
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.online.posterior import CHUNK, ArmPosteriors
from rewardrouter.state import State

NAMES = ["ada", "bea", "cyd"]


def made(rng, names=NAMES, d=7, **variances):
    return ArmPosteriors(names, rng.standard_normal((len(names), d)), **variances)


def batch(rng, size, n_arms, d):
    return rng.standard_normal((size, d)), rng.integers(0, n_arms, size), rng.random(size)


def assert_equal_beliefs(one, other, tolerance=1e-10):
    assert one.names == other.names
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_allclose(one.mean, other.mean, rtol=tolerance, atol=tolerance)
    for name in one.names:
        np.testing.assert_allclose(one.covariance(name), other.covariance(name), rtol=0, atol=tolerance)


def assert_same_bits(one, other):
    left, right = one.state_dict(), other.state_dict()
    assert left.metadata == right.metadata
    assert left.arrays.keys() == right.arrays.keys()
    for name, array in left.arrays.items():
        np.testing.assert_array_equal(array, right.arrays[name], err_msg=name)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    d=st.integers(1, 12),
    n_arms=st.integers(1, 5),
    sizes=st.lists(st.integers(0, 2 * CHUNK + 3), min_size=1, max_size=4),
    prior_variance=st.sampled_from([0.001, 0.02, 1.0]),
    noise_variance=st.sampled_from([0.1, 1.0, 5.0]),
)
def test_equals_closed_form_bayesian_regression(seed, d, n_arms, sizes, prior_variance, noise_variance):
    rng = np.random.default_rng(seed)
    prior_mean = rng.standard_normal((n_arms, d))
    names = [f"arm{n}" for n in range(n_arms)]
    found = ArmPosteriors(names, prior_mean, prior_variance, noise_variance)
    data = [batch(rng, size, n_arms, d) for size in sizes]
    for contexts, arms, rewards in data:
        assert found.update(contexts, arms, rewards) == len(arms)
    contexts, arms, rewards = (np.concatenate(column) for column in zip(*data, strict=True))
    probe = rng.standard_normal((6, d))
    scores = found.scores(probe)
    for n in range(n_arms):
        own = arms == n
        expected = posterior(prior_mean[n], prior_variance, noise_variance, contexts[own], rewards[own])
        np.testing.assert_allclose(found.mean[n], expected.mean, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(found.covariance(names[n]), expected.covariance, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(scores.mean[:, n], probe @ expected.mean, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(
            scores.variance[:, n], np.vecdot(probe @ expected.covariance, probe), rtol=1e-8, atol=1e-11
        )


def test_one_batch_is_the_same_updates_one_by_one():
    rng = np.random.default_rng(1)
    at_once = made(rng, d=9)
    one_by_one = ArmPosteriors(NAMES, at_once.mean)
    contexts, arms, rewards = batch(rng, 300, 3, 9)
    at_once.update(contexts, arms, rewards)
    for row in range(300):
        one_by_one.update(contexts[row : row + 1], arms[row : row + 1], rewards[row : row + 1])
    assert_equal_beliefs(at_once, one_by_one)


def test_permuting_arms_permutes_everything():
    rng = np.random.default_rng(2)
    given_order = made(rng, d=8)
    order = np.array([2, 0, 1])
    permuted = ArmPosteriors([NAMES[n] for n in order], given_order.mean[order])
    place = np.argsort(order)
    for _ in range(5):
        contexts, arms, rewards = batch(rng, 20, 3, 8)
        given_order.update(contexts, arms, rewards)
        permuted.update(contexts, place[arms], rewards)
    np.testing.assert_allclose(permuted.mean, given_order.mean[order], atol=1e-12)
    np.testing.assert_array_equal(permuted.counts, given_order.counts[order])
    one, other = given_order.scores(contexts), permuted.scores(contexts)
    np.testing.assert_allclose(other.mean, one.mean[:, order], atol=1e-12)
    np.testing.assert_allclose(other.variance, one.variance[:, order], atol=1e-12)


def test_the_order_within_a_batch_does_not_matter():
    rng = np.random.default_rng(3)
    one = made(rng)
    other = ArmPosteriors(NAMES, one.mean)
    contexts, arms, rewards = batch(rng, 50, 3, 7)
    shuffled = rng.permutation(50)
    one.update(contexts, arms, rewards)
    other.update(contexts[shuffled], arms[shuffled], rewards[shuffled])
    assert_equal_beliefs(one, other)


def test_masked_rows_change_nothing():
    rng = np.random.default_rng(4)
    whole = made(rng)
    masked = ArmPosteriors(NAMES, whole.mean)
    contexts, arms, rewards = batch(rng, 30, 3, 7)
    keep = np.arange(30) % 3 > 0
    whole.update(contexts[keep], arms[keep], rewards[keep])
    arms, rewards = arms.copy(), rewards.copy()
    arms[0::6] = -1
    rewards[3::6] = [np.nan, np.inf, -np.inf, np.nan, np.nan]
    assert masked.update(contexts, arms, rewards) == 20
    assert_same_bits(whole, masked)


def test_an_update_of_nothing_changes_nothing():
    found = made(np.random.default_rng(5))
    before = found.state_dict()
    assert found.update(np.empty((0, 7)), np.empty(0, int), np.empty(0)) == 0
    assert found.update(np.ones((2, 7)), [-1, 0], [1.0, np.nan]) == 0
    for name, array in found.state_dict().arrays.items():
        np.testing.assert_array_equal(array, before.arrays[name])


def test_a_context_of_zeros_teaches_nothing():
    found = made(np.random.default_rng(6))
    mean = found.mean.copy()
    found.update(np.zeros((1, 7)), [0], [1.0])
    np.testing.assert_array_equal(found.mean, mean)
    np.testing.assert_array_equal(found.covariance("ada"), np.eye(7))
    assert np.isfinite(found.spread).all()


def test_precision_times_covariance_is_the_identity():
    rng = np.random.default_rng(7)
    found = made(rng, d=16)
    found.update(*batch(rng, 200, 3, 16))
    np.testing.assert_allclose(found.precision("bea") @ found.covariance("bea"), np.eye(16), atol=1e-10)


@pytest.mark.parametrize("observations", [40_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_precision_stays_positive_definite_in_a_long_run(observations):
    """Contexts of very different scale, so that the precision's eigenvalues span four orders of magnitude."""
    rng = np.random.default_rng(8)
    d, size = 24, 8_000
    scales = np.logspace(-1, 1, d)
    weights = rng.standard_normal((2, d))
    found = ArmPosteriors(["one", "other"], np.zeros((2, d)), prior_variance=0.02)
    precision, shift = np.stack([np.eye(d) / 0.02] * 2), np.zeros((2, d))
    for _ in range(observations // size):
        contexts = rng.standard_normal((size, d)) * scales
        arms = rng.integers(0, 2, size)
        rewards = np.vecdot(contexts, weights[arms]) + rng.standard_normal(size)
        assert found.update(contexts, arms, rewards) == size
        for n in range(2):
            own = contexts[arms == n]
            precision[n] += own.T @ own
            shift[n] += own.T @ rewards[arms == n]
    assert found.counts.sum() == observations
    for n, name in enumerate(found.names):
        covariance = found.covariance(name)
        np.testing.assert_array_equal(covariance, covariance.T)
        assert np.linalg.eigvalsh(covariance).min() > 0
        assert np.linalg.eigvalsh(found.precision(name)).min() > 0
        np.testing.assert_allclose(precision[n] @ covariance, np.eye(d), atol=1e-8)
        np.testing.assert_allclose(found.mean[n], np.linalg.solve(precision[n], shift[n]), rtol=1e-8)


def test_arms_come_and_go_without_touching_the_others():
    rng = np.random.default_rng(9)
    alone, changing = made(rng, ["ada"]), None
    changing = ArmPosteriors(["ada"], alone.mean)
    contexts, _, rewards = batch(rng, 20, 1, 7)
    first, second = slice(0, 10), slice(10, 20)
    prior = rng.standard_normal(7)
    for found in (alone, changing):
        found.update(contexts[first], np.zeros(10, int), rewards[first])
    changing.add_arm("bea", prior)
    changing.add_arm("cyd")
    changing.update(contexts[first], np.ones(10, int), rewards[first])
    np.testing.assert_array_equal(changing.mean[2], np.zeros(7))
    changing.remove_arm("bea")
    assert changing.names == ["ada", "cyd"]
    changing.add_arm("bea", prior)
    np.testing.assert_array_equal(changing.mean[2], prior)
    assert changing.counts.tolist() == [10, 0, 0]
    np.testing.assert_array_equal(changing.covariance("bea"), np.eye(7))
    for name in ("bea", "cyd"):
        changing.remove_arm(name)
    for found in (alone, changing):
        found.update(contexts[second], np.zeros(10, int), rewards[second])
    assert_same_bits(alone, changing)


def through_files(state):
    """A state as the router's files keep it: safetensors and JSON."""
    payload = safetensors.numpy.save(dict(state.arrays), {"metadata": json.dumps(state.metadata)})
    return State(safetensors.numpy.load(payload), json.loads(json.dumps(state.metadata)))


@pytest.mark.parametrize("observations", [0, 10, 200, 2_000])
def test_resumed_is_uninterrupted_to_the_bit(observations):
    rng = np.random.default_rng(observations)
    d = 64
    uninterrupted = made(rng, d=d)
    for _ in range(observations // 10):
        uninterrupted.update(*batch(rng, 10, 2, d))  # the third arm has none: all three forms are met
    resumed = ArmPosteriors(NAMES, np.zeros((3, d)))
    resumed.load_state_dict(through_files(uninterrupted.state_dict()))
    assert_same_bits(uninterrupted, resumed)
    for _ in range(20):
        more = batch(rng, 10, 3, d)
        for found in (uninterrupted, resumed):
            found.update(*more)
    assert_same_bits(uninterrupted, resumed)
    assert_same_bits(uninterrupted, ArmPosteriors.from_state(uninterrupted.state_dict()))


def test_a_saved_state_is_not_changed_by_what_comes_later():
    rng = np.random.default_rng(10)
    found = made(rng, d=4)
    found.update(*batch(rng, 40, 3, 4))
    state = found.state_dict()
    kept = {name: array.copy() for name, array in state.arrays.items()}
    resumed = ArmPosteriors.from_state(state)
    for one in (found, resumed):
        one.update(*batch(rng, 40, 3, 4))
    for name, array in state.arrays.items():
        np.testing.assert_array_equal(array, kept[name], err_msg=name)


def test_a_state_finds_its_arms_by_name():
    rng = np.random.default_rng(11)
    saved = made(rng)
    saved.update(*batch(rng, 40, 3, 7))
    loaded = ArmPosteriors(NAMES[::-1], np.zeros((3, 7)))
    loaded.load_state_dict(saved.state_dict())
    assert loaded.names == NAMES[::-1]
    np.testing.assert_array_equal(loaded.mean[0], saved.mean[2])
    for name in NAMES:
        np.testing.assert_array_equal(loaded.covariance(name), saved.covariance(name))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (ArmPosteriors(["ada", "bea"], np.zeros((2, 7))), "of the arms ada, bea, cyd, but here are ada, bea"),
        (ArmPosteriors(NAMES, np.zeros((3, 6))), "dimension is 7, but here 6"),
        (ArmPosteriors(NAMES, np.zeros((3, 7)), 0.02), "prior_variance is 1.0, but here 0.02"),
        (ArmPosteriors(NAMES, np.zeros((3, 7)), 1.0, 2.0), "noise_variance is 1.0, but here 2.0"),
    ],
)
def test_a_state_of_another_setting_is_refused(other, words):
    state = made(np.random.default_rng(12)).state_dict()
    with pytest.raises(CheckpointError, match=words):
        other.load_state_dict(state)
    assert not other.mean.any()


@pytest.mark.parametrize(
    ("name", "broken", "words"),
    [
        ("mean", None, "no array mean"),
        ("mean", np.zeros((2, 7)), r"mean should be float64 \[3, 'any'\], but is float64 \[2, 7\]"),
        ("mean", np.zeros((3, 7), np.float32), "but is float32"),
        ("spread", np.full(3, np.nan), "spread holds numbers that are not finite"),
        ("rows", np.zeros((1, 7)), "rows and bases do not belong"),
        ("rows", np.zeros((1, 6)), r"rows should be float64 \['any', 7\]"),
        ("has_base", np.array([1, 0, 0]), "rows and bases do not belong"),
        ("row_counts", np.array([-1, 1, 0]), "rows and bases do not belong"),
    ],
)
def test_a_broken_array_is_named(name, broken, words):
    state = made(np.random.default_rng(13)).state_dict()
    arrays = {key: value for key, value in state.arrays.items() if key != name}
    if broken is not None:
        arrays[name] = broken
    with pytest.raises(CheckpointError, match=words) as caught:
        ArmPosteriors.from_state(State(arrays, state.metadata))
    assert "\n" not in str(caught.value)


def test_a_base_of_another_size_is_refused():
    state = made(np.random.default_rng(13)).state_dict()
    arrays = {**state.arrays, "has_base": np.array([1, 0, 0]), "bases": np.zeros((1, 5))}
    with pytest.raises(CheckpointError, match="not of dimension 7"):
        ArmPosteriors.from_state(State(arrays, state.metadata))


@pytest.mark.parametrize("entry", ["names", "prior_variance", "noise_variance", "discount"])
def test_broken_metadata_is_named(entry):
    state = made(np.random.default_rng(14)).state_dict()
    with pytest.raises(CheckpointError, match=f"no {entry}"):
        ArmPosteriors.from_state(State(state.arrays, {k: v for k, v in state.metadata.items() if k != entry}))
    with pytest.raises(CheckpointError, match=f"{entry} should be"):
        ArmPosteriors.from_state(State(state.arrays, {**state.metadata, entry: "x"}))
    repeated = {
        "names": ["ada", "ada", "cyd"],
        "prior_variance": -1.0,
        "noise_variance": 0.0,
        "discount": 0.0,
    }
    with pytest.raises(CheckpointError, match=r"named twice|expected a (positive )?number"):
        ArmPosteriors.from_state(State(state.arrays, {**state.metadata, entry: repeated[entry]}))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((["ada", "ada"], np.zeros((2, 3))), ConfigError, "ada named twice"),
        (
            (["ada"], np.zeros((1, 3)), 0.0),
            ConfigError,
            "prior_variance: expected a positive number, found 0.0",
        ),
        ((["ada"], np.zeros((1, 3)), 1.0, np.inf), ConfigError, "noise_variance"),
        ((["ada"], np.zeros((2, 3))), ValueError, r"expected shape \[1, d\], got \[2, 3\]"),
        ((["ada"], np.zeros(3)), ValueError, r"got \[3\]"),
        ((["ada"], np.full((1, 3), np.nan)), ValueError, "not finite"),
    ],
)
def test_impossible_arms_are_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        ArmPosteriors(*arguments)


@pytest.mark.parametrize(
    ("contexts", "arms", "rewards", "words"),
    [
        (np.zeros((2, 6)), [0, 1], [0, 1], r"expected shape \[B, 7\], got \[2, 6\]"),
        (np.full((2, 7), np.nan), [0, 1], [0, 1], "row 0 of 2"),
        (np.zeros((2, 7)), [0], [0, 1], r"integers of shape \[2\]"),
        (np.zeros((2, 7)), [0.0, 1.0], [0, 1], "got float64"),
        (np.zeros((2, 7)), [0, 3], [0, 1], "expected -1 to 2, found 0 to 3"),
        (np.zeros((2, 7)), [0, 1], [0], r"rewards: expected shape \[2\], got \[1\]"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(contexts, arms, rewards, words):
    with pytest.raises(ValueError, match=words):
        made(np.random.default_rng(15)).update(contexts, arms, rewards)


def test_unknown_and_known_names_are_refused_where_they_must_be():
    found = made(np.random.default_rng(16))
    with pytest.raises(ConfigError, match="no arm dan; there are: ada, bea, cyd"):
        found.remove_arm("dan")
    with pytest.raises(ConfigError, match="there is an arm ada already"):
        found.add_arm("ada")
    with pytest.raises(ValueError, match=r"expected shape \[B, 7\], got \[1, 5\]"):
        found.add_arm("dan", np.zeros(5))
    assert found.names == NAMES
    assert len(found.mean) == 3
    found.remove_arm("ada")
    found.remove_arm("bea")
    with pytest.raises(ConfigError, match="cyd is the only arm"):
        found.remove_arm("cyd")
