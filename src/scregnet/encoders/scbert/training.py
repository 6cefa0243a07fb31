"""Masked training of scBERT: predict the hidden expression bin of a gene from the other genes."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from scregnet._device import own_randomness
from scregnet._validate import listed
from scregnet.encoders.scbert.encoder import TARGET_SUM, ScBertEncoder
from scregnet.encoders.scbert.network import ScBertNetwork, ScBertSizes
from scregnet.encoders.training.protocol import IGNORED, MaskedBatch, MaskedModel
from scregnet.encoders.training.run import write_json, write_tensors

if TYPE_CHECKING:
    from scregnet.encoders.protocol import CellStream, GeneMatch
    from scregnet.encoders.weights.files import Weights

# Both shares are those of scBERT's pre-training.
MASKED_SHARE = 0.15
REPLACED = 0.9
"""Share of the chosen bins that becomes the mask token; the rest stays as it is."""

_PUBLISHED_GENES = 16906


class ScBertTraining(MaskedModel):
    """scBERT with its head over bins, trained as in pre-training :cite:p:`yang2022scbert`.

    Of a cell's bins above zero 15 % are to be predicted, at least one; 90 % of these are hidden and
    10 % stay. The random features of the attention are fixed; pre-training redrew them every
    thousand steps. The bins are kept in memory: three or five bytes per expressed gene and cell.

    Parameters
    ----------
    encoder
        The model with its genes.
    """

    def __init__(self, encoder: ScBertEncoder) -> None:
        self.encoder = encoder
        self.network: ScBertNetwork = encoder.network

    @classmethod
    def from_scratch(
        cls,
        cells: CellStream,
        genes: np.ndarray,
        *,
        n_layers: int,
        hidden_size: int,
        n_heads: int,
        seed: int,
    ) -> ScBertTraining:
        """Make a model with random weights for the genes of the cells.

        The vectors of the genes, gene2vec in the published model, are random here and trained.
        Counts are scaled to the same total per gene as with the published list (10,000 per cell for
        16,906 genes or more), so that bins mean the same in a small panel.
        """
        seen = np.zeros(len(genes), dtype=bool)
        for block in cells:
            seen[block.matrix.indices] = True
        # A gene without an id has empty text.
        names = list(dict.fromkeys(str(name) for name in genes[seen] if name != ""))
        if not names:
            msg = f"none of the {cells.n_cells} cells has a value above zero."
            raise ValueError(msg)
        if odd := [
            name
            for name in names
            if name != name.strip() or any(mark in name for mark in "\t\n,; ")
        ]:
            msg = (
                f"scBERT's list of genes has one name a line, which {listed(odd, 3)} cannot be: "
                "rename them, or name another column of adata.var with gene_ids=."
            )
            raise ValueError(msg)
        head_dim = hidden_size // n_heads
        sizes = ScBertSizes(
            n_genes=len(names),
            dimension=hidden_size,
            n_layers=n_layers,
            n_heads=n_heads,
            head_dim=head_dim,
            n_features=max(1, int(head_dim * math.log(head_dim))),
            inner_dimension=4 * hidden_size,
        )
        # The user's global generator is restored afterwards.
        with own_randomness():
            torch.default_generator.manual_seed(seed)
            network = ScBertNetwork(sizes, generator=torch.Generator().manual_seed(seed))
            positions = torch.randn(len(names) + 1, hidden_size)
        # A buffer in the published model; a parameter here, so that it is trained.
        del network.positions
        network.register_parameter("positions", torch.nn.Parameter(positions))
        scale = TARGET_SUM * min(1.0, len(names) / _PUBLISHED_GENES)
        return cls(ScBertEncoder(network, names, target_sum=scale))

    @classmethod
    def from_weights(cls, weights: Weights) -> ScBertTraining:
        """Read the model with head and genes from files; the vectors of the genes stay fixed.

        Raises
        ------
        ValueError
            If the files are damaged, do not belong together, or hold no head over bins.
        """
        encoder = ScBertEncoder.from_weights(weights)
        if not encoder.network.has_head:
            msg = (
                f"{weights.files['weights']} has no head over expression bins (to_out.weight, "
                "to_out.bias): the model cannot be trained on hidden bins."
            )
            raise ValueError(msg)
        return cls(encoder)

    def read(self, cells: CellStream, genes: np.ndarray) -> GeneMatch:
        """Bin the cells as the encoder does; keep bins above zero and the cells that have some."""
        match = self.encoder.match(genes)
        # Two bytes per position suffice for the published list.
        kind = np.uint16 if len(self.encoder.genes) < 2**16 else np.int32
        columns, bins, counts = [], [], []
        for block in cells:
            tokens = self.encoder.tokenise(block, match)
            values = np.zeros(0) if tokens.values is None else tokens.values
            above = values > 0
            rows = np.repeat(np.arange(len(tokens.indptr) - 1), np.diff(tokens.indptr))
            columns.append(tokens.ids[above].astype(kind))
            bins.append(values[above].astype(np.int8))
            counts.append(np.bincount(rows[above], minlength=len(tokens.indptr) - 1))
        every = np.concatenate(counts)
        self._counts = every[every > 0]
        self._columns = np.concatenate(columns)
        self._bins = np.concatenate(bins)
        self._starts = np.concatenate([[0], np.cumsum(self._counts)])
        self.lengths = np.full(len(self._counts), len(self.encoder.genes) + 1)
        return match

    def masked(self, cells: np.ndarray, rng: np.random.Generator) -> MaskedBatch:
        """Hide bins above zero; draw anew at every call."""
        inputs = np.zeros((len(cells), len(self.encoder.genes) + 1), dtype=np.int64)
        for row, cell in enumerate(cells):
            stored = slice(self._starts[cell], self._starts[cell + 1])
            inputs[row, self._columns[stored]] = self._bins[stored]
        drawn = np.where(inputs > 0, rng.random(inputs.shape), np.inf)
        chosen = drawn < MASKED_SHARE
        # A cell with few bins above zero might have none chosen: take the one drawn lowest.
        chosen[np.arange(len(cells)), drawn.argmin(axis=1)] = True
        labels = np.where(chosen, inputs, IGNORED)
        hidden = chosen & (rng.random(inputs.shape) < REPLACED)
        inputs[hidden] = self.network.sizes.n_tokens - 1
        return MaskedBatch(inputs=inputs, mask=np.ones(inputs.shape, dtype=bool), labels=labels)

    def loss(self, batch: MaskedBatch, device: torch.device) -> torch.Tensor:
        """Return the summed cross-entropy."""
        labels = torch.as_tensor(batch.labels, device=device)
        hidden, _ = self.network(torch.as_tensor(batch.inputs, device=device))
        asked = labels != IGNORED
        return torch.nn.functional.cross_entropy(
            self.network.head(hidden[asked]).float(), labels[asked], reduction="sum"
        )

    def frequencies(self, cells: np.ndarray) -> Callable[[MaskedBatch], float]:
        """Return the null model: each gene's share of every bin above zero, add-one smoothed."""
        stored = np.zeros(len(self._bins), dtype=bool)
        for cell in cells:
            stored[self._starts[cell] : self._starts[cell + 1]] = True
        counts = np.zeros((len(self.encoder.genes), self.network.sizes.n_tokens))
        np.add.at(counts, (self._columns[stored], self._bins[stored]), 1)
        # Neither zero nor the mask token is ever the answer.
        counts[:, 1:-1] += 1
        counts[:, [0, -1]] = np.nan
        log_share = np.log(counts / np.nansum(counts, axis=1, keepdims=True))

        def loss(batch: MaskedBatch) -> float:
            rows, columns = np.nonzero(batch.labels != IGNORED)
            return -float(log_share[columns, batch.labels[rows, columns]].sum())

        return loss

    def state(self) -> dict[str, torch.Tensor]:
        """Return the tensors under their published names."""
        return self.network.published_state()

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Load what :meth:`state` returned."""
        self.network.load_published(state)

    def digest(self) -> str:
        """Return a hash of the bins and the genes."""
        hashed = hashlib.sha256(json.dumps([self.encoder.genes, self.encoder.target_sum]).encode())
        for array in (self._counts.astype("<i8"), self._columns.astype("<i4"), self._bins):
            hashed.update(array.tobytes())
        return hashed.hexdigest()

    def write(self, folder: Path) -> None:
        """Write the weights, ``gene_order.txt`` and, with the scaling, ``scbert_config.json``."""
        write_tensors(folder / "model.safetensors", self.state())
        (folder / "gene_order.txt").write_text(
            "\n".join(self.encoder.genes) + "\n", encoding="utf-8"
        )
        write_json(folder / "scbert_config.json", {"target_sum": self.encoder.target_sum})
