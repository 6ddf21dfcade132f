"""A request for labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rewardrouter.pairs import PreferencePair
from rewardrouter.serve.errors import RequestError


@dataclasses.dataclass(frozen=True, slots=True)
class Labelled:
    """Pairs of one batch, with the policy's embeddings of their prompts, ``float32 [P, d]``, where given."""

    pairs: Sequence[PreferencePair]
    batch_id: str | None = None
    step: int = 0
    embeddings: npt.NDArray[np.float32] | None = None

    def embeddings_of(self, rows: Sequence[int], width: int | None) -> npt.NDArray[np.float32]:
        """Return the embeddings of some pairs.

        Raises
        ------
        RequestError
            If there are none, or of another width.
        """
        if self.embeddings is None:
            raise RequestError("this strategy routes on prompt_embeddings; give them")
        if self.embeddings.shape[1:] != (width,):
            raise RequestError(
                f"prompt_embeddings: expected {width} numbers for each pair, found {self.embeddings.shape[1]}"
            )
        return self.embeddings[list(rows)]
