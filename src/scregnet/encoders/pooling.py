"""Pool a gene's vectors in single cells into one, in constant memory; keep those of cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scregnet.encoders.protocol import CellVectors

if TYPE_CHECKING:
    from scregnet.encoders.protocol import Encoded

POOLINGS = ("mean", "mean_all", "attentive")


@dataclass(frozen=True, eq=False)
class PooledSums:
    """The sums of a :class:`StreamingPooler`; those of two sets of cells add up to those of both.

    Groups come one after the other: group g has the rows g * n_slots to (g + 1) * n_slots.
    """

    FORMS = {
        "sums": ("number", ("slots", "width")),
        "weights": ("number", ("slots",)),
        "seen": ("integer", ("slots",)),
        "n_cells": ("integer", ("groups",)),
    }

    sums: np.ndarray
    weights: np.ndarray
    seen: np.ndarray
    n_cells: np.ndarray

    def __add__(self, other: PooledSums) -> PooledSums:
        """Return the sums over the cells of both."""
        return PooledSums(
            *(getattr(self, each.name) + getattr(other, each.name) for each in fields(self))
        )

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return pooled vectors, and in how many cells each gene was seen.

        They are float32 (n_groups, n_slots, dimension) and int64 (n_groups, n_slots).
        """
        shape = (len(self.n_cells), len(self.seen) // len(self.n_cells))
        # A gene that was never seen has sum and weight 0: its vector is 0, not NaN.
        least = np.finfo(np.float64).tiny
        pooled = self.sums / np.maximum(self.weights, least)[:, None]
        return (
            pooled.astype(np.float32).reshape(*shape, -1),
            self.seen.reshape(shape),
        )


class StreamingPooler:
    r"""Weighted mean per gene and group over the cells in which the model gave the gene a vector.

    For gene :math:`g`, :math:`z_g = \sum_c w_{cg} h_{cg} / \sum_c w_{cg}`. The sums run over the
    cells :math:`c` of the group for which the encoder returned a vector :math:`h_{cg}`: with
    ``"mean"`` those that express the gene, with ``"mean_all"`` and ``"attentive"`` all. With
    ``"attentive"`` the :math:`w_{cg}` are the weights that the model gave, else 1.

    Sums are float64. So in float32 neither the order of cells nor their division into batches
    matters. Memory is ``n_groups × n_slots × dimension`` doubles, whatever the number of cells.

    Parameters
    ----------
    n_groups
        Number of groups of cells.
    n_slots
        Number of genes to pool.
    dimension
        Width of the vectors.
    pooling
        ``"mean"``, ``"mean_all"`` or ``"attentive"``.
    device
        Where to add up. On Apple's MPS, which has no float64, it is the CPU.
    """

    def __init__(
        self,
        n_groups: int,
        n_slots: int,
        dimension: int,
        *,
        pooling: str = "mean",
        device: torch.device | None = None,
    ) -> None:
        if pooling not in POOLINGS:
            msg = f"pooling={pooling!r} is not known; valid values: {', '.join(POOLINGS)}."
            raise ValueError(msg)
        where = torch.device("cpu") if device is None or device.type == "mps" else device
        self.pooling = pooling
        self.n_groups = n_groups
        self.n_slots = n_slots
        self._sums = torch.zeros(n_groups * n_slots, dimension, dtype=torch.float64, device=where)
        self._weights = torch.zeros(n_groups * n_slots, dtype=torch.float64, device=where)
        self._seen = torch.zeros(n_groups * n_slots, dtype=torch.int64, device=where)
        self.n_cells = np.zeros(n_groups, dtype=np.int64)

    def add(self, encoded: Encoded, groups: np.ndarray) -> None:
        """Add a batch; ``groups`` holds the group code of each of its cells."""
        if self.pooling == "attentive" and encoded.weights is None:
            msg = "pooling='attentive' needs pooling weights, which this model does not give."
            raise ValueError(msg)
        where = self._sums.device
        self.n_cells += np.bincount(groups, minlength=self.n_groups)
        is_gene = encoded.slots >= 0
        codes = torch.as_tensor(groups, dtype=torch.int64, device=encoded.slots.device)
        target = (codes[:, None] * self.n_slots + encoded.slots)[is_gene].to(where)
        vectors = encoded.hidden[is_gene].to(where).double()
        weights = torch.ones(len(target), dtype=torch.float64, device=where)
        self._seen.index_add_(0, target, torch.ones_like(target))
        if self.pooling == "attentive" and encoded.weights is not None:
            weights = encoded.weights[is_gene].to(where).double()
            vectors = vectors * weights[:, None]
        self._weights.index_add_(0, target, weights)
        self._sums.index_add_(0, target, vectors)

    def state(self) -> dict[str, np.ndarray]:
        """Return the sums so far."""
        sums = {
            name: getattr(self, f"_{name}").cpu().numpy() for name in ("sums", "weights", "seen")
        }
        return {**sums, "n_cells": self.n_cells}

    def load_state(self, state: Mapping[str, np.ndarray]) -> bool:
        """Continue from the sums of :meth:`state`.

        Return ``False``, and change nothing, if they are those of another pooler.
        """
        own = self.state()
        if state.keys() != own.keys() or any(
            (state[name].shape, state[name].dtype) != (value.shape, value.dtype)
            for name, value in own.items()
        ):
            return False
        for name in ("sums", "weights", "seen"):
            getattr(self, f"_{name}").copy_(torch.from_numpy(state[name]))
        self.n_cells = state["n_cells"].copy()
        return True

    def pooled(self) -> PooledSums:
        """Return the sums so far, which add up with those of other cells."""
        return PooledSums(**self.state())

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return pooled vectors and numbers of cells, as :meth:`PooledSums.result` does."""
        return self.pooled().result()


class Collected:
    """What a run gathers: sums per gene, vectors of cells, or both.

    It has the members of a :class:`StreamingPooler` that
    :class:`~scregnet.encoders.partial.PartialSums` needs.

    Parameters
    ----------
    pooler
        Adds up vectors of genes; ``None`` without.
    n_cells, width
        Number of cells of the run, and the width of their vectors; 0 without.
    """

    def __init__(self, pooler: StreamingPooler | None, n_cells: int, width: int) -> None:
        self.pooler = pooler
        rows = n_cells if width else 0
        self._vectors = np.zeros((rows, width), np.float32)
        self._covered = np.zeros(rows, bool)

    def add(self, encoded: Encoded, groups: np.ndarray, positions: np.ndarray) -> None:
        """Add a batch: the group of each cell, and its position in the run."""
        if self.pooler is not None:
            self.pooler.add(encoded, groups)
        if len(self._covered):
            if encoded.cells is None:
                msg = "vectors of cells were asked for, but the model gave none."
                raise ValueError(msg)
            self._vectors[positions] = encoded.cells.float().cpu().numpy()
            self._covered[positions] = True

    def state(self) -> dict[str, np.ndarray]:
        """Return all so far."""
        sums = {} if self.pooler is None else self.pooler.state()
        return {**sums, "cell_vectors": self._vectors, "cells_covered": self._covered}

    def load_state(self, state: Mapping[str, np.ndarray]) -> bool:
        """Continue from :meth:`state`; ``False``, and no change, if it is that of another run."""
        sums = dict(state)
        vectors, covered = (sums.pop(name, None) for name in ("cell_vectors", "cells_covered"))
        for own, found in ((self._vectors, vectors), (self._covered, covered)):
            if found is None or (own.shape, own.dtype) != (found.shape, found.dtype):
                return False
        if self.pooler is not None and not self.pooler.load_state(sums):
            return False
        self._vectors, self._covered = np.array(vectors), np.array(covered)
        return True

    def parts(self) -> tuple[Any, ...]:
        """Return the sums, if any, then the vectors of cells; each adds up with other cells'."""
        sums = () if self.pooler is None else (self.pooler.pooled(),)
        return (*sums, CellVectors(self._vectors, self._covered))
