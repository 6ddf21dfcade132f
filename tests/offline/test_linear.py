"""The solved router on data whose rule is known, and its invariants."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from small_tables import BLOCKS, random_vectors, routable, swapped_table, table_of

from rewardrouter.config.offline import FeatureConfig, FusionConfig, HeadConfig, OfflineConfig, SolverConfig
from rewardrouter.offline.linear import LinearFit, fit_linear
from rewardrouter.offline.validation import routed_correctly
from rewardrouter.offline.vectors import PairVectors
from rewardrouter.verdicts import A, B, VerdictTable

CONFIG = OfflineConfig(
    freeze_encoder=True,
    features=FeatureConfig(standardise=True, surrogates=True),
    fusion=FusionConfig(kind="linear", width=32),
)


def fit(vectors: PairVectors, table: VerdictTable, config: OfflineConfig = CONFIG) -> LinearFit:
    return fit_linear(BLOCKS, vectors, table, config)


def scores(fit: LinearFit, vectors: PairVectors) -> np.ndarray:
    with torch.no_grad():
        return fit.model.heads.scores(fit.model.contexts(vectors.a, vectors.b)).double().numpy()


def test_the_best_rm_for_each_pair_is_learned_from_a_feature():
    found = fit(*routable(300, 0))
    vectors, table = routable(600, 50)
    kept = table.kept
    routed = routed_correctly(scores(found, vectors), table.behaviour)[kept].mean()
    single = np.nan_to_num(table.behaviour)[kept].mean(axis=0).max()
    assert routed > single + 0.1
    assert found.validation.accuracy == pytest.approx(routed, abs=0.05)
    assert found.validation.accuracy > found.validation.best_single_accuracy + 0.1
    assert found.validation.chosen["trust"] > 0


def test_a_rule_that_only_signs_show_is_learned_with_surrogates():
    """Each RM prefers along its own direction, the human along their sum: |e - e'| per feature hides it."""
    random = np.random.default_rng(0)
    u, v = np.linalg.qr(random.normal(size=(6, 6)))[0][:2]

    def data(n_pairs: int, seed: int) -> tuple[PairVectors, VerdictTable]:
        vectors = random_vectors(n_pairs, seed)
        difference = (vectors.a - vectors.b)[:, 4:].numpy()
        human = np.where(difference @ (u + v) > 0, A, B)
        prefers = [np.where(difference @ w > 0, A, B) for w in (u, v)]
        return vectors, table_of(np.stack(prefers, 1) == human[:, None], labels=human)

    vectors, table = data(500, 1)
    unseen, truth = data(500, 2)
    accuracy = {}
    for surrogates in (True, False):
        features = FeatureConfig(standardise=True, surrogates=surrogates, surrogate_weight=1.0)
        found = fit(vectors, table, CONFIG.model_copy(update={"features": features}))
        accuracy[surrogates] = routed_correctly(scores(found, unseen), truth.behaviour)[truth.kept].mean()
    assert accuracy[True] > accuracy[False] + 0.05


@pytest.mark.parametrize("seed", range(3))
def test_where_there_is_nothing_to_see_the_router_is_no_worse_than_the_best_single_rm(seed):
    random = np.random.default_rng(seed)

    def noise(n_pairs: int, offset: int) -> tuple[PairVectors, VerdictTable]:
        behaviour = random.random((n_pairs, 3)) < [0.8, 0.6, 0.6]
        return random_vectors(n_pairs, 100 * seed + offset), table_of(behaviour)

    found = fit(*noise(200, 0))
    vectors, table = noise(1000, 1)
    kept, behaviour = table.kept, table.behaviour
    routed = routed_correctly(scores(found, vectors), behaviour)[kept].mean()
    assert routed > behaviour[kept].mean(axis=0).max() - 0.03
    assert found.validation.accuracy >= found.validation.best_single_accuracy - 0.01


def test_without_trust_every_pair_goes_to_the_best_rm():
    config = CONFIG.model_copy(update={"solver": SolverConfig(prior_strength=(2.0,), trust=(0.0,))})
    vectors, table = routable(100, 0)
    found = scores(fit(vectors, table, config), random_vectors(20, 3))
    np.testing.assert_allclose(found, np.tile(found[0], (20, 1)), atol=1e-6)
    assert found[0].argmax() == np.nan_to_num(table.behaviour).mean(0).argmax()


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before():
    vectors, table = routable(60, 0)
    torch.manual_seed(1)
    one = fit(vectors, table)
    torch.manual_seed(2)
    again = fit(vectors, table)
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    assert one.validation == again.validation


