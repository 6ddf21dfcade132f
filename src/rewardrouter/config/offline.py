"""Settings of the offline router: what is read from a pair, how it becomes h, how the heads are trained.

Two presets name the two ways of training (paper 3.2):

* :func:`frozen_preset`: the encoder stays as it is; its vectors are computed once and cached, h is a
  linear map of them and the heads are solved to the optimum. Minutes on a CPU; the default of
  ``fit --freeze-encoder``.
* :func:`full_preset`: the paper's own: every parameter of the encoder is trained with the fusion MLP
  and both heads. The default of ``fit``.

Every ablation is another value of one of these keys.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rewardrouter.config.base import StrictModel
from rewardrouter.config.encoder import EncoderConfig

_COMPONENTS = 384
"""How many principal components a linear fusion keeps at most."""


class FeatureConfig(StrictModel):
    """What a pair shows: the vectors of its two texts, side by side in a symmetric way."""

    of: Literal["pair", "prompt"] = "pair"
    """``pair``: prompt and responses (paper 3.2); ``prompt``: the prompt alone, as LASER routes."""

    statistics: bool = False
    """Add a few statistics of the text (length, lines, digits, overlap with the prompt) to its vector."""

    standardise: bool = False
    """Bring every feature to mean 0 and variance 1 on the training pairs, and every block to equal weight."""

    surrogates: bool = False
    """Add how much cheap imitations of each RM agree with one of the human (``offline.surrogates``)."""

    surrogate_weight: float = Field(default=0.4, gt=0)
    """Weight of the surrogates' features relative to one block of standardised features."""


class FusionConfig(StrictModel):
    """How the pair's features become h."""

    kind: Literal["mlp", "linear"] = "mlp"
    """``mlp``: Linear + ReLU + LayerNorm, trained (paper 3.2); ``linear``: principal components, fixed."""

    width: int | None = Field(default=None, ge=1)
    """Length d of h; ``null``: the encoder's (paper 3.2), or 384 components of a linear fusion, which keeps fewer where
    the training pairs span fewer, and adds a constant."""

    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of features dropped while the MLP is trained."""

    def length(self, encoder: int) -> int:
        """Return d, for an encoder whose states have ``encoder`` numbers."""
        return self.width or (encoder if self.kind == "mlp" else _COMPONENTS)


class HeadConfig(StrictModel):
    """The two heads on h."""

    cls_weight: float = Field(default=0.2, ge=0)
    """Lambda, the weight of the auxiliary classification loss; 0 is 'w/o CLS'."""

    cls_bias: bool = True
    """Whether the classification head has a bias per RM."""

    normalise: Literal["none", "cosine"] = "none"
    """``cosine``: h and the BT embeddings have length 1 and scores a learned temperature."""


class SolverConfig(StrictModel):
    """The heads on a fixed h: a convex problem, solved to the optimum."""

    prior_strength: tuple[Annotated[float, Field(ge=0)], ...] = Field(default=(3.0, 10.0), min_length=1)
    """Candidate strengths of the Gaussian prior on the heads, on the scale of the pairs' summed loss; the same
    strength weighs less the more pairs there are. Cross-validation by group takes one."""

    trust: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(default=(0.0, 0.5, 1.0), min_length=1)
    """Candidate weights of what the pair shows against the global ranking of the RMs; 0 always routes to
    the RM that is best overall."""

    folds: int = Field(default=5, ge=2)
    """Parts of the cross-validation."""


class GradientConfig(StrictModel):
    """Training of MLP, heads and (unless frozen) encoder by gradient steps."""

    learning_rate: float = Field(default=2e-5, gt=0)
    """Of AdamW."""

    weight_decay: float = Field(default=0.01, ge=0)
    """Of AdamW, on matrices."""

    batch_size: int = Field(default=8, ge=1)
    """Pairs per step."""

    epochs: int = Field(default=2, ge=1)
    """Passes over the training pairs at most."""

    warmup: float = Field(default=0.0, ge=0, le=1)
    """Share of the steps over which the learning rate rises from 0."""

    validation: float = Field(default=0.1, gt=0, le=0.5)
    """Share of the pairs, whole groups, kept for choosing the epoch."""

    patience: int = Field(default=3, ge=1)
    """Evaluations without a better validation loss after which training stops."""

    evaluations_per_epoch: int = Field(default=2, ge=1)
    """How often the validation loss is measured."""

    checkpoint_steps: int = Field(default=200, ge=1)
    """Steps between checkpoints from which an interrupted training resumes."""


class OfflineConfig(StrictModel):
    """The offline router (paper 3.2)."""

    encoder: EncoderConfig = EncoderConfig()
    """The shared encoder."""

    freeze_encoder: bool = False
    """Leave the encoder as it is."""

    features: FeatureConfig = FeatureConfig()
    """What a pair shows."""

    fusion: FusionConfig = FusionConfig()
    """From features to h."""

    heads: HeadConfig = HeadConfig()
    """From h to scores."""

    solver: SolverConfig = SolverConfig()
    """For a linear fusion."""

    gradient: GradientConfig = GradientConfig()
    """For an MLP."""

    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of splits, initial weights, order of batches and dropout."""


FROZEN_POOLINGS = ("prompt.mean@mid", "response.mean@mid", "response.max@mid")
"""States of the middle layer: later layers of a sentence encoder keep the topic and drop the manner."""


def frozen_preset() -> OfflineConfig:
    """Return the settings of ``fit --freeze-encoder``."""
    return OfflineConfig(
        encoder=EncoderConfig(poolings=FROZEN_POOLINGS),
        freeze_encoder=True,
        features=FeatureConfig(statistics=True, standardise=True, surrogates=True),
        fusion=FusionConfig(kind="linear"),
    )


def full_preset() -> OfflineConfig:
    """Return the settings of ``fit``: the paper's, Appendix A."""
    return OfflineConfig()
