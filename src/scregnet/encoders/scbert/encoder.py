"""scBERT: a Performer that reads a cell as the expression bins of a fixed list of genes."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scregnet._text import read_text
from scregnet._validate import listed
from scregnet.encoders.gene_ids import GeneIds
from scregnet.encoders.layers.cells import mean_of
from scregnet.encoders.protocol import CellBlock, CellTokens, Encoded, GeneMatch, TokenBatch
from scregnet.encoders.scbert.network import ScBertNetwork, read_network
from scregnet.encoders.token_encoder import TokenEncoder
from scregnet.encoders.weights.files import Role, Weights
from scregnet.encoders.weights.orders import PublishedOrder, check_order

if TYPE_CHECKING:
    import scipy.sparse as sp

TARGET_SUM = 1e4
"""Total that counts are scaled to per cell, for the published list of genes."""

# From a list that goes around: the publisher gives none but as var_names of data sets.
_PUBLISHED_GENES = PublishedOrder(
    16906,
    "4c09ba1912e184682fe5e7f32e2b443bdfb7883d0d0191551b38c6c2f155600f",
    "1d297eddeb808488dd29ed50586c934993c3c7b7bb67370130ebaef99b1b60fa",
)
# Positions in one pass. One cell of the published model, 16,907, keeps a CPU or GPU busy.
_POSITIONS = 20_000


class ScBertEncoder(TokenEncoder):
    """Contextual gene embeddings of scBERT :cite:p:`yang2022scbert`, after its final LayerNorm.

    Every gene of the model has a vector in every cell. ``"mean"`` takes the cells that express the
    gene; ``"mean_all"`` takes every cell, as scRegNet does; ``"attentive"`` weights every cell by
    the share of its attention that the gene receives (:cite:t:`kommu2024sctransnet`, eqs. 3 to 6).

    Parameters
    ----------
    network
        The neural network.
    genes
        Symbols of its positions, in order.
    target_sum
        Total that counts are scaled to per cell, over the genes of the model.
    record
        Where the weights came from.

    Raises
    ------
    ValueError
        If genes and positions do not match.
    """

    roles = (
        Role("weights", ("panglao_pretrain*.pth", "*.safetensors", "*.pth", "*.pt", "*.bin")),
        Role("genes", ("gene_order*.txt", "*.h5ad"), required=False),
        # Written by :func:`scregnet.tl.finetune`; the published model has none.
        Role("config", ("scbert_config.json",), required=False),
    )
    poolings = ("mean", "mean_all", "attentive")
    cell_poolings = ("mean", "mean_all")

    def __init__(
        self,
        network: ScBertNetwork,
        genes: list[str],
        *,
        target_sum: float = TARGET_SUM,
        record: dict[str, Any] | None = None,
    ) -> None:
        if len(genes) != network.sizes.n_genes:
            msg = (
                f"the list of genes has {len(genes)}, but the weights have positions for "
                f"{network.sizes.n_genes} (and one more): they belong to different models."
            )
            raise ValueError(msg)
        if len(set(genes)) < len(genes):
            repeated = sorted({gene for gene in genes if genes.count(gene) > 1})
            msg = f"the list of genes names some more than once: {listed(repeated)}."
            raise ValueError(msg)
        self.network = network.eval()
        self.genes = genes
        self.target_sum = target_sum
        self.gene_ids = GeneIds(
            "scBERT", {gene: position for position, gene in enumerate(genes)}, kind="symbol"
        )
        self.dimension = network.sizes.dimension
        # The extra position: its bin is always 0, as that of padding.
        self.pad_id = len(genes)
        self._record = dict(record or {})

    @classmethod
    def from_weights(
        cls, weights: Weights, *, gene_order: str | Path | None = None
    ) -> ScBertEncoder:
        """Read the model from its files.

        Parameters
        ----------
        weights
            The located files.
        gene_order
            File with the model's genes in order: text with one symbol a line, or ``.h5ad`` with
            these ``var_names``. ``None`` takes the file in the folder of the weights.

        Raises
        ------
        FileNotFoundError
            If there is no list of genes.
        ValueError
            If a file is damaged or the files do not belong together.
        """
        path = weights.files.get("genes") if gene_order is None else Path(gene_order).expanduser()
        if path is None:
            folder = weights.files["weights"].parent
            msg = (
                "model='scbert' needs the order of its genes, which the weights do not hold: put "
                "gene_order*.txt (one symbol a line) or an .h5ad file with these var_names into "
                f"{folder}, or name it with gene_order=."
            )
            raise FileNotFoundError(msg)
        genes = read_gene_order(path)
        check_order(path, genes, _PUBLISHED_GENES, "scBERT")
        target_sum = (
            _target_sum(weights.files["config"]) if "config" in weights.files else TARGET_SUM
        )
        network = read_network(weights.files["weights"])
        return cls(network, genes, target_sum=target_sum, record=dict(weights.record))

    def match(self, genes: np.ndarray) -> GeneMatch:
        """Find genes by human symbol."""
        return self.gene_ids.match(genes)

    def tokenise(self, block: CellBlock, match: GeneMatch) -> CellTokens:
        """List the expressed genes of every cell: ``ids`` are positions, ``values`` bins."""
        counts = match.collapse(block.matrix)
        return CellTokens(
            indptr=counts.indptr.astype(np.int64),
            ids=match.tokens[counts.indices],
            slots=counts.indices.astype(np.int64),
            values=self.bins(counts, normalised=not block.counts).astype(np.float32),
        )

    def bins(self, counts: sp.csr_matrix, *, normalised: bool = False) -> np.ndarray:
        """Return the bin of every stored value of cells × genes of the model.

        Counts x are scaled to ``target_sum`` per cell, over the genes of the model. The bin is the
        integer part of log2(1 + x), at most the highest bin (5): a lowly expressed gene shares bin
        0 with genes that are not expressed. ``normalised`` values are taken for log2(1 + x).
        """
        values = counts.data
        if not normalised:
            totals = np.asarray(counts.sum(axis=1)).ravel()
            # Divided as in the published code: a value on the edge of a bin is then more often
            # exactly on it.
            values = np.log2(
                1 + values / np.repeat(totals / self.target_sum, np.diff(counts.indptr))
            )
        # The tokens are the bins and, last, the mask token.
        return np.minimum(values, self.network.sizes.n_tokens - 2).astype(np.int64)

    def encode(self, batch: TokenBatch) -> Encoded:
        """Run the model on all positions; return the vectors of the genes that are pooled."""
        device = self.network.positions.device
        ids = torch.as_tensor(batch.ids, device=device)
        slots = slots_of_tokens = torch.as_tensor(batch.slots, device=device)
        wanted = ids
        if batch.pooling != "mean":
            # Pool every gene of the data in every cell, not only the expressed ones.
            tokens = batch.match.tokens if batch.match is not None else np.arange(len(self.genes))
            wanted = torch.as_tensor(tokens, device=device).expand(len(ids), -1)
            slots = torch.arange(len(tokens), device=device).expand(len(ids), -1)
        # All positions, bin 0 for genes that are not among the tokens.
        bins = torch.zeros(len(ids), len(self.genes) + 1, dtype=torch.int64, device=device)
        bins.scatter_(1, ids, torch.as_tensor(batch.values, device=device).long())
        # Not the bins above zero: a lowly expressed gene has bin 0 too.
        expressed = torch.zeros_like(bins, dtype=torch.bool).scatter_(1, ids, slots_of_tokens >= 0)
        parts, weights, cells = [], [], []
        size = max(1, _POSITIONS // bins.shape[1])
        for some, at, own in zip(
            bins.split(size), wanted.split(size), expressed.split(size), strict=True
        ):
            hidden, shares = self.network(some, received=batch.pooling == "attentive")
            if batch.with_cells:
                cells.append(self._of_cells(hidden, own, batch.cell_pooling))
            parts.append(hidden.gather(1, at[..., None].expand(-1, -1, self.dimension)))
            if shares is not None:
                weights.append(shares.gather(1, at))
        return Encoded(
            hidden=torch.cat(parts),
            slots=slots,
            weights=torch.cat(weights) if weights else None,
            cells=torch.cat(cells) if cells else None,
        )

    def _of_cells(
        self, hidden: torch.Tensor, expressed: torch.Tensor, cell_pooling: str
    ) -> torch.Tensor:
        """Return the mean over the genes that a cell expresses, or over all genes of the model."""
        # Without the extra position.
        taken = expressed[:, :-1]
        if cell_pooling == "mean_all":
            taken = torch.ones_like(taken)
        return mean_of(hidden[:, :-1], taken)

    def static(self, tokens: np.ndarray) -> torch.Tensor:
        """Return the vectors of genes before any cell: gene2vec's in the published model."""
        positions = self.network.positions
        return positions.detach()[torch.as_tensor(tokens, device=positions.device)]

    def to(self, device: torch.device) -> None:
        """Move the network."""
        self.network.to(device)

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model."""
        return {
            **self._record,
            "gene_order_sha256": hashlib.sha256("\n".join(self.genes).encode()).hexdigest(),
            "n_reference_genes": len(self.genes),
            "target_sum": self.target_sum,
            "n_layers": self.network.sizes.n_layers,
            "dimension": self.dimension,
            "versions": {"torch": version("torch")},
        }


def read_gene_order(path: Path) -> list[str]:
    """Return the genes of a text file (one symbol a line), or the ``var_names`` of ``.h5ad``.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it holds something else.
    """
    if not path.is_file():
        msg = f"gene_order={str(path)!r} is not a file."
        raise FileNotFoundError(msg)
    if path.suffix == ".h5ad":
        return _var_names(path)
    lines = read_text(path, str(path)).splitlines()
    genes = [line.strip() for line in lines if line.strip()]
    if odd := [gene for gene in genes if any(mark in gene for mark in "\t,; ")]:
        msg = f"{path} must hold one gene symbol a line, but has lines such as {listed(odd, 3)}."
        raise ValueError(msg)
    return genes


def _target_sum(path: Path) -> float:
    """Return the total that counts are scaled to, from a configuration."""
    try:
        target_sum = json.loads(path.read_text(encoding="utf-8"))["target_sum"]
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError) as error:
        msg = (
            f"{path} is not the configuration of an scBERT trained with sr.tl.finetune: "
            f"it has no target_sum ({type(error).__name__}). "
            "Remove it if the weights are the published ones."
        )
        raise ValueError(msg) from error
    # True is a number to isinstance.
    if type(target_sum) not in (int, float) or not 0 < target_sum < float("inf"):
        msg = f"{path}: target_sum must be a number above zero, got {target_sum!r}."
        raise ValueError(msg)
    return float(target_sum)


def _var_names(path: Path) -> list[str]:
    """Return the ``var_names`` of an ``.h5ad`` file."""
    # Read directly: this layer does not import anndata.
    import h5py

    msg = f"{path} is not an .h5ad file with var_names."
    try:
        with h5py.File(path) as file:
            var = file["var"]
            if isinstance(var, h5py.Dataset):
                # anndata before 0.7 wrote one structured array.
                names = var["index"] if "index" in (var.dtype.names or ()) else None
            else:
                index = var[var.attrs.get("_index", "_index")]
                # Newer anndata writes texts of pandas 3 as values and a mask.
                names = (index["values"] if isinstance(index, h5py.Group) else index)[()]
    except (OSError, KeyError) as error:
        raise ValueError(msg) from error
    if names is None or names.dtype.kind not in "OS":
        raise ValueError(msg)
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]
