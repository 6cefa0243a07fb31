"""The compiled loop over the genes of one side, in a file of its own: numba is imported by use."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from scregnet._compiled import compiled


@compiled
@no_type_check
def _factorise(system: np.ndarray) -> None:
    """Replace the lower triangle of a positive matrix by its Cholesky factor."""
    for i in range(len(system)):
        for j in range(i + 1):
            total = system[i, j]
            for k in range(j):
                total -= system[i, k] * system[j, k]
            system[i, j] = np.sqrt(total) if i == j else total / system[j, j]


@compiled
@no_type_check
def _solve(lower: np.ndarray, wanted: np.ndarray) -> None:
    """Replace ``wanted`` by the solution, given the Cholesky factor."""
    n = len(lower)
    for i in range(n):
        total = wanted[i]
        for k in range(i):
            total -= lower[i, k] * wanted[k]
        wanted[i] = total / lower[i, i]
    for i in range(n - 1, -1, -1):
        wanted[i] /= lower[i, i]
        for k in range(i):
            wanted[k] -= lower[i, k] * wanted[i]


@compiled
@no_type_check
def _invert(lower: np.ndarray, triangle: np.ndarray, inverse: np.ndarray) -> None:
    """Write the inverse, given the Cholesky factor; ``triangle`` takes the inverse of that."""
    n = len(lower)
    inverse[:] = 0
    for i in range(n):
        triangle[i] = 0
        triangle[i, i] = 1 / lower[i, i]
        for k in range(i):
            factor = lower[i, k] * triangle[i, i]
            for j in range(k + 1):
                triangle[i, j] -= factor * triangle[k, j]
        for j in range(i + 1):
            for k in range(i + 1):
                inverse[j, k] += triangle[i, j] * triangle[i, k]


@compiled
@no_type_check
def solved_systems(
    moments: np.ndarray,
    wanted: np.ndarray,
    place: np.ndarray,
    penalties: np.ndarray,
    inverses: np.ndarray,
) -> None:
    """Replace what each gene wants by the solution of its system.

    ``moments`` has a row for each gene, and ``place`` where each entry of the matrix is in it;
    ``penalties`` are added to the diagonal. ``inverses`` takes the inverses, if it has rows.
    """
    n = len(penalties)
    system, triangle = np.empty((n, n)), np.empty((n, n))
    for gene in range(len(wanted)):
        for i in range(n):
            for j in range(i + 1):
                system[i, j] = moments[gene, place[i, j]]
            system[i, i] += penalties[i]
        _factorise(system)
        _solve(system, wanted[gene])
        if len(inverses):
            _invert(system, triangle, inverses[gene])


@compiled
@no_type_check
def _solve_by_cells(
    vectors: np.ndarray,
    weights: np.ndarray,
    residuals: np.ndarray,
    penalties: np.ndarray,
    pull: float,
    system: np.ndarray,
    found: np.ndarray,
) -> None:
    """Write the regression of a gene with fewer cells than columns, from a system of its cells.

    ``(Zᵀ Λ Z + P)⁻¹ w = P⁻¹ (w - Zᵀ (Λ⁻¹ + Z P⁻¹ Zᵀ)⁻¹ Z P⁻¹ w)`` with ``w = Zᵀ r`` and the pull:
    Woodbury's identity. ``Z`` are the vectors, ``Λ`` the weights, ``r`` the residuals.
    """
    n, width = vectors.shape
    found[:] = 0
    for cell in range(n):
        for i in range(width):
            found[i] += residuals[cell] * vectors[cell, i]
    found[width - 1] += pull
    for i in range(width):
        found[i] /= penalties[i]
    share = np.empty(n)
    for cell in range(n):
        total = 0.0
        for i in range(width):
            total += vectors[cell, i] * found[i]
        share[cell] = total
        for other in range(cell + 1):
            total = 0.0
            for i in range(width):
                total += vectors[cell, i] * vectors[other, i] / penalties[i]
            system[cell, other] = total
        system[cell, cell] += 1 / weights[cell]
    _factorise(system[:n, :n])
    _solve(system[:n, :n], share)
    for cell in range(n):
        for i in range(width):
            found[i] -= share[cell] * vectors[cell, i] / penalties[i]


@compiled
@no_type_check
def ridge_regressions(
    cells: tuple[np.ndarray, np.ndarray, np.ndarray],
    weights: np.ndarray,
    centred: np.ndarray,
    vectors: np.ndarray,
    moments: np.ndarray,
    place: np.ndarray,
    free: np.ndarray,
    other: int,
    penalties: np.ndarray,
    pull: float,
    inverses: np.ndarray,
) -> np.ndarray:
    """Solve one ridge regression per gene on the vectors of the other side.

    Parameters
    ----------
    cells
        Known cells by gene: where each gene begins, the row of each cell in ``vectors``, and its
        place in ``weights`` and ``centred``.
    weights, centred
        Curvature of each cell, and its label minus one half.
    vectors
        Of the other side, float32 of shape (n, width).
    moments, place
        Second moments of these, float32 of shape (n, n_moments), and where each entry of their
        matrix is among them, (width, width). Without rows, products of ``vectors`` are taken, and
        ``place`` numbers the matrix row by row.
    free
        Columns to solve for.
    other
        Column of the other side's bias.
    penalties
        Of each free column.
    pull
        Added to what is wanted of the last free column.
    inverses
        Takes the inverse of each gene's system, (n_genes, n_free, n_free), if it has rows.

    Returns
    -------
    float64 of shape (n_genes, n_free).
    """
    indptr, others, places = cells
    n_genes, width, n_free = len(indptr) - 1, vectors.shape[1], len(free)
    found = np.empty((n_genes, n_free))
    gram = np.empty(moments.shape[1] if len(moments) else width * width, np.float32)
    sums = np.empty(width, np.float32)
    system, triangle = np.empty((n_free, n_free)), np.empty((n_free, n_free))
    own, own_weights, left = np.empty((n_free, n_free)), np.empty(n_free), np.empty(n_free)
    for gene in range(n_genes):
        first, n = indptr[gene], indptr[gene + 1] - indptr[gene]
        if not len(moments) and 2 * n < n_free:
            for cell in range(n):
                row, at = others[first + cell], places[first + cell]
                own_weights[cell] = weights[at]
                left[cell] = centred[at] - weights[at] * vectors[row, other]
                for i in range(n_free):
                    own[cell, i] = vectors[row, free[i]]
            _solve_by_cells(
                own[:n], own_weights[:n], left[:n], penalties, pull, system, found[gene]
            )
            continue
        gram[:] = 0
        sums[:] = 0
        for cell in range(indptr[gene], indptr[gene + 1]):
            row, weight, value = others[cell], weights[places[cell]], centred[places[cell]]
            for i in range(width):
                sums[i] += value * vectors[row, i]
            if len(moments):
                for i in range(len(gram)):
                    gram[i] += weight * moments[row, i]
            else:
                for i in range(width):
                    scaled = weight * vectors[row, i]
                    for j in range(width):
                        gram[i * width + j] += scaled * vectors[row, j]
        wanted = found[gene]
        for i in range(n_free):
            # Less what the other side's bias explains: its column here is 1.
            wanted[i] = sums[free[i]] - gram[place[free[i], other]]
            for j in range(i + 1):
                system[i, j] = gram[place[free[i], free[j]]]
            system[i, i] += penalties[i]
        wanted[n_free - 1] += pull
        _factorise(system)
        _solve(system, wanted)
        if len(inverses):
            _invert(system, triangle, inverses[gene])
    return found
