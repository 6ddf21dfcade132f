"""Neural-linear as an annotator."""

import pytest
from conforming import POOL
from scripted_scorer import ScriptedScorer

from rewardrouter.annotators import NeuralLinearAnnotator
from rewardrouter.errors import ConfigError
from rewardrouter.testing import check_annotator

SCORER = ScriptedScorer(POOL.names)


@pytest.mark.parametrize("every", [1, 2, 10])
def test_it_keeps_the_contract(every):
    """Trained between any two batches, in the middle of the check, and not at all."""
    check_annotator(lambda: NeuralLinearAnnotator(POOL, SCORER, width=4, every=every, seed=1))


def test_impossible_settings_are_refused():
    for setting in ("width", "every"):
        with pytest.raises(ConfigError, match=f"{setting}: expected at least 1, found 0"):
            NeuralLinearAnnotator(POOL, SCORER, **{setting: 0})
