"""A bandit whose contexts go through a small network (neural-linear; Riquelme et al., arXiv 1802.09127).

    phi(h) = [LayerNorm(ReLU(W (h - center) / scale + b)) / sqrt(width) ; 1],    r = v_n' phi(h) + eps

The posteriors of :mod:`rewardrouter.online.posterior` are of the last layer's weights v_n, one row per arm; they
start from nothing. Every few updates W, b and v are trained on all (context, arm, reward) so far, and the
posteriors are computed anew from the same history on the new features. Between two trainings the features stay
and the posteriors learn as usual. ``scale`` is one number: the directions of h keep their relative lengths.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.online.arrays import Floats, Indices, Mask, as_arms, as_contexts, as_vector
from rewardrouter.online.posterior import ArmPosteriors, Scores
from rewardrouter.online.thompson import ThompsonSampler
from rewardrouter.state import State


class _Network(nn.Module):
    """phi, and the last layer ``[N, width + 1]``, which starts at 0 for every arm."""

    center: Tensor
    scale: Tensor

    def __init__(self, dimension: int, width: int, n_arms: int, seed: int) -> None:
        super().__init__()
        draw = torch.randn(width, dimension, generator=torch.Generator().manual_seed(seed))
        self.weight = nn.Parameter(draw * dimension**-0.5)
        self.bias = nn.Parameter(torch.zeros(width))
        self.last = nn.Parameter(torch.zeros(n_arms, width + 1))
        self.register_buffer("center", torch.zeros(dimension))
        self.register_buffer("scale", torch.ones(1))

    def fit_scale(self, contexts: Tensor) -> None:
        """Centre by the history ``[n, d]`` and bring its features to a root mean square of 1."""
        self.center.copy_(contexts.mean(dim=0))
        self.scale.fill_(float((contexts - self.center).square().mean().sqrt().clamp(min=1e-6)))

    def forward(self, contexts: Tensor) -> Tensor:
        """Return phi, ``float32 [B, width + 1]``, of contexts ``[B, d]``."""
        hidden = F.relu(F.linear((contexts - self.center) / self.scale, self.weight, self.bias))
        normed = F.layer_norm(hidden, hidden.shape[1:]) * len(self.bias) ** -0.5
        return torch.cat([normed, normed.new_ones(len(normed), 1)], dim=1)


class NeuralLinear:
    """A bandit policy (:class:`rewardrouter.online.policy.BanditPolicy`) on trained features of the context.

    Parameters
    ----------
    names, dimension
        The N arms, and the length d of a context.
    width
        Of the network's layer.
    every
        Updates with a reward from one training to the next.
    steps, learning_rate, weight_decay
        Of a training: so many full-batch steps of AdamW on the squared error, from the weights as they are.
    history
        The most rewards that are kept to train on; older ones are dropped.
    seed
        Of the initial weights and of the draws.

    Raises
    ------
    ConfigError
        If there are no names or names repeat, or ``width``, ``every`` or ``history`` is less than 1.
    """

    def __init__(
        self,
        names: Sequence[str],
        dimension: int,
        *,
        width: int = 32,
        every: int = 10,
        steps: int = 100,
        learning_rate: float = 1e-2,
        weight_decay: float = 1.0,
        history: int = 4096,
        seed: int = 0,
    ) -> None:
        for what, value in (("width", width), ("every", every), ("history", history)):
            if value < 1:
                raise ConfigError(f"{what}: expected at least 1, found {value}")
        self._every, self._steps, self._history = every, steps, history
        self._learning_rate, self._weight_decay = learning_rate, weight_decay
        self._sampler = ThompsonSampler.without_prior(names, width + 1, seed=seed)
        self._network = _Network(dimension, width, len(names), seed)
        self._updates = 0
        # Training magnifies rounding, so network and history know the arms in the order of their names: in
        # whatever order they are given, the same is learnt. arm = order[place], place = places[arm].
        self._order = np.argsort(self.names)
        self._places = np.argsort(self._order)
        self._contexts: Floats = np.empty((0, dimension))
        self._arms: Indices = np.empty(0, np.int64)  # places
        self._rewards: Floats = np.empty(0)

    @property
    def names(self) -> list[str]:
        """The arms' names, in the order of their indices."""
        return self._sampler.names

    def deviations(self, pairs: int) -> Floats:
        """Draw the standard normal numbers ``[pairs, N]`` that decide the next choices."""
        return self._sampler.deviations(pairs)

    def best(self, contexts: npt.ArrayLike, deviations: Floats, allowed: Mask | None = None) -> Indices:
        """Return the arms ``int [B]`` that given draws ``[B, N]`` decide for."""
        return self._sampler.best(self._features(contexts), deviations, allowed)

    def choose(self, contexts: npt.ArrayLike, allowed: Mask | None = None) -> Indices:
        """Return one arm ``int [B]`` per context ``[B, d]``, by fresh draws."""
        return self._sampler.choose(self._features(contexts), allowed)

    def update(self, contexts: npt.ArrayLike, arms: npt.ArrayLike, rewards: npt.ArrayLike) -> int:
        """Take in rewards ``[B]``, and train where it is time to."""
        checked = as_contexts(contexts, self._contexts.shape[1])
        chosen = as_arms(arms, len(checked), len(self.names))
        values = as_vector(rewards, len(checked), "rewards")
        taken = self._sampler.update(self._features(checked), chosen, values)
        if not taken:
            return 0
        usable = (chosen >= 0) & np.isfinite(values)
        self._contexts = np.concatenate([self._contexts, checked[usable]])[-self._history :]
        self._arms = np.concatenate([self._arms, self._places[chosen[usable]]])[-self._history :]
        self._rewards = np.concatenate([self._rewards, values[usable]])[-self._history :]
        self._updates += 1
        if self._updates % self._every == 0:
            self._train()
        return taken

    def scores(self, contexts: npt.ArrayLike) -> Scores:
        """Return the distribution of every arm's score on contexts ``[B, d]``."""
        return self._sampler.scores(self._features(contexts))

    def state_dict(self) -> State:
        """Return network, history, posteriors and generator."""
        network = {name: tensor.numpy().copy() for name, tensor in self._network.state_dict().items()}
        history = {"contexts": self._contexts, "arms": self._arms, "rewards": self._rewards}
        metadata = {"names": sorted(self.names), "updates": self._updates}
        own = State.joined(metadata, sampler=self._sampler.state_dict(), network=State(network))
        return State({**own.arrays, **{name: array.copy() for name, array in history.items()}}, own.metadata)

    def load_state_dict(self, state: State) -> None:
        """Continue where the state was taken, to the same choices.

        Raises
        ------
        CheckpointError
            If it is broken, or of other arms or sizes; nothing is changed then.
        """
        saved_names = [str(name) for name in state.value("names", list)]
        updates = state.value("updates", int)
        if saved_names != sorted(self.names):
            raise CheckpointError(
                f"state: of the arms {', '.join(saved_names)}, but here are {', '.join(self.names)}"
            )
        network = {
            name: torch.from_numpy(state.part("network").array(name, tuple(tensor.shape), np.float32))
            for name, tensor in self._network.state_dict().items()
        }
        contexts = state.floats("contexts", None, self._contexts.shape[1])
        arms = state.array("arms", (len(contexts),), np.int64)
        rewards = state.floats("rewards", len(contexts))
        if ((arms < 0) | (arms >= len(saved_names))).any():
            raise CheckpointError("state: history holds arms that have no name; it is broken")
        self._sampler.load_state_dict(state.part("sampler"))
        self._network.load_state_dict(network)
        self._contexts, self._arms, self._rewards, self._updates = contexts, arms, rewards, updates

    def _features(self, contexts: npt.ArrayLike) -> Floats:
        checked = as_contexts(contexts, self._contexts.shape[1])
        with torch.no_grad():
            return self._network(torch.from_numpy(checked).float()).double().numpy()  # type: ignore[no-any-return]

    def _train(self) -> None:
        contexts, rewards = torch.from_numpy(self._contexts).float(), torch.from_numpy(self._rewards).float()
        rows, arms = torch.arange(len(contexts)), torch.from_numpy(self._arms)
        self._network.fit_scale(contexts)
        optimiser = torch.optim.AdamW(
            self._network.parameters(), lr=self._learning_rate, weight_decay=self._weight_decay
        )
        for _ in range(self._steps):
            predicted = (self._network(contexts) @ self._network.last.T)[rows, arms]
            optimiser.zero_grad()
            F.mse_loss(predicted, rewards).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        old = self._sampler.posteriors
        fresh = ArmPosteriors(old.names, np.zeros_like(old.mean), old.prior_variance, old.noise_variance)
        fresh.update(self._features(self._contexts), self._order[self._arms], self._rewards)
        self._sampler.posteriors = fresh
