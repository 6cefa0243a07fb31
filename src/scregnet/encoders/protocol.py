"""What every gene encoder promises, and the small objects that travel between an encoder and its caller."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from pathlib import Path

    import torch


@dataclass(frozen=True)
class CellBlock:
    """Some cells of the data.

    ``matrix`` is CSR, cells × all genes, float64, non-negative, without explicit zeros; ``groups`` holds the group code
    (``0`` to ``n_groups - 1``) of every cell; ``counts`` tells whether the values are raw counts, as a :class:`CellStream` says
    of all its blocks.
    """

    matrix: sp.csr_matrix
    groups: np.ndarray
    counts: bool = True


@dataclass(frozen=True)
class CellStream:
    """All cells of one run, block by block; only one block is in memory at a time, and every iteration starts anew.

    ``counts`` tells whether values are raw counts (``True``) or were log-normalised by the user (``False``).
    """

    blocks: Iterable[CellBlock]
    n_cells: int
    n_groups: int = 1
    counts: bool = True

    def __iter__(self) -> Iterator[CellBlock]:
        return (replace(block, counts=self.counts) for block in self.blocks)


@dataclass(frozen=True)
class EmbedOptions:
    """How to run: everything that is neither data nor a property of the model.

    ``batch_size`` is the most cells that a model reads at once, ``None`` as many as make a good number of tokens; ``partial_sums``
    the folder where a long run keeps what it has so far, ``None`` for a run that cannot be taken up.
    """

    pooling: str = "mean"
    batch_size: int | None = None
    device: str | None = None
    random_state: int | None = 0
    progress: bool = False
    precision: str = "auto"
    partial_sums: Path | None = None


@dataclass(frozen=True)
class GeneVectors:
    """One vector per gene of the data for one group of cells.

    ``vectors`` is float32 (n_genes, dimension), zero where ``covered`` (bool, n_genes) is ``False``; ``n_cells`` is the
    number of cells that took part.
    """

    vectors: np.ndarray
    covered: np.ndarray
    n_cells: int


@dataclass(frozen=True)
class Embedding:
    """What an encoder returns: one :class:`GeneVectors` per group, the genes it knows, and what it did to match them.

    ``report`` holds plain values (numbers and strings) for the record.
    """

    groups: tuple[GeneVectors, ...]
    known: np.ndarray
    report: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class GeneEncoder(Protocol):
    """Expression in, one vector per gene out.

    Any class with these three members is an encoder: :func:`scregnet.encoders.register` gives it a name and
    ``sr.tl.embed(adata, model=name)`` runs it. Models that read one cell at a time derive from
    :class:`scregnet.encoders.token_encoder.TokenEncoder`, which brings :meth:`embed`; models that need the matrix as a
    whole, such as ``svd``, write :meth:`embed` themselves.

    A class that has a class method ``from_weights(weights, **parameters)`` gets the located weight files
    (:class:`scregnet.encoders.weights.files.Weights`); any other is called with the parameters alone.
    """

    poolings: tuple[str, ...]
    """Ways of pooling over cells that the encoder offers; empty for one that does not pool."""

    def embed(self, cells: CellStream, genes: np.ndarray, options: EmbedOptions) -> Embedding:
        """Return one vector per gene and group.

        ``genes`` are the ids of the matrix columns as the user has them. An encoder that does not
        find enough of them raises ``ValueError``. A group of which no cell can be used has zeros
        and ``n_cells=0``; the caller raises if that is so for all groups.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model, as plain values for the record."""
        ...


@dataclass(frozen=True)
class GeneMatch:
    """Which genes of the data a vocabulary knows.

    A slot is a gene of the vocabulary that the data has at least once: ``slots`` (int64, n_genes) is the slot of every gene
    of the data, ``-1`` where it is unknown, and ``tokens`` (int64, n_slots) the vocabulary's own id of every slot, ascending.
    Genes of the data that share a slot are summed.
    """

    slots: np.ndarray
    tokens: np.ndarray
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> np.ndarray:
        """Genes of the data with a slot (bool, n_genes)."""
        return self.slots >= 0

    def collapse(self, matrix: sp.csr_matrix) -> sp.csr_matrix:
        """Return cells × slots: unknown genes left out, genes with the same slot summed, columns ascending in every row."""
        columns = np.flatnonzero(self.known)
        gather = sp.csr_matrix(
            (np.ones(len(columns)), (columns, self.slots[columns])),
            shape=(len(self.slots), len(self.tokens)),
        )
        collapsed = sp.csr_matrix(matrix @ gather)
        collapsed.sort_indices()
        return collapsed


@dataclass(frozen=True)
class CellTokens:
    """Token sequences of the cells of one block, one after the other: cell ``i`` has positions ``indptr[i]`` to ``indptr[i + 1]``.

    ``slots`` is the gene slot of each position, ``-1`` for special tokens; ``values`` are expression values for models that
    read them. A cell without tokens has an empty sequence.
    """

    indptr: np.ndarray
    ids: np.ndarray
    slots: np.ndarray
    values: np.ndarray | None = None


@dataclass(frozen=True)
class TokenBatch:
    """Some cells as rectangular arrays, cells × positions, right-padded: ``mask`` is ``True`` at real tokens.

    ``slots`` is ``-1`` at padding and special tokens; ``cells`` are the rows of the cells in their block. ``match`` tells models
    that give every gene of the vocabulary a vector, expressed or not, what the slots are; ``pooling`` which vectors are wanted.
    """

    cells: np.ndarray
    ids: np.ndarray
    slots: np.ndarray
    mask: np.ndarray
    values: np.ndarray | None = None
    match: GeneMatch | None = None
    pooling: str = "mean"


@dataclass(frozen=True)
class Encoded:
    """A model's answer to a :class:`TokenBatch`, as torch tensors.

    ``hidden`` is float (cells, positions, dimension), ``slots`` int64 (cells, positions) with ``-1`` for positions that are no
    gene, ``weights`` float (cells, positions) where the model gives pooling weights. The positions are those that take part in the
    batch's pooling and need not be those of its tokens: with ``"mean"`` the genes that the cell expresses, with ``"mean_all"`` and
    ``"attentive"`` every gene that has a slot.
    """

    hidden: torch.Tensor
    slots: torch.Tensor
    weights: torch.Tensor | None = None
