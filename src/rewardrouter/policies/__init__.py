"""The policy of the replay: a causal LM trained on labelled pairs, with every pair's own loss (paper Eq. 1)."""

from rewardrouter.policies.losses import PairLosses, pair_losses
from rewardrouter.policies.policy import PreferencePolicy, StepOutcome
from rewardrouter.policies.prepared import PreparedPairs
from rewardrouter.policies.small import small_policy
from rewardrouter.policies.tokens import TokenReport

__all__ = [
    "PairLosses",
    "PreferencePolicy",
    "PreparedPairs",
    "StepOutcome",
    "TokenReport",
    "pair_losses",
    "small_policy",
]
