"""Margins, gold labels and probes: who is asked, what is said of whom, and what the bandit makes of it."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from bayesian_regression import posterior
from calibrated import KnownPairs, table_of
from conforming import POOL
from held_out_rows import held_out_of, signals_of
from scipy.special import expit, logit
from scripted_scorer import ScriptedScorer, outcomes_of

from rewardrouter.annotators import Annotation, BayesianRouterAnnotator, Outcome, StepContext
from rewardrouter.annotators.observations import Observation
from rewardrouter.annotators.observing import Drawn, Observer
from rewardrouter.calibration import HeldOut
from rewardrouter.errors import ConfigError
from rewardrouter.online.likelihood import FIRST_VARIANCE, Terms
from rewardrouter.online.posterior import Scores
from rewardrouter.pairs import digest
from rewardrouter.reward_models import recorded_pool
from rewardrouter.simulation.controls import KnownLabels
from rewardrouter.testing import check_annotator, sample_pairs
from rewardrouter.verdicts import Verdict

N = 4
KNOWN = held_out_of(300, N, 7)
TABLE = table_of(KNOWN)


class Known(KnownPairs):
    """With contexts and a prior of the bandit besides."""

    def __init__(self, held_out: HeldOut) -> None:
        super().__init__(TABLE.rms, held_out, KNOWN)
        self._scripted = ScriptedScorer(TABLE.rms)
        self.prior_mean = self._scripted.prior_mean

    def contexts(self, pairs):
        return self._scripted.contexts(pairs)


ROUTER = Known(held_out_of(600, N))


def overconfident(rows: HeldOut) -> HeldOut:
    """Return pairs whose verdicts have nothing to do with what is claimed."""
    winners = np.random.default_rng(9).choice([-1, 1], rows.winners.shape)
    return HeldOut(rows.signals, winners, rows.margins, rows.labels, rows.folds)


def annotator(*kinds, router=ROUTER, seed=0, gold=None, **given_):
    observer = Observer(kinds, router.arms, router, gold=gold or KnownLabels(TABLE), seed=seed, **given_)
    return BayesianRouterAnnotator(recorded_pool(TABLE), router, observer=observer, seed=seed)


def run(ours, batches=6, size=50, batch="b"):
    given_ = []
    for n in range(batches):
        rows = range(n * size % len(TABLE), n * size % len(TABLE) + size)
        found = ours.annotate([TABLE.pairs[row] for row in rows], StepContext(f"{batch}{n}", n))
        ours.observe({one.decision_id: Outcome(0.7, 0.7, 0.0) for one in found if one.label})
        given_ += found
    return given_


def test_calls_stay_rare():
    assert {len(one.rms) for one in run(annotator("margin"))} == {1}
    for kind, share in (("gold", {"audit": 0.1}), ("probe", {"probes": 0.1})):
        calls = [len(one.rms) for one in run(annotator(kind, **share))]
        assert set(calls) == {1, N}
        assert 1.0 < np.mean(calls) < 1 + 0.15 * (N - 1) + 0.1


def test_pairs_are_drawn_one_by_one_and_by_seed():
    whole, halves = annotator("gold", audit=0.3), annotator("gold", audit=0.3)
    pairs, step = TABLE.pairs[:40], StepContext("x", 0)
    asked = [one.rms for one in whole.annotate(pairs, step)]
    assert asked == [one.rms for part in (pairs[:11], pairs[11:]) for one in halves.annotate(part, step)]
    other = annotator("gold", audit=0.3, seed=1).annotate(pairs, step)
    assert [len(rms) for rms in asked] != [len(one.rms) for one in other]


def test_gold_teaches_every_rm_its_own_correctness():
    ours = annotator("gold", audit=1.0)
    found = run(ours, batches=1)
    index = {pair.id: row for row, pair in enumerate(TABLE.pairs)}
    behaviour = np.array([TABLE.behaviour[index[one.pair_id]] for one in found])
    divided = behaviour.min(axis=1) < behaviour.max(axis=1)
    contexts = ROUTER.contexts(TABLE.pairs[:50])
    level = (contexts @ ROUTER.prior_mean.T).mean(axis=1)
    for n, arm in enumerate(ROUTER.arms):
        right = behaviour.sum(axis=1)[divided]
        share = (
            2 * right * (N - right) / (N * (N - 1))
        )  # of couples; each is an observation of that precision
        z = level[divided] + 2 * (behaviour[divided, n] - right / N) / share
        rows = contexts[divided] * np.sqrt(share)[:, None]
        expected = posterior(ROUTER.prior_mean[n], 0.02, FIRST_VARIANCE, rows, z * np.sqrt(share))
        np.testing.assert_allclose(ours.policy.posteriors.mean[n], expected.mean, atol=1e-9)
        np.testing.assert_allclose(ours.policy.posteriors.covariance(arm), expected.covariance, atol=1e-9)
    assert ours.policy.posteriors.counts.tolist() == [divided.sum()] * N


GOLD_ARMS = [f"rm{n}" for n in range(9)]
GOLD = Observer(["gold"], GOLD_ARMS, ROUTER, gold=KnownLabels(TABLE))


def seen(patterns, silent=0):
    """Return what gold says, per pair, of RMs that are right or not; ``silent`` more tie or fail."""
    annotations = []
    for pattern in patterns:
        winners = [*("A" if right else "B" for right in pattern), *("tie", None, "tie")[:silent]]
        said = tuple(
            Verdict(f"rm{n}", winner, error=None if winner else "away") for n, winner in enumerate(winners)
        )
        annotations.append(Annotation("d", "p", "A", tuple(v.rm for v in said), "rm0", verdicts=said))
    drawn = Drawn(("A",) * len(annotations), np.full(len(annotations), np.nan))
    return GOLD.observe(drawn, TABLE.pairs[:1] * len(annotations), annotations)


@pytest.mark.parametrize(("size", "base"), [(2, 0.7), (3, 0.5), (4, 0.7), (4, 0.9), (9, 0.8)])
def test_gold_is_on_the_scale_of_the_prior_however_many_rms_and_however_many_right(size, base):
    score = np.zeros(size)
    score[:2] = 0.2, -0.2  # log odds of being right, less a common level: small, as Eq. 2 is linearised
    likely = expit(logit(base) + score)
    total, chance = np.zeros((size, size)), np.zeros(size)
    patterns = list(itertools.product([True, False], repeat=size))
    for pattern, found in zip(patterns, seen(patterns), strict=True):
        assert len(found) == size * (0 < sum(pattern) < size)  # one on which all agree says nothing
        if found:
            own = np.where(pattern, likely, 1 - likely).prod()
            total[sum(pattern)] += own * np.array([one.value for one in found])
            chance[sum(pattern)] += own
            assert len({one.precision for one in found}) == 1
    for right in range(1, size):  # the exact mean, given how many are right
        np.testing.assert_allclose(total[right] / chance[right], score, atol=0.02)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_gold_is_a_newton_step_of_the_likelihood_of_who_is_right_given_how_many_are(size):
    patterns = np.array(list(itertools.product([0.0, 1.0], repeat=size)))
    for pattern, found in zip(patterns[1:-1], seen(patterns[1:-1]), strict=True):
        alike = patterns[patterns.sum(axis=1) == pattern.sum()]  # equally likely where RMs are equally strong
        gradient, information = pattern - alike.mean(axis=0), np.cov(alike.T, bias=True)
        value = [one.value for one in found]
        np.testing.assert_allclose(value, np.linalg.pinv(information) @ gradient, atol=1e-9)
        centring = np.eye(size) - 1 / size
        np.testing.assert_allclose(information, found[0].precision / 2 * centring, atol=1e-12)


def test_rms_that_tie_or_fail_are_not_counted():
    assert seen([(True, False, True)], silent=2) == seen([(True, False, True)])
    assert seen([(True,)], silent=2) == seen([(True, True)], silent=1) == [()]


def test_what_waits_for_its_outcome_is_kept_to_the_last_bit():
    for one in seen([(True, False, True, True)])[0]:
        assert Observation.from_json(json.loads(json.dumps(one.as_json()))) == one


@pytest.mark.parametrize("size", [2, 4, 9])
def test_the_noise_of_gold_is_learnt_whatever_the_number_of_rms(size):
    observed = [found for found in seen(np.random.default_rng(0).random((1500, size)) < 0.8) if found]
    rows = np.repeat(np.arange(len(observed)), size)
    arms = np.tile(np.arange(size), len(observed))
    taken = [one for found in observed for one in found]
    terms = Terms(
        rows,
        arms,
        np.zeros_like(rows),
        *(np.array([getattr(one, name) for one in taken]) for name in ("value", "weight", "precision")),
    )
    likelihood = Observer(["gold"], GOLD_ARMS, ROUTER, gold=KnownLabels(TABLE)).likelihood
    likelihood.combine(Scores(np.zeros((len(observed), size)), np.zeros((len(observed), size))), terms)
    assert likelihood.noise_variances[0] == pytest.approx(2.0, rel=0.1)


def test_margins_teach_the_rm_that_answered_once_per_pair():
    ours = annotator("margin", "gold")
    ours.observe(outcomes_of(found := ours.annotate(TABLE.pairs[:60], StepContext("m"))))
    claims = ours.last_rewards
    assert set(claims) == {one.decision_id for one in found}
    assert all(0 < claim <= 1 for claim in claims.values())
    own = annotator("margin")
    found = run(own, batches=2)
    assert own.policy.posteriors.counts.sum() == len(found)


def test_margins_that_prove_nothing_are_not_used_and_gold_can_refute_them():
    known = held_out_of(600, N)
    ours = annotator("margin", router=Known(overconfident(known)))
    run(ours)
    assert not ours.observer.trusts_margins
    assert ours.policy.posteriors.counts.sum() == 0

    class Liar:
        name = "liar"

        def judge(self, pairs):
            coins = [int(digest(pair.id), 16) % 2 for pair in pairs]
            return [Verdict("liar", "A" if coin else "B") for coin in coins]

    refuted = annotator("margin", "gold", audit=0.9, gold=Liar())
    assert refuted.observer.trusts_margins
    run(refuted)
    assert not refuted.observer.trusts_margins
    assert set(refuted.observer.slopes) == {"held_out", "gold"}


def test_probes_follow_the_majority_right_or_wrong():
    ours = annotator("probe", probes=0.6)
    found = run(ours, batches=1)
    probed = [one for one in found if len(one.rms) == N]
    for one in probed:
        votes = [verdict.label for verdict in one.verdicts]
        agree = votes.count(max(set(votes), key=votes.count))
        if agree not in (N, N // 2) and one.decision_id in ours.last_rewards:
            assert ours.last_rewards[one.decision_id] == float(votes.count(one.label) == agree)


@pytest.mark.parametrize(("kind", "share"), [("gold", {"audit": 0.3}), ("probe", {"probes": 0.3})])
def test_who_is_right_where_is_learnt_from_nothing(kind, share):
    side = ROUTER.contexts(TABLE.pairs)[:, :1] > 0
    right = np.random.default_rng(0).random((300, N)) < np.where(
        side, [0.9, 0.8, 0.8, 0.3], [0.3, 0.8, 0.8, 0.9]
    )
    winners = np.where(right, KNOWN.labels[:, None], -KNOWN.labels[:, None])
    table = table_of(HeldOut(KNOWN.signals, winners, KNOWN.margins, KNOWN.labels, KNOWN.folds))
    observer = Observer([kind], ROUTER.arms, ROUTER, gold=KnownLabels(table), **share)
    nothing = np.zeros_like(ROUTER.prior_mean)
    ours = BayesianRouterAnnotator(
        recorded_pool(table), ROUTER, prior_mean=nothing, prior_variance=1.0, observer=observer
    )
    for n in range(8):
        found = ours.annotate(table.pairs, StepContext(str(n), n))
        ours.observe(outcomes_of(found, n))
    bad = np.where(side[:, 0], table.rms[3], table.rms[0])
    good = np.where(side[:, 0], table.rms[0], table.rms[3])
    chosen = np.array([one.rm for one in found])
    assert (chosen == good).mean() > 0.4 > 0.1 > (chosen == bad).mean()


@pytest.mark.parametrize("kinds", [("margin",), ("gold",), ("probe",), ("loss", "margin", "gold", "probe")])
def test_it_keeps_the_contract(kinds):
    pairs = sample_pairs()

    class Scripted(ScriptedScorer):
        held_out = held_out_of(200, 3)

        def signals(self, asked):
            return signals_of(1000, 3).select(np.array([int(sum(map(ord, p.id))) % 1000 for p in asked]))

    class Longest:
        name = "longest"

        def judge(self, asked):
            return [Verdict.from_scores("longest", len(p.response_a), len(p.response_b)) for p in asked]

    def make():
        router = Scripted(POOL.names)
        observer = Observer(kinds, POOL.names, router, gold=Longest(), audit=0.4, probes=0.4)
        return BayesianRouterAnnotator(POOL, router, prior_variance=1.0, observer=observer)

    check_annotator(make, pairs)


def test_what_it_cannot_do_is_said():
    with pytest.raises(ConfigError, match="knows the right label"):
        Observer(["gold"], ROUTER.arms, ROUTER)
    with pytest.raises(ConfigError, match="no kind golf; there are loss, margin, gold, probe"):
        Observer(["golf"], ROUTER.arms, ROUTER)
