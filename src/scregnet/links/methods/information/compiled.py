"""Compiled loops over tables of counts of two genes."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from scregnet.links.methods.compiled import compiled


@compiled
@no_type_check
def _count(one, other, table, rows, columns):
    """Fill ``table`` with the counts of two genes' levels, and its margins."""
    table[:] = 0
    rows[:] = 0
    columns[:] = 0
    for cell in range(len(one)):
        table[one[cell], other[cell]] += 1
    for i in range(table.shape[0]):
        for j in range(table.shape[1]):
            rows[i] += table[i, j]
            columns[j] += table[i, j]


@compiled
@no_type_check
def mutual_information(own, levels, n_own, n_levels):
    """Return the mutual information of a gene with every gene, in nats, less its expected bias.

    The bias of counts is the product of the numbers of occupied levels, each less one, over twice
    the number of cells. What is then below 0 is 0.
    """
    n_genes, n_cells = levels.shape
    found = np.zeros(n_genes, np.float32)
    rows = np.zeros(n_own, np.int64)
    for gene in range(n_genes):
        table = np.zeros((n_own, n_levels[gene]), np.int64)
        columns = np.zeros(n_levels[gene], np.int64)
        _count(own, levels[gene], table, rows, columns)
        total = 0.0
        for i in range(n_own):
            for j in range(n_levels[gene]):
                if table[i, j] > 0:
                    expected = float(rows[i]) * columns[j] / n_cells
                    total += table[i, j] * np.log(table[i, j] / expected)
        bias = ((rows > 0).sum() - 1) * ((columns > 0).sum() - 1) / 2
        found[gene] = max((total - bias) / n_cells, 0.0)
    return found


@compiled
@no_type_check
def unique_shares(gene, levels, n_levels):
    """Return the proportional unique contributions of every gene to one, summed over third genes.

    With ``s_Y(x)`` the information of Y about the level x of the gene X, and
    ``R = Σ_x p(x) min(s_Y(x), s_Z(x))`` what Y and Z say both, it is ``Σ_Z (I(X;Y) - R) / I(X;Y)``.
    The sum over Z of the lesser of two numbers needs them sorted, and no loop over Y and Z.
    """
    n_genes, n_cells = levels.shape
    n_own = n_levels[gene]
    own = levels[gene]
    specific = np.zeros((n_own, n_genes))
    information = np.zeros(n_genes)
    rows = np.zeros(n_own, np.int64)
    for other in range(n_genes):
        if other == gene:
            continue
        table = np.zeros((n_own, n_levels[other]), np.int64)
        columns = np.zeros(n_levels[other], np.int64)
        _count(own, levels[other], table, rows, columns)
        for i in range(n_own):
            for j in range(n_levels[other]):
                if table[i, j] > 0:
                    share = table[i, j] / float(rows[i])
                    specific[i, other] += share * np.log(share * n_cells / columns[j])
            # It is a divergence and so at least 0, but for rounding.
            specific[i, other] = max(specific[i, other], 0.0)
            information[other] += rows[i] / float(n_cells) * specific[i, other]
    shared = np.zeros(n_genes)
    for i in range(n_own):
        if rows[i] == 0:
            continue
        order = np.argsort(specific[i])
        # Rank by rank: what is lower adds itself, what is higher adds this one.
        below = 0.0
        for rank in range(n_genes):
            other = order[rank]
            here = specific[i, other]
            # The gene itself stands in the list with 0 and adds nothing.
            shared[other] += rows[i] / float(n_cells) * (below + here * (n_genes - 1 - rank))
            below += here
    found = np.zeros(n_genes, np.float32)
    for other in range(n_genes):
        if other != gene and information[other] > 1e-12:
            found[other] = max(n_genes - 2 - shared[other] / information[other], 0.0)
    return found
