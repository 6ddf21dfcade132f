"""Score ensembles, against independent computations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import scored, scripted

from rewardrouter.annotators import ScoreEnsembleAnnotator, ScoreScale, StepContext, score_scales
from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.reward_models import recorded_pool
from rewardrouter.router.arms import arms_of
from rewardrouter.testing import check_annotator
from rewardrouter.verdicts import FAILED, TIE, A, B

STEP = StepContext("batch")
score = st.none() | st.integers(-20, 20).map(float)


def annotate(table, scales, caution=0.0):
    return ScoreEnsembleAnnotator(recorded_pool(table), scales, caution).annotate(table.pairs, STEP)


def test_scales_are_the_mean_and_deviation_of_all_scores_of_an_rm():
    table = scored(
        [[1.0, 5.0, np.nan, np.nan], [2.0, 5.0, 7.0, np.nan]],
        [[3.0, 5.0, np.nan, np.nan], [6.0, 5.0, np.nan, np.nan]],
    )
    scales = score_scales(arms_of(table))
    assert set(scales) == {"rm0"}  # rm1 never varies, rm2 scored one response, rm3 none
    assert scales["rm0"].mean == pytest.approx(3.0)
    assert scales["rm0"].std == pytest.approx(math.sqrt((4 + 1 + 0 + 9) / 4))


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(st.lists(st.tuples(score, score), min_size=n, max_size=n), min_size=1, max_size=5)
    ),
    st.sampled_from([0.0, 0.5, 1.0, 2.5]),
)
def test_labels_by_an_independent_computation(rows, caution):
    a = np.array([[one[0] for one in row] for row in rows], dtype=float)
    b = np.array([[one[1] for one in row] for row in rows], dtype=float)
    table = scored(a, b)
    n_rms = a.shape[1]
    scales = {f"rm{n}": ScoreScale(mean=3.0 * n - 2.0, std=1.0 + n) for n in range(n_rms)}
    for i, annotation in enumerate(annotate(table, scales, caution)):
        usable = [n for n in range(n_rms) if not np.isnan(a[i, n] + b[i, n])]
        assert annotation.rms == table.rms
        assert annotation.rm is None
        if not usable:
            assert annotation.label is None
            assert "no usable verdict" in annotation.reason
            continue
        values = []
        for scores in (a, b):
            z = [(scores[i, n] - (3.0 * n - 2.0)) / (1.0 + n) for n in usable]
            mean = math.fsum(z) / len(z)
            deviation = math.sqrt(math.fsum((one - mean) ** 2 for one in z) / len(z))
            values.append(mean - caution * deviation)
        if abs(values[0] - values[1]) > 1e-9:
            assert annotation.label == ("A" if values[0] > values[1] else "B")
            assert annotation.reason is None


def test_caution_distrusts_a_response_the_rms_disagree_about():
    table = scored([[4.0, -1.0]], [[1.0, 1.0]])  # A: mean 1.5, deviation 2.5; B: mean 1, deviation 0
    scales = {"rm0": ScoreScale(0.0, 1.0), "rm1": ScoreScale(0.0, 1.0)}
    assert [annotate(table, scales, caution)[0].label for caution in (0.0, 0.1, 0.3, 1.0)] == [
        "A",
        "A",
        "B",
        "B",
    ]


def test_the_unit_of_an_rms_scores_does_not_matter():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50, 3))
    unit, offset = np.array([1.0, 1000.0, 1e-3]), np.array([0.0, -70.0, 5.0])
    plain, scaled = scored(a, b), scored(a * unit + offset, b * unit + offset)
    for caution in (0.0, 1.0):
        labels = [one.label for one in annotate(plain, score_scales(arms_of(plain)), caution)]
        assert labels == [one.label for one in annotate(scaled, score_scales(arms_of(scaled)), caution)]


def test_equal_values_are_no_label():
    (annotation,) = annotate(scored([[1.0, 0.0]], [[0.0, 1.0]]), {})
    assert (annotation.label, annotation.reason) == (
        None,
        "the ensemble's values of both responses are equal",
    )


def test_an_rm_that_names_winners_counts_as_one_and_minus_one():
    table = scripted([[A, B, B], [A, TIE, TIE], [FAILED, TIE, B], [TIE, TIE, FAILED]])
    assert [one.label for one in annotate(table, {})] == ["B", "A", "B", None]


def test_a_scored_rm_without_a_scale_votes():
    (annotation,) = annotate(scored([[100.0, 0.0, 0.0]], [[0.0, 1.0, 1.0]]), {})
    assert annotation.label == "B"


def test_it_keeps_the_contract():
    rng = np.random.default_rng(1)
    table = scored(*rng.normal(size=(2, 12, 4)).round(1))
    for caution in (0.0, 1.0):
        check_annotator(
            lambda caution=caution: ScoreEnsembleAnnotator(
                recorded_pool(table), score_scales(arms_of(table)), caution
            ),
            table.pairs,
        )


def test_real_scores_against_numpy(shared_data):
    table = load_verdicts(shared_data / "verdicts" / "rewardbench9_dev.parquet").table
    both = np.stack([table.scores_a, table.scores_b])  # [2, P, N]
    z = (both - both.mean(axis=(0, 1))) / both.std(axis=(0, 1))
    for caution in (0.0, 1.0):
        value_a, value_b = z.mean(axis=2) - caution * z.std(axis=2)
        clear = np.abs(value_a - value_b) > 1e-12
        labels = np.array(
            [one.label or "-" for one in annotate(table, score_scales(arms_of(table)), caution)]
        )
        np.testing.assert_array_equal(labels[clear], np.where(value_a > value_b, "A", "B")[clear])
        assert clear.mean() > 0.99
