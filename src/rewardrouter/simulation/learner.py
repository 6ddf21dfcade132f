"""The policy of a replay on the pairs of the stream: what learns from the labels.

A replay may go without one. Labels depend on a policy only through its losses and its prompt embeddings; where a
strategy reads neither, they are the same without it, and the replay takes a small part of the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rewardrouter.annotators import Annotation, Outcome
from rewardrouter.policies import PreferencePolicy, PreparedPairs
from rewardrouter.simulation.measures import auc
from rewardrouter.state import State
from rewardrouter.verdicts import winner_code

Rows = npt.NDArray[np.int64]

NOT_TRAINED = Outcome(math.nan, math.nan, math.nan)
"""Of a label where there is no policy: no loss is known."""


class Learner:
    """A policy that trains on labels of the stream's pairs.

    Parameters
    ----------
    policy, prepared
        The policy, set back to its start by :meth:`reset`, and the stream's pairs prepared for it.
    """

    def __init__(self, policy: PreferencePolicy, prepared: PreparedPairs) -> None:
        self._policy, self._prepared = policy, prepared

    @property
    def width(self) -> int:
        """Size of the prompt embeddings."""
        return self._policy.width

    def reset(self, seed: int) -> None:
        """Begin anew, under a seed."""
        self._policy.reset(seed)

    def prompt_embeddings(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Return the embeddings of the prompts in some rows, ``[B, width]``."""
        return self._policy.prompt_embeddings(self._prepared, rows)

    def train(self, rows: Rows, labelled: Sequence[Annotation]) -> list[Outcome]:
        """Take one step on labelled pairs; return how it went with each, before the step."""
        codes = np.array([winner_code(one.label) for one in labelled], np.int8)
        weights = np.array([one.weight for one in labelled])
        found = self._policy.train_step(self._prepared, rows, codes, weights)
        numbers = zip(found.losses, found.swapped_losses, found.margins * codes, strict=True)
        return [Outcome(*map(float, given)) for given in numbers]

    def aucs(self, truth: npt.NDArray[np.bool_]) -> dict[str, float]:
        """Return how well the policy tells the better response, by its margin and by its likelihood."""
        likelihoods = self._policy.log_likelihoods(self._prepared)
        judged = {
            "policy_auc": self._policy.margins(self._prepared),
            "likelihood_auc": likelihoods[:, 0] - likelihoods[:, 1],
        }
        found = {name: auc(scores, truth) for name, scores in judged.items()}
        return {name: 0.5 if value is None else value for name, value in found.items()}

    def state_dict(self) -> State:
        """Return the policy's state."""
        return self._policy.state_dict()

    def load_state_dict(self, state: State) -> None:
        """Continue where the state was taken; raise ``CheckpointError`` where it is broken."""
        self._policy.load_state_dict(state)
