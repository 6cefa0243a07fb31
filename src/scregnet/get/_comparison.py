"""What a comparison of groups found, as frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import pandas as pd

from scregnet._anndata.access import resolve
from scregnet._docs import doc
from scregnet._validate import check_choice, check_interval, check_text, listed, name_list

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

FRAMES = ("links", "tfs", "pairs")


@doc
def comparison(
    adata: AnnData | MuData,
    what: Literal["links", "tfs", "pairs"] = "links",
    *,
    groups: Sequence[str] | None = None,
    max_q: float | None = None,
    key: str = "comparison",
    mod: str = "rna",
) -> pd.DataFrame:
    """Return which links or TFs differ between groups, the clearest first.

    :ref:`comparison` says what is tested.

    Parameters
    ----------
    %(adata)s
    what
        Links, TFs, or one row for each pair of groups.
    groups
        Two groups, in any order; ``None`` returns all pairs.
    max_q
        Highest ``q``; not of pairs.
    key
        Name of the comparison: the ``key_added`` of :func:`scregnet.tl.compare_grns`.
    %(mod)s

    Returns
    -------
    Frame, a copy, by ``p`` within each pair. Differences are ``group_b`` less ``group_a``. Of
    links:

    - ``correlation_a``, ``correlation_b``: of TF and target within each group; with donors, of the
      mean of Fisher's transforms;
    - ``difference``, ``se``: of Fisher's transforms, with the standard error;
    - ``statistic``: the difference over its standard error; ``p``, ``q``: by permutations;
    - ``logit_a``, ``logit_b``, ``logit_difference``: of the probabilities of both networks, NaN
      where both groups have one network; ``logit_sd``, of ensembles. Not tested.

    With ``along``, ``group_a`` and ``group_b`` are the first and the last bin; ``difference`` is
    the change between them along a straight line through the transforms of all bins. There are also
    ``correlation_1``, ``correlation_2``, … of the bins, and ``tau``: Kendall's, 1 where the
    correlation rises in every step.

    Of TFs: ``detection_a``, ``detection_b``, share of cells that express it; ``n_links`` compared;
    ``n_gained``, ``n_lost``, links with ``q`` up to ``fdr`` whose absolute correlation is larger in
    ``group_b``, or smaller; ``strength``, mean difference of absolute correlations; ``statistic``,
    the mean square over its links, with ``p`` and ``q``, NaN for a TF without a link to compare.

    Of pairs: ``n_a``, ``n_b``, cells or donors; ``paired``; ``n_links``; ``n_changed``;
    ``statistic`` and ``p`` of all links together; ``n_permutations``; and ``network_distance`` with
    ``noise_floor``, the ``"ranks"`` of :func:`scregnet.get.group_differences`, NaN without them.

    Raises
    ------
    KeyError, ValueError
        There is no such comparison, or it does not have these groups.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(300, 80, n_cell_types=2, dropout_percentile=30)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree", n_folds=1)
    >>> sr.tl.compare_grns(adata, groupby="cell_type", n_permutations=20)
    >>> links = sr.get.comparison(adata, max_q=0.1)
    """
    check_choice("what", what, FRAMES)
    if max_q is not None:
        check_interval("max_q", max_q, 0, 1)
    check_text("key", key)
    data = resolve(adata, mod)
    entry = data.uns.get(key)
    if not isinstance(entry, Mapping) or not all(
        isinstance(entry.get(name), pd.DataFrame) for name in FRAMES
    ):
        msg = (
            f"key={key!r}: adata.uns[{key!r}] is no comparison; call sr.tl.compare_grns first, or "
            "name one."
        )
        raise KeyError(msg)
    table: pd.DataFrame = entry[what]
    if groups is not None:
        table = table[_of_pair(entry, table, groups)]
    if max_q is not None and what != "pairs":
        table = table[table["q"] <= max_q]
    order = table.assign(_=table["statistic"].abs()).sort_values(
        ["p", "_"], ascending=[True, False], kind="stable"
    )
    if what == "pairs":
        return table.reset_index(drop=True)
    number = table.groupby(["group_a", "group_b"], observed=True, sort=False).ngroup()
    rows = order.assign(_=number).sort_values("_", kind="stable")
    return rows.drop(columns="_").reset_index(drop=True)


def _of_pair(entry: Mapping, table: pd.DataFrame, groups: Sequence[str]) -> pd.Series:
    """Return which rows are those of two groups, or raise."""
    names = [str(name) for name in name_list("groups", groups)]
    there = [str(name) for name in entry["params"]["groups"]]
    if len(set(names)) != 2 or len(names) != 2 or (set(names) - set(there)):
        msg = f"groups must be two of {listed(there, 30)}, got {listed(names)}."
        raise ValueError(msg)
    return table["group_a"].isin(names) & table["group_b"].isin(names)
