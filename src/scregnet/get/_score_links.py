"""Score any pairs with a fitted network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import fitted
from scregnet._docs import doc
from scregnet._validate import listed
from scregnet.links import EnsembleLinks, PlattCalibration, load_fitted

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@doc
def score_links(
    adata: AnnData | MuData,
    pairs: pd.DataFrame | Iterable[tuple[str, str]],
    *,
    key: str = "grn",
    mod: str = "rna",
) -> pd.DataFrame:
    """Score pairs of genes with a fitted network, whether or not :func:`scregnet.tl.fit_grn` kept them.

    Works from the state in ``adata.uns[key]["model"]`` alone: after reading a file, and after genes were dropped or re-ordered.

    Parameters
    ----------
    %(adata)s
    pairs
        Frame with columns ``source`` and ``target``, further columns are passed through; or pairs of names.
    %(key)s
    %(mod)s

    Returns
    -------
    A copy of ``pairs`` with a float32 column ``probability``, the calibrated probability that the source regulates the target, and for an ensemble
    ``probability_sd``, the standard deviation of its members' probabilities; its index is kept.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or a gene was not among those it was fitted to.
    ValueError
        ``pairs`` has no columns ``source`` and ``target``.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> scores = sr.get.score_links(adata, adata.uns["network"])
    """
    model = fitted(resolve(adata, mod), key)["model"]
    frame = (
        pairs.copy()
        if isinstance(pairs, pd.DataFrame)
        else pd.DataFrame(list(pairs), columns=["source", "target"])
    )
    missing = [column for column in ("source", "target") if column not in frame]
    if missing:
        msg = f"pairs lacks the columns {listed(missing)}; it has {listed(frame.columns)}."
        raise ValueError(msg)
    genes = pd.Index([str(gene) for gene in model["genes"]])
    sources, targets = (
        _positions(frame[column], genes, column, key) for column in ("source", "target")
    )
    method, state = str(model["method"]), _plain(model["state"])
    calibration = PlattCalibration(float(model["slope"]), float(model["intercept"]))
    if int(model.get("n_models", 1)) > 1:
        score, deviation = EnsembleLinks.from_state(method, state).score_and_sd(sources, targets)
        frame["probability"], frame["probability_sd"] = calibration(score), deviation
    else:
        frame["probability"] = calibration(load_fitted(method, state).score(sources, targets))
    return frame


def _positions(names: pd.Series, genes: pd.Index, column: str, key: str) -> np.ndarray:
    where = genes.get_indexer(pd.Index(names.astype(str)))
    if (where < 0).any():
        unknown = names.astype(str)[where < 0].unique()
        msg = f"pairs: {len(unknown)} genes of its column {column!r} were not among those that {key!r} was fitted to: {listed(unknown, 5)}."
        raise KeyError(msg)
    return where


def _plain(state: Any) -> dict[str, np.ndarray]:
    return {str(name): np.asarray(value) for name, value in state.items()}
