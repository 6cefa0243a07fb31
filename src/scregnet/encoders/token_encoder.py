"""The part that all token models share: batches of cells of like length, encoding, pooling."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from scregnet._device import autocast, resolve_device, torch_threads
from scregnet._validate import check_choice, check_integer
from scregnet.encoders.partial import PartialSums, Place
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

# Enough to keep the processor busy; more would only need more memory.
_MAX_TOKENS = {"cpu": 8192, "mps": 8192, "cuda": 65536}


class TokenEncoder(ABC):
    """Base of models that turn one cell at a time into token vectors.

    A subclass says which genes it knows (:meth:`match`), how cells become tokens (:meth:`tokenise`), what the model makes of
    a batch (:meth:`encode`) and where it lives (:meth:`to`). Cells of a block are sorted by length and cut into batches of about as
    many tokens, so little of a batch is padding; the pooled result depends neither on the batch size nor on the order of cells.
    """

    poolings: tuple[str, ...] = ("mean",)
    dimension: int
    """Width of the vectors."""
    pad_id: int = 0
    """Token id of padding."""
    half_precision: bool = False
    """Whether ``precision="auto"`` may compute in half precision."""
    max_tokens: int | None = None
    """Tokens that a batch has at most, padding included, and where every gene gets a vector those; ``None`` for no limit."""

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
        """Yield the cells of a block that have tokens as padded batches, longest cells first, of at most ``batch_size`` cells each."""
        tokens = self.tokenise(block, match)
        lengths = np.diff(tokens.indptr)
        order = np.argsort(-lengths, kind="stable")
        order = order[lengths[order] > 0]
        every_gene = 0 if pooling == "mean" else len(match.tokens)
        start = 0
        while start < len(order):
            n_cells = batch_size
            if self.max_tokens is not None:
                n_cells = min(
                    n_cells, max(self.max_tokens // max(lengths[order[start]], every_gene), 1)
                )
            cells = order[start : start + n_cells]
            start += n_cells
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
            yield TokenBatch(
                cells=cells,
                ids=ids,
                slots=slots,
                mask=mask,
                values=values,
                match=match,
                pooling=pooling,
            )

    def embed(self, cells: CellStream, genes: np.ndarray, options: EmbedOptions) -> Embedding:
        """Stream the cells through the model once and pool per gene and group."""
        from tqdm.auto import tqdm

        if options.batch_size is not None:
            check_integer("batch_size", options.batch_size, minimum=1)
        check_choice("pooling", options.pooling, self.poolings)
        device = resolve_device(options.device)
        wanted = (
            options.precision if self.half_precision or options.precision != "auto" else "float32"
        )
        precision, computing = autocast(wanted, device)
        match = self.match(genes)
        pooler = StreamingPooler(
            cells.n_groups,
            len(match.tokens),
            self.dimension,
            pooling=options.pooling,
            device=device,
        )
        self.to(device)
        self.max_tokens = None
        batch_size = options.batch_size
        if batch_size is None:
            self.max_tokens = _MAX_TOKENS[device.type]
            batch_size = self.max_tokens
        partial = PartialSums(
            options.partial_sums, self._run_key(cells, match, options, precision, device)
        )
        with torch_threads(), torch.inference_mode(), computing():
            blocks, place = partial.take_up(cells, pooler)
            n_blocks, skip, n_cells = max(place.blocks - 1, 0), place.batches, place.cells
            title = type(self).__name__.removesuffix("Encoder")
            with tqdm(
                total=cells.n_cells,
                initial=n_cells,
                desc=title,
                unit="cell",
                disable=not options.progress,
            ) as bar:
                for block in blocks:
                    n_blocks += 1
                    n_encoded = 0
                    batches = enumerate(
                        self.batches(block, match, batch_size, pooling=options.pooling), start=1
                    )
                    for number, batch in batches:
                        n_encoded += len(batch.cells)
                        if number <= skip:
                            n_cells -= len(batch.cells)
                            continue
                        pooler.add(self.encode(batch), block.groups[batch.cells])
                        bar.update(len(batch.cells))
                        partial.save(pooler, Place(n_blocks, number, n_cells + n_encoded))
                    skip = 0
                    bar.update(len(block.groups) - n_encoded)
                    n_cells += len(block.groups)
        partial.done()
        pooled, seen = pooler.result()
        groups = tuple(
            _per_gene(pooled[g], seen[g], match, int(pooler.n_cells[g]))
            for g in range(cells.n_groups)
        )
        return Embedding(
            groups=groups, known=match.known, report={**match.report, "precision": precision}
        )

    def _run_key(
        self,
        cells: CellStream,
        match: GeneMatch,
        options: EmbedOptions,
        precision: str,
        device: torch.device,
    ) -> dict[str, Any]:
        """Return what the sums depend on, the cells themselves left out."""
        if options.partial_sums is None:
            return {}
        described = hashlib.blake2b(repr(sorted(self.describe().items())).encode(), digest_size=16)
        for array in (match.slots, match.tokens):
            described.update(array.tobytes())
        for name, value in sorted(vars(self).items()):
            if isinstance(value, torch.nn.Module):
                for key, tensor in value.state_dict().items():
                    described.update(f"{name}.{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
                    described.update(
                        tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()
                    )
        return {
            "encoder": f"{type(self).__module__}.{type(self).__qualname__}",
            "model": described.hexdigest(),
            "cells": [cells.n_cells, cells.n_groups, cells.counts],
            "options": [
                options.pooling,
                options.batch_size,
                self.max_tokens,
                precision,
                device.type,
            ],
            "versions": {name: version(name) for name in ("scregnet", "numpy", "torch")},
        }


def _per_gene(pooled: np.ndarray, seen: np.ndarray, match: GeneMatch, n_cells: int) -> GeneVectors:
    """Spread the vectors of slots over the genes of the data; genes that share a slot share its vector."""
    covered = match.known & (seen[match.slots] > 0)
    vectors = np.zeros((len(match.slots), pooled.shape[1]), dtype=np.float32)
    vectors[covered] = pooled[match.slots[covered]]
    return GeneVectors(vectors=vectors, covered=covered, n_cells=n_cells)
