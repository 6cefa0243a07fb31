"""What changed in cells in which a TF was perturbed, next to control cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._anndata.access import check_names, resolve
from scregnet._anndata.features import log_normalised
from scregnet._docs import doc
from scregnet._genes.effects import check_kind, effects_frame, false_discovery_rates
from scregnet._genes.names import gene_ids
from scregnet._logging import logger
from scregnet._validate import (
    check_choice,
    check_flags,
    check_integer,
    check_interval,
    listed,
    shortened,
)

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

_TESTS = ("t-test", "wilcoxon")
# Counts per ten thousand that are added to both sides of a fold change: that of a gene that is not
# seen on one side stays finite.
_PSEUDOCOUNT = 0.1


@doc
def effects_from_perturbseq(
    adata: AnnData | MuData,
    perturbation_key: str = "perturbation",
    control: str = "control",
    *,
    kind: Literal["loss", "gain"] = "loss",
    test: Literal["t-test", "wilcoxon"] = "t-test",
    replicate: str | None = None,
    max_q: float = 0.05,
    min_effect: float = 0.0,
    min_cells: int = 10,
    centre: bool = True,
    layer: str | None = None,
    gene_symbols: str | None = None,
    mod: str = "rna",
) -> pd.DataFrame:
    """Test which genes changed in cells in which a TF was perturbed.

    Each perturbation is compared with the control cells by scanpy's ``rank_genes_groups``.

    Parameters
    ----------
    %(adata)s
    perturbation_key
        Column of ``adata.obs`` with the perturbed TF of each cell. Other cells, such as those with
        several guides, have a missing value there.
    control
        Its value in control cells.
    kind
        How the TFs were perturbed: ``"loss"`` (knocked out or down) or ``"gain"`` (more of it).
    test
        ``"t-test"`` (Welch's) or ``"wilcoxon"`` (rank sum, ties corrected).
    replicate
        Column of ``adata.obs`` with the sample of each cell. The normalised counts of the cells of
        one perturbation and sample are then averaged, and samples are tested, not cells: cells of
        one sample are no independent tests. Two samples at least of each perturbation.
    max_q, min_effect
        Highest ``q`` and lowest absolute effect of a gene that changed.
    min_cells
        A gene that fewer cells of both sides together express is not tested.
    centre
        Let the median gene not change: where many genes fall, normalised values of all others rise.
        A perturbation that changes half of all genes is not for this.
    %(layer)s Raw counts become log1p of counts per 10,000.
    gene_symbols
        Column of ``adata.var`` with the names to give; ``None`` takes ``adata.var_names``.
    %(mod)s

    Returns
    -------
    Frame of :func:`scregnet.datasets.perturbation`: one row per perturbed TF and tested gene.
    ``effect`` is a log2 fold change, ``q`` the p-value adjusted by Benjamini and Hochberg within
    each TF. ``adata`` is not changed.

    Raises
    ------
    KeyError
        ``adata.obs`` has no such column.
    ValueError
        There are no cells of ``control`` or of a perturbation, or too few to test.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(200, 100, knockouts=["TF001"])
    >>> effects = sr.bm.effects_from_perturbseq(adata)
    >>> effects["source"].unique().tolist()
    ['TF001']
    """
    data = resolve(adata, mod)
    check_names(data)
    check_kind(kind)
    check_flags(centre=centre)
    check_choice("test", test, _TESTS)
    check_interval("max_q", max_q, 0, 1, closed="right")
    check_interval("min_effect", min_effect, 0, np.inf, closed="left")
    check_integer("min_cells", min_cells, minimum=1)
    cells, groups = _groups(data, perturbation_key, control)
    samples = None if replicate is None else _column(data, "replicate", replicate)[cells]
    what = perturbation_key if replicate is None else f"{perturbation_key} × {replicate}"
    names = gene_ids(data, gene_symbols).to_numpy(dtype=object)
    normalised, _ = log_normalised(data, layer, cells)
    values = normalised.expm1()
    seen, mean = _by_group(normalised != 0, groups), _by_group(values, groups, average=True)
    if samples is not None:
        values, groups = _averaged(values, groups, samples)
    _check_sizes(groups, what)
    if centre:
        factors = _factors(mean, control)
        mean = mean.mul(factors, axis=0)
        values = sp.csr_matrix(sp.diags_array(factors.to_numpy()[groups.codes]) @ values)
    tfs = [name for name in groups.categories if name != control]
    p = _p_values(values.log1p(), groups, tfs, control, test)
    tables = []
    for tf in tfs:
        tested = (seen.loc[tf] + seen.loc[control] >= min_cells).to_numpy() & np.isfinite(p[tf])
        # That a TF changes when it is perturbed says nothing of a link.
        tested &= pd.notna(names) & (names != tf)
        change = np.log2((mean.loc[tf] + _PSEUDOCOUNT) / (mean.loc[control] + _PSEUDOCOUNT))
        own = {"target": names[tested], "effect": change.to_numpy()[tested], "p": p[tf][tested]}
        tables.append(pd.DataFrame({"source": tf, **own}))
    table = pd.concat(tables, ignore_index=True)
    q = false_discovery_rates(table["p"].to_numpy(), table["source"].to_numpy())
    affected = (q <= max_q) & (table["effect"].abs().to_numpy() >= min_effect)
    logger.info(
        "effects_from_perturbseq: %d TFs; %s of %s tested pairs are affected",
        *(len(tfs), f"{int(affected.sum()):,}", f"{len(table):,}"),
    )
    known = {"effect": table["effect"].to_numpy(), "p": table["p"].to_numpy(), "q": q}
    return effects_frame(table["source"], table["target"], affected=affected, kind=kind, **known)


def _column(data: AnnData, argument: str, name: object) -> np.ndarray:
    """Return a column of ``adata.obs`` as it is, or raise."""
    if not isinstance(name, str) or name not in data.obs:
        msg = (
            f"{argument}={shortened(name)} is not a column of adata.obs; "
            f"it has {listed(data.obs.columns)}."
        )
        raise KeyError(msg)
    return data.obs[name].to_numpy(dtype=object)


def _groups(
    data: AnnData, perturbation_key: str, control: str
) -> tuple[np.ndarray, pd.Categorical[str]]:
    """Return the positions of the cells that have a group, and their groups."""
    column = _column(data, "perturbation_key", perturbation_key)
    cells = np.flatnonzero(pd.notna(column))
    groups = pd.Categorical(column[cells].astype(str))
    if control not in groups.categories or len(groups.categories) < 2:
        msg = (
            f"control={shortened(control)}: adata.obs[{perturbation_key!r}] must hold it and one "
            f"perturbed TF or more; it has {listed(groups.categories)}."
        )
        raise ValueError(msg)
    return cells, groups


def _by_group(
    values: sp.csr_matrix, groups: pd.Categorical[str], *, average: bool = False
) -> pd.DataFrame:
    """Return sums, or means, of the rows of each group."""
    belongs = sp.csr_matrix(
        (np.ones(len(groups)), (groups.codes, np.arange(len(groups)))),
        shape=(len(groups.categories), len(groups)),
    )
    total = (belongs @ values).toarray()
    if average:
        total = total / np.bincount(groups.codes)[:, None]
    return pd.DataFrame(total, index=groups.categories)


def _averaged(
    values: sp.csr_matrix, groups: pd.Categorical[str], samples: np.ndarray
) -> tuple[sp.csr_matrix, pd.Categorical[str]]:
    """Return the mean profile of each group and sample, and its group."""
    pairs = pd.MultiIndex.from_arrays([groups.codes, samples.astype(str)])
    number, found = pd.factorize(pairs)
    labels = pd.Categorical.from_codes(number, pd.Index([str(n) for n in range(len(found))]))
    means = _by_group(values, labels, average=True)
    codes = found.get_level_values(0).to_numpy()
    return sp.csr_matrix(means.to_numpy()), pd.Categorical.from_codes(codes, groups.categories)


def _check_sizes(groups: pd.Categorical[str], what: str) -> None:
    """Raise unless each group can be tested."""
    sizes = pd.Series(groups).value_counts()
    few = sizes[sizes < 2]
    if len(few):
        msg = (
            f"{what}: a test needs two or more of each group, and {listed(few.index, 5)} has "
            f"{int(few.iloc[0])}. Leave such cells out."
        )
        raise ValueError(msg)


def _factors(mean: pd.DataFrame, control: str) -> pd.Series:
    """Return what each group is multiplied with so that its median gene does not change.

    The better half of the expressed genes tell it: ratios of the others are mostly noise.
    """
    values = mean.to_numpy() + _PSEUDOCOUNT
    own = values[mean.index.get_loc(control)]
    there = own > _PSEUDOCOUNT
    if not there.any():
        # Of genes that no cell of the control has, there is none to go by.
        return pd.Series(1.0, mean.index)
    expressed = own > np.median(own[there])
    # One gene, or all alike: none is above the median.
    expressed = expressed if expressed.any() else there
    return pd.Series(1 / np.median(values[:, expressed] / own[expressed], axis=1), mean.index)


def _p_values(
    values: sp.csr_matrix, groups: pd.Categorical[str], tfs: list[str], control: str, test: str
) -> dict[str, np.ndarray]:
    """Return the p-value of each gene for each TF, in the order of the genes."""
    import scanpy as sc
    from anndata import AnnData

    n_genes = values.shape[1]
    cells = AnnData(
        values,
        obs=pd.DataFrame({"group": groups}, index=[str(row) for row in range(len(groups))]),
        var=pd.DataFrame(index=[str(gene) for gene in range(n_genes)]),
    )
    how = {"reference": control, "method": test, "tie_correct": test == "wilcoxon"}
    # A gene with one value in all cells has no rank sum: p is missing, and scanpy divides by 0.
    with np.errstate(divide="ignore", invalid="ignore"):
        sc.tl.rank_genes_groups(cells, "group", groups=tfs, use_raw=False, n_genes=n_genes, **how)
    found = cells.uns["rank_genes_groups"]
    p_values = {}
    for tf in tfs:
        p_values[tf] = np.full(n_genes, np.nan)
        p_values[tf][found["names"][tf].astype(int)] = found["pvals"][tf]
    return p_values
