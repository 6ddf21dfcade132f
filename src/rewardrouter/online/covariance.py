"""The covariance of one arm's weights, in the form that is cheapest for what the arm has seen.

    Sigma = base - V' V,    V float64 [r, d]

Every observation adds one row to ``V``. At first ``base`` is ``prior_variance I`` and takes no
memory: a variance costs ``r d`` instead of ``d^2``. From about ``5 d / 8`` rows on a dense base is
smaller and faster: the rows are merged into it, and later ones ``d / 8`` at a time, so that its
numbers are rewritten once in many observations and not at each.

A symmetric base is kept by its upper triangle, cut in four horizontal panels: panel i holds rows
``s_i .. s_{i+1}`` from the diagonal block rightwards. A quadratic form then needs

    h' base h = sum_i  h_i' D_i h_i + 2 h_i' R_i h_{>i}

five eighths of the multiplications of ``h' (base h)``, and the base five eighths of the memory.

Rounding: rows are computed from the covariance as it stands, so an early error shrinks with the
covariance itself; what is added per merge is about 1e-16 of its largest entries.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from rewardrouter.errors import CheckpointError
from rewardrouter.online.arrays import Floats

PANELS = 4
"""More save little: k panels need (k + 1) / 2k of the full square."""

GROWTH = 1.5
"""Of the rows' buffer, when it is full; it starts with :data:`LEAST_ROWS`."""

LEAST_ROWS = 8
"""Room in the first buffer."""

FIRST_MERGE = 5 / 8
"""How many rows an arm may have, as a share of d, before its base becomes dense; they then take the same memory."""

NEXT_MERGE = 1 / 8
"""How many rows wait, as a share of d, before they are merged into a dense base."""


class Covariance:
    """``float64 [d, d]``, symmetric and positive definite, that only ever shrinks.

    ``dimension`` is d, ``prior_variance`` the variance of every weight before any observation.
    """

    __slots__ = ("_base", "_buffer", "_count", "_edges", "dimension", "prior_variance")

    def __init__(self, dimension: int, prior_variance: float) -> None:
        self.dimension = dimension
        self.prior_variance = prior_variance
        panels = min(PANELS, dimension)
        self._edges = [dimension * i // panels for i in range(panels + 1)]
        self._base: list[Floats] | None = None
        self._buffer = np.empty((0, dimension))
        self._count = 0

    @property
    def rows(self) -> Floats:
        """V ``[r, d]``, the rows not yet merged; a view."""
        return self._buffer[: self._count]

    @property
    def base(self) -> Floats | None:
        """The panels of the dense base, one after the other, as one vector; ``None`` before the first merge."""
        return None if self._base is None else np.concatenate([panel.ravel() for panel in self._base])

    def variances(self, contexts: Floats, squared_norms: Floats) -> Floats:
        """Return ``h' Sigma h`` ``[m]`` of contexts ``[m, d]``; ``squared_norms`` are their ``h' h``."""
        if self._base is None:
            found = self.prior_variance * squared_norms
        else:
            found = np.zeros(len(contexts))
            for panel, start, stop in self._panels(self._base):
                head, width = contexts[:, start:stop], stop - start
                product = head @ panel
                found += np.vecdot(product[:, :width], head)
                found += 2.0 * np.vecdot(product[:, width:], contexts[:, stop:])
        if self._count:
            along = contexts @ self.rows.T
            found -= np.vecdot(along, along)
        return np.maximum(found, 0.0)

    def gains(self, contexts: Floats) -> Floats:
        """Return ``H Sigma`` ``[m, d]`` of contexts ``H [m, d]``."""
        if self._base is None:
            found = self.prior_variance * contexts
        else:
            found = np.zeros_like(contexts)
            for panel, start, stop in self._panels(self._base):
                found[:, start:] += contexts[:, start:stop] @ panel
                found[:, start:stop] += contexts[:, stop:] @ panel[:, stop - start :].T
        if self._count:
            found -= (contexts @ self.rows.T) @ self.rows
        return found

    def subtract(self, rows: Floats) -> None:
        """Replace ``Sigma`` by ``Sigma - rows' rows``, rows ``[m, d]``; the result must stay positive definite."""
        limit = int((FIRST_MERGE if self._base is None else NEXT_MERGE) * self.dimension)
        total = self._count + len(rows)
        if total > limit:
            self._merge(np.concatenate([self.rows, rows]))
            return
        if total > len(self._buffer):
            size = min(limit, max(LEAST_ROWS, int(GROWTH * total)))
            larger = np.empty((size, self.dimension))
            larger[: self._count] = self.rows
            self._buffer = larger
        self._buffer[self._count : total] = rows
        self._count = total

    def dense(self) -> Floats:
        """Return the whole matrix ``[d, d]``, exactly symmetric."""
        whole = np.zeros((self.dimension, self.dimension))
        if self._base is None:
            np.fill_diagonal(whole, self.prior_variance)
        else:
            for panel, start, stop in self._panels(self._base):
                whole[start:stop, start:] = panel
        whole -= self.rows.T @ self.rows
        upper = np.triu(whole)
        return upper + np.triu(whole, 1).T

    def restore(self, rows: Floats, base: Floats | None) -> None:
        """Take over :attr:`rows` and :attr:`base` of another covariance of this dimension.

        Raises
        ------
        CheckpointError
            If the sizes are not those of dimension d.
        """
        if rows.shape[1:] != (self.dimension,) or (base is not None and base.shape != (self.base_size,)):
            raise CheckpointError(f"state: the covariance of an arm is not of dimension {self.dimension}")
        self._buffer, self._count, self._base = rows, len(rows), None
        if base is not None:
            ends = np.cumsum([height * width for height, width in self._shapes])
            parts = np.split(base, ends[:-1])
            self._base = [part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True)]

    @property
    def base_size(self) -> int:
        """The length of :attr:`base` once there is one."""
        return sum(height * width for height, width in self._shapes)

    @property
    def _shapes(self) -> list[tuple[int, int]]:
        return [(stop - start, self.dimension - start) for start, stop in itertools.pairwise(self._edges)]

    def _panels(self, base: list[Floats]) -> Iterator[tuple[Floats, int, int]]:
        return zip(base, self._edges[:-1], self._edges[1:], strict=True)

    def _merge(self, rows: Floats) -> None:
        if self._base is None:
            self._base = [self.prior_variance * np.eye(*shape) for shape in self._shapes]
        for panel, start, stop in self._panels(self._base):
            panel -= rows[:, start:stop].T @ rows[:, start:]
            block = panel[:, : stop - start]
            block[:] = (block + block.T) / 2  # an antisymmetric part would not shrink as errors otherwise do
        self._buffer, self._count = np.empty((0, self.dimension)), 0
