"""The part that all token models share: batches of cells of like length, encoding, pooling."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from scregnet._device import resolve_device, torch_threads
from scregnet._validate import check_choice, check_integer
from scregnet.encoders.pooling import StreamingPooler
from scregnet.encoders.protocol import (
    CellBlock,
    CellStream,
    CellTokens,
    Embedding,
    EmbedOptions,
    Encoded,
    GeneMatch,
    GeneVectors,
    TokenBatch,
)


class TokenEncoder(ABC):
    """Base of models that turn one cell at a time into token vectors.

    A subclass says which genes it knows (:meth:`match`), how cells become tokens (:meth:`tokenise`), what the model makes of
    a batch (:meth:`encode`) and where it lives (:meth:`to`). Cells of a block are sorted by length before they are batched,
    so little of a batch is padding; the pooled result depends neither on the batch size nor on the order of cells.
    """

    poolings: tuple[str, ...] = ("mean",)
    dimension: int
    """Width of the vectors."""
    pad_id: int = 0
    """Token id of padding."""

    @abstractmethod
    def match(self, genes: np.ndarray) -> GeneMatch:
        """Find the genes of the data in the vocabulary; raise ``ValueError`` naming the likely cause where there is none."""

    @abstractmethod
    def tokenise(self, block: CellBlock, match: GeneMatch) -> CellTokens:
        """Turn cells into token sequences."""

    @abstractmethod
    def encode(self, batch: TokenBatch) -> Encoded:
        """Run the model on one batch, on the device of the last :meth:`to`."""

    @abstractmethod
    def to(self, device: torch.device) -> None:
        """Move the model."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what identifies the model, as plain values for the record."""

    def batches(
        self, block: CellBlock, match: GeneMatch, batch_size: int, *, pooling: str = "mean"
    ) -> Iterator[TokenBatch]:
        """Yield the cells of a block that have tokens as padded batches, longest cells first."""
        tokens = self.tokenise(block, match)
        lengths = np.diff(tokens.indptr)
        order = np.argsort(-lengths, kind="stable")
        order = order[lengths[order] > 0]
        for start in range(0, len(order), batch_size):
            cells = order[start : start + batch_size]
            mask = np.arange(lengths[cells[0]]) < lengths[cells][:, None]
            source = (tokens.indptr[cells][:, None] + np.arange(mask.shape[1]))[mask]
            ids = np.full(mask.shape, self.pad_id, dtype=np.int64)
            ids[mask] = tokens.ids[source]
            slots = np.full(mask.shape, -1, dtype=np.int64)
            slots[mask] = tokens.slots[source]
            values = None
            if tokens.values is not None:
                values = np.zeros(mask.shape, dtype=np.float32)
                values[mask] = tokens.values[source]
            yield TokenBatch(cells=cells, ids=ids, slots=slots, mask=mask, values=values, match=match, pooling=pooling)

    def embed(self, cells: CellStream, genes: np.ndarray, options: EmbedOptions) -> Embedding:
        """Stream the cells through the model once and pool per gene and group."""
        from tqdm.auto import tqdm

        check_integer("batch_size", options.batch_size, minimum=1)
        check_choice("pooling", options.pooling, self.poolings)
        device = resolve_device(options.device)
        match = self.match(genes)
        pooler = StreamingPooler(
            cells.n_groups, len(match.tokens), self.dimension, pooling=options.pooling, device=device
        )
        self.to(device)
        bar = tqdm(total=cells.n_cells, unit="cell", disable=not options.progress)
        with torch_threads(), torch.inference_mode(), bar:
            for block in cells:
                n_encoded = 0
                for batch in self.batches(block, match, options.batch_size, pooling=options.pooling):
                    pooler.add(self.encode(batch), block.groups[batch.cells])
                    n_encoded += len(batch.cells)
                    bar.update(len(batch.cells))
                bar.update(len(block.groups) - n_encoded)
        if pooler.n_cells.sum() == 0:
            msg = f"none of the {cells.n_cells} cells has a value above zero in any of the {int(match.known.sum())} genes that the model knows."
            raise ValueError(msg)
        pooled, seen = pooler.result()
        groups = tuple(_per_gene(pooled[g], seen[g], match, int(pooler.n_cells[g])) for g in range(cells.n_groups))
        return Embedding(groups=groups, known=match.known, report=match.report)


def _per_gene(pooled: np.ndarray, seen: np.ndarray, match: GeneMatch, n_cells: int) -> GeneVectors:
    """Spread the vectors of slots over the genes of the data; genes that share a slot share its vector."""
    covered = match.known & (seen[match.slots] > 0)
    vectors = np.zeros((len(match.slots), pooled.shape[1]), dtype=np.float32)
    vectors[covered] = pooled[match.slots[covered]]
    return GeneVectors(vectors=vectors, covered=covered, n_cells=n_cells)
