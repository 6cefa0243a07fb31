"""scGPT: a transformer over the genes of a cell and their expression in bins."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from scregnet._device import plain_torch
from scregnet._validate import check_choice, check_integer
from scregnet.encoders.gene_ids import GeneIds
from scregnet.encoders.layers.cells import of_cells
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
from scregnet.encoders.scgpt.network import ScGptNetwork, Sizes, read_network, read_sizes
from scregnet.encoders.scgpt.tokens import bin_values, choose, keys_of
from scregnet.encoders.token_encoder import TokenEncoder
from scregnet.encoders.weights.files import Role, Weights
from scregnet.encoders.weights.pickles import read_dictionary
from scregnet.encoders.weights.sizes import MOST_TOKENS

GENE_VECTORS = ("contextual", "static")
SPECIAL = ("<pad>", "<cls>", "<eoc>")


class ScGptEncoder(TokenEncoder):
    """Gene embeddings of scGPT :cite:p:`cui2024scgpt`, 512 wide.

    A cell is ``<cls>`` and the genes that it expresses, with their values in 50 bins within the
    cell. The model has no positions, so the order of genes does not matter. If a cell has more
    genes than ``max_length`` allows, some are drawn, by the seed.

    Parameters
    ----------
    network
        The neural network.
    tokens
        The vocabulary: genes by symbol, and the special tokens.
    sizes
        The sizes of the model.
    gene_vectors
        ``"contextual"``: the last layer's vectors, pooled over the cells that express a gene.
        ``"static"``: the gene's vector in the model's dictionary, without any cell.
    max_length
        Longest sequence, with ``<cls>``.
    symbols
        Human symbols to Ensembl ids, to find genes by Ensembl id.
    record
        Where the weights came from.
    """

    roles = (
        Role("weights", ("best_model.pt", "*.pt", "*.safetensors", "*.bin")),
        Role("config", ("args.json",)),
        Role("tokens", ("vocab.json",)),
        Role("symbols", ("gene_name_id_dict*.pkl", "gene_name_id_dict*.json"), required=False),
    )
    # As the published code embeds cells.
    half_precision = True

    def __init__(
        self,
        network: ScGptNetwork,
        tokens: Mapping[str, int],
        sizes: Sizes,
        *,
        gene_vectors: Literal["contextual", "static"] = "contextual",
        max_length: int = 1200,
        symbols: Mapping[str, str] | None = None,
        record: Mapping[str, Any] | None = None,
    ) -> None:
        check_choice("gene_vectors", gene_vectors, GENE_VECTORS)
        check_integer("max_length", max_length, minimum=2)
        # Special tokens are in angle brackets.
        genes = {
            name: token
            for name, token in tokens.items()
            if not (name.startswith("<") and name.endswith(">"))
        }
        self.network = network.eval()
        self.sizes = sizes
        self.gene_ids = GeneIds("scGPT", genes, kind="symbol", symbols=symbols)
        self.gene_vectors = gene_vectors
        self.max_length = max_length
        self.pad_id, self.cls_id = (tokens[name] for name in SPECIAL[:2])
        self.dimension = sizes.width
        self.poolings = ("mean",) if gene_vectors == "contextual" else ()
        self.cell_poolings = ("cls", "cls_unit", "mean") if gene_vectors == "contextual" else ()
        # Static vectors are in the weights: there is nothing to add up.
        self.sums_parts = gene_vectors == "contextual"
        self.seed = _seed(0)
        self._record = dict(record or {})

    @classmethod
    def from_weights(
        cls,
        weights: Weights,
        *,
        gene_vectors: Literal["contextual", "static"] = "contextual",
        max_length: int = 1200,
    ) -> ScGptEncoder:
        """Read the model from its files.

        Parameters
        ----------
        weights
            The located files.
        gene_vectors
            ``"contextual"``: the last layer's vectors, averaged over the cells that express a gene.
            ``"static"``: the row of the gene encoder, the same for any data, as in the authors'
            tutorial on gene networks.
        max_length
            Longest sequence, with ``<cls>``; of cells with more genes, some are drawn.

        Raises
        ------
        ValueError
            If the files are damaged or do not belong together, or a parameter is out of range.
        """
        check_choice("gene_vectors", gene_vectors, GENE_VECTORS)
        sizes = read_sizes(weights.files["config"])
        tokens = _read_tokens(weights.files["tokens"])
        network = read_network(weights.files, sizes, tokens)
        symbols = None
        if "symbols" in weights.files:
            symbols = {
                name: str(gene) for name, gene in read_dictionary(weights.files["symbols"]).items()
            }
        return cls(
            network,
            tokens,
            sizes,
            gene_vectors=gene_vectors,
            max_length=max_length,
            symbols=symbols,
            record=dict(weights.record),
        )

    def match(self, genes: np.ndarray) -> GeneMatch:
        """Find genes by human symbol."""
        return self.gene_ids.match(genes)

    def tokenise(self, block: CellBlock, match: GeneMatch) -> CellTokens:
        """Return ``<cls>`` and the expressed genes of every cell, with the bins of their values.

        Genes are in the order of the vocabulary. All known genes of a cell are binned before a cell
        that is too long loses some. A cell without known genes gets no token.
        """
        counts = match.collapse(block.matrix)
        # Random numbers by gene and cell decide ties of bins and which genes a long cell keeps.
        keys = keys_of(counts, match.tokens, self.seed)
        bins = bin_values(counts, self.sizes.n_bins, keys)
        # One place is for <cls>.
        kept = choose(counts, self.max_length - 1, keys)
        cell = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))[kept]
        n_genes = np.bincount(cell, minlength=counts.shape[0])
        filled = n_genes > 0
        # One place more than genes: <cls>, the first token of every cell that is not empty.
        indptr = np.concatenate([[0], np.cumsum(n_genes + filled)])
        ids = np.full(indptr[-1], self.cls_id, dtype=np.int64)
        slots = np.full(indptr[-1], -1, dtype=np.int64)
        values = np.full(indptr[-1], self.sizes.pad_value, dtype=np.float32)
        is_gene = np.ones(indptr[-1], dtype=bool)
        is_gene[indptr[:-1][filled]] = False
        slots[is_gene] = counts.indices[kept]
        ids[is_gene] = match.tokens[slots[is_gene]]
        values[is_gene] = bins[kept]
        return CellTokens(indptr=indptr, ids=ids, slots=slots, values=values)

    def encode(self, batch: TokenBatch) -> Encoded:
        """Return the last layer's vectors, zeros at padding; of cells ``<cls>`` or the mean."""
        if batch.values is None:
            msg = "a batch for scGPT needs values."
            raise ValueError(msg)
        like = self.network.genes.weight
        # Packed: the real tokens of all cells in one row.
        ids = torch.as_tensor(batch.ids[batch.mask], device=like.device)
        values = torch.as_tensor(batch.values[batch.mask], dtype=like.dtype, device=like.device)
        tokens = self.network(ids, values, tuple(batch.mask.sum(axis=1).tolist()))
        at = torch.as_tensor(np.flatnonzero(batch.mask), device=like.device)
        padded = tokens.new_zeros(batch.mask.size, self.dimension).index_copy_(0, at, tokens)
        hidden = padded.view(*batch.mask.shape, -1)
        slots = torch.as_tensor(batch.slots, device=like.device)
        return Encoded(hidden=hidden, slots=slots, cells=of_cells(batch, hidden, slots))

    def embed(self, cells: CellStream, genes: np.ndarray, options: EmbedOptions) -> Embedding:
        """Return contextual vectors, or static ones.

        Static vectors are the same for every group, and genes without any cell have them too.
        """
        self.seed = _seed(options.random_state)
        if self.gene_vectors == "contextual":
            return super().embed(cells, genes, options)
        match = self.match(genes)
        n_cells = np.zeros(cells.n_groups, dtype=np.int64)
        for block in cells:
            present = np.diff(match.collapse(block.matrix).indptr) > 0
            n_cells += np.bincount(block.groups[present], minlength=cells.n_groups)
        device = self.network.genes.weight.device
        with plain_torch(), torch.inference_mode():
            rows = (
                self.network.gene_vectors(torch.as_tensor(match.tokens, device=device))
                .float()
                .cpu()
                .numpy()
            )
        vectors = np.zeros((len(genes), self.dimension), dtype=np.float32)
        vectors[match.known] = rows[match.slots[match.known]]
        groups = tuple(GeneVectors(vectors, match.known, int(n)) for n in n_cells)
        return Embedding(groups=groups, known=match.known, report=match.report)

    def static(self, tokens: np.ndarray) -> torch.Tensor:
        """Return the vectors of genes before any cell: the gene encoder's."""
        ids = torch.as_tensor(tokens, device=self.network.genes.weight.device)
        return self.network.gene_vectors(ids).detach()

    def to(self, device: torch.device) -> None:
        """Move the network."""
        self.network.to(device)

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model."""
        return {
            **self._record,
            "gene_vectors": self.gene_vectors,
            "max_length": self.max_length,
            "seed": self.seed,
            "n_bins": self.sizes.n_bins,
            "dimension": self.dimension,
            "versions": {"torch": version("torch")},
        }


def _seed(random_state: int | None) -> int:
    return int(np.random.default_rng(random_state).integers(2**31))


def _read_tokens(path: Path) -> dict[str, int]:
    """Return the vocabulary; missing special tokens are appended, as in the published code."""
    tokens = read_dictionary(path)
    ids = list(tokens.values())
    if (
        not ids
        or not all(type(token) is int and 0 <= token < MOST_TOKENS for token in ids)
        or len(set(ids)) != len(ids)
    ):
        msg = f"{path} must give every gene its own integer from 0 to {MOST_TOKENS - 1:,}."
        raise ValueError(msg)
    for name in SPECIAL:
        tokens.setdefault(name, max(tokens.values()) + 1)
    return tokens
