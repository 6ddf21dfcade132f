"""Strategies that label pairs with a pool of reward models: one file each, behind one seam."""

from rewardrouter.annotators.base import Annotation, Annotator, DecisionId, Outcome, Stateless, StepContext
from rewardrouter.annotators.ensembles import ScoreEnsembleAnnotator, ScoreScale, score_scales
from rewardrouter.annotators.lookup import LookupAnnotator
from rewardrouter.annotators.majority import MajorityAnnotator, UwoAnnotator
from rewardrouter.annotators.offline_only import OfflineOnlyAnnotator
from rewardrouter.annotators.oracle import OracleAnnotator
from rewardrouter.annotators.random import RandomAnnotator
from rewardrouter.annotators.single import SingleAnnotator

__all__ = [
    "Annotation",
    "Annotator",
    "DecisionId",
    "LookupAnnotator",
    "MajorityAnnotator",
    "OfflineOnlyAnnotator",
    "OracleAnnotator",
    "Outcome",
    "RandomAnnotator",
    "ScoreEnsembleAnnotator",
    "ScoreScale",
    "SingleAnnotator",
    "Stateless",
    "StepContext",
    "UwoAnnotator",
    "score_scales",
]
