"""The slots of a fitted network, as :mod:`scregnet.get` and :mod:`scregnet.pl` read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scregnet._validate import listed

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_PARTS = ("varp_key", "params", "metrics", "pairs")


def _is_fitted(value: object) -> bool:
    return isinstance(value, Mapping) and all(part in value for part in _PARTS)


def fitted(adata: AnnData, key: str) -> Mapping[str, Any]:
    """Return ``adata.uns[key]`` of a fitted network, or raise ``KeyError`` that names the function to run."""
    if key in adata.uns and _is_fitted(adata.uns[key]):
        return adata.uns[key]
    if key in adata.uns and isinstance(adata.uns[key], Mapping) and "groups" in adata.uns[key]:
        keys = list(adata.uns[key]["keys"])
        msg = f"adata.uns[{key!r}] stands for one network per group: name one of them, such as key={keys[0]!r}; there are {listed(keys)}."
        raise KeyError(msg)
    found = "is not a fitted network" if key in adata.uns else "is not there"
    others = [name for name, value in adata.uns.items() if _is_fitted(value)]
    hint = f"; or name one that is there with key=: {listed(others)}" if others else ""
    call = (
        "sr.tl.fit_grn(adata, prior)"
        if key == "grn"
        else f"sr.tl.fit_grn(adata, prior, key_added={key!r})"
    )
    msg = f"adata.uns[{key!r}] {found}: call {call} first{hint}."
    raise KeyError(msg)


def network(adata: AnnData, key: str) -> sp.csr_matrix:
    """Return the probabilities of a fitted network, row = regulator, column = target."""
    varp_key = str(fitted(adata, key)["varp_key"])
    if varp_key not in adata.varp:
        msg = (
            f"adata.varp[{varp_key!r}] is not there, though adata.uns[{key!r}] names it (anndata.concat drops varp "
            f"unless merge= is given): call sr.tl.fit_grn again; adata.varp has {listed(adata.varp)}."
        )
        raise KeyError(msg)
    return sp.csr_matrix(adata.varp[varp_key])


def regulators(adata: AnnData, key: str) -> np.ndarray:
    """Return the mask over genes of those that are TFs: rows that hold links, and ``var["is_tf"]`` where it is there."""
    mask = np.diff(network(adata, key).indptr) > 0
    if "is_tf" in adata.var:
        mask |= adata.var["is_tf"].to_numpy(dtype=bool)
    return mask


def nulls(pairs: pd.DataFrame) -> list[str]:
    """Return the names of the null models scored on the labelled pairs."""
    prefix = "probability_"
    names = [column.removeprefix(prefix) for column in pairs.columns if column.startswith(prefix)]
    # The standard deviation over the members of an ensemble is no model.
    return [name for name in names if name != "sd"]
