"""scFoundation: an encoder of expressed genes and a decoder of all genes, on continuous values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from scregnet._validate import check_choice
from scregnet.encoders.gene_ids import GeneIds
from scregnet.encoders.layers.cells import mean_of
from scregnet.encoders.protocol import CellBlock, CellTokens, Encoded, GeneMatch, TokenBatch
from scregnet.encoders.scfoundation.depth import TargetResolution
from scregnet.encoders.scfoundation.network import ScFoundationNetwork, Sizes
from scregnet.encoders.scfoundation.reading import read_genes, read_network
from scregnet.encoders.token_encoder import TokenEncoder
from scregnet.encoders.weights.files import Role, Weights
from scregnet.encoders.weights.orders import PublishedOrder, check_order, sha256_of

SECTIONS = ("gene", "cell", "rde")
"""The sets of weights in the published file; the first is for gene vectors."""
_PUBLISHED_GENES = PublishedOrder(
    19264,
    "6037e1bc9b3b48a5112ffdc29261383f747a3c3f8b568a8899b0c69d13565df8",
    "e5322ead657fa5ac90d431e2d04e94edb56a1ecde3f4f94988404631ab436df1",
)
_PUBLISHED_SIZES = {
    "100M": Sizes(
        n_positions=19266,
        n_bins=100,
        bin_alpha=1.0,
        width=768,
        depth=12,
        n_heads=12,
        decoder_width=512,
        decoder_depth=6,
        decoder_heads=8,
        decoder_head_dim=64,
    )
}
# Cells per batch with vectors of all genes.
_DENSE_CELLS = 2


class ScFoundationEncoder(TokenEncoder):
    """Contextual gene embeddings of scFoundation :cite:p:`hao2024scfoundation`, 512 wide.

    A cell is the genes that it expresses with their values, and two more tokens: T, the depth asked
    for, and S, the depth of the cell. The decoder gives every gene of the vocabulary a vector. It
    runs one cell at a time: 19,266 positions keep a device busy, and memory stays bounded.

    A cell's own vector comes from the encoder alone: of S, of T, and the maximum and the mean over
    the genes, one after the other (``"all"``); or the maximum over all tokens (``"max"``).

    Parameters
    ----------
    network
        The neural network.
    genes
        The symbols of its positions, in order.
    target_resolution
        The depth T, see :class:`~scregnet.encoders.scfoundation.depth.TargetResolution`.
    record
        Where the weights came from.
    """

    roles = (
        Role("weights", ("models.ckpt", "*.ckpt", "*.safetensors", "*.pt", "*.pth", "*.bin")),
        Role("genes", ("OS_scRNA_gene_index*.tsv", "*gene_index*.tsv", "*.tsv")),
        Role("config", ("config.json",), required=False),
    )
    poolings = ("mean", "mean_all")
    cell_poolings = ("all", "max")
    # What the published command line takes for cells.
    cell_parameters = {"section": "cell", "target_resolution": "t4"}

    def __init__(
        self,
        network: ScFoundationNetwork,
        genes: list[str],
        *,
        target_resolution: str = "f1",
        record: Mapping[str, Any] | None = None,
    ) -> None:
        self.resolution = TargetResolution.read(target_resolution)
        self.network = network.eval()
        self.gene_ids = GeneIds(
            "scFoundation", {gene: i for i, gene in enumerate(genes)}, kind="symbol"
        )
        self.n_genes = len(genes)
        self.pad_id = network.sizes.n_positions
        self.dimension = network.sizes.decoder_width
        self._record = {"target_resolution": target_resolution, **(record or {})}

    @classmethod
    def from_weights(
        cls, weights: Weights, *, target_resolution: str = "f1", section: str = "gene"
    ) -> ScFoundationEncoder:
        """Read the model from its files.

        Parameters
        ----------
        weights
            The located files. Tensors without a configuration need ``config.json`` in the folder.
        target_resolution
            The depth T to read every cell at: ``"f1"`` the cell's own (``"f2"`` twice that, as in
            scRegNet's file name), ``"t4"`` 10,000 counts, ``"a1"`` ten times the cell's own.
        section
            The set of weights in the published file: ``"gene"``, ``"cell"`` or ``"rde"``.

        Raises
        ------
        ValueError
            If the files are damaged or do not belong together, or a parameter is out of range.
        """
        check_choice("section", section, SECTIONS)
        TargetResolution.read(target_resolution)
        network, found_section = read_network(weights.files, section)
        variant = weights.record.get("variant")
        # No hash of the weights is published, so only their sizes can be checked.
        if network.sizes != _PUBLISHED_SIZES.get(str(variant), network.sizes):
            msg = (
                f"{weights.files['weights']} is not the published model='scfoundation:{variant}': "
                "its sizes differ. For weights of your own name the model without its variant."
            )
            raise ValueError(msg)
        for published in _PUBLISHED_SIZES.values():
            # No tensor tells the number of heads.
            if replace(network.sizes, n_heads=published.n_heads) == published != network.sizes:
                msg = (
                    f"{weights.files['weights']}: the configuration has {network.sizes.n_heads} "
                    f"heads; the published scFoundation of these sizes has {published.n_heads}, "
                    "and the weights do not tell."
                )
                raise ValueError(msg)
        genes = read_genes(weights.files["genes"])
        if len(genes) != network.sizes.n_positions - 2:
            msg = (
                f"{weights.files['genes']} lists {len(genes)} genes, but the model in "
                f"{weights.files['weights']} has positions for {network.sizes.n_positions - 2}: "
                "they belong to different models."
            )
            raise ValueError(msg)
        check_order(weights.files["genes"], genes, _PUBLISHED_GENES, "scFoundation")
        record = {**weights.record, "section": found_section, "genes_sha256": sha256_of(genes)}
        return cls(network, genes, target_resolution=target_resolution, record=record)

    def match(self, genes: np.ndarray) -> GeneMatch:
        """Find genes by human symbol."""
        match = self.gene_ids.match(genes)
        return replace(
            match,
            report={**match.report, "n_vocabulary": self.n_genes, "n_slots": len(match.tokens)},
        )

    def tokenise(self, block: CellBlock, match: GeneMatch) -> CellTokens:
        r"""Return the expressed genes of every cell in the order of the vocabulary, then T and S.

        The value of a count :math:`x` is :math:`\ln(1 + 10^4 x / N)`, where :math:`N` is the cell's
        sum over the genes of the vocabulary; log-normalised values are taken as they are. S is
        :math:`\log_{10} N`, as in the published code also for sums of log-normalised values. A cell
        with :math:`N \le 1` has no S and gets no token.
        """
        counts = match.collapse(block.matrix)
        totals = np.asarray(counts.sum(axis=1)).ravel()
        present = np.diff(counts.indptr)
        lengths = np.where(totals > 1, present + 2, 0)
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        ids = np.zeros(indptr[-1], dtype=np.int64)
        slots = np.full(indptr[-1], -1, dtype=np.int64)
        values = np.zeros(indptr[-1])

        # Place of every stored value: the start of its cell's tokens plus its rank in the cell.
        cell = np.repeat(np.arange(len(present)), present)
        expression = np.log1p(counts.data / totals[cell] * 1e4) if block.counts else counts.data
        kept = lengths[cell] > 0
        target = (indptr[cell] + np.arange(len(cell)) - counts.indptr[cell])[kept]
        slots[target] = counts.indices[kept]
        ids[target] = match.tokens[counts.indices[kept]]
        values[target] = expression[kept]

        # T is the last token but one, S the last; their positions follow those of the genes.
        usable = np.flatnonzero(lengths)
        for back, number in (
            (2, self.resolution.of(totals[usable])),
            (1, np.log10(totals[usable])),
        ):
            place = indptr[usable + 1] - back
            ids[place] = self.n_genes + 2 - back
            values[place] = number
        return CellTokens(indptr=indptr, ids=ids, slots=slots, values=values.astype(np.float32))

    def batches(
        self, block: CellBlock, match: GeneMatch, batch_size: int, *, pooling: str = "mean"
    ) -> Iterator[TokenBatch]:
        """Yield batches; with ``"mean_all"`` of few cells, which have vectors of all genes."""
        # 39 MB per cell of the published model. The decoder takes one cell at a time anyway.
        few = min(batch_size, _DENSE_CELLS) if pooling == "mean_all" else batch_size
        yield from super().batches(block, match, few, pooling=pooling)

    def encode(self, batch: TokenBatch) -> Encoded:
        """Return the decoder's vectors of a cell's expressed genes; of all with ``"mean_all"``."""
        like = self.network.positions.weight
        device = like.device
        ids, mask, slots = (
            torch.as_tensor(part, device=device) for part in (batch.ids, batch.mask, batch.slots)
        )
        # Weights may be in half precision; values follow them.
        encoded = self.network.encode(
            torch.as_tensor(batch.values, dtype=like.dtype, device=device), ids, mask
        )
        cells = self._of_cells(encoded, mask, batch.cell_pooling) if batch.with_cells else None
        if batch.of == "cells":
            # Cells need the encoder alone.
            none = encoded.new_zeros(len(ids), 0, self.dimension)
            return Encoded(hidden=none, slots=slots[:, :0], cells=cells)
        if batch.pooling == "mean_all":
            if batch.match is None:
                msg = (
                    "a batch with pooling='mean_all' must say which genes are wanted: "
                    "it has no match."
                )
                raise ValueError(msg)
            wanted = torch.as_tensor(batch.match.tokens, device=device).expand(len(ids), -1)
            slots = torch.arange(wanted.shape[1], device=device).expand(wanted.shape)
        else:
            # Padding has no position in the decoder. Any will do: its slot, -1, drops the vector.
            wanted = ids.masked_fill(~mask, 0)
        unexpressed = self.network.unexpressed()
        hidden = unexpressed.new_empty(*wanted.shape, self.dimension)
        for cell, real in enumerate(mask):
            x = self.network.decoder_input(encoded[cell, real], ids[cell, real], unexpressed)
            hidden[cell] = self.network.decode(x)[wanted[cell]]
        return Encoded(hidden=hidden, slots=slots, cells=cells)

    def cell_width(self, cell_pooling: str) -> int:
        """Return the width of the vectors of cells: of ``"all"`` four parts."""
        return self.network.sizes.width * (4 if cell_pooling == "all" else 1)

    def _of_cells(
        self, encoded: torch.Tensor, mask: torch.Tensor, cell_pooling: str
    ) -> torch.Tensor:
        """Return S, T, maximum and mean over the genes; or the maximum over all tokens.

        ``encoded`` has the vectors of the tokens.
        """
        if cell_pooling == "max":
            return encoded.masked_fill(~mask[..., None], -torch.inf).amax(1)
        # T and S are the last two tokens of each cell.
        last = mask.sum(1) - 1
        cell = torch.arange(len(mask), device=mask.device)
        genes = mask.clone()
        genes[cell, last] = genes[cell, last - 1] = False
        return torch.cat(
            [
                encoded[cell, last],
                encoded[cell, last - 1],
                encoded.masked_fill(~genes[..., None], -torch.inf).amax(1),
                mean_of(encoded, genes).to(encoded.dtype),
            ],
            dim=-1,
        )

    def static(self, tokens: np.ndarray) -> torch.Tensor:
        """Return the vectors of genes before any cell: the position embeddings."""
        positions = self.network.positions.weight
        return positions.detach()[torch.as_tensor(tokens, device=positions.device)]

    def to(self, device: torch.device) -> None:
        """Move the network."""
        self.network.to(device)

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model."""
        return {
            **self._record,
            "dimension": self.dimension,
            "versions": {"torch": version("torch")},
        }
