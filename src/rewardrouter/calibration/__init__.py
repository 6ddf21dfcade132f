"""What verdicts are worth: calibrated correctness, joint evidence, and whom to ask next.

===============  =====================================================================================
``heldout``      pairs whose signals came from models that did not see them: all that is fitted here
``correctness``  P(RM is right | its margin, the pair), per RM
``witnesses``    how the verdicts of several RMs add up, allowing for what they share
``beliefs``      the log odds of a label, verdict by verdict, and what one more verdict would tell
``choosing``     whom to ask first and next, at what cost
``budget``       thresholds that keep a budget, found on the held-out pairs alone
``clusters``     standard errors where pairs of one problem hang together
``reliability``  how far the probabilities hold
===============  =====================================================================================

Arrays only: no text, no reward model, no torch.
"""

from rewardrouter.calibration.beliefs import Beliefs, EvidenceModel
from rewardrouter.calibration.budget import Plan, best_plan
from rewardrouter.calibration.choosing import Costs, relative_accuracy
from rewardrouter.calibration.correctness import Correctness
from rewardrouter.calibration.heldout import HeldOut, Signals

__all__ = [
    "Beliefs",
    "Correctness",
    "Costs",
    "EvidenceModel",
    "HeldOut",
    "Plan",
    "Signals",
    "best_plan",
    "relative_accuracy",
]
