"""Negatives that share the TF of a positive, drawn anew for every epoch."""

from __future__ import annotations

import numpy as np

from scregnet._validate import check_choice
from scregnet.links.task import Pairs

DENSITIES = ("tf", "network")


class HardNegatives:
    """Draws training pairs: all positives, and negatives that have their TFs, at the ratio of equation 14 of scTransNet.

    Positive / negative = density / (1 - density), so a positive (g1, g2) brings (1 - density) / density negatives (g1, g3). Only training
    pairs are drawn, each with the same chance and again if chance will have it: a pair of another part can never serve as a negative.

    Parameters
    ----------
    pairs
        Training pairs.
    density
        Share of edges that the ratio is made from. ``"network"``: among all training pairs, so every TF has the same ratio. ``"tf"``: among those of the positive's own TF,
        so a TF has as many negatives in expectation as its training pairs hold, and one without a positive, whose density is 0, has negatives as well.
    """

    def __init__(self, pairs: Pairs, density: str = "tf") -> None:
        check_choice("density", density, DENSITIES)
        self.positives = pairs.take(pairs.labels)
        negatives = pairs.take(~pairs.labels)
        order = np.argsort(negatives.sources, kind="stable")
        n_genes = int(pairs.sources.max(initial=-1)) + 1
        self._targets = negatives.targets[order]
        self._available = np.bincount(negatives.sources, minlength=n_genes)
        self._start = np.cumsum(self._available) - self._available
        edges = np.bincount(self.positives.sources, minlength=n_genes)
        if density == "tf":
            self.expected = self._available.astype(float)
        else:
            share = pairs.n_positive / max(len(pairs), 1)
            self.expected = edges * (1 - share) / max(share, 1e-12) * (self._available > 0)

    def draw(self, rng: np.random.Generator) -> Pairs:
        """Draw the pairs of one epoch, positives first."""
        # Numbers that are not whole are rounded at random, or a TF with one positive would never have its share.
        number = np.floor(self.expected + rng.random(len(self.expected))).astype(np.int64)
        tfs = np.repeat(np.arange(len(number)), number)
        targets = self._targets[self._start[tfs] + rng.integers(self._available[tfs])]
        n = len(self.positives)
        return Pairs(
            np.concatenate([self.positives.sources, tfs]).astype(np.int32),
            np.concatenate([self.positives.targets, targets]).astype(np.int32),
            np.arange(n + len(tfs)) < n,
        )
