"""TRL's settings of DPO, as far as they go together with labels that are made in the course of training."""

from __future__ import annotations

from trl import DPOConfig

from rewardrouter.config.policy import LossKind
from rewardrouter.errors import ConfigError

LOSSES: tuple[LossKind, ...] = ("sigmoid", "hinge", "ipo")
"""The losses of ``DPOConfig.loss_type`` that are offered: DPO's (paper Eq. 1), SLiC's and IPO's."""

_LEFT_ALONE = {
    "label_smoothing": 0.0,
    "use_weighting": False,
    "ld_alpha": None,
    "f_divergence_type": "reverse_kl",
    "precompute_ref_log_probs": False,
    "padding_free": False,
    "loss_weights": None,
    "sync_ref_model": False,
    "auto_find_batch_size": False,
    "train_sampling_strategy": "random",
}
"""Settings of ``DPOConfig`` that have no effect here, at the values where they have none there."""


def check_arguments(args: DPOConfig) -> LossKind:
    """Return the loss; what has no place in online DPO must be left alone.

    Raises
    ------
    ConfigError
        Naming the setting, what was found and what is expected.
    """
    losses = [args.loss_type] if isinstance(args.loss_type, str) else list(args.loss_type)
    if len(losses) != 1 or losses[0] not in LOSSES:
        raise ConfigError(f"loss_type: found {', '.join(losses)}, expected one of {', '.join(LOSSES)}")
    for name, value in _LEFT_ALONE.items():
        found = getattr(args, name, value)
        if found != value:
            raise ConfigError(
                f"{name}: found {found!r}, but online DPO has no use for it; leave it at {value!r}"
            )
    if (args.fsdp_plugin_args or {}).get("fsdp_version", 2) != 2:
        raise ConfigError("fsdp_config.version: found 1, which PyTorch and transformers give up; use 2")
    if args.beta <= 0:
        raise ConfigError(f"beta: found {args.beta}, expected a number above 0")
    return next(kind for kind in LOSSES if kind == losses[0])


def prepare_arguments(args: DPOConfig) -> DPOConfig:
    """Set what the trainer relies on: whole batches of prompts with all their columns, checkpoints in its own hands."""
    args.remove_unused_columns = False
    if args.data_seed is None:
        args.data_seed = args.seed  # else the order of the prompts follows from whoever seeded torch last
    args.dataloader_drop_last = True
    args.max_length = None
    return args
