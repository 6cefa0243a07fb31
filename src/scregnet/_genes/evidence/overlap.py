"""How much each experiment shares with the known edges of its TF."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._genes.names import positions

if TYPE_CHECKING:
    from scregnet._genes.evidence.experiments import Experiments

# What tells the experiment that made labels from others of the same TF. Set on four ChIP networks
# of BEELINE and 859 experiments: none of 550 of other cell types passes either limit.
LEAST_JACCARD = 0.6
LEAST_SHARE, LEAST_LIFT, LEAST_GENES = 0.98, 1.5, 10
COLUMNS = ["tf", "context", "n_genes", "n_edges", "n_shared", "share", "expected", "jaccard"]


def overlaps(
    experiments: Experiments, names: pd.Index, sources: np.ndarray, targets: np.ndarray
) -> pd.DataFrame:
    """Compare each experiment with the known edges of its TF; one row an experiment.

    Parameters
    ----------
    experiments
        The experiments.
    names
        Names of the genes of the data, as the experiments spell them.
    sources, targets
        Known edges, as positions in ``names``.

    Returns
    -------
    Frame of the experiments whose TF has edges. Counts are of genes that both may have, which are
    all genes of the data that occur in the experiments.
    """
    where, tfs = positions(experiments.genes, names), positions(experiments.tfs, names)
    there = where >= 0
    table = sp.csr_matrix(experiments.table[:, there])
    covered = where[there]
    rows = []
    for row in np.flatnonzero(np.isin(tfs, sources) & (tfs >= 0)):
        edges = np.isin(covered, targets[sources == tfs[row]])
        found = table.indices[table.indptr[row] : table.indptr[row + 1]]
        n_shared = int(edges[found].sum())
        n_either = len(found) + int(edges.sum()) - n_shared
        rows.append(
            (
                experiments.tfs[row],
                experiments.contexts[row],
                len(found),
                int(edges.sum()),
                n_shared,
                n_shared / max(len(found), 1),
                edges.mean() if len(edges) else 0.0,
                n_shared / max(n_either, 1),
            )
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def made_the_labels(table: pd.DataFrame) -> pd.Series:
    """Return which experiments look like those that the edges were made from.

    Either both lists are much the same, or nearly all genes of the experiment are edges, which a
    list that was joined of several experiments shows.
    """
    same = (table["jaccard"] >= LEAST_JACCARD) & (table["n_genes"] >= 1)
    inside = (
        (table["share"] >= LEAST_SHARE)
        & (table["share"] >= LEAST_LIFT * table["expected"])
        & (table["n_genes"] >= LEAST_GENES)
    )
    return same | inside
