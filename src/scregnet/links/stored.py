"""Fitted links again from what a file keeps of them: the one place where a stored model is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet.links.ensemble import EnsembleLinks
from scregnet.links.folded import FoldedLinks
from scregnet.links.forms.saved import HINT, check_digest, read_integers
from scregnet.links.registry import load_fitted

if TYPE_CHECKING:
    from scregnet.links.pairs.fold_table import FoldTable
    from scregnet.links.task import FittedLinks


def read_stored(
    model: Mapping[str, Any],
    n_genes: int,
    *,
    table: FoldTable | None = None,
) -> FittedLinks | EnsembleLinks | FoldedLinks:
    """Make fitted links again; arrays that changed or do not fit together raise ``ValueError``.

    Parameters
    ----------
    model
        ``method``, ``state``, ``n_models``, ``n_folds``, and the ``digest`` of the state. Fits of
        older versions have no digest.
    n_genes
        Number of genes of the fit.
    table
        With folds, those of the labelled pairs.
    """
    if missing := sorted({"method", "state", "n_models", "n_folds"} - model.keys()):
        msg = f"the saved network lacks {missing}. {HINT}"
        raise ValueError(msg)
    method = str(model["method"])
    if not isinstance(model["state"], Mapping):
        msg = f"the state of the saved network is not a group of arrays. {HINT}"
        raise ValueError(msg)
    state = {str(name): np.asarray(value) for name, value in model["state"].items()}
    if "digest" in model:
        check_digest(state, str(model["digest"]))
    if fold_count(model) > 1:
        if table is None:
            msg = f"the saved network has folds, but no labelled pairs with their folds. {HINT}"
            raise ValueError(msg)
        return FoldedLinks.from_state(method, state, table, n_genes)
    if model_count(model) > 1:
        return EnsembleLinks.from_state(method, state, n_genes)
    return load_fitted(method, state, n_genes)


def fold_count(model: Mapping[str, Any]) -> int:
    """Return the number of folds of a stored model, 1 for none."""
    return _count(model, "n_folds")


def model_count(model: Mapping[str, Any]) -> int:
    """Return the number of fits that a stored model joins."""
    return _count(model, "n_models")


def _count(model: Mapping[str, Any], name: str) -> int:
    return int(read_integers(model, name, (), low=1, high=2**31 - 1))
