"""The torch modules of DeepDRIM: the one that is trained, and the one that is kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from scregnet.links.forms.saved import read_floats, read_integers, refuse
from scregnet.links.methods.images.saved import WIDEST, image_arrays, read_image_arrays
from scregnet.links.methods.images.tower import BLOCK, ImageTower, in_blocks, read_images
from scregnet.links.neural.dropout import Dropout
from scregnet.links.neural.first_weights import keras_weights
from scregnet.links.neural.weights import load_weights

if TYPE_CHECKING:
    from scregnet.links.forms.saved import State


MOST_LAYERS = 100
"""Most dense layers that are read from a saved network."""


class Scored(nn.Module):
    """Reads the image of a pair, and adds what the neighbours of its genes say.

    Parameters
    ----------
    bins
        The bin of each gene in each cell, uint8 (n_genes, n_cells).
    n_bins
        Bins of a gene.
    conv_dims
        Channels of each block of convolutions.
    image_dim
        Width of what is known of an image.
    dense_dims
        Width of each dense layer; the first joins all images of a pair.
    conv_dropout, dropout
        Dropout after each block, and before each dense layer.
    precision
        Of the tower while training, as in :class:`ImageTower`.
    """

    def __init__(
        self,
        bins: np.ndarray,
        n_bins: int,
        *,
        conv_dims: tuple[int, ...],
        image_dim: int,
        dense_dims: tuple[int, ...],
        conv_dropout: float = 0.0,
        dropout: float = 0.0,
        precision: str = "float32",
    ) -> None:
        super().__init__()
        self.bins, self.n_bins, self.dense_dims = bins, n_bins, tuple(dense_dims)
        self.tower = ImageTower(
            n_bins,
            conv_dims,
            image_dim,
            conv_dropout=conv_dropout,
            rectified=False,
            precision=precision,
        )
        self.dropout = Dropout(dropout)
        self.joined = nn.Linear(image_dim, dense_dims[0])
        layers: list[nn.Module] = []
        for a, b in zip(dense_dims, (*dense_dims[1:], 1), strict=True):
            layers += [nn.ReLU(), Dropout(dropout), nn.Linear(a, b)]
        self.head = nn.Sequential(*layers)
        # Known when training is over.
        self.source_terms = self.target_terms = torch.zeros(0, dense_dims[0])

    @property
    def n_genes(self) -> int:
        """Number of genes that pairs are made of."""
        return len(self.bins)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a saved network needs beside its weights."""
        return image_arrays(self.bins, self.n_bins, self.tower) | {
            "dense_dims": np.array(self.dense_dims),
            "source_terms": self.source_terms.numpy(),
            "target_terms": self.target_terms.numpy(),
        }

    def forward(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the logit of each pair."""
        return in_blocks(self._logits, sources, targets)

    def _logits(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        terms = self.source_terms[sources] + self.target_terms[targets]
        return self.of_terms(sources, targets, terms)

    def of_terms(
        self, sources: torch.Tensor, targets: torch.Tensor, terms: torch.Tensor
    ) -> torch.Tensor:
        """Return the logit of each pair, given what the neighbours of its genes say."""
        read = read_images(self.tower, self.bins, self.n_bins, sources, targets)
        return self.head(self.joined(self.dropout(read)) + terms).squeeze(1)


class DeepDrimModule(nn.Module):
    """The network that is trained: what neighbours say is read from their images.

    The dense layer that joins all images is a sum of one term of the pair's own image, one of the
    images of the TF and one of those of the target. So images of neighbours are read once for a
    gene, however many pairs it has, and their dropout is drawn once for all of these.

    Parameters
    ----------
    scored
        Reads the image of a pair.
    neighbours
        The neighbours of each gene, (n_genes, n_neighbours).
    conv_dropout
        Dropout after each block of the tower for neighbours.
    """

    neighbours: torch.Tensor

    def __init__(self, scored: Scored, neighbours: np.ndarray, *, conv_dropout: float) -> None:
        super().__init__()
        self.scored = scored
        self.register_buffer("neighbours", torch.from_numpy(neighbours), persistent=False)
        tower = scored.tower
        dim = tower.dense.out_features
        self.tower = ImageTower(
            scored.n_bins,
            tower.conv_dims,
            dim,
            conv_dropout=conv_dropout,
            rectified=False,
            precision=tower.precision,
        )
        n_images = 1 + neighbours.shape[1]
        # Without a constant: the joined layer has one.
        self.as_source, self.as_target = (
            nn.Linear(n_images * dim, scored.dense_dims[0], bias=False) for _ in range(2)
        )
        self._start()

    def _start(self) -> None:
        """Draw first weights as the published code does."""
        keras_weights(self)
        # Three parts of one layer, whose width sets the bound.
        parts = (self.scored.joined, self.as_source, self.as_target)
        width = sum(part.in_features for part in parts) + parts[0].out_features
        for part in parts:
            nn.init.uniform_(part.weight, -math.sqrt(6 / width), math.sqrt(6 / width))

    def pairs_of(
        self, genes: torch.Tensor, *, as_source: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return sources and targets of the images of genes, all images of a gene in a row.

        The first image of a gene is that with itself. Of a TF, the neighbours are targets; of a
        target, they are sources.
        """
        others = torch.cat([genes[:, None], self.neighbours[genes]], dim=1)
        itself = genes[:, None].expand_as(others)
        pair = (itself, others) if as_source else (others, itself)
        return pair[0].flatten(), pair[1].flatten()

    def terms(self, genes: torch.Tensor, *, as_source: bool) -> torch.Tensor:
        """Return what the neighbours of genes say, (len(genes), dense_dims[0])."""
        join = self.as_source if as_source else self.as_target
        bins, n_bins = self.scored.bins, self.scored.n_bins

        def read(some: torch.Tensor) -> torch.Tensor:
            pair = self.pairs_of(some, as_source=as_source)
            seen = read_images(self.tower, bins, n_bins, *pair).view(len(some), -1)
            return join(self.scored.dropout(seen))

        if self.training:
            return read(genes)
        return in_blocks(read, genes, block=max(1, BLOCK // (1 + self.neighbours.shape[1])))

    def forward(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the logit of each pair."""
        tfs, row = torch.unique(sources, return_inverse=True)
        genes, column = torch.unique(targets, return_inverse=True)
        as_source, as_target = (
            self.terms(tfs, as_source=True),
            self.terms(genes, as_source=False),
        )

        def read(
            s: torch.Tensor, t: torch.Tensor, r: torch.Tensor, c: torch.Tensor
        ) -> torch.Tensor:
            return self.scored.of_terms(s, t, as_source[r] + as_target[c])

        columns = (sources, targets, row, column)
        return read(*columns) if self.training else in_blocks(read, *columns)

    def kept(self) -> Scored:
        """Return what scores pairs from now on: the neighbours of all genes are read."""
        genes = torch.arange(len(self.neighbours), device=self.neighbours.device)
        self.scored.source_terms = self.terms(genes, as_source=True).cpu()
        self.scored.target_terms = self.terms(genes, as_source=False).cpu()
        return self.scored


def read_network(state: State) -> Scored:
    """Return the network that was saved as ``state``."""
    bins, n_bins, widths = read_image_arrays(state)
    dense_dims = read_integers(state, "dense_dims", (None,), low=1, high=WIDEST)
    if not 1 <= len(dense_dims) <= MOST_LAYERS:
        refuse("dense_dims", f"must name 1 to {MOST_LAYERS} layers, found {len(dense_dims)}")
    shape = (len(bins), int(dense_dims[0]))
    terms = {name: read_floats(state, name, shape) for name in ("source_terms", "target_terms")}
    network = load_weights(
        lambda: Scored(
            bins,
            n_bins,
            conv_dims=widths["conv_dims"],
            image_dim=widths["dense_dim"],
            dense_dims=tuple(map(int, dense_dims)),
        ),
        state,
    )
    for name, values in terms.items():
        setattr(network, name, torch.from_numpy(np.array(values)))
    return network
