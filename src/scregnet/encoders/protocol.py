"""What every encoder promises, and the objects that travel between an encoder and its caller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
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

    ``matrix`` is CSR, cells × all genes: float64, non-negative, without explicit zeros. ``groups``
    holds the group code of every cell, ``0`` to ``n_groups - 1``. ``counts`` says whether the
    values are raw counts, as the :class:`CellStream` does for all its blocks.
    """

    matrix: sp.csr_matrix
    groups: np.ndarray
    counts: bool = True


@dataclass(frozen=True)
class CellStream:
    """All cells of one run, block by block.

    Only one block is in memory at a time. Every iteration starts anew. ``counts`` says whether the
    values are raw counts; if not, the user has log-normalised them. ``engine`` has other processes
    read the cells, each a part. ``first`` is the number of the run's cells before those of a part.
    """

    blocks: Iterable[CellBlock]
    n_cells: int
    n_groups: int = 1
    counts: bool = True
    engine: Callable[..., Any] | None = None
    first: int = 0

    def __iter__(self) -> Iterator[CellBlock]:
        return (replace(block, counts=self.counts) for block in self.blocks)

    def summed(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return ``function(cells, *args)``, a sum over the cells or a tuple of sums.

        With an engine the function runs on streams of parts of the cells, in other processes, and
        what it returns is added up. So it is a function of a module, and sums have ``+``.
        """
        return function(self, *args) if self.engine is None else self.engine(function, *args)


@dataclass(frozen=True)
class EmbedOptions:
    """How to run: everything that is neither data nor a property of the model.

    ``batch_size`` is the most cells that a model reads at once; ``None`` lets the encoder choose.
    ``partial_sums`` is the folder where a long run saves its sums; ``None`` saves none. ``of`` says
    whose vectors are wanted: ``"genes"``, ``"cells"`` or ``"both"``. ``cell_pooling`` is how a cell
    gets its vector; ``None`` takes the first of the encoder's ``cell_poolings``.
    """

    pooling: str = "mean"
    batch_size: int | None = None
    device: str | None = None
    random_state: int | None = 0
    progress: bool = False
    precision: str = "auto"
    partial_sums: Path | None = None
    of: str = "genes"
    cell_pooling: str | None = None

    @property
    def with_genes(self) -> bool:
        """Whether vectors of genes are wanted."""
        return self.of != "cells"

    @property
    def with_cells(self) -> bool:
        """Whether vectors of cells are wanted."""
        return self.of != "genes"


@dataclass(frozen=True)
class GeneVectors:
    """One vector per gene of the data, for one group of cells.

    ``vectors`` is float32 (n_genes, dimension), zero where ``covered`` (bool, n_genes) is
    ``False``. ``n_cells`` is the number of cells that took part.
    """

    vectors: np.ndarray
    covered: np.ndarray
    n_cells: int


@dataclass(frozen=True, eq=False)
class CellVectors:
    """One vector per cell, in the order of the stream; ``+`` appends those of the next cells.

    ``vectors`` is float32 (n_cells, dimension), zero where ``covered`` (bool, n_cells) is
    ``False``: the model could not read the cell.
    """

    FORMS = {"vectors": ("number", ("cells", "width")), "covered": ("flag", ("cells",))}

    vectors: np.ndarray
    covered: np.ndarray

    def __add__(self, other: CellVectors) -> CellVectors:
        """Return the vectors of both, one after the other."""
        return CellVectors(
            np.concatenate([self.vectors, other.vectors]),
            np.concatenate([self.covered, other.covered]),
        )


@dataclass(frozen=True)
class Embedding:
    """What an encoder returns: one :class:`GeneVectors` per group, and the genes that it knows.

    ``known`` is bool (n_genes). ``report`` holds plain values (numbers and strings) for the record.
    ``groups`` is empty if only cells were asked for; ``cells`` is ``None`` if only genes were.
    """

    groups: tuple[GeneVectors, ...]
    known: np.ndarray
    report: Mapping[str, Any] = field(default_factory=dict)
    cells: CellVectors | None = None


@runtime_checkable
class GeneEncoder(Protocol):
    """Expression in, one vector per gene out.

    Any class with these three members is an encoder. :func:`scregnet.encoders.register` gives it a
    name, and ``sr.tl.embed(adata, model=name)`` runs it. Models that read one cell at a time derive
    from :class:`scregnet.encoders.token_encoder.TokenEncoder`, which has :meth:`embed`.

    A class with a class method ``from_weights(weights, **parameters)`` gets the located weight
    files (:class:`scregnet.encoders.weights.files.Weights`). Any other is called with the
    parameters alone.

    An encoder promises:

    - The same cells, genes and options give the same vectors.
    - Neither the batch size nor the order of cells or genes matters, beyond rounding. Vectors that
      are not pooled may be rotated, as those of an SVD are.
    - The vectors of a group depend on the cells of that group alone.
    - One cell, or one gene, is enough.
    - If it pools over cells, a gene that no cell expresses is not covered with ``"mean"``.
    - The user's random state stays as it is.

    One that goes through the cells with :meth:`CellStream.summed` alone says so by a class
    attribute ``sums_parts = True``, and works with ``client=`` of ``sr.tl.embed``.

    One that also gives cells a vector names the ways in a class attribute ``cell_poolings``, the
    usual one first, and heeds ``of`` and ``cell_pooling`` of the options. ``groups_cells = False``
    says that vectors of cells of different groups are not comparable.
    """

    poolings: tuple[str, ...]
    """Values of ``pooling`` that it accepts; empty for an encoder that does not pool."""

    def embed(self, cells: CellStream, genes: np.ndarray, options: EmbedOptions) -> Embedding:
        """Return one vector per gene and group.

        ``genes`` are the ids of the matrix columns as the user has them. An encoder that finds none
        of them raises ``ValueError``. A group of which no cell can be used has ``n_cells=0``; the
        caller raises if that is so for all groups.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model, as plain values for the record."""
        ...


@dataclass(frozen=True)
class GeneMatch:
    """Which genes of the data a vocabulary knows.

    A slot is a gene of the vocabulary that the data have at least once. ``slots`` (int64, n_genes)
    is the slot of every gene of the data, ``-1`` where it is unknown. ``tokens`` (int64, n_slots)
    is the vocabulary's own id of every slot, ascending. Genes that share a slot are summed.
    """

    slots: np.ndarray
    tokens: np.ndarray
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> np.ndarray:
        """Genes of the data with a slot (bool, n_genes)."""
        return self.slots >= 0

    def collapse(self, matrix: sp.csr_matrix) -> sp.csr_matrix:
        """Return cells × slots: unknown genes left out, genes with the same slot summed.

        Columns are ascending in every row.
        """
        columns = np.flatnonzero(self.known)
        gather = sp.csr_matrix(
            (np.ones(len(columns)), (columns, self.slots[columns])),
            shape=(len(self.slots), len(self.tokens)),
        )
        collapsed = sp.csr_matrix(matrix @ gather)
        # A product of sparse matrices leaves them in any order.
        collapsed.sort_indices()
        return collapsed


@dataclass(frozen=True)
class CellTokens:
    """Token sequences of the cells of one block, one after the other.

    Cell ``i`` has positions ``indptr[i]`` to ``indptr[i + 1]``; a cell without tokens has none.
    ``slots`` is the gene slot of each position, ``-1`` for special tokens. ``values`` are
    expression values, for models that read them.
    """

    indptr: np.ndarray
    ids: np.ndarray
    slots: np.ndarray
    values: np.ndarray | None = None


@dataclass(frozen=True)
class TokenBatch:
    """Some cells as rectangular arrays, cells × positions, padded at the right.

    ``mask`` is ``True`` at real tokens. ``slots`` is ``-1`` at padding and special tokens.
    ``cells`` are the rows of the cells in their block. ``match`` says what the slots are, for
    models that give a vector to genes that are not expressed. ``pooling`` says which vectors are
    wanted; ``of`` and ``cell_pooling``, whether of genes, of cells or of both, and how a cell gets
    its own.
    """

    cells: np.ndarray
    ids: np.ndarray
    slots: np.ndarray
    mask: np.ndarray
    values: np.ndarray | None = None
    match: GeneMatch | None = None
    pooling: str = "mean"
    of: str = "genes"
    cell_pooling: str = ""

    @property
    def with_cells(self) -> bool:
        """Whether vectors of cells are wanted."""
        return self.of != "genes"


@dataclass(frozen=True)
class Encoded:
    """A model's answer to a :class:`TokenBatch`, as torch tensors.

    ``hidden`` is float (cells, positions, dimension). ``slots`` is int64 (cells, positions), ``-1``
    for positions that are no gene. ``weights`` is float (cells, positions), where the model gives
    pooling weights. The positions are those that take part in the pooling, and need not be those of
    the tokens: with ``"mean"`` the genes that the cell expresses, with ``"mean_all"`` and
    ``"attentive"`` every gene that has a slot. ``cells`` is float (cells, width): the vectors of
    cells, if the batch asks for them.
    """

    hidden: torch.Tensor
    slots: torch.Tensor
    weights: torch.Tensor | None = None
    cells: torch.Tensor | None = None
