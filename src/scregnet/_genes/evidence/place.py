"""A layer at the genes of the data: what its slots hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scregnet._genes.evidence.reduce import popularity, profiles, tf_weights, tracks
from scregnet._genes.names import likely_cause, place_of_names, positions, warn_if_ambiguous
from scregnet._logging import logger

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from scregnet._genes.evidence.experiments import Experiments

# Below this share of genes with a profile, a layer says little and names may be of another kind.
_FEW = 0.5


def match_genes(
    kept: Experiments,
    names: pd.Index,
    adata: AnnData,
    gene_symbols: str | None,
    orthologues: object,
) -> tuple[np.ndarray, dict[str, int]]:
    """Return the position in ``adata`` of each gene of the layer, and the counts."""
    where = positions(kept.genes, names)
    n_matched, n_genes = int((where >= 0).sum()), len(kept.genes)
    n_ambiguous = int((where == -2).sum())
    if n_matched < _FEW * adata.n_vars:
        cause = likely_cause(kept.genes, adata, gene_symbols, "the evidence")
        better = f" Likely cause: {cause.text}" if cause.n_matched > n_matched else ""
        if orthologues is None and cause.text.startswith("letter case"):
            better += " To compare upper-cased symbols, pass orthologues='upper'."
        if not n_matched:
            msg = (
                f"none of the {n_genes:,} genes of the evidence is in "
                f"{place_of_names(gene_symbols)}.{better or ' Likely cause: ' + cause.text}"
            )
            raise ValueError(msg)
        logger.warning(
            "evidence: only %d of %d genes of adata are covered by the %d genes of the layer.%s",
            *(n_matched, adata.n_vars, n_genes, better),
        )
    warn_if_ambiguous("evidence", n_ambiguous, "genes")
    return where, {"n_genes": n_genes, "n_genes_matched": n_matched, "n_ambiguous": n_ambiguous}


def profile_of(
    kept: Experiments, n_components: int, *, balance: bool, random_state: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the profile of every gene of the layer, genome-wide, and its explained variance."""
    width = min(n_components, *kept.table.shape)
    if width < n_components:
        logger.info(
            "evidence: %d components instead of %d, as many as experiments and genes allow",
            *(width, n_components),
        )
    weights = tf_weights(kept.tfs) if balance else np.ones(len(kept.tfs))
    return profiles(kept.table, weights, width, random_state)


def place_layer(
    kept: Experiments,
    names: pd.Index,
    where: np.ndarray,
    profile: tuple[np.ndarray, np.ndarray],
    key: str,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Place a layer at the genes of the data: what each slot gets, and counts for the report."""
    vectors, explained = profile
    weights = tf_weights(kept.tfs)
    n_vars, there = len(names), where >= 0
    placed = np.zeros((n_vars, vectors.shape[1]), np.float32)
    placed[where[there]] = vectors[there]
    covered = np.zeros(n_vars, dtype=bool)
    covered[where[there]] = True
    popular = np.full(n_vars, np.nan)
    popular[where[there]] = popularity(kept.table, weights)[there]

    track, tfs, counts = tracks(kept.table, kept.tfs, weights)
    rows = positions(tfs, names)
    n_experiments = np.zeros(n_vars, dtype=np.int32)
    n_experiments[rows[rows >= 0]] = counts[rows >= 0]
    columns = {"covered": covered, "popularity": popular, "n_experiments": n_experiments}
    slots = {
        "varm": {key: placed},
        "var": {f"{key}_{name}": values for name, values in columns.items()},
        "varp": {key: _placed(track, rows, where, n_vars)},
    }
    about = {
        "n_tfs": len(tfs),
        "n_tfs_matched": int((rows >= 0).sum()),
        "n_components": vectors.shape[1],
        "explained_variance": explained,
    }
    return slots, about


def _placed(track: sp.csr_matrix, rows: np.ndarray, columns: np.ndarray, n: int) -> sp.csr_matrix:
    """Return the tracks at the genes of the data, (n, n); TFs and genes not there are dropped."""
    entries = track.tocoo()
    row, column = rows[entries.row], columns[entries.col]
    there = (row >= 0) & (column >= 0)
    return sp.csr_matrix(
        (entries.data[there], (row[there], column[there])), shape=(n, n), dtype=np.float32
    )
