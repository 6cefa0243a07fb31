"""Score any pairs with a fitted network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import fitted, key_of_group
from scregnet._docs import doc
from scregnet._genes.names import gene_ids, positions
from scregnet._validate import listed
from scregnet.links import EnsembleLinks, Pairs, load_fitted
from scregnet.links.calibration import read_calibrations
from scregnet.links.folded import FoldedLinks

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


PAIR = ("source", "target")


@doc
def score_links(
    adata: AnnData | MuData,
    pairs: pd.DataFrame | Iterable[tuple[str, str]],
    *,
    key: str = "grn",
    group: str | None = None,
    gene_symbols: str | None = None,
    mod: str = "rna",
) -> pd.DataFrame:
    """Score pairs of genes with a fitted network, whether or not their links were written.

    Works from the state in ``adata.uns[key]`` alone: after reading a file, and after genes were
    dropped or re-ordered. With ``n_folds`` above 1 at the fit, a labelled pair gets the probability
    of the fold that did not see its label, as in ``adata.varp``.

    Parameters
    ----------
    %(adata)s
    pairs
        Frame with columns ``source`` and ``target``; or pairs of names.
    %(key)s
    %(group)s
    gene_symbols
        Column of ``adata.var`` with the names that ``pairs`` uses; ``None`` takes the names that
        the network was fitted with.
    %(mod)s

    Returns
    -------
    A copy of ``pairs`` with a float32 column ``probability`` (that the source regulates the target)
    and, for an ensemble, ``probability_sd``. Further columns and the index are kept.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or a gene was not among those it was fitted to.
    ValueError
        ``pairs`` has no columns ``source`` and ``target``, or ``group`` is missing.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> scores = sr.get.score_links(adata, adata.uns["network"])
    """
    data = resolve(adata, mod)
    key = key_of_group(data, key, group)
    entry = fitted(data, key)
    model = entry["model"]
    if isinstance(pairs, pd.DataFrame):
        frame = pairs.copy()
    else:
        frame = pd.DataFrame(list(pairs), columns=["source", "target"])
    missing = [column for column in ("source", "target") if column not in frame]
    if missing:
        msg = f"pairs lacks the columns {listed(missing)}; it has {listed(frame.columns)}."
        raise ValueError(msg)
    genes = pd.Index([str(gene) for gene in model["genes"]])
    names = {column: frame[column].astype(str) for column in ("source", "target")}
    if gene_symbols is not None:
        names = {column: _own_names(names[column], column, data, gene_symbols) for column in names}
    sources, targets = (_positions(names[column], genes, column, key) for column in names)
    score, deviation = _scores(entry, genes, sources, targets)
    (calibration,) = read_calibrations(model["slope"], model["intercept"])
    frame["probability"] = calibration(score)
    if deviation is not None:
        frame["probability_sd"] = deviation
    return frame


def _scores(
    entry: Mapping[str, Any], genes: pd.Index, sources: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Make the fitted links again and score the pairs; an ensemble has deviations."""
    model = entry["model"]
    method = str(model["method"])
    state = {str(name): np.asarray(value) for name, value in model["state"].items()}
    if int(model["n_folds"]) > 1:
        pairs, folds = _folds(entry["pairs"], genes)
        links = FoldedLinks.from_state(method, state, pairs, folds, len(genes))
        score, deviation = links.score_and_sd(sources, targets)
        return score, deviation if int(model["n_models"]) > 1 else None
    if int(model["n_models"]) > 1:
        return EnsembleLinks.from_state(method, state).score_and_sd(sources, targets)
    return load_fitted(method, state).score(sources, targets), None


def _folds(frame: pd.DataFrame, genes: pd.Index) -> tuple[Pairs, np.ndarray]:
    """Return the labelled pairs of a fit as positions among its genes, and their folds."""
    sources, targets = (genes.get_indexer(pd.Index(frame[c].astype(str))) for c in PAIR)
    columns = [frame[name].to_numpy() for name in frame if str(name).startswith("fold_")]
    sound = bool(columns) and all(column.dtype.kind in "iu" for column in columns)
    if not sound or (sources < 0).any() or (targets < 0).any():
        msg = "the labelled pairs of the stored model do not belong to its genes and folds."
        raise ValueError(msg)
    return Pairs(sources, targets, frame["label"].to_numpy(bool)), np.stack(columns, axis=1)


def _own_names(names: pd.Series, column: str, data: AnnData, gene_symbols: str) -> pd.Series:
    """Return the names in ``adata.var_names`` of genes that are named as in a column of ``var``."""
    where = positions(names, gene_ids(data, gene_symbols))
    for code, fault in ((-1, "are not in"), (-2, "are the names of several genes in")):
        if (where == code).any():
            found = names[where == code].unique()
            msg = (
                f"pairs: {len(found)} genes of its column {column!r} {fault} "
                f"adata.var[{gene_symbols!r}]: {listed(found, 5)}."
            )
            raise KeyError(msg)
    return pd.Series(data.var_names[where].astype(str), index=names.index)


def _positions(names: pd.Series, genes: pd.Index, column: str, key: str) -> np.ndarray:
    where = genes.get_indexer(pd.Index(names))
    if (where < 0).any():
        unknown = names[where < 0].unique()
        msg = (
            f"pairs: {len(unknown)} genes of its column {column!r} were not among those that "
            f"{key!r} was fitted to: {listed(unknown, 5)}."
        )
        raise KeyError(msg)
    return where