def test_permuting_the_rms_permutes_the_scores():
    vectors, table = routable(80, 0)
    order = [2, 0, 1]
    config = CONFIG.model_copy(update={"solver": SolverConfig(prior_strength=(2.0,), trust=(0.5,))})
    unseen = random_vectors(30, 4)
    one = scores(fit(vectors, table, config), unseen)
    turned = scores(fit(vectors, table.pool([table.rms[n] for n in order]), config), unseen)
    np.testing.assert_allclose(turned, one[:, order], atol=2e-4)


@pytest.mark.parametrize("normalised", [True, False])
def test_exchanged_responses_have_identical_scores(normalised):
    vectors, table = routable(60, 0)
    features = FeatureConfig(standardise=normalised, surrogates=normalised)
    found = fit(vectors, table, CONFIG.model_copy(update={"features": features}))
    unseen = random_vectors(40, 4)
    np.testing.assert_array_equal(scores(found, unseen), scores(found, PairVectors(unseen.b, unseen.a)))


def test_training_on_exchanged_pairs_gives_the_same_router():
    vectors, table = routable(60, 0)
    unseen = random_vectors(30, 4)
    one = scores(fit(vectors, table), unseen)
    other = scores(fit(PairVectors(vectors.b, vectors.a), swapped_table(table)), unseen)
    np.testing.assert_allclose(other, one, atol=1e-5)


def test_validation_never_sees_its_own_fold():
    """Answers that are noise given the pair cannot be predicted, however often a problem is repeated."""
    random = np.random.default_rng(0)
    once = random_vectors(40, 0)
    vectors = once.select(np.repeat(np.arange(40), 8))
    behaviour = np.repeat(random.random((40, 3)) < 0.6, 8, axis=0)
    together = table_of(behaviour, groups=[f"problem {n // 8}" for n in range(320)])
    apart = table_of(behaviour, groups=[f"pair {n}" for n in range(320)])
    config = CONFIG.model_copy(update={"solver": SolverConfig(prior_strength=(0.2,), trust=(1.0,))})
    honest, flattered = (fit(vectors, table, config).validation.accuracy for table in (together, apart))
    assert flattered > 0.9
    assert honest < 0.7


def test_every_candidate_is_reported_and_the_first_of_equals_is_taken():
    steps: list[int] = []
    vectors, table = routable(300, 0)
    solver = SolverConfig(prior_strength=(0.2, 20.0), trust=(1.0, 0.0), folds=3)
    config = CONFIG.model_copy(update={"solver": solver})
    found = fit_linear(BLOCKS, vectors, table, config, steps.append)
    tried = [(c["prior_strength"], c["trust"]) for c in found.validation.candidates]
    assert tried == [(20.0, 0.0), (20.0, 1.0), (0.2, 0.0), (0.2, 1.0)]  # the most cautious first
    best = max(c["accuracy"] for c in found.validation.candidates)
    assert found.validation.accuracy == best
    first = next(c for c in found.validation.candidates if c["accuracy"] == best)
    assert found.validation.chosen == {"prior_strength": first["prior_strength"], "trust": first["trust"]}
    assert found.validation.method == "3-fold cross-validation by group"
    assert sum(steps) == solver.folds + 1


def test_the_classification_head_is_calibrated_on_what_it_was_fitted_to():
    vectors, table = routable(200, 0)
    model = fit(vectors, table).model
    with torch.no_grad():
        chance = torch.sigmoid(model.heads.logits(model.contexts(vectors.a, vectors.b)))
    np.testing.assert_allclose(chance.mean(0), table.behaviour.mean(0), atol=0.05)
    without = CONFIG.model_copy(update={"heads": HeadConfig(cls_weight=0)})
    assert fit(vectors, table, without).model.heads.cls is None


def test_missing_verdicts_and_rms_without_any_are_borne():
    vectors, table = routable(80, 0)
    winners = table.winners.copy()
    winners[::3, 0] = -9
    winners[:, 2] = 0
    found = fit(vectors, dataclasses.replace(table, winners=winners))
    assert np.isfinite(scores(found, vectors)).all()


@pytest.mark.parametrize("problems", [2, 3, 4, 7])
def test_few_problems_are_held_out_in_as_many_parts(problems):
    vectors, table = routable(80, 0)
    pairs = [
        dataclasses.replace(pair, metadata={"group": f"problem {n % problems}"})
        for n, pair in enumerate(table.pairs)
    ]
    found = fit(vectors, dataclasses.replace(table, pairs=tuple(pairs)))
    assert found.validation.method.startswith(f"{min(problems, 5)}-fold")
