"""The training of a fitted network, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import fitted, keys_by_group, read_groups
from scregnet._docs import doc
from scregnet._logging import logger

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@doc
def history(
    adata: AnnData | MuData, *, key: str = "grn", group: str | None = None, mod: str = "rna"
) -> pd.DataFrame:
    """Return losses and validation metrics of a fitted network by epoch.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(groups)s
    %(mod)s

    Returns
    -------
    Frame, a copy, with one row per epoch. A method without epochs, such as ``"joint"``, has an
    empty frame, and one log line says so. Columns:

    - ``model``: number of the member, for an ensemble (``n_models`` above 1) only;
    - ``epoch``: number of the epoch, from 0;
    - ``train_loss``, ``validation_loss``;
    - ``validation_auroc``, ``validation_auprc``;
    - ``kept``: whether the fitted network has the state after this epoch.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or no such ``group``.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.embed(adata, model="svd")
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="scregnet", max_epochs=5, n_folds=1)
    >>> len(sr.get.history(adata))
    5
    """
    data = resolve(adata, mod)
    table = read_groups(data, key, group, lambda member: _history(fitted(data, member)))
    if len(table) == 0:
        logger.info("%s", no_epochs(data, next(iter(keys_by_group(data, key, group).values()))))
    return table


def no_epochs(data: AnnData, key: str) -> str:
    """Return the line that says that the method of ``key`` has no history."""
    method = str(fitted(data, key)["params"]["method"])
    return f"Method {method!r} is not trained in epochs: there is no history."


def _history(results: Mapping[str, Any]) -> pd.DataFrame:
    table: pd.DataFrame = results["history"].reset_index(drop=True)
    best = np.atleast_1d(results["params"]["best_epoch"])
    # A single fit has no column `model`: its one best epoch holds for all rows.
    member = table["model"].to_numpy(np.int64) if "model" in table else 0
    return table.assign(kept=table["epoch"].to_numpy() == best[member])
