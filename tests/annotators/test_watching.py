"""The running shift test of an annotator: what it is shown, when it is there, and what it does to the prior."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from routing import ARMS, TABLE, D, annotator
from scripted_scorer import ScriptedScorer

from rewardrouter.annotators import StepContext
from rewardrouter.annotators.bayesian_router import BayesianRouterAnnotator
from rewardrouter.annotators.watching import ShiftWatch
from rewardrouter.errors import ConfigError
from rewardrouter.online.shift import ContextReference
from rewardrouter.reward_models import recorded_pool


class Remembering(ScriptedScorer):
    """A scorer that knows what its fitting pairs looked like: nothing like these."""

    reference = ContextReference.of(np.random.default_rng(0).standard_normal((300, D)) - 20.0)


def made(**options):
    return BayesianRouterAnnotator(recorded_pool(TABLE), Remembering(ARMS, D), **options)


def labelled(one, steps):
    for step in range(steps):
        one.annotate(TABLE.pairs, StepContext(f"step-{step}", step))
    return one


def test_pairs_unlike_the_reference_are_noticed():
    one = labelled(made(), 6)
    told = one.watch.evidence
    assert told.fired
    assert told.evidence > told.threshold == pytest.approx(2.0)
    assert told.p < 0.01
    assert told.pairs == 6 * len(TABLE)
    early = [labelled(made(), steps).watch.evidence for steps in range(1, 7)]
    assert told.fired_at == next(one.pairs for one in early if one.fired) < told.pairs
    assert all(one.fired_at in (None, told.fired_at) for one in early)


def test_of_each_group_one_pair_is_shown():
    pairs = [dataclasses.replace(pair, metadata={"group": str(n % 3)}) for n, pair in enumerate(TABLE.pairs)]
    contexts = np.random.default_rng(1).standard_normal((len(pairs), D))
    whole, firsts = ShiftWatch(Remembering.reference), ShiftWatch(Remembering.reference)
    whole.see(pairs, contexts)
    firsts.see(pairs[:3], contexts[:3])
    assert whole.evidence == dataclasses.replace(firsts.evidence, pairs=len(pairs))


def test_there_is_no_watch_without_a_reference():
    one = labelled(annotator(), 1)
    assert one.watch is None
    assert "watch" not in one.state_dict().metadata
    with pytest.raises(ConfigError, match="fit it again"):
        BayesianRouterAnnotator(recorded_pool(TABLE), ScriptedScorer(ARMS, D), widen_on_shift=2.0)


def test_it_goes_on_where_a_state_was_taken():
    whole, resumed = labelled(made(), 2), made()
    resumed.load_state_dict(whole.state_dict())
    assert resumed.watch.evidence == whole.watch.evidence
    assert labelled(resumed, 3).watch.evidence == labelled(whole, 3).watch.evidence


@pytest.mark.parametrize("factor", [1.0, 5.0])
def test_the_prior_is_widened_once_and_stays_so_after_a_restart(factor):
    one = labelled(made(prior_variance=0.02, widen_on_shift=factor), 8)
    posteriors = one.policy.posteriors
    assert posteriors.prior_variance == pytest.approx(0.02 * factor)
    resumed = made(prior_variance=0.02, widen_on_shift=factor)
    resumed.load_state_dict(one.state_dict())
    labelled(resumed, 2)
    assert resumed.policy.posteriors.prior_variance == posteriors.prior_variance


def test_a_factor_below_1_is_refused():
    with pytest.raises(ConfigError, match="widen_on_shift"):
        made(widen_on_shift=0.5)
