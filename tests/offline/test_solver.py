"""The solved heads against scipy on objectives written down anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from rewardrouter.offline.losses import bt_loss, cls_loss
from rewardrouter.offline.solver import global_ranking, solve_head, solve_path, trusting


def problem(
    n_pairs: int = 50, n_rms: int = 4, width: int = 5, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return h with a constant last column, and behaviour with missing entries that depends on h."""
    random = np.random.default_rng(seed)
    h = np.hstack([random.normal(size=(n_pairs, width - 1)), np.ones((n_pairs, 1))])
    chance = 1 / (1 + np.exp(-h @ random.normal(size=(width, n_rms))))
    behaviour = (random.random((n_pairs, n_rms)) < chance).astype(float)
    behaviour[random.random((n_pairs, n_rms)) < 0.1] = np.nan
    return torch.from_numpy(h), torch.from_numpy(behaviour)


def bt_objective(flat: np.ndarray, h: np.ndarray, behaviour: np.ndarray, strength: float) -> float:
    """Eq. 2 and the prior, as the module's docstring states them."""
    n_rms = behaviour.shape[1]
    e = flat.reshape(n_rms, h.shape[1])
    s = h @ e.T
    terms = [
        np.logaddexp(0, s[i, m] - s[i, n])
        for i in range(len(h))
        for n in np.flatnonzero(behaviour[i] == 1)
        for m in np.flatnonzero(behaviour[i] == 0)
    ]
    return np.mean(terms) + penalty(e, strength, len(h))


def cls_objective(flat: np.ndarray, h: np.ndarray, behaviour: np.ndarray, strength: float) -> float:
    e = flat.reshape(behaviour.shape[1], h.shape[1])
    logits, seen = h @ e.T, ~np.isnan(behaviour)
    terms = np.logaddexp(0, logits) - np.nan_to_num(behaviour) * logits
    return terms[seen].mean() + penalty(e, strength, len(h))


def penalty(e: np.ndarray, strength: float, n_pairs: int) -> float:
    return (strength / n_pairs * (e[:, :-1] ** 2).sum() + 1e-4 * (e[:, -1] ** 2).sum()) / len(e)


@pytest.mark.parametrize("strength", [0.05, 1.5, 50.0])
@pytest.mark.parametrize(("loss", "objective"), [(bt_loss, bt_objective), (cls_loss, cls_objective)])
def test_the_optimum_is_scipys(loss, objective, strength):
    h, behaviour = problem()
    given = (h.numpy(), behaviour.numpy(), strength)
    reference = minimize(
        objective, np.zeros(20), given, method="L-BFGS-B", options={"maxfun": 10**5, "ftol": 1e-13}
    )
    found = solve_head(h, behaviour, loss, strength).numpy()
    assert objective(found.ravel(), *given) <= reference.fun + 1e-8
    np.testing.assert_allclose(found, reference.x.reshape(4, 5), atol=5e-3)


def test_a_path_is_the_same_optima_as_one_by_one():
    h, behaviour = problem()
    path = solve_path(h, behaviour, (0.05, 5.0, 0.5))
    assert sorted(path) == [0.05, 0.5, 5.0]
    for strength, embeddings in path.items():
        torch.testing.assert_close(
            embeddings, solve_head(h, behaviour, bt_loss, strength), atol=1e-4, rtol=1e-4
        )


def test_a_strong_prior_scores_every_pair_alike():
    h, behaviour = problem()
    strong = solve_head(h, behaviour, bt_loss, 5000.0)
    assert strong[:, :-1].abs().max() < 5e-3
    assert strong[:, -1].std() > 0.1


def test_the_global_ranking_is_the_log_odds_of_being_right():
    _, behaviour = problem()
    ranking = global_ranking(behaviour)[:, 0].numpy()
    right, wrong = (behaviour == 1).sum(0).numpy(), (behaviour == 0).sum(0).numpy()
    np.testing.assert_allclose(ranking, np.log((right + 1) / (wrong + 1)))
    assert ranking.argmax() == (right / (right + wrong)).argmax()


def test_the_global_ranking_is_the_order_of_wins_where_all_are_compared_alike():
    random = np.random.default_rng(0)
    behaviour = torch.from_numpy((random.random((400, 4)) < [0.9, 0.5, 0.7, 0.3]).astype(float))
    assert global_ranking(behaviour)[:, 0].argsort(descending=True).tolist() == [0, 2, 1, 3]


def test_trust_goes_from_the_global_ranking_to_the_pair():
    h, behaviour = problem()
    embeddings, ranking = solve_head(h, behaviour, bt_loss, 1e-2), global_ranking(behaviour)
    none = h @ trusting(embeddings, ranking, 0.0).T
    torch.testing.assert_close(none, ranking.T.expand(len(h), -1), rtol=0, atol=0)  # every pair alike
    assert torch.equal(trusting(embeddings, ranking, 1.0), embeddings)
    half = h @ trusting(embeddings, ranking, 0.5).T
    torch.testing.assert_close(half, 0.5 * none + 0.5 * h @ embeddings.T)


@pytest.mark.parametrize("wins", [True, False])
def test_an_rm_that_never_lost_or_never_won_is_not_infinitely_strong(wins):
    h, behaviour = problem()
    behaviour[:, 0] = float(wins)
    for embeddings in (solve_head(h, behaviour, bt_loss, 1e-3), global_ranking(behaviour)):
        assert embeddings.isfinite().all()
        assert embeddings.abs().max() < 100
        order = embeddings[:, -1].argsort(descending=True).tolist()
        assert order[0 if wins else -1] == 0


def test_an_rm_without_verdicts_is_scored_as_one_of_the_middle():
    h, behaviour = problem()
    behaviour[:, 1] = np.nan
    assert not solve_head(h, behaviour, bt_loss, 1e-2)[1].any()
    assert global_ranking(behaviour)[1] == 0


def test_nothing_to_learn_is_no_preference():
    h, behaviour = problem()
    assert not solve_head(h, torch.ones_like(behaviour), bt_loss, 1e-2).any()


def test_permuting_the_rms_permutes_the_embeddings():
    h, behaviour = problem()
    order = torch.tensor([2, 0, 3, 1])
    found, turned = (solve_head(h, b, bt_loss, 1e-2) for b in (behaviour, behaviour[:, order]))
    torch.testing.assert_close(turned, found[order], atol=1e-5, rtol=1e-5)


def test_solving_leaves_the_start_as_it_was_and_needs_no_gradients_around_it():
    h, behaviour = problem()
    start = torch.ones(4, 5, dtype=torch.float64)
    solved = solve_head(h.float(), behaviour, bt_loss, 1e-2, start)
    assert torch.equal(start, torch.ones_like(start))
    assert not solved.requires_grad
    assert solved.dtype == torch.float64
