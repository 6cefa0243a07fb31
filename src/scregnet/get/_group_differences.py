"""How far the networks of groups differ, as a frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import keys_by_group
from scregnet._docs import doc

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@doc
def group_differences(
    adata: AnnData | MuData, *, key: str = "grn", mod: str = "rna"
) -> pd.DataFrame:
    """Return how far the networks of two groups differ, and how far those of halves of one.

    :ref:`groups` says what is fitted and compared.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(mod)s

    Returns
    -------
    Frame, a copy, with one row for each pair of groups and statistic:

    - ``group_a``, ``group_b``: the groups;
    - ``statistic``: ``"new_links"``, the share of the first 100 new links that the other network
      does not have there; or ``"ranks"``, one minus Spearman's correlation of a TF's new links,
      mean over TFs;
    - ``n_cells``: cells in each of the four halves;
    - ``value``: between halves of the two groups, mean of four;
    - ``floor``: between the halves of one group, mean of two;
    - ``low``, ``high``: 95 %% bootstrap interval over TFs of ``value - floor``; NaN for
      ``"new_links"``;
    - ``above``: whether ``low`` is above 0 and the halves are closest when paired by group.

    Raises
    ------
    KeyError
        ``key`` was not fitted with ``groupby``, or the differences were not computed.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(300, 80, n_cell_types=2)
    >>> net = adata.uns["network"]
    >>> sr.tl.fit_grn(adata, net, groupby="cell_type", n_folds=1, n_trees=0, n_forest_trees=0)
    >>> frame = sr.get.group_differences(adata)
    """
    data = resolve(adata, mod)
    keys = keys_by_group(data, key)
    entry = data.uns[key]
    found = entry.get("differences") if isinstance(entry, Mapping) else None
    if None in keys or not isinstance(found, pd.DataFrame):
        msg = (
            f"adata.uns[{key!r}] has no differences of groups: call sr.tl.fit_grn with groupby= "
            "and noise_floor=True, two groups or more, a method that reads labels and expression, "
            "embedding made group by group."
        )
        raise KeyError(msg)
    return found.reset_index(drop=True)
