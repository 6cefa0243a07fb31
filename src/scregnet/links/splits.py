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
        genes = np.delete(np.arange(n_genes), tf)
        columns.append(np.stack([np.full(len(genes), tf), genes, known[genes]]))
    source, target, label = np.concatenate(columns, axis=1)
    pairs = Pairs(source.astype(np.int32), target.astype(np.int32), label.astype(bool))
    rest, test = hold_out(pairs, test_fraction, rng=rng)
    train, validation = hold_out(rest, validation_fraction, rng=rng)
    return Split(train, validation, test)


def hold_out(pairs: Pairs, fraction: float, *, rng: np.random.Generator) -> tuple[Pairs, Pairs]:
    """Divide pairs in two, the second with a share ``fraction`` of every TF's edges and of its non-edges."""
    order = rng.permutation(len(pairs))
    order = order[np.lexsort((pairs.labels[order], pairs.sources[order]))]
    group = 2 * pairs.sources[order].astype(np.int64) + pairs.labels[order]
    _, starts, sizes = np.unique(group, return_index=True, return_counts=True)
    held = np.zeros(len(pairs), bool)
    wanted = np.floor(fraction * sizes + rng.random(len(sizes))).astype(int)
    for start, n in zip(starts, wanted, strict=True):
        held[order[start : start + n]] = True
    return pairs.take(~held), pairs.take(held)
