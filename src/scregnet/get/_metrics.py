"""The evaluation of a fitted network as a tidy frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import fitted
from scregnet._docs import doc

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@doc
def metrics(adata: AnnData | MuData, *, key: str = "grn", mod: str = "rna") -> pd.DataFrame:
    """Return how well a fitted network and its null models rank the held-out pairs.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(mod)s

    Returns
    -------
    Tidy frame, a copy, with one row per figure:

    - ``model``: the method of the fit, or a null model such as ``"degree"``;
    - ``split``: ``"validation"`` or ``"test"``;
    - ``metric``: ``"auroc"``, ``"auprc"``, ``"auprc_ratio"``, ``"epr"``, ``"per_tf_auroc"``, ``"per_tf_auprc"``, ``"brier"``, ``"ece"`` or ``"prevalence"``,
      as :func:`scregnet.metrics.evaluate` gives them;
    - ``value``: the figure;
    - ``low``, ``high``: its 95 %% bootstrap interval, NaN where there is none.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated()
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> table = sr.get.metrics(adata).pivot(index="metric", columns=["model", "split"], values="value")
    """
    frame: pd.DataFrame = fitted(resolve(adata, mod), key)["metrics"]
    # Files of earlier versions have no intervals.
    return frame.reindex(columns=["model", "split", "metric", "value", "low", "high"]).reset_index(
        drop=True
    )
