"""Thompson sampling: the right frequencies, the right limits, and the same run again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from rewardrouter.errors import CheckpointError
from rewardrouter.online.policy import BanditPolicy
from rewardrouter.online.posterior import ArmPosteriors
from rewardrouter.online.thompson import PRIOR_VARIANCE, ThompsonSampler
from rewardrouter.state import State

NAMES = ["dora", "abel", "cleo", "bert"]
DRAWS = 40_000


def taught(seed, names=NAMES, d=8, observations=60, prior_variance=0.3):
    """A sampler whose arms have different means and very different spreads: one never saw a reward."""
    rng = np.random.default_rng(seed)
    sampler = ThompsonSampler.with_prior(
        names, 0.3 * rng.standard_normal((len(names), d)), prior_variance=prior_variance, seed=seed
    )
    arms = np.minimum(rng.geometric(0.5, observations) - 1, len(names) - 2)
    sampler.update(rng.standard_normal((observations, d)), arms, rng.random(observations))
    return sampler, rng


def chi_squared(observed, expected_share):
    """Return the p-value of counts against shares, rare outcomes taken together."""
    expected = expected_share * observed.sum()
    common = expected >= 5
    counts = np.append(observed[common], observed[~common].sum())
    shares = np.append(expected[common], expected[~common].sum())
    keep = shares > 0
    return stats.chisquare(counts[keep], shares[keep] * counts.sum() / shares.sum()).pvalue


@pytest.mark.parametrize("seed", range(5))
def test_frequencies_of_two_arms_are_the_exact_probability(seed):
    sampler, rng = taught(seed, names=["one", "other"])
    context = rng.standard_normal(8)
    scores = sampler.scores(context[None])
    gap, spread = scores.mean[0, 0] - scores.mean[0, 1], np.sqrt(scores.variance[0].sum())
    chosen = sampler.choose(np.tile(context, (DRAWS, 1)))
    assert stats.binomtest(int((chosen == 0).sum()), DRAWS, stats.norm.cdf(gap / spread)).pvalue > 1e-4


@pytest.mark.parametrize("seed", range(5))
def test_frequencies_equal_those_of_sampled_weights(seed):
    """Against the paper's own form: draw every arm's weights, take the arm of the highest score."""
    sampler, rng = taught(seed)
    context = rng.standard_normal(8)
    weights = np.stack(
        [
            rng.multivariate_normal(mean, sampler.posteriors.covariance(name), 10 * DRAWS)
            for name, mean in zip(sampler.names, sampler.posteriors.mean, strict=True)
        ]
    )
    expected = np.bincount((weights @ context).argmax(axis=0), minlength=4) / (10 * DRAWS)
    chosen = sampler.choose(np.tile(context, (DRAWS, 1)))
    assert chi_squared(np.bincount(chosen, minlength=4), expected) > 1e-4


def test_pairs_of_one_batch_are_drawn_independently():
    sampler, rng = taught(7, names=["one", "other"])
    context = rng.standard_normal(8)
    chosen = np.stack([sampler.choose(np.tile(context, (2, 1))) for _ in range(4_000)])
    assert stats.chi2_contingency(np.histogram2d(chosen[:, 0], chosen[:, 1], bins=2)[0]).pvalue > 1e-4


def test_without_variance_it_is_the_argmax_of_the_mean():
    rng = np.random.default_rng(0)
    prior = rng.standard_normal((4, 8))
    sampler = ThompsonSampler.with_prior(NAMES, prior, prior_variance=1e-24)
    contexts = rng.standard_normal((500, 8))
    np.testing.assert_array_equal(sampler.choose(contexts), (contexts @ prior.T).argmax(axis=1))
    sampler.update(contexts, rng.integers(0, 4, 500), rng.random(500))
    np.testing.assert_array_equal(sampler.choose(contexts), (contexts @ prior.T).argmax(axis=1))


def test_much_data_leads_to_the_argmax_of_the_posterior_mean():
    sampler, rng = taught(1)
    for _ in range(20):
        contexts = rng.standard_normal((4_000, 8))
        arms = rng.integers(0, 4, 4_000)
        sampler.update(contexts, arms, contexts[:, 0] * (arms == 2) + 0.1 * rng.standard_normal(4_000))
    contexts = rng.standard_normal((500, 8))
    scores = sampler.scores(contexts)
    best_two = np.sort(scores.mean, axis=1)[:, -2:]
    clear = best_two[:, 1] - best_two[:, 0] > 6 * np.sqrt(2 * scores.variance.max(axis=1))
    assert clear.sum() > 200
    np.testing.assert_array_equal(sampler.choose(contexts)[clear], scores.mean.argmax(axis=1)[clear])


def test_priors_are_the_papers():
    prior = np.ones((4, 8))
    seeded = ThompsonSampler.with_prior(NAMES, prior).posteriors
    np.testing.assert_array_equal(seeded.mean, prior)
    assert (seeded.prior_variance, seeded.noise_variance) == (PRIOR_VARIANCE, 1.0) == (0.02, 1.0)
    fresh = ThompsonSampler.without_prior(NAMES, 8).posteriors
    assert not fresh.mean.any()
    assert (fresh.prior_variance, fresh.noise_variance) == (1.0, 1.0)


def test_permuting_arms_permutes_choices():
    rng = np.random.default_rng(2)
    prior = 0.1 * rng.standard_normal((4, 8))
    order = np.array([3, 1, 0, 2])
    one = ThompsonSampler.with_prior(NAMES, prior, seed=5)
    other = ThompsonSampler.with_prior([NAMES[n] for n in order], prior[order], seed=5)
    for _ in range(30):
        contexts, rewards = rng.standard_normal((16, 8)), rng.random(16)
        chosen = one.choose(contexts)
        permuted = other.choose(contexts)
        assert [one.names[n] for n in chosen] == [other.names[n] for n in permuted]
        one.update(contexts, chosen, rewards)
        other.update(contexts, permuted, rewards)


def test_a_batch_in_chunks_is_decided_as_at_once():
    rng = np.random.default_rng(3)
    contexts = rng.standard_normal((64, 8))
    at_once, chunked = (ThompsonSampler.without_prior(NAMES, 8, seed=9) for _ in range(2))
    found = np.concatenate([chunked.choose(contexts[start : start + 10]) for start in range(0, 64, 10)])
    np.testing.assert_array_equal(at_once.choose(contexts), found)


def test_an_arm_that_fails_gives_way_to_the_next_best_of_the_same_draw():
    sampler, rng = taught(4)
    contexts = rng.standard_normal((200, 8))
    deviations = sampler.deviations(200)
    first = sampler.best(contexts, deviations)
    allowed = np.arange(4) != first[:, None]
    second = sampler.best(contexts, deviations, allowed)
    scores = sampler.scores(contexts)
    ranked = np.argsort(scores.mean + deviations * np.sqrt(scores.variance), axis=1)
    np.testing.assert_array_equal(first, ranked[:, -1])
    np.testing.assert_array_equal(second, ranked[:, -2])


def test_the_seed_decides():
    rng = np.random.default_rng(5)
    contexts = rng.standard_normal((200, 8))
    one, same, other = (
        ThompsonSampler.without_prior(NAMES, 8, seed=seed).choose(contexts) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("stop", [0, 3, 25])
def test_resumed_is_uninterrupted_to_the_bit(stop):
    rng = np.random.default_rng(6)
    data = [(rng.standard_normal((16, 24)), rng.random(16)) for _ in range(40)]
    uninterrupted = ThompsonSampler.without_prior(NAMES, 24, seed=3)
    resumed = ThompsonSampler.without_prior(NAMES, 24, seed=4)
    choices = []
    for step, (contexts, rewards) in enumerate(data):
        if step == stop:
            saved = uninterrupted.state_dict()
            resumed.load_state_dict(State(saved.arrays, json.loads(json.dumps(saved.metadata))))
        chosen = uninterrupted.choose(contexts)
        choices.append(chosen)
        uninterrupted.update(contexts, chosen, rewards)
    for (contexts, rewards), expected in zip(data[stop:], choices[stop:], strict=True):
        chosen = resumed.choose(contexts)
        np.testing.assert_array_equal(chosen, expected)
        resumed.update(contexts, chosen, rewards)
    left, right = uninterrupted.state_dict(), resumed.state_dict()
    assert left.metadata == right.metadata
    for name, array in left.arrays.items():
        np.testing.assert_array_equal(array, right.arrays[name], err_msg=name)


def test_a_state_can_make_its_own_sampler():
    sampler, rng = taught(8)
    sampler.posteriors.add_arm("emil")
    again = ThompsonSampler.from_state(sampler.state_dict())
    assert again.names == [*NAMES, "emil"]
    contexts = rng.standard_normal((50, 8))
    np.testing.assert_array_equal(again.choose(contexts), sampler.choose(contexts))


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"generator": {"bit_generator": "MT19937", "state": {}}}, "no state of PCG64"),
        ({"generator": {}}, "no state of PCG64"),
        ({"generator": 3}, "generator should be dict"),
        ({"posteriors": None}, "posteriors should be dict"),
    ],
)
def test_a_broken_state_is_refused_and_nothing_changed(metadata, words):
    sampler, rng = taught(9)
    twin, _ = taught(9)
    state = sampler.state_dict()
    with pytest.raises(CheckpointError, match=words):
        sampler.load_state_dict(State(state.arrays, {**state.metadata, **metadata}))
    contexts = rng.standard_normal((50, 8))
    np.testing.assert_array_equal(sampler.choose(contexts), twin.choose(contexts))


def test_is_a_bandit_policy():
    sampler = ThompsonSampler(ArmPosteriors(["one"], np.zeros((1, 2))))
    assert isinstance(sampler, BanditPolicy)
    assert sampler.choose(np.ones((3, 2))).tolist() == [0, 0, 0]
