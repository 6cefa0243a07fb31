"""The hyper-parameters that a search found, ready for a fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._anndata.access import resolve
from scregnet._docs import doc
from scregnet._validate import check_text

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@doc
def tuned(adata: AnnData | MuData, *, key: str = "tune", mod: str = "rna") -> dict[str, Any]:
    """Return the keyword arguments with which :func:`scregnet.tl.fit_grn` fits the best trial.

    They name the method, its hyper-parameters, data, split and seed: the fit repeats the best trial
    and leaves the same test pairs unseen. Frames are not kept: pass ``split=`` or ``embedding=``
    again if the search was given a frame.

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
    check_text("key", key)
    entry = resolve(adata, mod).uns.get(key)
    if not is_search(entry):
        call = (
            "sr.tl.tune_grn(adata, prior)"
            if key == "tune"
            else f"sr.tl.tune_grn(adata, prior, key_added={key!r})"
        )
        found = "is not there" if entry is None else "is not a search"
        msg = f"adata.uns[{key!r}] {found}: call {call} first."
        raise KeyError(msg)
    return {name: _plain(value) for name, value in {**entry["fit"], **entry["best"]}.items()}


def is_search(entry: object) -> bool:
    """Return whether an entry of ``uns`` is a search that :func:`scregnet.tl.tune_grn` wrote."""
    return isinstance(entry, Mapping) and {"best", "fit", "trials", "params"} <= set(entry)


def _plain(value: Any) -> Any:
    """Return a value as Python has it; ``uns`` and files give arrays and numpy's numbers."""
    if isinstance(value, np.ndarray):
        return tuple(value.tolist())
    return value.item() if isinstance(value, np.generic) else value
