"""The running shift test of an annotator: what it is shown, when it is there, and what it does to the prior."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from routing import ARMS, TABLE, D, annotator, table_of
from scripted_scorer import ScriptedScorer

from rewardrouter.annotators import StepContext
from rewardrouter.annotators.bayesian_router import BayesianRouterAnnotator
from rewardrouter.annotators.watching import ShiftWatch
from rewardrouter.errors import ConfigError
from rewardrouter.online.shift import ContextReference
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models import recorded_pool


class Remembering(ScriptedScorer):
    """A scorer that knows what its fitting pairs looked like: nothing like these."""

    reference = ContextReference.of(np.random.default_rng(0).standard_normal((300, D)) - 20.0)


STREAM = table_of(72)


def made(**options):
    return BayesianRouterAnnotator(recorded_pool(STREAM), Remembering(ARMS, D), **options)


def labelled(one, steps):
    """Label batches of 12 new pairs."""
    for step in steps:
        one.annotate(STREAM.pairs[12 * step : 12 * step + 12], StepContext(f"step-{step}", step))
    return one


def test_pairs_unlike_the_reference_are_noticed():
    one = labelled(made(), range(6))
    told = one.watch.evidence
    assert told.fired
    assert told.evidence > told.threshold == pytest.approx(2.0)
    assert told.p < 0.01
    assert (told.pairs, told.groups) == (72, 72)
    early = [labelled(made(), range(steps)).watch.evidence for steps in range(1, 7)]
    first = next(one for one in early if one.fired)
    assert first.pairs - 12 < told.fired_at == first.fired_at <= first.pairs < told.pairs


D_PLAIN = 8
PLAIN = np.random.default_rng(5).standard_normal((2000, D_PLAIN))
"""Contexts of fitting pairs, each of a problem of its own."""


def pairs_of(groups, contexts):
    """Return the pair of every context: the same numbers, the same texts."""
    texts = [row.tobytes().hex() for row in contexts]
    return [PreferencePair(t, f"q{g}", t, "b", {"group": str(g)}) for g, t in zip(groups, texts, strict=True)]


def watched(reference, groups, contexts, size=64):
    """Show contexts to a watch, in calls of ``size``."""
    watch, pairs = ShiftWatch(reference), pairs_of(groups, contexts)
    for start in range(0, len(pairs), size):
        end = start + size
        watch.see(pairs[start:end], contexts[start:end], f"batch-{start // 64}")
    return watch


def kin(rng, groups):
    """Return contexts of the distribution of PLAIN, those of one group nearly the same."""
    centres = rng.standard_normal((max(groups) + 1, D_PLAIN))
    return 0.95**0.5 * centres[groups] + 0.05**0.5 * rng.standard_normal((len(groups), D_PLAIN))


@pytest.mark.parametrize("seed", [0, 2])
def test_a_prompt_whose_pairs_come_in_several_calls_is_one_witness(seed):
    groups = np.repeat(np.arange(300), 4)
    contexts = kin(np.random.default_rng(seed), groups)
    reference = ContextReference.of(PLAIN)
    whole = watched(reference, groups, contexts)
    assert not whole.evidence.fired
    assert whole.evidence.groups == 300
    for size in (1, 7):
        cut = watched(reference, groups, contexts, size)
        assert cut.evidence == whole.evidence
        assert cut.state_dict().metadata == whole.state_dict().metadata


@pytest.mark.parametrize("other_pairs", [False, True])
def test_prompts_that_are_passed_again_add_nothing(other_pairs):
    rng = np.random.default_rng(3)
    groups = np.arange(128)
    centres = rng.standard_normal((128, D_PLAIN))
    reference = ContextReference.of(PLAIN)
    watch, told = ShiftWatch(reference), []
    for epoch in range(12):
        contexts = centres + 0.2 * other_pairs * rng.standard_normal(centres.shape)
        order = rng.permutation(128)
        watch.see(pairs_of(groups[order], contexts[order]), contexts[order], str(epoch))
        told.append(watch.evidence)
    assert not told[-1].fired
    assert other_pairs or told[-1].p == told[0].p
    assert (told[-1].pairs, told[-1].groups) == (12 * 128, 128)


def unequal(rng):
    """Problems of one or six pairs; the large ones are of another kind. Pairs are shuffled, as in a table."""
    sizes = np.where(rng.random(200) < 0.2, 6, 1)
    groups = rng.permutation(np.repeat(np.arange(200), sizes))
    contexts = kin(rng, groups)
    contexts[:, 0] += 2.0 * (sizes == 6)[groups]
    return groups, contexts


def test_problems_of_many_pairs_make_no_shift_in_whichever_order_they_come():
    fired = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        fitted_groups, fitted = unequal(rng)
        reference = ContextReference.of(fitted, None, fitted_groups)
        groups, contexts = unequal(rng)
        together = np.argsort(groups, kind="stable")
        one_each = np.unique(groups, return_index=True)[1]
        for order in (np.arange(len(groups)), together, one_each):
            twice = np.concatenate([order, rng.permutation(order)])
            fired.append(watched(reference, groups[twice], contexts[twice]).evidence.fired)
        moved = watched(reference, groups, contexts + 1.5 * (np.arange(D_PLAIN) == 1))
        assert moved.evidence.fired
    assert not any(fired)


def test_a_pair_with_its_responses_exchanged_is_the_same():
    contexts = np.random.default_rng(1).standard_normal((40, D_PLAIN))
    pairs = pairs_of(range(40), contexts)
    once, twice = ShiftWatch(ContextReference.of(PLAIN)), ShiftWatch(ContextReference.of(PLAIN))
    once.see(pairs, contexts, "0")
    twice.see(pairs, contexts, "0")
    twice.see([pair.swapped() for pair in pairs], contexts, "1")
    assert twice.evidence == dataclasses.replace(once.evidence, pairs=80)


def test_there_is_no_watch_without_a_reference():
    one = annotator()
    one.annotate(TABLE.pairs, StepContext("step-0"))
    assert one.watch is None
    assert "watch" not in one.state_dict().metadata
    with pytest.raises(ConfigError, match="fit it again"):
        BayesianRouterAnnotator(recorded_pool(TABLE), ScriptedScorer(ARMS, D), widen_on_shift=2.0)


def test_it_goes_on_where_a_state_was_taken():
    whole, resumed = labelled(made(), range(2)), made()
    resumed.load_state_dict(whole.state_dict())
    assert resumed.watch.evidence == whole.watch.evidence
    # The batches of before once more, then new ones.
    assert labelled(resumed, range(5)).watch.evidence == labelled(whole, range(5)).watch.evidence
    assert whole.watch.evidence.groups == 60


@pytest.mark.parametrize("factor", [1.0, 5.0])
def test_the_prior_is_widened_once_and_stays_so_after_a_restart(factor):
    one = labelled(made(prior_variance=0.02, widen_on_shift=factor), range(6))
    posteriors = one.policy.posteriors
    assert posteriors.prior_variance == pytest.approx(0.02 * factor)
    resumed = made(prior_variance=0.02, widen_on_shift=factor)
    resumed.load_state_dict(one.state_dict())
    labelled(resumed, range(2))
    assert resumed.policy.posteriors.prior_variance == posteriors.prior_variance


def test_the_prior_is_widened_where_a_batch_begins_not_within_one():
    """However the batch is cut into calls: the one in which the test fires is labelled with one prior."""
    whole, cut = (made(prior_variance=0.02, widen_on_shift=5.0) for _ in range(2))
    given, parts = whole.annotate(STREAM.pairs, StepContext("a")), []
    for start in range(0, 72, 9):
        parts += cut.annotate(STREAM.pairs[start : start + 9], StepContext("a"))
    assert cut.watch.evidence == whole.watch.evidence
    assert whole.watch.evidence.fired
    assert [(one.label, one.rms) for one in parts] == [(one.label, one.rms) for one in given]
    for one in (whole, cut):
        assert one.policy.posteriors.prior_variance == 0.02
        one.annotate((), StepContext("b"))
        assert one.policy.posteriors.prior_variance == 0.02
        one.annotate(STREAM.pairs[:1], StepContext("b"))
        assert one.policy.posteriors.prior_variance == pytest.approx(0.1)


def test_a_factor_below_1_is_refused():
    with pytest.raises(ConfigError, match="widen_on_shift"):
        made(widen_on_shift=0.5)
