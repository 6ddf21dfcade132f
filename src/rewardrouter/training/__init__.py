"""Online DPO with routed labels (paper section 3.1 and Figure 1): prompts in, aligned policy out.

One step::

    prompts -> generation (k responses each) -> pairing -> annotation -> one DPO update -> outcomes to the annotator
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewardrouter.training.trainer import RoutedDPOTrainer

__all__ = ["RoutedDPOTrainer"]


def __getattr__(name: str) -> Any:
    """Import the trainer when it is asked for: reading a run's results needs no TRL."""
    if name == "RoutedDPOTrainer":
        from rewardrouter.training.trainer import RoutedDPOTrainer

        return RoutedDPOTrainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
