"""Is a ranking of targets better than chance, and better than that of another TF?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scregnet.bm._effects.tested import Tested

# Permutations that are drawn at a time.
_BLOCK = 200


def areas(tested: Tested, values: np.ndarray) -> np.ndarray:
    """Return the AUROC of each TF's effects by each TF's values, (n_tfs, n_tfs).

    The diagonal holds those by its own values. A row of ``values`` must not have gaps.
    """
    from scipy.stats import rankdata

    found = np.empty((len(values), len(values)))
    for tf, (is_tested, affected) in enumerate(zip(tested.is_tested, tested.affected, strict=True)):
        ranks = rankdata(values[:, is_tested], axis=1)
        hits = affected[is_tested]
        found[tf] = _area(ranks[:, hits].sum(axis=1), int(hits.sum()), len(hits))
    return found


def _area(rank_sum: np.ndarray, n_hits: int, n: int) -> np.ndarray:
    """Return the AUROC of the sum of the ranks of the hits."""
    return (rank_sum - n_hits * (n_hits + 1) / 2) / (n_hits * (n - n_hits))


def by_permuted_targets(
    tested: Tested, values: np.ndarray, n_permutations: int, rng: np.random.Generator
) -> np.ndarray:
    """Return mean AUROCs of effects that were given to random targets of the same TF."""
    from scipy.stats import rankdata

    total = np.zeros(n_permutations)
    for own, is_tested, affected in zip(values, tested.is_tested, tested.affected, strict=True):
        ranks, hits = rankdata(own[is_tested]), affected[is_tested]
        n_hits = int(hits.sum())
        for start in range(0, n_permutations, _BLOCK):
            size = min(_BLOCK, n_permutations - start)
            # The targets with the smallest of random numbers are a random choice of them.
            drawn = rng.random((size, len(ranks)), dtype=np.float32)
            chosen = np.argpartition(drawn, n_hits - 1, axis=1)[:, :n_hits]
            rank_sum = ranks[chosen].sum(axis=1)
            total[start : start + size] += _area(rank_sum, n_hits, len(ranks))
    return total / len(values)


def by_permuted_tfs(found: np.ndarray, n_permutations: int, rng: np.random.Generator) -> np.ndarray:
    """Return mean AUROCs where the values of TFs are exchanged; ``found`` is of :func:`areas`."""
    order = rng.permuted(np.tile(np.arange(len(found)), (n_permutations, 1)), axis=1)
    return found[np.arange(len(found)), order].mean(axis=1)


def p_value(value: float, by_chance: np.ndarray) -> float:
    """Return the share of the values by chance that are as large; never 0."""
    # Sums in another order differ by rounding.
    return float((1 + (by_chance >= value - 1e-12).sum()) / (1 + len(by_chance)))
