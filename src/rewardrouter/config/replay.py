"""Settings of the replay: how labelled pairs are streamed past a policy that trains on them."""

from __future__ import annotations

from pydantic import Field

from rewardrouter.config.base import StrictModel
from rewardrouter.config.policy import PolicyConfig, small_policy_preset


class ReplayConfig(StrictModel):
    """What every strategy and seed of a run have in common."""

    batch_size: int = Field(default=64, ge=2)
    """Pairs per training step (paper 4.1); a stream that is shorter is one batch."""

    epochs: int | None = Field(default=None, ge=1)
    """Passes over the stream, each in another order; by default the fewest that make ``least_batches``."""

    least_batches: int = Field(default=100, ge=1)
    """How many batches there should be where ``epochs`` is not given."""

    windows: int = Field(default=25, ge=4)
    """Points of the curves over time, at most one per batch."""

    checkpoint_every: int = Field(default=25, ge=1)
    """Batches after which a run that is killed goes on, instead of from its start."""

    threads: int = Field(default=1, ge=1)
    """CPU threads of each process; with another number figures differ in the last digits."""

    policy: PolicyConfig | None = Field(default_factory=small_policy_preset)
    """The policy that trains on the labels; none where every strategy's labels are the same without."""

    def epochs_for(self, pairs: int) -> int:
        """Return how often a stream of so many pairs is passed."""
        per_epoch = self.batches_per_epoch(pairs)
        return self.epochs if self.epochs is not None else -(-self.least_batches // per_epoch)

    def batches_per_epoch(self, pairs: int) -> int:
        """Return the whole batches in one pass; what is left over differs from pass to pass."""
        return max(1, pairs // self.batch_size)
