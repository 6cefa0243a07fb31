"""What two groups differ by when their labels are permuted among cells, or among donors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, product
from math import comb
from typing import NamedTuple

import numpy as np

from scregnet.tl._comparison.cells import standardised
from scregnet.tl._comparison.statistic import difference, fisher


@dataclass(frozen=True, eq=False)
class Observed:
    """Links of two groups, and what permuted labels give. Arrays have one value a link."""

    correlation_a: np.ndarray
    correlation_b: np.ndarray
    difference: np.ndarray
    """Of Fisher's transforms, b less a."""

    se: np.ndarray
    statistic: np.ndarray
    permuted: Callable[[], Iterator[np.ndarray]]
    """Gives the statistics under each permutation."""


class Tested(NamedTuple):
    """What permutations say."""

    p: np.ndarray
    """Of links."""

    tf_statistic: np.ndarray
    tf_p: np.ndarray
    statistic: float
    """Mean square over all links."""

    overall_p: float
    n_permutations: int


def over_cells(
    values: tuple[np.ndarray, np.ndarray],
    tfs: np.ndarray,
    mask: np.ndarray,
    *,
    n_permutations: int,
    rng: np.random.Generator,
) -> Observed:
    """Compare two groups of cells; labels are permuted among the cells.

    Cells are standardised within their group first, so that a permutation mixes what varies within
    groups and not the groups' means. The statistic is divided by a standard error that holds for
    unequal distributions: permutations are then valid for equal correlations, not for equal
    distributions alone.
    """
    a, b = (fisher(one, tfs) for one in values)
    delta, error = difference(a, b)
    pool, n = np.vstack(values), len(values[0])

    def permuted() -> Iterator[np.ndarray]:
        for _ in range(n_permutations):
            order = rng.permutation(len(pool))
            parts = (standardised(pool[order[:n]]), standardised(pool[order[n:]]))
            own, se = difference(*(fisher(part, tfs) for part in parts))
            yield (own / se)[mask]

    return Observed(
        correlation_a=np.tanh(a.z)[mask],
        correlation_b=np.tanh(b.z)[mask],
        difference=delta[mask],
        se=error[mask],
        statistic=(delta / error)[mask],
        permuted=permuted,
    )


def over_donors(
    units: tuple[np.ndarray, np.ndarray],
    *,
    paired: bool,
    n_permutations: int,
    rng: np.random.Generator,
) -> Observed:
    """Compare the donors of two groups; whole donors are permuted.

    ``units`` are Fisher's transforms, (n_donors, n_links). Of paired donors the labels are swapped
    within donors. The standard error has the median one added, as few donors estimate it badly.
    """
    one, two = units
    means = (np.tanh(one.mean(axis=0)), np.tanh(two.mean(axis=0)))
    if paired:
        delta, error, statistic, flipped = sign_flips(two - one, n_permutations, rng)
        return Observed(*means, delta, error, statistic, flipped)
    both = np.vstack(units)
    kept = np.arange(len(both)) < len(one)
    delta, error = _unpaired(both, kept)
    added = np.float32(np.median(error))

    def permuted() -> Iterator[np.ndarray]:
        for which in _labels(kept, n_permutations, rng):
            own, se = _unpaired(both, which)
            yield own / (se + added)

    return Observed(*means, delta, error, delta / (error + added), permuted)


def sign_flips(
    changes: np.ndarray, n_permutations: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Callable[[], Iterator[np.ndarray]]]:
    """Return mean, standard error and statistic of donors' changes, and those of flipped signs."""
    n = len(changes)
    delta, error = _paired(changes, np.ones(n, bool))
    added = np.float32(np.median(error))

    def permuted() -> Iterator[np.ndarray]:
        for which in _signs(n, n_permutations, rng):
            own, se = _paired(changes, which)
            yield own / (se + added)

    return delta, error, delta / (error + added), permuted


def _paired(differences: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard error of differences, some of which are swapped."""
    signed = differences * np.where(kept, 1, -1).astype(np.float32)[:, None]
    return signed.mean(axis=0), signed.std(axis=0, ddof=1) / np.sqrt(len(signed))


def _unpaired(units: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the difference of means and Welch's standard error."""
    a, b = units[first], units[~first]
    error = np.sqrt(a.var(axis=0, ddof=1) / len(a) + b.var(axis=0, ddof=1) / len(b))
    return b.mean(axis=0) - a.mean(axis=0), error


def _signs(n: int, most: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield swaps: all where there are few. The first donor stays: its mirror gives the same."""
    if 2 ** (n - 1) - 1 <= most:
        for rest in product((True, False), repeat=n - 1):
            if not all(rest):
                yield np.array([True, *rest])
        return
    for _ in range(most):
        yield np.append(True, rng.random(n - 1) < 0.5)


def _labels(first: np.ndarray, most: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield other divisions of the donors: all where there are few."""
    n, n_first = len(first), int(first.sum())
    same = n_first * 2 == n
    total = comb(n, n_first) // (2 if same else 1) - 1
    if total > most:
        for _ in range(most):
            yield rng.permutation(first)
        return
    for chosen in combinations(range(n), n_first):
        which = np.isin(np.arange(n), chosen)
        if (same and not which[0]) or np.array_equal(which, first):
            continue
        yield which


def permutation_p(observed: Observed, tf: np.ndarray, n_tfs: int) -> Tested:
    """Return what permutations say of links, TFs, and all links together.

    Links are compared with the permuted statistics of all links together: they are divided by
    their standard errors. A TF's statistic is the mean square of its links', which does not scale
    alike for all TFs, so its logarithm is standardised by its own permutations before they are
    pooled. NaN for TFs without links.
    """
    size = np.abs(observed.statistic)
    order = np.sort(size)
    n_links = np.bincount(tf, minlength=n_tfs)
    mean_square = lambda t: np.bincount(tf, t.astype(np.float64) ** 2, n_tfs) / n_links
    beyond = np.zeros(len(size) + 1, np.int64)
    squares, overall = [], []
    for drawn in observed.permuted():
        beyond += np.bincount(np.searchsorted(order, np.abs(drawn), "right"), minlength=len(beyond))
        with np.errstate(invalid="ignore"):
            squares.append(mean_square(drawn))
        overall.append(float(np.square(drawn).mean()))
    n = len(overall)
    # Permuted values that reach the i-th smallest observed one.
    reach = beyond[::-1].cumsum()[::-1][1:]
    p = (1 + reach[np.searchsorted(order, size)]) / (1 + n * len(size))
    with np.errstate(invalid="ignore", divide="ignore"):
        own = mean_square(observed.statistic)
        # With the observed one among them: under the null it is one like the others.
        # Above 0: links whose correlations cannot differ, of a gene with its copy, have a 0 always.
        logs = np.log(np.maximum(np.vstack([own, *squares]), 1e-12))
        scaled = (logs - logs.mean(axis=0)) / np.maximum(logs.std(axis=0), 1e-6)
        value, null = scaled[0], scaled[1:]
    pooled = np.sort(null[np.isfinite(null)])
    above = len(pooled) - np.searchsorted(pooled, value)
    tf_p = np.where(n_links > 0, (1 + above) / (1 + len(pooled)), np.nan)
    total = float(np.square(observed.statistic).mean())
    all_p = (1 + int((np.array(overall) >= total).sum())) / (1 + n)
    return Tested(p, own, tf_p, total, all_p, n)
