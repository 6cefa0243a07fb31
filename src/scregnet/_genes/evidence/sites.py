"""Sites of TFs at genes: the peaks of a gene that carry the motif of a TF."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scregnet._genes.evidence.experiments import Experiments
from scregnet._logging import logger
from scregnet._validate import listed

if TYPE_CHECKING:
    import pandas as pd

    from scregnet._genes.evidence.peaks import PeakTable

# Below this share of linked peaks in the scan, names are likely of another set of peaks.
_FEW = 0.5


def sites(
    genes: PeakTable, tfs: PeakTable, is_open: np.ndarray | None, is_known: np.ndarray | None
) -> tuple[Experiments, dict[str, int]]:
    """Return TFs × genes: the sum over the gene's peaks of weight × score, and counts.

    Parameters
    ----------
    genes, tfs
        Which peaks belong to which genes, and which TFs have a motif in them.
    is_open, is_known
        Of each peak of ``genes``: whether it is open, and whether the cells tell. Links of unknown
        peaks say nothing. A gene whose known peaks are all closed has no site, which is known.
        ``None``: all count.

    Raises
    ------
    ValueError
        If the two tables share no peak, or no peak is open.
    """
    where = tfs.peaks.get_indexer(genes.peaks)
    scanned = where >= 0
    _check_shared(genes.peaks, tfs.peaks, scanned)
    known = np.ones(len(where), bool) if is_known is None else is_known
    kept = known & scanned if is_open is None else known & scanned & is_open
    if not kept.any():
        msg = (
            f"no peak that is linked to a gene and is in tf_to_peak is open in enough cells: of "
            f"{int(scanned.sum()):,} such peaks, {int((scanned & known).sum()):,} are in atac. "
            "Give a smaller min_open."
        )
        raise ValueError(msg)
    covered = np.asarray(genes.table[:, known].getnnz(axis=1)) > 0
    links = genes.table[covered][:, kept]
    found = sp.csr_matrix(tfs.table[:, where[kept]] @ links.T, dtype=np.float32)
    found.sort_indices()
    if not np.isfinite(found.data).all():
        msg = "weights times scores add up to numbers beyond 3.4e38; give smaller ones."
        raise ValueError(msg)
    counts = {
        **genes.counts,
        **tfs.counts,
        "n_peaks_linked": len(genes.peaks),
        "n_peaks_scanned": len(tfs.peaks),
        "n_peaks_shared": int(scanned.sum()),
        "n_peaks_used": int(kept.sum()),
        "n_pairs": int(found.nnz),
    }
    if is_open is not None:
        counts |= {"n_peaks_not_in_atac": int((~known).sum())}
        counts |= {"n_peaks_closed": int((known & ~is_open).sum())}
    # Experiments has names of TFs as an array of objects.
    names = tfs.names.to_numpy(dtype=object)
    contexts = np.full(len(names), "", dtype=object)
    return Experiments(found, names, contexts, genes.names[covered], "chromatin"), counts


def _check_shared(linked: pd.Index, of_scan: pd.Index, shared: np.ndarray) -> None:
    """Raise if no linked peak was scanned; warn if few were."""
    examples = (
        f"peak_to_gene has peaks like {listed(linked[:3])}, tf_to_peak like {listed(of_scan[:3])}"
    )
    if not shared.any():
        msg = (
            f"no peak of peak_to_gene is in tf_to_peak: {examples}. Both must name peaks of one "
            "set, such as atac.var_names (chr1:100-200, chr1_100_200 and chr1-100-200 count as "
            "one)."
        )
        raise ValueError(msg)
    if shared.mean() < _FEW:
        logger.warning(
            "chromatin: only %d of %d peaks with a gene are in tf_to_peak; %s. If peaks were "
            "called or scanned in another set, sites are missed.",
            *(int(shared.sum()), len(linked), examples),
        )
