"""In which share of the cells a peak is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._anndata.access import blocks_of, check_names, matrix
from scregnet._anndata.groups import groups_of
from scregnet._genes.evidence.peaks import spelled
from scregnet._validate import about, listed

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def atac_of(data: AnnData | MuData, atac: AnnData | str, mod: str) -> AnnData:
    """Return cells × peaks: an AnnData as it is, or a modality of the MuData."""
    from anndata import AnnData

    if isinstance(atac, AnnData):
        return atac
    if not isinstance(atac, str):
        msg = f"atac must be an AnnData of cells × peaks or the name of a modality, got {atac!r}."
        raise TypeError(msg)
    if isinstance(data, AnnData):
        msg = (
            f"min_open needs the cells × peaks, and atac={atac!r} names a modality, but adata is "
            "no MuData. Pass atac=<AnnData of cells × peaks>, or min_open=0."
        )
        raise ValueError(msg)
    if atac not in data.mod or atac == mod:
        msg = f"atac={atac!r} is not a modality with peaks; the MuData has {listed(data.mod)}."
        raise KeyError(msg)
    return data.mod[atac]


def open_shares(atac: AnnData, groupby: str | None) -> tuple[pd.Index, np.ndarray]:
    """Return the peaks, spelled alike, and the share of cells in which each is above 0.

    With ``groupby`` the largest share of its categories. Cells are read in blocks.
    """
    with about("atac"):
        check_names(atac)
        if groupby is None:
            codes, n_groups = np.zeros(atac.n_obs, np.int64), 1
        else:
            names, codes = groups_of(atac, groupby)
            n_groups = len(names)
    found = np.zeros((n_groups, atac.n_vars))
    for cells, block in blocks_of(matrix(atac, None), "atac.X", expect="expression"):
        group = codes[cells]
        kept = np.flatnonzero(group >= 0)
        sums = sp.csr_matrix(
            (np.ones(len(kept)), (group[kept], kept)), shape=(n_groups, len(cells))
        )
        found += (sums @ (block != 0)).toarray()
    sizes = np.bincount(codes[codes >= 0], minlength=n_groups)
    peaks = pd.Index([spelled(str(name)) for name in atac.var_names], dtype=object)
    if not peaks.is_unique:
        twice = listed(peaks[peaks.duplicated()].unique(), 3)
        msg = f"atac.var_names name peaks twice, in several spellings: {twice}. Keep one of each."
        raise ValueError(msg)
    return peaks, (found / sizes[:, None]).max(axis=0)
