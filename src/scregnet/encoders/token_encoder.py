"""What all token models share: batches of cells of like length, encoding, pooling."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from scregnet._device import autocast, resolve_device, torch_threads
from scregnet._progress import bars_shown
from scregnet._validate import check_choice, check_integer, listed
from scregnet.encoders.memory import Halving
from scregnet.encoders.partial import PartialSums, Place
from scregnet.encoders.pooling import Collected, PooledSums, StreamingPooler
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

# Enough to keep the device busy; more would only need more memory.
_MAX_TOKENS = {"cpu": 8192, "mps": 8192, "cuda": 65536}


class TokenEncoder(ABC):
    """Base of models that turn one cell at a time into token vectors.

    A subclass says which genes it knows (:meth:`match`), how cells become tokens
    (:meth:`tokenise`), what the model makes of a batch (:meth:`encode`) and how it moves to a
    device (:meth:`to`).

    Cells of a block are sorted by length and cut into batches of about as many tokens, so a batch
    has little padding. The result depends neither on the batch size nor on the order of cells.
    """

    poolings: tuple[str, ...] = ("mean",)
    cell_poolings: tuple[str, ...] = ()
    """Ways to give a cell a vector, the usual one first; :meth:`encode` then heeds them."""
    sums_parts = True
    dimension: int
    """Width of the vectors."""
    pad_id: int = 0
    """Token id of padding."""
    half_precision: bool = False
    """Whether ``precision="auto"`` may compute in half precision."""
    max_tokens: int | None = None
    """Most tokens of a batch, padding included; ``None`` for no limit.

    Where every gene gets a vector, a cell counts as at least that many tokens.
    """

    @abstractmethod
    def match(self, genes: np.ndarray) -> GeneMatch:
        """Find the genes of the data in the vocabulary.

        Raise ``ValueError`` that names the likely cause if there is none.
        """

    @abstractmethod
    def tokenise(self, block: CellBlock, match: GeneMatch) -> CellTokens:
        """Turn cells into token sequences."""

    @abstractmethod
    def encode(self, batch: TokenBatch) -> Encoded:
        """Run the model on one batch, on the device of the last :meth:`to`."""

    def device(self) -> torch.device:
        """Return where the model is."""
        modules = [value for value in vars(self).values() if isinstance(value, torch.nn.Module)]
        tensors = (tensor for module in modules for tensor in module.state_dict().values())
        return next((tensor.device for tensor in tensors), torch.device("cpu"))

    def static(self, tokens: np.ndarray) -> torch.Tensor:
        """Return the vectors of genes as the model reads them, before any cell."""
        msg = f"{type(self).__name__} has no vectors of genes without a cell."
        raise ValueError(msg)

    def cell_width(self, cell_pooling: str) -> int:
        """Return the width of the vectors of cells."""
        return self.dimension

    @abstractmethod
    def to(self, device: torch.device) -> None:
        """Move the model."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what identifies the model, as plain values for the record."""

    def batches(
        self, block: CellBlock, match: GeneMatch, batch_size: int, *, pooling: str = "mean"
    ) -> Iterator[TokenBatch]:
        """Yield the cells of a block that have tokens as padded batches, longest cells first.

        A batch has at most ``batch_size`` cells.
        """
        tokens = self.tokenise(block, match)
        lengths = np.diff(tokens.indptr)
        # Stable, so that the batches are the same in every run.
        order = np.argsort(-lengths, kind="stable")
        order = order[lengths[order] > 0]
        every_gene = 0 if pooling == "mean" else len(match.tokens)
        start = 0
        while start < len(order):
            n_cells = batch_size
            if self.max_tokens is not None:
                # The first cell is the longest: all others are padded to it.
                width = max(lengths[order[start]], every_gene)
                n_cells = min(n_cells, max(self.max_tokens // width, 1))
            cells = order[start : start + n_cells]
            start += n_cells
            yield self.padded(tokens, cells, match, pooling)

    def padded(
        self, tokens: CellTokens, cells: np.ndarray, match: GeneMatch, pooling: str
    ) -> TokenBatch:
        """Return some cells, the longest first, as rectangular arrays."""
        lengths = np.diff(tokens.indptr)[cells]
        mask = np.arange(lengths[0]) < lengths[:, None]
        source = (tokens.indptr[cells][:, None] + np.arange(mask.shape[1]))[mask]
        ids = np.full(mask.shape, self.pad_id, dtype=np.int64)
        ids[mask] = tokens.ids[source]
        slots = np.full(mask.shape, -1, dtype=np.int64)
        slots[mask] = tokens.slots[source]
        values = None
        if tokens.values is not None:
            values = np.zeros(mask.shape, dtype=np.float32)
            values[mask] = tokens.values[source]
        return TokenBatch(
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
        if options.batch_size is not None:
            check_integer("batch_size", options.batch_size, minimum=1)
        check_choice("pooling", options.pooling, self.poolings)
        if options.with_cells:
            cell_pooling = options.cell_pooling or next(iter(self.cell_poolings), "")
            check_choice("cell_pooling", cell_pooling, self.cell_poolings)
            options = replace(options, cell_pooling=cell_pooling)
        if cells.engine is not None:
            # Workers may have other devices than this process, and not one file of partial sums.
            precision = "float32" if options.precision == "auto" else options.precision
            options = replace(options, precision=precision, progress=False, partial_sums=None)
        match = self.match(genes)
        *sums, rows, precisions = cells.summed(_gathered, self, match, options)
        groups = _of_groups(sums[0], match) if sums else ()
        report = {**match.report, "precision": precisions[0]}
        found = rows if options.with_cells else None
        return Embedding(groups=groups, known=match.known, report=report, cells=found)

    def vectors(
        self,
        cells: CellStream,
        genes: np.ndarray,
        wanted: Sequence[str],
        options: EmbedOptions | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the vectors of some genes in single cells, for a pooling of your own.

        Parameters
        ----------
        cells
            The cells.
        genes
            Ids of the columns, as :meth:`embed` has them.
        wanted
            Ids of the genes to give, as they are in ``genes``.
        options
            As of :meth:`embed`. ``"mean_all"`` also gives genes that a cell does not express.

        Yields
        ------
        Positions of some cells in the stream, longest cells of a block first; and their vectors,
        float32 (n_cells, n_wanted, dimension), NaN where the model gives the gene none. A cell that
        the model cannot read does not come.

        Raises
        ------
        KeyError
            If a wanted gene is not among ``genes``, or the model does not know it.
        """
        options = EmbedOptions() if options is None else options
        check_choice("pooling", options.pooling, self.poolings)
        match = self.match(genes)
        slot_of = dict(zip(genes.tolist(), match.slots.tolist(), strict=True))
        if missing := [gene for gene in wanted if slot_of.get(gene, -1) < 0]:
            msg = f"genes that the data lack or the model does not know: {listed(missing)}."
            raise KeyError(msg)
        # Two genes of the data may be one of the model.
        chosen, back = np.unique([slot_of[gene] for gene in wanted], return_inverse=True)
        column = np.full(len(match.tokens), -1)
        column[chosen] = np.arange(len(chosen))
        device = resolve_device(options.device)
        half = self.half_precision or options.precision != "auto"
        _, computing = autocast(options.precision if half else "float32", device)
        self.to(device)
        self.max_tokens = _MAX_TOKENS[device.type] if options.batch_size is None else None
        n_most, before = self.max_tokens or options.batch_size or 1, 0
        encode = Halving(self.encode)
        for block in cells:
            for batch in self.batches(block, match, n_most, pooling=options.pooling):
                # Not across a yield: the caller's torch would be in another mode.
                with torch_threads(), torch.inference_mode(), computing():
                    parts = [
                        (encoded.hidden.float().cpu().numpy(), encoded.slots.cpu().numpy(), rows)
                        for encoded, rows in encode(batch)
                    ]
                for hidden, slots, rows in parts:
                    at = np.where(slots >= 0, column[slots], -1)
                    cell, place = np.nonzero(at >= 0)
                    found = np.full((len(rows), len(chosen), self.dimension), np.nan, np.float32)
                    found[cell, at[cell, place]] = hidden[cell, place]
                    yield before + rows, found[:, back]
            before += block.matrix.shape[0]

    def gathered(
        self, cells: CellStream, match: GeneMatch, options: EmbedOptions
    ) -> tuple[Any, ...]:
        """Encode cells on a device; return sums and vectors of cells, and the precision in a list.

        Each member adds up with that of other cells. There are no sums if cells alone are wanted.
        """
        device = resolve_device(options.device)
        automatic = options.precision == "auto" and not self.half_precision
        precision, computing = autocast("float32" if automatic else options.precision, device)
        pooler, width = None, 0
        if options.with_genes:
            pooler = StreamingPooler(
                cells.n_groups,
                len(match.tokens),
                self.dimension,
                pooling=options.pooling,
                device=device,
            )
        if options.with_cells:
            width = self.cell_width(options.cell_pooling or "")
        kept = Collected(pooler, cells.n_cells, width)
        self.to(device)
        self.max_tokens = _MAX_TOKENS[device.type] if options.batch_size is None else None
        partial = PartialSums(
            options.partial_sums, self._run_key(cells, match, options, precision, device)
        )
        with torch_threads(), torch.inference_mode(), computing():
            self._pool(cells, match, kept, partial, options)
        partial.done()
        return *kept.parts(), [precision]

    def _pool(
        self,
        cells: CellStream,
        match: GeneMatch,
        kept: Collected,
        partial: PartialSums,
        options: EmbedOptions,
    ) -> None:
        """Encode all cells, or those that an earlier run has left, and add them to the sums."""
        # Without a number of cells, only max_tokens limits a batch.
        batch_size = self.max_tokens or options.batch_size or 1
        blocks, place = partial.resume(cells, kept)
        n_before = place.cells
        encode = Halving(self.encode)
        title = type(self).__name__.removesuffix("Encoder")
        with _bar(title, cells.n_cells, place.cells, options) as bar:
            for number, block in enumerate(blocks, start=max(place.blocks, 1)):
                n_encoded = 0
                batches = self.batches(block, match, batch_size, pooling=options.pooling)
                for n_batches, batch in enumerate(batches, start=1):
                    n_encoded += len(batch.cells)
                    if number == place.blocks and n_batches <= place.batches:
                        # In the sums, and in the number of cells, of the earlier run.
                        n_before -= len(batch.cells)
                        continue
                    wanted = replace(batch, of=options.of, cell_pooling=options.cell_pooling or "")
                    for encoded, rows in encode(wanted):
                        kept.add(encoded, block.groups[rows], n_before + rows)
                    bar.update(len(batch.cells))
                    partial.save(kept, Place(number, n_batches, n_before + n_encoded))
                # Cells without tokens are in no batch.
                bar.update(len(block.groups) - n_encoded)
                n_before += len(block.groups)

    def _run_key(
        self,
        cells: CellStream,
        match: GeneMatch,
        options: EmbedOptions,
        precision: str,
        device: torch.device,
    ) -> dict[str, Any]:
        """Return what the sums depend on, except the cells themselves."""
        if options.partial_sums is None:
            return {}
        return {
            "encoder": f"{type(self).__module__}.{type(self).__qualname__}",
            "model": self.digest(match),
            "cells": [cells.n_cells, cells.n_groups, cells.counts],
            "options": [
                options.of,
                options.cell_pooling,
                options.pooling,
                options.batch_size,
                self.max_tokens,
                precision,
                device.type,
            ],
            "versions": {name: version(name) for name in ("scregnet", "numpy", "torch")},
        }

    def digest(self, match: GeneMatch) -> str:
        """Return a hash of the model, its weights included, and of the genes."""
        digest = hashlib.blake2b(repr(sorted(self.describe().items())).encode(), digest_size=16)
        for array in (match.slots, match.tokens):
            digest.update(array.tobytes())
        for name, value in sorted(vars(self).items()):
            if not isinstance(value, torch.nn.Module):
                continue
            for key, tensor in value.state_dict().items():
                digest.update(f"{name}.{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
                # As bytes: NumPy has no bfloat16.
                content = tensor.detach().cpu().reshape(-1).view(torch.uint8)
                digest.update(content.numpy().tobytes())
        return digest.hexdigest()


def _gathered(
    cells: CellStream, encoder: TokenEncoder, match: GeneMatch, options: EmbedOptions
) -> tuple[Any, ...]:
    return encoder.gathered(cells, match, options)


def _bar(title: str, n_cells: int, n_done: int, options: EmbedOptions) -> Any:
    from tqdm.auto import tqdm

    return tqdm(
        total=n_cells,
        initial=n_done,
        desc=title,
        unit="cell",
        disable=not bars_shown(show=options.progress),
    )


def _of_groups(sums: PooledSums, match: GeneMatch) -> tuple[GeneVectors, ...]:
    """Return the vectors of the genes of the data, group by group."""
    vectors, seen = sums.result()
    return tuple(_per_gene(vectors[g], seen[g], match, int(n)) for g, n in enumerate(sums.n_cells))


def _per_gene(pooled: np.ndarray, seen: np.ndarray, match: GeneMatch, n_cells: int) -> GeneVectors:
    """Give every gene of the data the vector of its slot; genes may share a slot."""
    covered = match.known & (seen[match.slots] > 0)
    vectors = np.zeros((len(match.slots), pooled.shape[1]), dtype=np.float32)
    vectors[covered] = pooled[match.slots[covered]]
    return GeneVectors(vectors=vectors, covered=covered, n_cells=n_cells)
