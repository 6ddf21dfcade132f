"""What held-out pairs prove of margins."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from held_out_rows import held_out_of

from rewardrouter.annotators.margins import MarginModel


def test_pairs_of_one_problem_prove_no_more_than_one():
    """Nine pairs of each problem that are the same nine times, beside those that are taken for nine problems."""
    once = held_out_of(100, 3)
    nine = once.select(np.repeat(np.arange(100), 9))
    grouped = dataclasses.replace(nine, groups=np.repeat(np.arange(100), 9))
    one, many, few = (MarginModel(held_out).slope for held_out in (once, nine, grouped))
    assert few.value == many.value
    assert few.pairs == many.pairs == 900
    assert few.error > 2.5 * many.error
    assert few.error == pytest.approx(one.error, rel=0.5)
