"""The neural-linear bandit: learns what a linear one cannot, and resumes to the same choices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rewardrouter.annotators.neural_policy import NeuralLinear
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.online.policy import BanditPolicy
from rewardrouter.online.posterior import ArmPosteriors
from rewardrouter.online.thompson import ThompsonSampler
from rewardrouter.state import State, load_state, save_state

NAMES = ["dora", "abel", "cleo"]
D = 6


def policy(names=NAMES, **options):
    return NeuralLinear(names, D, **{"width": 8, "every": 3, "seed": 1, **options})


def batches(seed, count, names=NAMES, pairs=16):
    """Yield contexts and the rewards of every arm; the best arm depends on the sign of a product."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        contexts = rng.standard_normal((pairs, D))
        best = np.where(contexts[:, 0] * contexts[:, 1] > 0, "abel", "dora")
        right = np.array(names)[None] == best[:, None]
        yield contexts, right * 0.5 + 0.1 * rng.standard_normal(right.shape), right


def run(found, given):
    """Return the share of best arms of every batch."""
    shares = []
    for contexts, rewards, right in given:
        chosen = found.choose(contexts)
        rows = np.arange(len(chosen))
        found.update(contexts, chosen, rewards[rows, chosen])
        shares.append(right[rows, chosen].mean())
    return np.array(shares)


def test_learns_what_a_linear_bandit_cannot():
    given = list(batches(0, 40, pairs=64))
    neural = run(policy(width=24, every=5), given)[-10:].mean()
    linear = run(ThompsonSampler.without_prior(NAMES, D, seed=1), given)[-10:].mean()
    assert neural > 0.65
    assert linear < 0.5


def test_after_a_training_the_posteriors_are_those_of_the_history_on_the_new_features():
    found = policy()
    contexts, arms, rewards = [], [], []
    rng = np.random.default_rng(2)
    for n in range(3):
        contexts.append(rng.standard_normal((10, D)))
        arms.append(rng.integers(-1, 3, 10))
        rewards.append(np.where(rng.random(10) < 0.2, np.nan, rng.random(10)))
        before = found.scores(contexts[0]).mean
        found.update(contexts[n], arms[n], rewards[n])
    H, arms, rewards = np.concatenate(contexts), np.concatenate(arms), np.concatenate(rewards)
    assert np.abs(found.scores(contexts[0]).mean - before).max() > 1e-3
    phi = found._features(H)
    assert phi.shape == (30, 9)
    np.testing.assert_array_equal(phi[:, -1], 1.0)
    assert np.linalg.norm(phi[:, :-1], axis=1).max() < 1 + 1e-5
    expected = ArmPosteriors(NAMES, np.zeros((3, 9)))
    expected.update(phi, arms, rewards)
    np.testing.assert_allclose(found.scores(H).mean, expected.scores(phi).mean, atol=1e-5)
    np.testing.assert_allclose(found.scores(H).variance, expected.scores(phi).variance, atol=1e-5)


def test_the_length_of_contexts_does_not_matter():
    """One common factor: the network brings contexts to its own scale."""
    one, other = policy(), policy()
    for contexts, rewards, _ in batches(3, 6):
        for found, factor in ((one, 1.0), (other, 64.0)):
            found.update(contexts * factor, np.arange(16) % 3, rewards[:, 0])
    contexts = next(batches(4, 1))[0]
    np.testing.assert_allclose(one.scores(contexts).mean, other.scores(64.0 * contexts).mean, atol=1e-3)


def test_permuting_arms_permutes_choices():
    order = ["cleo", "dora", "abel"]
    one, other = policy(every=2), policy(order, every=2)
    for contexts, rewards, _ in batches(5, 6):
        chosen, permuted = one.choose(contexts), other.choose(contexts)
        assert [NAMES[n] for n in chosen] == [order[n] for n in permuted]
        for found, arms in ((one, chosen), (other, permuted)):
            found.update(contexts, arms, rewards[np.arange(16), chosen])


def test_the_history_is_capped():
    found = policy(history=20)
    for contexts, rewards, _ in batches(6, 4):
        found.update(contexts, np.zeros(16, np.int64), rewards[:, 0])
    assert (
        found.state_dict().arrays["rewards"].tolist()
        == [reward for _, rewards, _ in batches(6, 4) for reward in rewards[:, 0].tolist()][-20:]
    )


def test_updates_that_bring_no_reward_bring_no_training_nearer():
    found, twin = policy(every=2), policy(every=2)
    contexts = np.ones((2, D))
    assert found.update(contexts, [-1, 0], [0.5, np.nan]) == 0
    for given, rewards, _ in batches(7, 1):
        for one in (found, twin):
            one.update(given, np.zeros(16, np.int64), rewards[:, 0])
    np.testing.assert_array_equal(found.scores(contexts).mean, twin.scores(contexts).mean)


@pytest.mark.parametrize("stop", [0, 2, 4])
def test_resumed_is_uninterrupted(stop, tmp_path):
    given = list(batches(8, 9))
    uninterrupted, resumed = policy(), policy(NAMES[::-1], seed=5)
    run(uninterrupted, given[:stop])
    save_state(uninterrupted.state_dict(), tmp_path / "state")
    resumed.load_state_dict(load_state(tmp_path / "state"))
    for contexts, rewards, _ in given[stop:]:
        chosen, again = uninterrupted.choose(contexts), resumed.choose(contexts)
        assert [NAMES[n] for n in chosen] == [NAMES[::-1][n] for n in again]
        for found, arms in ((uninterrupted, chosen), (resumed, again)):
            found.update(contexts, arms, rewards[np.arange(16), chosen])


def changed(state, arrays=(), **metadata):
    return State({**state.arrays, **dict(arrays)}, {**state.metadata, **metadata})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"names": ["dora", "abel", "eve"]}, "of the arms dora, abel, eve, but here are"),
        ({"arrays": {"arms": np.full(16, 3)}}, "arms that have no name"),
        ({"arrays": {"rewards": np.zeros(3)}}, "rewards should be"),
        ({"arrays": {"network.weight": np.zeros((7, D), np.float32)}}, "weight should be"),
        ({"sampler": {}}, "no generator"),
    ],
)
def test_a_broken_state_is_refused_and_nothing_changed(change, words):
    found, twin = policy(), policy()
    saved = policy(seed=3)
    run(saved, batches(9, 1))
    with pytest.raises(CheckpointError, match=words):
        found.load_state_dict(changed(saved.state_dict(), **change))
    for contexts, _, _ in batches(10, 1):
        np.testing.assert_array_equal(found.choose(contexts), twin.choose(contexts))


def test_the_global_seed_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    run(policy(every=1), batches(11, 2))
    assert torch.equal(torch.rand(3), expected)


def test_impossible_settings_are_refused():
    for setting in ("width", "every", "history"):
        with pytest.raises(ConfigError, match=f"{setting}: expected at least 1, found 0"):
            policy(**{setting: 0})


def test_is_a_bandit_policy():
    assert isinstance(policy(), BanditPolicy)
