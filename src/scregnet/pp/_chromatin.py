"""Write the sites of TFs at the peaks of genes as an evidence layer."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from scregnet._anndata.access import check_names, check_writable, resolve, write
from scregnet._anndata.evidence import check_layer_slots
from scregnet._docs import doc
from scregnet._genes.evidence.names import names_in_evidence
from scregnet._genes.evidence.open_peaks import atac_of, open_shares
from scregnet._genes.evidence.peaks import read_genes_of_peaks, read_tfs_of_peaks
from scregnet._genes.evidence.place import match_genes, place_layer, profile_of
from scregnet._genes.evidence.sites import sites
from scregnet._logging import logger
from scregnet._validate import check_integer, check_interval, listed, seed_of, shortened

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@doc
def chromatin(
    adata: AnnData | MuData,
    peak_to_gene: pd.DataFrame,
    tf_to_peak: pd.DataFrame,
    *,
    min_open: float = 0.0,
    atac: AnnData | str = "atac",
    groupby: str | None = None,
    gene_symbols: str | None = None,
    orthologues: pd.DataFrame | Mapping[str, Any] | Literal["upper"] | None = None,
    n_components: int = 60,
    random_state: int | None = 0,
    key_added: str | None = None,
    copy: bool = False,
    mod: str = "rna",
) -> AnnData | MuData | None:
    """Write which TFs have a motif in the peaks of which genes, as an evidence layer.

    For ``fit_grn(evidence="chromatin")`` and ``sr.pp.prior(support="chromatin")``. A pair has the
    sum over the peaks of the gene of weight times score; without weights and scores, the number of
    its peaks with the motif. See :doc:`/evidence`.

    Parameters
    ----------
    %(adata)s
    peak_to_gene
        Frame ``peak``, ``gene`` and, optional, ``weight``, of which the size counts. Other tools'
        names of columns are read too. Rows without a gene are dropped and counted.
    tf_to_peak
        Hits of a motif scan: a frame ``tf``, ``peak`` and, optional, ``score``; or peaks × TFs, as
        CellOracle's base networks. The highest score of a TF in a peak counts. A motif
        ``MAX::MYC`` counts for both.
    min_open
        Take peaks that are open in at least this share of cells; 0 takes all and reads no cells.
    atac
        Cells × peaks, whose values above 0 are open: a modality of the MuData, or an AnnData.
        Peaks that are not there say nothing.
    groupby
        Column of the ``obs`` of ``atac``: a peak need be open in ``min_open`` of the cells of one
        category.
    gene_symbols
        Column of ``adata.var`` with the names that the frames use; ``None`` takes
        ``adata.var_names``. Names that several genes share are left out.
    orthologues
        Names for genes of another organism, as in :func:`scregnet.tl.embed`; ``"upper"`` for
        upper-cased symbols.
    n_components
        Width of the profile; smaller if there are fewer TFs or genes.
    %(random_state)s
    %(key_added)s Here ``"chromatin"``.
    %(copy)s
    %(mod)s

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. Sets the slots of
    :func:`scregnet.pp.evidence`, named ``key_added``. Rows of ``.varp`` are TFs. A TF of the scan
    and a gene with a peak whose value is 0 have no site, which is known. ``.uns`` counts peaks,
    links and hits.

    Raises
    ------
    ValueError, KeyError, TypeError
        If a frame lacks a column, no peak or gene matches, or ``key_added`` holds something else.

    Examples
    --------
    >>> import pandas as pd, scregnet as sr
    >>> adata = sr.datasets.simulated()
    >>> links = pd.DataFrame({"peak": ["chr1:1-9", "chr1:20-30"], "gene": ["G0001", "G0002"]})
    >>> hits = pd.DataFrame({"tf": ["TF001", "TF002"], "peak": ["chr1_1_9", "chr1_1_9"]})
    >>> sr.pp.chromatin(adata, links, hits)
    >>> adata.varp["chromatin"].nnz, adata.var["chromatin_covered"].sum().item()
    (2, 2)
    """
    random_state = seed_of(random_state)
    source = resolve(adata, mod)
    check_names(source)
    check_writable(source, copy=copy)
    key = "chromatin" if key_added is None else key_added
    check_layer_slots(source, key, "key_added")
    check_integer("n_components", n_components, minimum=1)
    check_interval("min_open", min_open, 0, 1)
    for name, default, value in (("groupby", None, groupby), ("atac", "atac", atac)):
        if min_open == 0 and not (value is default or isinstance(value, str) and value == default):
            msg = (
                f"{name}={shortened(value)} has no meaning with min_open=0; give a share of cells."
            )
            raise ValueError(msg)
    names, asked = names_in_evidence(source, gene_symbols, orthologues)
    cells = None if min_open == 0 else atac_of(adata, atac, mod)
    genes, tfs = read_genes_of_peaks(peak_to_gene), read_tfs_of_peaks(tf_to_peak)
    opened = (None, None) if cells is None else _opened(cells, genes.peaks, min_open, groupby)
    found, counts = sites(genes, tfs, *opened)
    where, matched = match_genes(found, names, source, gene_symbols, orthologues)
    profile = profile_of(found, n_components, balance=False, random_state=random_state)
    slots, about = place_layer(found, names, where, profile, key)
    report = {
        "kind": "evidence",
        "form": found.form,
        "min_open": float(min_open),
        "groupby": groupby,
        **asked,
        **matched,
        **counts,
        **about,
        "contexts_left_out": [],
        "random_state": random_state,
        "versions": {"scregnet": version("scregnet")},
    }
    _log(key, report, source.n_vars)
    data = adata.copy() if copy else adata
    write(resolve(data, mod), **slots, uns={key: report})
    return data if copy else None


def _opened(
    atac: AnnData, linked: pd.Index, min_open: float, groupby: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the linked peaks are open, and of which the cells tell."""
    peaks, share = open_shares(atac, groupby)
    where = peaks.get_indexer(linked)
    known = where >= 0
    if not known.any():
        msg = (
            f"none of the {len(linked):,} peaks of peak_to_gene is in atac.var_names: it has "
            f"peaks like {listed(peaks[:3])}, peak_to_gene like {listed(linked[:3])}. Both must "
            "name peaks of one set."
        )
        raise ValueError(msg)
    if not known.all():
        logger.warning(
            "chromatin: %d of %d peaks of peak_to_gene are not in atac.var_names, such as %s; "
            "their links are left out",
            *(int((~known).sum()), len(linked), listed(linked[~known], 3)),
        )
    return known & (share[where] >= min_open), known


def _log(key: str, report: Mapping[str, Any], n_vars: int) -> None:
    logger.info(
        "chromatin: %r: %d of %d peaks with a gene were scanned and count; %d TFs (%d in adata), "
        "%d of %d genes covered",
        *(key, report["n_peaks_used"], report["n_peaks_linked"], report["n_tfs"]),
        *(report["n_tfs_matched"], report["n_genes_matched"], n_vars),
    )
