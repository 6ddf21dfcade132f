"""What can judge a pair. One small interface, :class:`RewardModel`; a pool of them by name."""

from rewardrouter.reward_models.base import RewardModel
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.reward_models.recorded import RecordedRewardModel, recorded_pool

__all__ = ["RecordedRewardModel", "RewardModel", "RewardModelPool", "recorded_pool"]
