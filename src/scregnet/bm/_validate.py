"""Does a fitted network say what changes when a TF is perturbed?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, resolve
from scregnet._anndata.slots import check_genes, key_of_group, network
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._validate import check_flags, check_integer, seed_of
from scregnet.bm._effects.permuted import areas, by_permuted_targets, by_permuted_tfs, p_value
from scregnet.bm._effects.rankings import POPULARITY, SAME_FOR_ALL, rankings
from scregnet.bm._effects.tested import Tested, placed_tests
from scregnet.metrics import auprc

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

_N_BOOTSTRAP = 1000


@doc
def validate(
    adata: AnnData | MuData,
    perturbations: pd.DataFrame,
    *,
    key: str = "grn",
    group: str | None = None,
    per_tf: bool = False,
    min_affected: int = 5,
    n_permutations: int = 1000,
    layer: str | None = None,
    gene_symbols: str | None = None,
    random_state: int | None = 0,
    mod: str = "rna",
) -> pd.DataFrame:
    """Compare a fitted network with what changed when TFs were perturbed, beside null models.

    For each perturbed TF, its tested genes are ranked by the network; the question is whether those
    that changed come first. See :doc:`/results/perturbation`.

    Parameters
    ----------
    %(adata)s
    perturbations
        Frame of :func:`scregnet.datasets.perturbation` or
        :func:`scregnet.bm.effects_from_perturbseq`. Not the labels of the fit, unless it has folds.
    %(key)s
    %(group)s
    per_tf
        Return one row per model and TF, for :func:`scregnet.pl.validation`.
    min_affected
        TFs with fewer genes that changed, or fewer that did not, are left out.
    n_permutations
        Number of permutations of each kind.
    %(layer)s For expression and co-expression.
    gene_symbols
        Column of ``adata.var`` with the names that ``perturbations`` uses; ``None`` takes
        ``adata.var_names``.
    %(random_state)s
    %(mod)s

    Returns
    -------
    Frame with one row per model: the method of the fit, its null models, and

    - ``known edges``: the labels of the fit. For this and for null models that were written for
      labelled pairs only, TFs count whose tested pairs all have a label;
    - ``popularity``: share of the perturbations of other TFs that change the gene;
    - ``expression``: mean expression of the gene;
    - ``coexpression``: absolute correlation with the TF.

    Columns, all means over TFs:

    - ``n_tfs``: number of TFs that the model says something of;
    - ``auroc``, ``auprc``, ``prevalence``, and ``auroc_low``, ``auroc_high``, the 95 %% interval
      of a bootstrap of TFs;
    - ``difference``, ``difference_low``, ``difference_high``: AUROC minus that of ``popularity``
      for the same TFs;
    - ``p_targets``: share of permutations of the targets of each TF with as high an AUROC;
    - ``p_tfs``: the same of permutations of the rows of TFs, which keep how popular targets are;
      NaN for models that rank the targets of all TFs alike.

    With ``per_tf``: ``model``, ``tf``, ``n_tested``, ``n_affected``, ``auroc``, ``auprc``,
    ``prevalence``. ``adata`` is not changed.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or no such ``group``.
    TypeError, ValueError
        ``perturbations`` is another frame, none of its TFs is in the network or has enough genes
        that changed, or a number is out of range.

    Examples
    --------
    >>> import scregnet as sr
    >>> tfs = [f"TF{number:03d}" for number in range(1, 9)]
    >>> adata = sr.datasets.simulated(200, 200, n_tfs=12, knockouts=tfs, n_knockout_obs=5)
    >>> sr.tl.fit_grn(adata, adata.uns["binding"], method="degree", n_folds=2)
    >>> table = sr.bm.validate(adata, adata.uns["effects"], n_permutations=100)
    >>> "popularity" in table.index
    True
    """
    random_state = seed_of(random_state)
    data = resolve(adata, mod)
    check_names(data)
    check_flags(per_tf=per_tf)
    check_integer("min_affected", min_affected, minimum=1)
    check_integer("n_permutations", n_permutations, minimum=1)
    key = key_of_group(data, key, group)
    check_genes(data, key)
    allowed = np.diff(network(data, key).indptr) > 0
    given = placed_tests(perturbations, data, allowed, gene_symbols)
    tested = _enough(given, min_affected)
    models = rankings(data, key, tested, layer)
    names = data.var_names[tested.tfs].astype(str)
    rows = pd.concat([_per_tf(name, values, tested, names) for name, values in models.items()])
    rows = rows.reset_index(drop=True)
    if per_tf:
        return rows
    rng = np.random.default_rng(random_state)
    return _summary(rows, models, tested, n_permutations, rng)


def _enough(tested: Tested, least: int) -> Tested:
    """Return the TFs with enough genes of both kinds."""
    n_affected = tested.affected.sum(axis=1)
    rarer = np.minimum(n_affected, tested.is_tested.sum(axis=1) - n_affected)
    keep = rarer >= least
    if not keep.any():
        msg = (
            f"min_affected={least}: none of the {len(keep)} perturbed TFs of the network has so "
            f"many genes that changed, and that did not; the most is {rarer.max()}."
        )
        raise ValueError(msg)
    logger.info(
        "validate: %d of %d perturbed TFs have %d genes that changed, and that did not",
        *(int(keep.sum()), len(keep), least),
    )
    return tested.take(keep)


def _per_tf(model: str, values: np.ndarray, tested: Tested, names: pd.Index) -> pd.DataFrame:
    """Return the figures of one model, one row a TF; TFs of which it says nothing are left out."""
    has = ~np.isnan(values).any(axis=1)
    own = tested.take(has)
    n_tested, n_affected = own.is_tested.sum(axis=1), own.affected.sum(axis=1)
    precision = [
        auprc(affected[is_tested], row[is_tested])
        for row, is_tested, affected in zip(values[has], own.is_tested, own.affected, strict=True)
    ]
    return pd.DataFrame(
        {
            "model": model,
            "tf": names[has],
            "n_tested": n_tested,
            "n_affected": n_affected,
            "auroc": np.diag(areas(own, values[has])),
            "auprc": precision,
            "prevalence": n_affected / n_tested,
        }
    )


def _summary(
    rows: pd.DataFrame,
    models: dict[str, np.ndarray],
    tested: Tested,
    n_permutations: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return means over TFs, with intervals and p-values."""
    popularity = rows[rows["model"] == POPULARITY].set_index("tf")["auroc"]
    found = {}
    for model, values in models.items():
        own = rows[rows["model"] == model]
        if own.empty:
            continue
        has = ~np.isnan(values).any(axis=1)
        auroc = own["auroc"].to_numpy()
        difference = auroc - popularity.loc[own["tf"]].to_numpy()
        drawn = rng.integers(len(auroc), size=(_N_BOOTSTRAP, len(auroc)))
        some, part = tested.take(has), values[has]
        by_targets = by_permuted_targets(some, part, n_permutations, rng)
        p_tfs = np.nan
        if model not in SAME_FOR_ALL:
            by_tfs = by_permuted_tfs(areas(some, part), n_permutations, rng)
            p_tfs = p_value(auroc.mean(), by_tfs)
        found[model] = {
            "n_tfs": len(own),
            **_interval("auroc", auroc, drawn),
            "auprc": own["auprc"].mean(),
            "prevalence": own["prevalence"].mean(),
            **_interval("difference", difference, drawn),
            "p_targets": p_value(auroc.mean(), by_targets),
            "p_tfs": p_tfs,
        }
    return pd.DataFrame.from_dict(found, orient="index").astype({"n_tfs": int})


def _interval(name: str, values: np.ndarray, drawn: np.ndarray) -> dict[str, float]:
    """Return a mean and its 95 % interval over resamples."""
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return {name: values.mean(), f"{name}_low": low, f"{name}_high": high}
