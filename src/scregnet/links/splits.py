"""Split labelled pairs into training, validation and test parts."""

from __future__ import annotations

import numpy as np

from scregnet.links.task import Pairs, Split


def split_pairs(
    sources: np.ndarray,
    targets: np.ndarray,
    n_genes: int,
    *,
    rng: np.random.Generator,
    test_fraction: float = 0.33,
    validation_fraction: float = 0.1,
) -> Split:
    """Split per TF, as scRegNet and GENELink do: every TF's edges and non-edges are divided in the same proportions.

    The universe is every pair of a TF that has an edge with every other gene; a pair that is no edge is a negative (BEELINE's
    closed world). A share ``test_fraction`` of a TF's edges, and of its non-edges, is for testing, and ``validation_fraction`` of the
    remainder for validation. Shares that are not whole numbers are rounded at random with the right expectation, so that TFs
    with one or two edges are not always in the same part.

    Parameters
    ----------
    sources
        Regulator of each known edge, positions of genes; edges are unique and none runs from a gene to itself.
    targets
        Target of each known edge.
    n_genes
        Number of genes.
    rng
        Source of randomness.
    test_fraction
        Share of the pairs for testing.
    validation_fraction
        Share of the remaining pairs for validation.

    Returns
    -------
    The three parts; together they hold every pair of the universe once.
    """
    columns: list[np.ndarray] = []
    for tf in np.unique(sources):
        known = np.zeros(n_genes, bool)
        known[targets[sources == tf]] = True
        for label in (True, False):
            genes = np.flatnonzero(known == label)
            genes = rng.permutation(genes[genes != tf])
            n_test = _round_at_random(test_fraction * len(genes), rng)
            n_validation = _round_at_random(validation_fraction * (len(genes) - n_test), rng)
            part = np.zeros(len(genes), np.int8)
            part[:n_test] = 2
            part[n_test : n_test + n_validation] = 1
            columns.append(np.stack([np.full(len(genes), tf), genes, np.full(len(genes), label), part]))
    source, target, label, part = np.concatenate(columns, axis=1)
    pairs = Pairs(source.astype(np.int32), target.astype(np.int32), label.astype(bool))
    return Split(*(pairs.take(part == number) for number in range(3)))


def _round_at_random(value: float, rng: np.random.Generator) -> int:
    return int(np.floor(value + rng.random()))
