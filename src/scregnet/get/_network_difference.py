"""How the probabilities of two fitted networks differ, link by link."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import check_probabilities, is_grouped
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._validate import about, check_choice, check_interval, check_text, listed
from scregnet.get._select import select_links

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

# Probabilities are kept so far from 0 and 1 that their logit is finite.
_LEAST = 1e-6
_FIRST = 50


@doc
def network_difference(
    adata: AnnData | MuData,
    key_a: str,
    key_b: str,
    *,
    other: AnnData | MuData | None = None,
    what: Literal["links", "tfs"] = "links",
    threshold: float | None = None,
    gene_symbols: str | None = None,
    mod: str = "rna",
) -> pd.DataFrame:
    """Return how the probabilities of two fitted networks differ, without a look at cells.

    **This is no test.** Without cells there is nothing to permute: the frame has no ``p`` and no
    ``q``. ``sd`` says how far fits of other seeds differ, and not how far other cells or donors
    would. :func:`scregnet.tl.compare_grns` tests co-expression between groups of cells.

    Parameters
    ----------
    %(adata)s
    key_a, key_b
        Names of the networks: the ``key_added`` of their fits, or ``"grn_B"`` for that of group
        ``B``.
    other
        Object that has the network ``key_b``; ``None`` takes ``adata``. Genes are matched by name.
    what
        One row for each link, or for each TF.
    threshold
        Return links whose probability is at least this in one of the networks: among improbable
        links, a large difference says little. Not of TFs.
    %(gene_symbols)s
    %(mod)s

    Returns
    -------
    Frame of the links that both networks have. Of links, the largest ``centred`` first:

    - ``source``, ``target``; ``probability_a``, ``probability_b``; ``logit_a``, ``logit_b``;
    - ``difference``: of the logits, b less a;
    - ``centred``: ``difference`` less its median over all links. Networks of other labels have
      another level, which is no difference of any link;
    - ``sd``: standard deviation of ``difference`` by the members of both ensembles (``n_models``),
      NaN without them, and ``deviations``: ``centred`` over ``sd``;
    - ``in_prior_a``, ``in_prior_b``: whether the link is a known edge of each. Where it is in one
      alone, the labels differ, and the probabilities follow them.

    Of TFs, those that differ most first: ``tf``; ``n_links``; ``rank_correlation``, Spearman's, of
    its links in both; ``shared``, share of its first 50 targets that are first in both, with fewer
    than 100 links of its first half; ``spread``, root mean square of ``centred``.

    Raises
    ------
    KeyError
        There is no such network.
    ValueError
        A network holds scores and no probabilities, both have no link in common, or an argument is
        out of range.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> for method in ("degree", "label_factors"):
    ...     sr.tl.fit_grn(adata, adata.uns["network"], method, key_added=method, n_folds=1)
    >>> frame = sr.get.network_difference(adata, "degree", "label_factors")
    """
    check_choice("what", what, ("links", "tfs"))
    if threshold is not None:
        check_interval("threshold", threshold, 0, 1)
    one = resolve(adata, mod)
    two = one if other is None else resolve(other, mod, argument="other")
    first = _links(one, key_a, "key_a", gene_symbols)
    with nullcontext() if other is None else about("other"):
        second = _links(two, key_b, "key_b", gene_symbols)
    both = first.merge(second, on=["source", "target"], suffixes=("_a", "_b"))
    if len(both) == 0:
        msg = (
            f"{key_a!r} and {key_b!r} have no link in common: the names of their TFs or genes "
            "differ, or their networks were cut to other links."
        )
        raise ValueError(msg)
    logger.info(
        "network_difference: %d links of both; %d and %d are in one alone. Nothing is tested.",
        len(both),
        len(first) - len(both),
        len(second) - len(both),
    )
    table = _compared(both)
    if what == "tfs":
        return _by_tf(table)
    if threshold is not None:
        highest = table[["probability_a", "probability_b"]].max(axis=1)
        table = table[highest >= np.float32(threshold)].reset_index(drop=True)
    return table


def _links(found: AnnData, key: str, argument: str, gene_symbols: str | None) -> pd.DataFrame:
    """Return the links of one network, with logits and their standard deviation."""
    check_text(argument, key)
    entry: Any = found.uns.get(key)
    if is_grouped(entry):
        msg = (
            f"adata.uns[{key!r}] stands for one network per group: name one as key_a or key_b, of "
            f"{listed(entry['keys'], 30)}."
        )
        raise ValueError(msg)
    check_probabilities(found, key, "sr.get.network_difference")
    frame, _ = select_links(found, key, gene_symbols=gene_symbols)
    p = frame["weight"].to_numpy(np.float64).clip(_LEAST, 1 - _LEAST)
    sd = frame["sd"].to_numpy(np.float64) if "sd" in frame else np.full(len(p), np.nan)
    return pd.DataFrame(
        {
            "source": frame["source"].astype(str),
            "target": frame["target"].astype(str),
            "probability": frame["weight"],
            "logit": np.log(p / (1 - p)),
            "sd": sd / (p * (1 - p)),
            "in_prior": frame["in_prior"],
        }
    )


def _compared(both: pd.DataFrame) -> pd.DataFrame:
    """Return the differences of the links, the largest first."""
    difference = both["logit_b"] - both["logit_a"]
    centred = difference - difference.median()
    sd = pd.Series(np.hypot(both["sd_a"].to_numpy(), both["sd_b"].to_numpy()), index=both.index)
    table = both.drop(columns=["sd_a", "sd_b", "in_prior_a", "in_prior_b"]).assign(
        difference=difference,
        centred=centred,
        sd=sd,
        # Without any deviation between the members, there is nothing to divide by.
        deviations=(centred / sd.where(sd > 0)),
        in_prior_a=both["in_prior_a"],
        in_prior_b=both["in_prior_b"],
    )
    pairs = [["probability_a", "probability_b"], ["logit_a", "logit_b"]]
    front = ["source", "target", *pairs[0], *pairs[1]]
    table = table[[*front, *(name for name in table if name not in front)]]
    order = np.lexsort((table["target"], table["source"], -centred.abs()))
    return table.iloc[order].reset_index(drop=True)


def _by_tf(table: pd.DataFrame) -> pd.DataFrame:
    """Return how far the links of each TF differ."""
    from scipy.stats import spearmanr

    rows = []
    # By name: in the order of the table, links of equal probability that differ most were first.
    for tf, own in table.sort_values(["source", "target"]).groupby("source"):
        a, b = own["logit_a"].to_numpy(), own["logit_b"].to_numpy()
        told = len(own) > 2 and np.ptp(a) > 0 and np.ptp(b) > 0
        # The first of all its links would be the same in both.
        n = min(_FIRST, len(own) // 2)
        first = [set(np.argsort(-values, kind="stable")[:n]) for values in (a, b)]
        rows.append(
            {
                "tf": tf,
                "n_links": len(own),
                "rank_correlation": float(spearmanr(a, b).statistic) if told else np.nan,
                "shared": len(first[0] & first[1]) / n if n else np.nan,
                "spread": float(np.sqrt(np.square(own["centred"]).mean())),
            }
        )
    found = pd.DataFrame(rows).sort_values("spread", ascending=False, kind="stable")
    return found.reset_index(drop=True)
