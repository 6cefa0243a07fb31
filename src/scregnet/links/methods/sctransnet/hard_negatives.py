"""Negatives that share the TF of a positive, drawn anew for every epoch."""

from __future__ import annotations

import numpy as np

from scregnet._validate import check_choice
from scregnet.links.task import Pairs

DENSITIES = ("tf", "network")


class HardNegatives:
    """Draw training pairs: all positives, and negatives of their TFs in a given ratio.

    Equation 14 of scTransNet: positive / negative = density / (1 - density). A positive (g1, g2)
    thus brings (1 - density) / density negatives (g1, g3). Negatives are drawn uniformly with
    replacement from the training pairs, so no pair of another part can serve as one.

    Parameters
    ----------
    pairs
        Training pairs.
    density
        Share of edges in equation 14. ``"network"``: among all training pairs; every TF has the
        same ratio. ``"tf"``: among those of the positive's TF; a TF has as many negatives in
        expectation as its training pairs hold, also if it has no positive.
    """

    def __init__(self, pairs: Pairs, density: str = "tf") -> None:
        check_choice("density", density, DENSITIES)
        self.positives = pairs.take(pairs.labels)
        negatives = pairs.take(~pairs.labels)
        # Sorted by TF: the negatives of a TF are _available[tf] targets from _start[tf] on.
        order = np.argsort(negatives.sources, kind="stable")
        n_genes = int(pairs.sources.max(initial=-1)) + 1
        self._targets = negatives.targets[order]
        self._available = np.bincount(negatives.sources, minlength=n_genes)
        self._start = np.cumsum(self._available) - self._available
        edges = np.bincount(self.positives.sources, minlength=n_genes)
        if density == "tf":
            # edges * (1 - density) / density, where density = edges / (edges + available).
            self.expected = self._available.astype(float)
        else:
            share = pairs.n_positive / max(len(pairs), 1)
            # Without positives there is nothing to draw for: 1e-12 avoids 0 / 0.
            self.expected = edges * (1 - share) / max(share, 1e-12) * (self._available > 0)

    def draw(self, rng: np.random.Generator) -> Pairs:
        """Draw the pairs of one epoch, positives first."""
        # Rounded at random: rounded down, a TF with one positive would never get its share.
        number = np.floor(self.expected + rng.random(len(self.expected))).astype(np.int64)
        tfs = np.repeat(np.arange(len(number)), number)
        targets = self._targets[self._start[tfs] + rng.integers(self._available[tfs])]
        n = len(self.positives)
        return Pairs(
            np.concatenate([self.positives.sources, tfs]).astype(np.int32),
            np.concatenate([self.positives.targets, targets]).astype(np.int32),
            np.arange(n + len(tfs)) < n,
        )
