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
from scregnet.encoders.training.memory import moved
from scregnet.encoders.training.protocol import IGNORED, MaskedBatch, MaskedModel
from scregnet.encoders.training.run import write_json, write_tensors
from scregnet.encoders.training.stored import StoredTokens, some_at_a_time

if TYPE_CHECKING:
    from scregnet.encoders.protocol import CellStream, GeneMatch
    from scregnet.encoders.weights.files import Weights

# Both shares are those of scBERT's pre-training.
MASKED_SHARE = 0.15
REPLACED = 0.9
"""Share of the chosen bins that becomes the mask token; the rest stays as it is."""

_PUBLISHED_GENES = 16906
# Numbers of a position that a layer keeps for the backward pass, beside the random features of
# query and key: this many times each width.
_KEPT, _KEPT_HEADS = (8, 3), 8


class ScBertTraining(MaskedModel):
    """scBERT with its head over bins, trained as in pre-training :cite:p:`yang2022scbert`.

    Of a cell's bins above zero 15 % are to be predicted, at least one; 90 % of these are hidden and
    10 % stay. The random features of the attention are fixed; pre-training redrew them every
    thousand steps. The bins, three or five bytes per expressed gene and cell, are in memory or, if
    many, in a file.

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

    def match(self, genes: np.ndarray) -> GeneMatch:
        """Find genes as the encoder does."""
        return self.encoder.match(genes)

    def read(
        self, cells: CellStream, genes: np.ndarray, *, scratch: Path | None = None
    ) -> GeneMatch:
        """Bin the cells as the encoder does; keep bins above zero and the cells that have some."""
        match = self.encoder.match(genes)
        # Two bytes per position suffice for the published list.
        fits = len(self.encoder.genes) < 2**16
        self._columns = StoredTokens(np.uint16 if fits else np.int32, scratch)
        self._bins = StoredTokens(np.int8, scratch)
        for block in cells:
            tokens = self.encoder.tokenise(block, match)
            values = np.zeros(0) if tokens.values is None else tokens.values
            above = values > 0
            rows = np.repeat(np.arange(len(tokens.indptr) - 1), np.diff(tokens.indptr))
            counts = np.bincount(rows[above], minlength=len(tokens.indptr) - 1)
            self._columns.append(tokens.ids[above], counts)
            self._bins.append(values[above], counts)
        self._columns.close()
        self._bins.close()
        self.lengths = np.full(len(self._bins.lengths), len(self.encoder.genes) + 1)
        return match

    def masked(self, cells: np.ndarray, rng: np.random.Generator) -> MaskedBatch:
        """Hide bins above zero; draw anew at every call."""
        inputs = np.zeros((len(cells), len(self.encoder.genes) + 1), dtype=np.int64)
        rows = np.repeat(np.arange(len(cells)), self._bins.lengths[cells])
        inputs[rows, self._columns.of(cells)] = self._bins.of(cells)
        drawn = np.where(inputs > 0, rng.random(inputs.shape), np.inf)
        chosen = drawn < MASKED_SHARE
        # A cell with few bins above zero might have none chosen: take the one drawn lowest.
        chosen[np.arange(len(cells)), drawn.argmin(axis=1)] = True
        labels = np.where(chosen, inputs, IGNORED)
        hidden = chosen & (rng.random(inputs.shape) < REPLACED)
        inputs[hidden] = self.network.sizes.n_tokens - 1
        return MaskedBatch(inputs=inputs, mask=np.ones(inputs.shape, dtype=bool), labels=labels)

    def loss(self, batch: MaskedBatch, device: torch.device) -> torch.Tensor:
        """Return the summed cross-entropy.

        The last layer and the head run at the hidden positions only.
        """
        self._spare_memory(batch.inputs.size)
        # Found here: to look for them on the device, the host would have to wait for it.
        hidden = batch.labels != IGNORED
        n_hidden = hidden.sum(axis=1)
        # A rectangle: cells with fewer hidden positions repeat the first of all.
        real = np.arange(n_hidden.max()) < n_hidden[:, None]
        positions = np.zeros(real.shape, dtype=np.int64)
        positions[real] = np.nonzero(hidden)[1]
        vectors, _ = self.network(moved(batch.inputs, device), asked=moved(positions, device))
        kept = vectors.flatten(0, 1).index_select(0, moved(np.flatnonzero(real), device))
        return torch.nn.functional.cross_entropy(
            self.network.head(kept).float(), moved(batch.labels[hidden], device), reduction="sum"
        )

    def _spare_memory(self, n_positions: int) -> None:
        """Keep the inputs of layers alone where all that they compute would need too much room."""
        sizes = self.network.sizes
        heads = sizes.n_heads * (_KEPT_HEADS * sizes.head_dim + 2 * sizes.n_features)
        width = _KEPT[0] * sizes.dimension + _KEPT[1] * sizes.inner_dimension + heads
        needed = 4 * n_positions * sizes.n_layers * width
        self.network.performer.spares_memory = needed > self.room

    def frequencies(self, cells: np.ndarray) -> Callable[[MaskedBatch], float]:
        """Return the null model: each gene's share of every bin above zero, add-one smoothed."""
        counts = np.zeros((len(self.encoder.genes), self.network.sizes.n_tokens))
        for some in some_at_a_time(cells):
            np.add.at(counts, (self._columns.of(some), self._bins.of(some)), 1)
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
        hashed.update(self._bins.lengths.astype("<i8").tobytes())
        for columns in self._columns.pieces():
            hashed.update(columns.astype("<i4").tobytes())
        for bins in self._bins.pieces():
            hashed.update(bins.tobytes())
        return hashed.hexdigest()

    def write(self, folder: Path) -> None:
        """Write the weights, ``gene_order.txt`` and, with the scaling, ``scbert_config.json``."""
        write_tensors(folder / "model.safetensors", self.state())
        (folder / "gene_order.txt").write_text(
            "\n".join(self.encoder.genes) + "\n", encoding="utf-8"
        )
        write_json(folder / "scbert_config.json", {"target_sum": self.encoder.target_sum})
