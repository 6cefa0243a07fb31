"""Compiled loops, in a file of their own so that numba is imported only where they run."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from scregnet._compiled import compiled

# Rows that go through the trees together. Fewer take longer, more do not fit the CPU's caches.
BLOCK = 512
# LightGBM takes values as close to zero as this for zero.
LIGHTGBM_ZERO = np.float32(1e-35)


@compiled
@no_type_check
def products_by_gene(
    of_tfs: np.ndarray,
    of_genes: np.ndarray,
    order: np.ndarray,
    rows: np.ndarray,
    starts: np.ndarray,
) -> np.ndarray:
    """Return ``of_tfs[row] · of_genes[gene]`` for each cell, given the cells in order of genes.

    ``order`` are the cells in this order and ``rows`` their rows. Those of a gene begin at its
    ``starts``.
    """
    values = np.empty(len(order), np.float32)
    for gene in range(len(starts) - 1):
        for cell in range(starts[gene], starts[gene + 1]):
            row = rows[cell]
            total = np.float32(0)
            for i in range(of_tfs.shape[1]):
                total += of_tfs[row, i] * of_genes[gene, i]
            values[order[cell]] = total
    return values


@compiled
@no_type_check
def projected(
    values: np.ndarray,
    of_genes: np.ndarray,
    order: np.ndarray,
    rows: np.ndarray,
    starts: np.ndarray,
    n_rows: int,
) -> np.ndarray:
    """Return, for each row, the sum of ``value * of_genes[gene]`` over its cells.

    The cells are given as in :func:`products_by_gene`.
    """
    sums = np.zeros((n_rows, of_genes.shape[1]), np.float32)
    for gene in range(len(starts) - 1):
        for cell in range(starts[gene], starts[gene + 1]):
            row, value = rows[cell], values[order[cell]]
            for i in range(of_genes.shape[1]):
                sums[row, i] += value * of_genes[gene, i]
    return sums


@compiled
@no_type_check
def mixed_at(
    of_sources: np.ndarray,
    values: np.ndarray,
    rows: np.ndarray,
    starts: np.ndarray,
    indptr: np.ndarray,
    targets: np.ndarray,
) -> np.ndarray:
    """Return ``Σ of_sources[source, row] * value`` over the known cells of a target, for each pair.

    ``values`` and ``rows`` of the known cells are in order of genes; those of a gene begin at its
    ``starts``. The pairs are targets of each source, which begin at its ``indptr``.
    """
    mixture = np.empty(len(targets), np.float32)
    for source in range(len(indptr) - 1):
        for pair in range(indptr[source], indptr[source + 1]):
            total = np.float32(0)
            for cell in range(starts[targets[pair]], starts[targets[pair] + 1]):
                total += of_sources[source, rows[cell]] * values[cell]
            mixture[pair] = total
    return mixture


@compiled
@no_type_check
def near_sums(
    near: tuple[np.ndarray, np.ndarray, np.ndarray],
    known: tuple[np.ndarray, np.ndarray, np.ndarray],
    rows: np.ndarray,
    indptr: np.ndarray,
    targets: np.ndarray,
) -> np.ndarray:
    """Return sums over the known cells of a source that are near to a target, for each pair.

    Parameters
    ----------
    near
        Sparse matrix, by columns: for each gene, the genes that it is near to, and how near.
    known
        Known cells by row: where each row begins, columns, and values of shape (n_cells, n_values).
    rows
        Row of each source, -1 for none.
    indptr, targets
        The pairs, as in :func:`mixed_at`.

    Returns
    -------
    float32 of shape (n_values, n_pairs).
    """
    near_starts, near_genes, nearness = near
    starts, columns, values = known
    n_values = values.shape[1]
    sums = np.zeros((n_values, len(targets)), np.float32)
    total = np.zeros((len(near_starts) - 1, n_values), np.float32)
    for source in range(len(rows)):
        row = rows[source]
        if row < 0:
            continue
        total[:] = 0
        for cell in range(starts[row], starts[row + 1]):
            for i in range(near_starts[columns[cell]], near_starts[columns[cell] + 1]):
                for value in range(n_values):
                    total[near_genes[i], value] += nearness[i] * values[cell, value]
        for pair in range(indptr[source], indptr[source + 1]):
            for value in range(n_values):
                sums[value, pair] = total[targets[pair], value]
    return sums


@compiled
@no_type_check
def _copied(column: np.ndarray, copy: np.ndarray) -> bool:
    """Copy values as LightGBM reads them; return whether all are the same."""
    n_others = 0
    for i in range(len(copy)):
        # NaN becomes zero, as in LightGBM without missing values.
        value = column[i] if abs(column[i]) > LIGHTGBM_ZERO else np.float32(0)
        copy[i] = value
        n_others += value != copy[0]
    return n_others == 0


# Four functions, not one: both sides of a choice are read in any case, or the loop has a branch and
# takes ten times as long.


@compiled
@no_type_check
def _of_two_cuts(
    column: np.ndarray, threshold: float, left: np.ndarray, right: np.ndarray, found: np.ndarray
) -> None:
    for i in range(len(found)):
        low, high = left[i], right[i]
        found[i] = high if column[i] > threshold else low


@compiled
@no_type_check
def _of_cut_and_leaf(
    column: np.ndarray, threshold: float, left: np.ndarray, right: float, found: np.ndarray
) -> None:
    for i in range(len(found)):
        low = left[i]
        found[i] = right if column[i] > threshold else low


@compiled
@no_type_check
def _of_leaf_and_cut(
    column: np.ndarray, threshold: float, left: float, right: np.ndarray, found: np.ndarray
) -> None:
    for i in range(len(found)):
        high = right[i]
        found[i] = high if column[i] > threshold else left


@compiled
@no_type_check
def _of_two_leaves(
    column: np.ndarray, threshold: float, left: float, right: float, found: np.ndarray
) -> None:
    for i in range(len(found)):
        found[i] = right if column[i] > threshold else left


@compiled
@no_type_check
def tree_sums(
    table: np.ndarray,
    n_leaves: np.ndarray,
    features: np.ndarray,
    thresholds: np.ndarray,
    children: np.ndarray,
    values: np.ndarray,
) -> np.ndarray:
    """Return the sum of the leaves that each row of features reaches.

    The arrays are those of :class:`~scregnet.links.methods.joint.trees.Trees`, with thresholds and
    leaves in float32. ``table`` has a line for each feature. Trees are read from their leaves to
    the root, cut by cut, each for a block of rows: what lies below a cut is chosen from what lies
    below its children, without a guess of the CPU at which way a row goes. Children come after
    their parents, so one pass backwards is enough. A feature that is the same in all rows of a
    block, such as those of a single TF, decides its cuts at once.
    """
    sums = np.zeros(table.shape[1])
    columns = np.empty((table.shape[0], BLOCK), np.float32)
    is_constant = np.empty(table.shape[0], np.bool_)
    most = n_leaves.max() if len(n_leaves) else 1
    # What the rows have below each cut.
    below = np.empty((most, BLOCK), np.float32)
    # The cut that decides in place of each one; -1 - leaf if none does.
    stands = np.empty(most, np.int32)
    for start in range(0, table.shape[1], BLOCK):
        n = min(BLOCK, table.shape[1] - start)
        for feature in range(table.shape[0]):
            is_constant[feature] = _copied(table[feature, start : start + n], columns[feature, :n])
        first_cut, first_leaf = 0, 0
        for tree in range(len(n_leaves)):
            top = np.int32(-1)
            for cut in range(n_leaves[tree] - 2, -1, -1):
                column = columns[features[first_cut + cut], :n]
                threshold = thresholds[first_cut + cut]
                left, right = children[first_cut + cut, 0], children[first_cut + cut, 1]
                left = stands[left] if left >= 0 else left
                right = stands[right] if right >= 0 else right
                top = np.int32(cut)
                found = below[cut, :n]
                if is_constant[features[first_cut + cut]]:
                    top = right if column[0] > threshold else left
                elif left >= 0 and right >= 0:
                    _of_two_cuts(column, threshold, below[left, :n], below[right, :n], found)
                elif left >= 0:
                    leaf = values[first_leaf - 1 - right]
                    _of_cut_and_leaf(column, threshold, below[left, :n], leaf, found)
                elif right >= 0:
                    leaf = values[first_leaf - 1 - left]
                    _of_leaf_and_cut(column, threshold, leaf, below[right, :n], found)
                else:
                    _of_two_leaves(
                        column,
                        threshold,
                        values[first_leaf - 1 - left],
                        values[first_leaf - 1 - right],
                        found,
                    )
                stands[cut] = top
            for i in range(n):
                sums[start + i] += below[top, i] if top >= 0 else values[first_leaf - 1 - top]
            first_cut += n_leaves[tree] - 1
            first_leaf += n_leaves[tree]
    return sums
