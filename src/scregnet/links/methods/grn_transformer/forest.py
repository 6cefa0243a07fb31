"""Labels on attention: a random forest, without the training pairs that forests do not believe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from scregnet.links.task import Pairs

N_JUDGES = 10
"""Forests that judge the labels."""

DOUBT = 2
"""Standard deviations from the mean at which a label is no longer believed."""


BLOCK = 1 << 17
"""Pairs that are described at a time."""


class PairFeatures:
    """Attention of the target to the source, as it is and beyond what the source gets of all.

    Parameters
    ----------
    maps
        Attention of genes (rows) to genes (columns) of each layer and head, float32 of shape
        (n_maps, n_genes, n_genes).
    """

    def __init__(self, maps: np.ndarray) -> None:
        self.maps = maps
        total = maps.sum(axis=(1, 2))[:, None]
        self.given, self.received = maps.sum(axis=2) / total, maps.sum(axis=1)

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return self.maps.shape[1]

    def of(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the features of pairs, float32 (n_pairs, 2 * n_maps)."""
        plain = self.maps[:, targets, sources]
        return np.concatenate([plain - self.given[:, targets] * self.received[:, sources], plain]).T


def forest_table(
    features: PairFeatures, pairs: Pairs, *, n_trees: int, clean: bool, seed: int, n_jobs: int
) -> np.ndarray:
    """Return the share of the trees that call each pair an edge, float32 (n_genes, n_genes).

    Parameters
    ----------
    features
        What is known of a pair.
    pairs
        Labelled pairs.
    n_trees
        Trees of a forest.
    clean
        Leave out pairs whose label :func:`believed` doubts.
    seed
        Seed of the forests.
    n_jobs
        Threads.
    """
    x, y = features.of(pairs.sources, pairs.targets), pairs.labels
    how = {"n_estimators": n_trees, "n_jobs": n_jobs}
    if clean:
        kept = believed(x, y, seed=seed, **how)
        x, y = x[kept], y[kept]
    forest = _forest(x, y, seed, how)
    table = np.empty(features.n_genes**2, np.float32)
    for start in range(0, len(table), BLOCK):
        here = np.arange(start, min(start + BLOCK, len(table)))
        places = np.divmod(here, features.n_genes)
        table[here] = forest.predict_proba(features.of(*places))[:, 1]
    return table.reshape(features.n_genes, -1)


def believed(x: np.ndarray, y: np.ndarray, *, seed: int, **how: Any) -> np.ndarray:
    """Return the pairs whose label forests believe, and agree on: a mask, both labels in it.

    Ten forests say how probable an edge is of each pair that they were grown from. An edge with a
    mean far below that of edges, a non-edge with one far above, and pairs on which the forests
    differ far more than on others of their label are left out.
    """
    said = np.stack(
        [_forest(x, y, seed + number, how).predict_proba(x)[:, 1] for number in range(N_JUDGES)]
    )
    mean, spread = said.mean(axis=0), said.std(axis=0, ddof=1)
    kept = np.ones(len(y), bool)
    for label, sign in ((True, 1), (False, -1)):
        here = y == label
        if here.sum() < 3:
            continue
        away = sign * (mean[here].mean() - mean[here])
        doubted = away > DOUBT * mean[here].std(ddof=1)
        doubted |= spread[here] > spread[here].mean() + DOUBT * spread[here].std(ddof=1)
        # Never all of a label: a forest needs both.
        kept[here] = ~doubted | doubted.all()
    return kept


def _forest(x: np.ndarray, y: np.ndarray, seed: int, how: dict[str, Any]) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(random_state=seed, **how).fit(x, y)
