"""The hyper-parameters that a search found, ready for a fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._anndata.access import resolve
from scregnet._docs import doc

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

_OF_THE_DATA = ("layer", "n_pcs", "random_embedding", "random_state")
_OF_THE_PAIRS = ("split", "negatives", "negative_ratio", "test_fraction", "validation_fraction")


@doc
def tuned(adata: AnnData | MuData, *, key: str = "tune", mod: str = "rna") -> dict[str, Any]:
    """Return the keyword arguments with which :func:`scregnet.tl.fit_grn` fits the best trial of a search.

    They name the method, its hyper-parameters, and the data, pairs and seed of the search: the fit hides the test pairs that the search hid, and
    repeats the best trial. Frames are not kept: pass ``split`` or ``embedding`` again if the search was given a frame.

    Parameters
    ----------
    %(adata)s
    key
        Name of the search: the ``key_added`` of :func:`scregnet.tl.tune_grn`.
    %(mod)s

    Returns
    -------
    A new dictionary.

    Raises
    ------
    KeyError
        There is no search named ``key``.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.tune_grn(adata, adata.uns["network"], method="degree", n_trials=3)
    >>> sorted(sr.get.tuned(adata))[:3]
    ['embedding', 'layer', 'method']
    >>> sr.tl.fit_grn(adata, adata.uns["network"], **sr.get.tuned(adata))
    """
    entry = resolve(adata, mod).uns.get(key)
    if not isinstance(entry, Mapping) or not {"best", "trials", "params"} <= set(entry):
        call = (
            "sr.tl.tune_grn(adata, prior)"
            if key == "tune"
            else f"sr.tl.tune_grn(adata, prior, key_added={key!r})"
        )
        found = "is not there" if entry is None else "is not a search"
        msg = f"adata.uns[{key!r}] {found}: call {call} first."
        raise KeyError(msg)
    params = entry["params"]
    keywords: dict[str, Any] = {"method": params["method"]}
    keywords |= {name: params[name] for name in _OF_THE_DATA}
    if params["split"] != "frame":
        keywords |= {name: params[name] for name in _OF_THE_PAIRS}
    if params["embedding_asked"] != "frame":
        keywords["embedding"] = params["embedding_asked"]
    return {name: _plain(value) for name, value in {**keywords, **entry["best"]}.items()}


def _plain(value: Any) -> Any:
    """A value as it was before ``uns`` or a file made arrays of sequences and numpy's numbers of numbers."""
    if isinstance(value, np.ndarray):
        return tuple(value.tolist())
    return value.item() if isinstance(value, np.generic) else value
