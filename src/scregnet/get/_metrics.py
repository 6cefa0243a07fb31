"""The evaluation of a fitted network as a tidy frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import fitted, read_groups
from scregnet._docs import doc

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@doc
def metrics(
    adata: AnnData | MuData, *, key: str = "grn", group: str | None = None, mod: str = "rna"
) -> pd.DataFrame:
    """Return how well a fitted network and its null models rank the held-out pairs.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(groups)s
    %(mod)s

    Returns
    -------
    Tidy frame, a copy, with one row per figure:

    - ``model``: the method of the fit, or a null model such as ``"degree"``;
    - ``split``: ``"validation"``, ``"test"``, or ``"folds"`` (all labelled pairs, out of fold);
    - ``metric``: ``"auroc"``, ``"auprc"``, ``"auprc_ratio"``, ``"epr"``, ``"per_tf_auroc"``,
      ``"per_tf_auprc"``, ``"brier"``, ``"ece"`` or ``"prevalence"``, as
      :func:`scregnet.metrics.evaluate` computes them;
    - ``value``: the figure;
    - ``low``, ``high``: its 95 %% bootstrap interval, NaN where there is none.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or no such ``group``.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated()
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> test = sr.get.metrics(adata).query("split == 'test'")
    >>> table = test.pivot(index="metric", columns="model", values="value")
    """
    data = resolve(adata, mod)
    return read_groups(
        data, key, group, lambda member: fitted(data, member)["metrics"].reset_index(drop=True)
    )
