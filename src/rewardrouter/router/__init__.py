"""The facade that users hold: encoder, offline model and arms in one object, saved and loaded as one folder."""

from rewardrouter.router.arms import Arm
from rewardrouter.router.facade import BayesianRouter
from rewardrouter.router.fitting import fit_router

__all__ = ["Arm", "BayesianRouter", "fit_router"]
