"""Surrogates: odd predictions, even agreement, ridge regression, and no pair judged by its own answer."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from small_tables import BLOCKS, random_vectors, routable, swapped_table, table_of

from rewardrouter.offline import surrogates as module
from rewardrouter.offline.features import PairFeatures
from rewardrouter.offline.splits import group_folds
from rewardrouter.offline.surrogates import Surrogates, surrogate_targets
from rewardrouter.offline.vectors import PairVectors
from rewardrouter.verdicts import FAILED, TIE, A, B, VerdictTable

GROUPS = [f"g{n // 2}" for n in range(80)]


@dataclasses.dataclass(frozen=True)
class Fitted:
    vectors: PairVectors
    features: PairFeatures
    surrogates: Surrogates
    agreement: torch.Tensor

    def predict(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        design = self.surrogates._design(a, b, self.features(a, b))
        return design @ self.surrogates.weights.double()


def fit(vectors: PairVectors, targets: torch.Tensor, groups: list[str] = GROUPS, seed: int = 0) -> Fitted:
    features = PairFeatures(BLOCKS)
    features.fit(vectors)
    x = features(vectors.a, vectors.b)
    return Fitted(vectors, features, *Surrogates.fitted(BLOCKS, vectors, x, targets, groups, 0.4, seed))


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    vectors, table = routable(80, 0)
    return fit(vectors, surrogate_targets(table))


# Laws of exchange


def test_predictions_flip_and_agreement_stays_bit_for_bit(fitted):
    unseen = random_vectors(50, 9)
    a, b, features = unseen.a, unseen.b, fitted.features
    assert torch.equal(fitted.predict(a, b), -fitted.predict(b, a))
    one, other = fitted.surrogates(a, b, features(a, b)), fitted.surrogates(b, a, features(b, a))
    assert torch.equal(one, other)
    assert one.shape == (50, 7)
    assert fitted.predict(a, b).abs().max() > 1e-3


def test_two_equal_texts_have_no_preference(fitted):
    a = fitted.vectors.a
    assert not fitted.predict(a, a).any()


def test_training_on_exchanged_pairs_gives_the_same_surrogates(fitted):
    vectors, table = routable(80, 0)
    random = np.random.default_rng(3)
    exchanged = random.random(80) < 0.5
    turned = torch.from_numpy(exchanged)[:, None]
    mixed = PairVectors(torch.where(turned, vectors.b, vectors.a), torch.where(turned, vectors.a, vectors.b))
    targets, other = surrogate_targets(table), surrogate_targets(swapped_table(table))
    torch.testing.assert_close(other, -targets, rtol=0, atol=0)
    again = fit(mixed, torch.where(turned, other, targets))
    torch.testing.assert_close(again.agreement, fitted.agreement, atol=1e-5, rtol=1e-4)


# Targets


def scored_table(score_a: list[float], score_b: list[float], winners: list[int]) -> VerdictTable:
    table = table_of(np.ones((len(winners), 1)), labels=[A] * len(winners))
    columns = {"winners": winners, "scores_a": score_a, "scores_b": score_b}
    return dataclasses.replace(
        table, **{k: np.array(v, table.__dict__[k].dtype)[:, None] for k, v in columns.items()}
    )


def test_targets_are_margins_at_their_median_size_and_the_winner_has_the_say():
    nan = np.nan
    table = scored_table(
        #   plain  plain  conflict  tie by name  equal scores, named  no scores  failed  failed, scored
        [2.0, 0.0, 1.0, 4.0, 1.0, nan, nan, 9.0],
        [0.0, 4.0, 3.0, 0.0, 1.0, nan, nan, 0.0],
        [A, B, A, TIE, B, A, FAILED, FAILED],
    )
    typical = np.median([2, 4, 2, 4, 9])
    found = surrogate_targets(table)
    assert found.dtype == torch.float64
    assert found[:, 0].tolist() == [A] * 8
    expected = [np.tanh(2 / typical), -np.tanh(4 / typical), np.tanh(2 / typical), 0, -1, 1, nan, nan]
    np.testing.assert_allclose(found[:, 1], expected)


def test_targets_of_an_rm_that_only_names_winners_are_plus_minus_1_and_0():
    table = table_of([[1], [0], [np.nan], [1]], labels=[A, A, A, B], missing=TIE)
    assert surrogate_targets(table).tolist() == [[1, 1], [1, -1], [1, 0], [-1, -1]]


def test_targets_do_not_depend_on_an_rms_unit():
    table = scored_table([2.0, 0.5, 1.0], [1.0, 1.0, 5.0], [A, B, B])
    scaled = dataclasses.replace(
        table, scores_a=1000 * table.scores_a + 5, scores_b=1000 * table.scores_b + 5
    )
    torch.testing.assert_close(surrogate_targets(scaled), surrogate_targets(table))


# Ridge regression


@pytest.mark.parametrize("shape", [(40, 7), (7, 40), (20, 20)])
def test_ridge_is_sklearns_column_by_column_over_observed_rows(shape):
    random = np.random.default_rng(0)
    design, targets = random.normal(size=shape), random.normal(size=(shape[0], 4))
    targets[random.random(targets.shape) < 0.3] = np.nan
    targets[:, 1] = random.normal(size=shape[0])
    targets[:, 3] = np.where(np.isnan(targets[:, 2]), np.nan, targets[:, 3])  # a pattern of two columns
    found = module._ridge(torch.from_numpy(design), torch.from_numpy(targets))
    for k in range(4):
        seen = ~np.isnan(targets[:, k])
        reference = Ridge(alpha=module._RIDGE, fit_intercept=False, solver="cholesky")
        reference.fit(design[seen], targets[seen, k])
        np.testing.assert_allclose(found[:, k], reference.coef_, atol=1e-10)


def test_both_forms_of_the_ridge_agree():
    random = torch.Generator().manual_seed(0)
    design = torch.randn(10, 9, dtype=torch.float64, generator=random)
    targets = torch.randn(10, 2, dtype=torch.float64, generator=random)
    primal = module._ridge(design, targets)  # 10 rows, 9 columns
    wide = torch.cat([design, torch.zeros(10, 2, dtype=torch.float64)], dim=1)  # 10 rows, 11 columns
    torch.testing.assert_close(module._ridge(wide, targets)[:9], primal, atol=1e-12, rtol=1e-12)


def test_an_rm_without_any_verdict_has_a_surrogate_without_opinion():
    vectors, table = routable(80, 0)
    targets = surrogate_targets(table)
    targets[:, 2] = np.nan
    fitted = fit(vectors, targets)
    assert not fitted.predict(vectors.a, vectors.b)[:, 2].any()
    assert fitted.agreement.isfinite().all()
    assert not fitted.agreement[:, [1, 5]].any()  # its product with the human's, and its size


# Cross-fitting


def test_a_rows_features_do_not_move_with_the_answers_of_its_own_fold():
    vectors, table = routable(80, 0)
    targets = surrogate_targets(table)
    folds = torch.from_numpy(group_folds(GROUPS, module.FOLDS, 0))
    own = folds == 2
    changed = targets.clone()
    changed[own] = -targets[own] * 0.5
    raw = []
    for answers in (targets, changed):
        fitted = fit(vectors, answers)
        raw.append(fitted.agreement.double() / fitted.surrogates.scale + fitted.surrogates.center)
    before, after = raw
    # The standardisation is common to all rows, so the features are compared before it.
    torch.testing.assert_close(before[own], after[own], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(before[~own], after[~own], atol=1e-2)


def test_memorised_pairs_look_better_than_cross_fitted_ones():
    """With answers of pure chance, agreement on training pairs must not promise anything."""
    vectors, random = random_vectors(80, 5), np.random.default_rng(5)
    targets = torch.from_numpy(random.choice([-1.0, 1.0], size=(80, 2)))
    fitted = fit(vectors, targets)
    truth = targets[:, 0] * targets[:, 1]

    def correlation(agreement: torch.Tensor) -> float:
        return float(np.corrcoef(agreement[:, 0], truth)[0, 1])

    memorised = fitted.surrogates(vectors.a, vectors.b, fitted.features(vectors.a, vectors.b))
    assert correlation(memorised) > 0.5
    assert abs(correlation(fitted.agreement)) < 0.25


def test_agreement_is_standardised_and_weighs_as_asked():
    vectors, table = routable(80, 0)
    agreement = fit(vectors, surrogate_targets(table)).agreement.double()
    torch.testing.assert_close(agreement.mean(0), torch.zeros(7, dtype=torch.float64), atol=1e-6, rtol=0)
    assert float(agreement.var(0, correction=0).sum()) == pytest.approx(0.4, rel=1e-5)


def test_a_linear_preference_is_imitated_on_pairs_never_seen():
    vectors, unseen = random_vectors(400, 1), random_vectors(200, 2)
    direction = np.random.default_rng(0).normal(size=6)

    def preference(pairs: PairVectors) -> torch.Tensor:
        return torch.sign((pairs.a - pairs.b)[:, 4:].double() @ torch.from_numpy(direction))

    targets = preference(vectors)[:, None].expand(-1, 2)
    fitted = fit(vectors, targets, [f"g{n}" for n in range(400)])
    found = fitted.predict(unseen.a, unseen.b)[:, 0]
    assert (torch.sign(found) == preference(unseen)).double().mean() > 0.9


def test_the_seed_chooses_the_folds_and_the_rest_is_determined():
    vectors, table = routable(80, 0)
    targets = surrogate_targets(table)
    one, again, other = (fit(vectors, targets, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.agreement, again.agreement)
    assert not torch.equal(one.agreement, other.agreement)
    assert torch.equal(one.surrogates.weights, other.surrogates.weights)  # fitted to all pairs


def test_saved_surrogates_predict_the_same(fitted):
    n_directions, n_contexts = fitted.surrogates.directions.shape[1], fitted.surrogates.contexts.shape[1]
    other = Surrogates(BLOCKS, fitted.features.size, 3, (n_directions, n_contexts))
    other.load_state_dict(fitted.surrogates.state_dict())
    a, b = fitted.vectors.a, fitted.vectors.b
    x = fitted.features(a, b)
    assert torch.equal(other(a, b, x), fitted.surrogates(a, b, x))
