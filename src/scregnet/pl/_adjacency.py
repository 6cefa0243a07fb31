"""TFs against targets as a clustered heat map."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import key_of_group, network
from scregnet._docs import doc
from scregnet._validate import check_choice, check_integer
from scregnet.get._names import find_genes, shown_names
from scregnet.get._select import select_links
from scregnet.pl._figure import check_map, finish, panels

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData


@doc
def adjacency(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    group: str | None = None,
    sources: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    by: Literal["probability", "lift"] = "probability",
    n_sources: int = 25,
    n_targets: int = 50,
    gene_symbols: str | None = None,
    palette: str | None = None,
    mod: str = "rna",
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | Axes | None:
    """Draw the links of TFs with genes as a heat map, similar ones next to another.

    Dots are known edges. Links that the network does not hold are grey. By ``"probability"``, whole
    rows and columns often look alike: that is popularity. ``"lift"`` takes it away.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(group)s
    sources, targets
        TFs and genes to choose from, one name or several; ``None`` takes all.
    by
        What the colour tells: ``"probability"``, or ``"lift"`` over the null model.
    n_sources, n_targets
        Number of TFs and genes: those with the largest sums of probabilities over all links, or of
        positive lift over the chosen TFs.
    %(gene_symbols)s
    palette
        Name of a colour map of matplotlib; ``None`` takes one that colour-blind readers can read.
    %(mod)s
    %(ax)s
    %(figure)s

    Returns
    -------
    %(plot_returns)s

    Raises
    ------
    KeyError
        ``key``, ``group`` or a gene is unknown.
    ValueError
        A source is not a candidate TF, a number is out of range, there are no links, or there is no
        null model for ``by="lift"``.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.pl.adjacency(adata, n_sources=10)
    """
    check_choice("by", by, ("probability", "lift"))
    check_integer("n_sources", n_sources, minimum=1)
    check_integer("n_targets", n_targets, minimum=1)
    adata = resolve(adata, mod)
    key = key_of_group(adata, key, group)
    chosen = _hubs(adata, key, sources, targets, n_sources, gene_symbols)
    links, _ = select_links(
        adata, key, sources=chosen, targets=targets, by=by, gene_symbols=gene_symbols
    )
    if len(links) == 0:
        msg = f"adata.uns[{key!r}] holds no links of these sources with these targets."
        raise ValueError(msg)
    value = "lift" if by == "lift" else "score" if "score" in links else "weight"
    table, known = _table(links, value, n_targets)
    size = (2.8 + 0.16 * table.shape[1], 1.9 + 0.19 * table.shape[0])
    (one,) = panels(ax, 1, figsize=figsize, dpi=dpi, default_size=size, save=save)
    _draw(one, table, known, value, palette)
    return finish([one], given=ax is not None, show=show, save=save, return_fig=return_fig)


def _hubs(
    adata: AnnData,
    key: str,
    sources: str | Sequence[str] | None,
    targets: str | Sequence[str] | None,
    n: int,
    gene_symbols: str | None,
) -> list[str]:
    """Return the names of the sources with the largest sums of probabilities over the targets."""
    shown = shown_names(adata, gene_symbols)
    matrix = network(adata, key)
    find = lambda argument, names: find_genes(argument, names, adata, gene_symbols, shown)
    if targets is not None:
        matrix = matrix[:, find("targets", targets)]
    total = np.asarray(matrix.sum(axis=1)).ravel()
    rows = np.flatnonzero(np.diff(matrix.indptr)) if sources is None else find("sources", sources)
    rows = np.asarray(rows)
    return [str(shown[i]) for i in rows[np.argsort(-total[rows], kind="stable")[:n]]]


def _table(links: pd.DataFrame, value: str, n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return sources × the targets with the largest sums, clustered; and which edges are known."""
    links = links.astype({"source": str, "target": str})
    table = links.pivot(index="source", columns="target", values=value).astype(float)
    gains = table.clip(lower=0).sum().sort_values(ascending=False, kind="stable")
    table = table[gains.index[:n]]
    table = table.iloc[_clustered(table.to_numpy())].iloc[:, _clustered(table.to_numpy().T)]
    known = links.pivot(index="source", columns="target", values="in_prior")
    return table, known.reindex(index=table.index, columns=table.columns).eq(True)


def _clustered(values: np.ndarray) -> np.ndarray:
    """Return the order of rows by average linkage, similar leaves next to another."""
    from scipy.cluster.hierarchy import leaves_list, linkage

    if len(values) < 3:
        return np.arange(len(values))
    return leaves_list(linkage(np.nan_to_num(values), "average", optimal_ordering=True))


def _draw(
    ax: Axes, table: pd.DataFrame, known: pd.DataFrame, value: str, palette: str | None
) -> None:
    values = table.to_numpy()
    look: dict[str, Any] = {"cmap": check_map(palette, "Blues"), "vmin": 0}
    if value == "weight":
        look["vmax"] = 1
    elif value == "lift":
        # The most of all but the extreme ones: one link must not make all others pale.
        most = float(np.nanpercentile(np.abs(values), 99)) or 1.0
        look = {"cmap": check_map(palette, "PuOr_r"), "vmin": -most, "vmax": most}
    ax.set_facecolor("0.8")
    image = ax.imshow(values, aspect="auto", interpolation="nearest", **look)
    rows, columns = np.nonzero(known.to_numpy())
    ax.scatter(
        columns, rows, s=7, c="white", edgecolors="black", linewidths=0.5, label="known edge"
    )
    for axis, names in ((ax.xaxis, table.columns), (ax.yaxis, table.index)):
        axis.set_ticks(np.arange(len(names)), [name.replace("$", r"\$") for name in names])
    ax.tick_params(axis="x", rotation=90, labelsize="x-small", length=0)
    ax.tick_params(axis="y", labelsize="small", length=0)
    ax.set(xlabel="target", ylabel="TF")
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.6, pad=0.02)
    bar.set_label(
        {"weight": "probability", "lift": "lift (difference of logits)"}.get(value, value)
    )
    if len(rows):
        ax.legend(
            loc="lower right", bbox_to_anchor=(1, 1), fontsize="small", frameon=False, borderpad=0
        )
