"""AdamW on named parameters, with a state that is arrays and resumes bit for bit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter

from rewardrouter.state import State

_MOMENTS = ("exp_avg", "exp_avg_sq")
"""torch's names of a gradient's running mean and mean square."""


class Optimiser:
    """AdamW at a constant learning rate.

    Attributes
    ----------
    steps
        Steps taken since the start.
    """

    def __init__(
        self, parameters: Mapping[str, Parameter], learning_rate: float, weight_decay: float
    ) -> None:
        self._parameters = dict(parameters)
        self._learning_rate, self._weight_decay = learning_rate, weight_decay
        self.reset()

    def reset(self) -> None:
        """Forget all moments; the parameters stay."""
        self._adam = torch.optim.AdamW(
            list(self._parameters.values()),
            lr=self._learning_rate,
            weight_decay=self._weight_decay,
            fused=True,
        )
        self.steps = 0

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._adam.zero_grad()

    def step(self) -> None:
        """Update the parameters by their gradients."""
        self._adam.step()
        self.steps += 1

    def state_dict(self) -> State:
        """Return the parameters and, after a first step, their moments."""
        parts = {"weights": State({name: _array(p) for name, p in self._parameters.items()})}
        for moment in _MOMENTS if self.steps else ():
            own = {name: _array(self._adam.state[p][moment]) for name, p in self._parameters.items()}
            parts[moment] = State(own)
        return State.joined({"steps": self.steps}, **parts)

    def load_state_dict(self, state: State) -> None:
        """Take the parameters and moments of :meth:`state_dict`.

        Raises
        ------
        CheckpointError
            If they are of other parameters or broken; nothing is changed then.
        """
        steps = state.value("steps", int)
        weights = self._values(state.part("weights"))
        moments = {moment: self._values(state.part(moment)) for moment in _MOMENTS if steps}
        self.reset()
        for name, parameter in self._parameters.items():
            with torch.no_grad():
                parameter.copy_(weights[name])
            if steps:
                own = {moment: moments[moment][name].to(parameter.device) for moment in _MOMENTS}
                count = torch.tensor(float(steps), device=parameter.device)
                self._adam.state[parameter] = {"step": count, **own}
        self.steps = steps

    def _values(self, state: State) -> dict[str, Tensor]:
        return {
            name: torch.from_numpy(state.array(name, tuple(parameter.shape), np.float32))
            for name, parameter in self._parameters.items()
        }


def _array(tensor: Tensor) -> np.typing.NDArray[np.float32]:
    return tensor.detach().cpu().numpy().copy()
