"""Grade each link of the perturbed TFs by what changed without them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, resolve
from scregnet._anndata.slots import key_of_group, network
from scregnet._docs import doc
from scregnet._genes.names import positions
from scregnet._logging import logger
from scregnet._validate import check_interval
from scregnet.bm._effects.tested import Tested, placed_tests
from scregnet.get._names import shown_names
from scregnet.get._select import select_links

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

GRADES = ("validated", "partial", "weak", "contradicted", "untestable")


@doc
def grade_links(
    adata: AnnData | MuData,
    perturbations: pd.DataFrame,
    *,
    key: str = "grn",
    group: str | None = None,
    by: Literal["probability", "lift"] = "probability",
    threshold: float | None = None,
    min_lift: float | None = None,
    max_q: float | None = None,
    top_n_targets: int | None = None,
    new_only: bool = False,
    min_sign: float = 0.5,
    gene_symbols: str | None = None,
    mod: str = "rna",
) -> pd.DataFrame:
    """Grade each link of the perturbed TFs by what changed when they were perturbed.

    Compare the share of links that changed with ``expected``: where a third of all genes change, so
    do a third of links drawn at random. A gene may change because another one did.

    Parameters
    ----------
    %(adata)s
    perturbations
        Frame of :func:`scregnet.datasets.perturbation` or
        :func:`scregnet.bm.effects_from_perturbseq`.
    %(key)s
    %(group)s
    by
        What orders the links, and which ones ``top_n_targets`` keeps: the highest
        ``"probability"``, or the highest ``"lift"`` over the null model.
    threshold
        Lowest probability of a link, between 0 and 1.
    min_lift
        Lowest lift of a link.
    max_q
        Highest ``q`` of a link, between 0 and 1.
    top_n_targets
        Number of links to keep per TF.
    new_only
        Leave out the known edges.
    min_sign
        Lowest absolute sign of a link that is taken as known; 0.5 means a probability of 0.75.
    %(gene_symbols)s ``perturbations`` uses them too.
    %(mod)s

    Returns
    -------
    Frame of :func:`scregnet.get.grn`, of the perturbed TFs, with the columns

    - ``effect``, ``effect_q``, ``affected``: of the pair, as in ``perturbations``;
    - ``effect_sign``: sign of the link that the effect speaks for, 0 where not known;
    - ``grade``: ``"validated"``: the gene changed, in the direction of the link's sign.
      ``"partial"``: it changed, and one of the two signs is not known. ``"weak"``: no change was
      found. ``"contradicted"``: it changed in the other direction. ``"untestable"``: the gene was
      not measured after this perturbation;
    - ``expected``: share of the TF's tested genes that changed.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or no such ``group``.
    TypeError, ValueError
        ``perturbations`` is another frame, none of its TFs is in the network, or a number is out of
        range.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(200, 100, knockouts=["TF001"], n_knockout_obs=5)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree", n_folds=2)
    >>> links = sr.bm.grade_links(adata, adata.uns["effects"], top_n_targets=20)
    >>> set(links["grade"]) <= {"validated", "partial", "weak", "contradicted"}
    True
    """
    data = resolve(adata, mod)
    check_names(data)
    check_interval("min_sign", min_sign, 0, 1)
    key = key_of_group(data, key, group)
    allowed = np.diff(network(data, key).indptr) > 0
    tested = placed_tests(perturbations, data, allowed, gene_symbols)
    shown = shown_names(data, gene_symbols)
    links, _ = select_links(
        data,
        key,
        sources=shown[tested.tfs].tolist(),
        by=by,
        threshold=threshold,
        min_lift=min_lift,
        max_q=max_q,
        top_n_targets=top_n_targets,
        new_only=new_only,
        gene_symbols=gene_symbols,
    )
    source, target = (positions(links[end], shown) for end in ("source", "target"))
    graded = _graded(links, tested, pd.Index(tested.tfs).get_indexer(source), target, min_sign)
    counts = graded["grade"].value_counts()
    logger.info("grade_links: %s", ", ".join(f"{counts[grade]:,} {grade}" for grade in GRADES))
    return graded


def _graded(
    links: pd.DataFrame, tested: Tested, rows: np.ndarray, columns: np.ndarray, min_sign: float
) -> pd.DataFrame:
    """Add effects and grades to links, given by the rows and columns of the tests."""
    at = (rows, columns)
    there, affected, theirs = tested.is_tested[at], tested.affected[at], tested.sign[at]
    sign = links["sign"].to_numpy() if "sign" in links else np.full(len(links), np.nan)
    own = np.where(np.abs(np.nan_to_num(sign)) >= min_sign, np.sign(np.nan_to_num(sign)), 0)
    agrees = own * theirs
    number = np.select(
        [~there, ~affected, agrees > 0, agrees < 0],
        [GRADES.index(grade) for grade in ("untestable", "weak", "validated", "contradicted")],
        GRADES.index("partial"),
    )
    share = tested.affected.sum(axis=1) / np.maximum(tested.is_tested.sum(axis=1), 1)
    return links.assign(
        effect=tested.effect[at],
        effect_q=tested.q[at],
        affected=affected,
        effect_sign=theirs,
        grade=pd.Categorical.from_codes(number, categories=pd.Index(GRADES)),
        expected=share[rows],
    )
