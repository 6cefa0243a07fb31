"""A null model for each evidence layer: what it says of pairs, with the rate of each TF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scregnet.links.evidence import EvidenceLayer, PairColumns
from scregnet.links.pairs.codes import grouped

if TYPE_CHECKING:
    from scregnet.links.task import LinkTask, Pairs

# Training pairs that the regression reads at most: it has three slopes.
MOST_PAIRS = 500_000
# Pairs of a TF that are added to its labels: 0.3 edges of 2.
PSEUDO_EDGES, PSEUDO_PAIRS = 0.3, 2


@dataclass(frozen=True, eq=False)
class LayerAlone:
    """Logistic regression on a layer's two columns of pairs and on the TF's rate of edges.

    It sees no expression, and of the labels only how many edges each TF has and how well the
    columns of all pairs tell edges apart.
    """

    columns: PairColumns
    rates: np.ndarray
    """Log odds of the rate of each TF; that of all TFs for those without labels."""

    slopes: np.ndarray
    """Of popularity, the track, and the log odds."""

    @classmethod
    def fit(cls, layer: EvidenceLayer, task: LinkTask) -> LayerAlone:
        """Fit to the training pairs."""
        from sklearn.linear_model import LogisticRegression

        pairs = task.train
        columns, rates = PairColumns.of(layer), _rates(pairs, task.n_genes)
        some = pairs.take(np.arange(0, len(pairs), 1 + len(pairs) // MOST_PAIRS))
        values = _columns(columns, rates, some.sources, some.targets)
        found = LogisticRegression(max_iter=200).fit(values, some.labels)
        return cls(columns, rates, found.coef_[0])

    def score(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the score of each pair, float32, up to a constant."""
        values = _columns(self.columns, self.rates, sources, targets)
        return (values @ self.slopes).astype(np.float32)


def _rates(pairs: Pairs, n_genes: int) -> np.ndarray:
    n_pairs = np.bincount(pairs.sources, minlength=n_genes)
    n_edges = np.bincount(pairs.sources, weights=pairs.labels, minlength=n_genes)
    rate = (n_edges + PSEUDO_EDGES) / (n_pairs + PSEUDO_PAIRS)
    log_odds = np.log(rate / (1 - rate))
    seen = n_pairs > 0
    return np.where(seen, log_odds, log_odds[seen].mean())


def _columns(
    columns: PairColumns, rates: np.ndarray, sources: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """Return the three columns of the given pairs, float32 (n_pairs, 3)."""
    values = np.empty((len(sources), 3), np.float32)
    values[:, 2] = rates[sources]
    for source, places in grouped(sources):
        values[places, :2] = columns.of_tf(source)[:, targets[places]].T
    return values
