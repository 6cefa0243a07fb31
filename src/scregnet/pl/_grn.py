"""The network as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Literal

import numpy as np

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import key_of_group
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._validate import (
    check_choice,
    check_flags,
    name_list,
    seed_of,
)
from scregnet.get._graph import to_graph
from scregnet.get._names import find_genes, shown_names
from scregnet.pl._figure import finish, panels
from scregnet.pl._network.draw import draw_network
from scregnet.pl._network.fill import fill_of
from scregnet.pl._network.layout import LAYOUTS
from scregnet.pl._network.style import Style, network_colours
from scregnet.pl._selection import choose_links

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData


@doc
def grn(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    group: str | None = None,
    sources: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    by: Literal["probability", "lift"] | None = None,
    threshold: float | None = None,
    min_lift: float | None = None,
    max_q: float | None = None,
    top_n: int | Literal["auto"] | None = "auto",
    top_n_targets: int | None = None,
    new_only: bool = False,
    gene_symbols: str | None = None,
    mod: str = "rna",
    layout: str = "spring",
    random_state: int | None = 0,
    color: str | pd.Series | None = None,
    labels: bool | Sequence[str] = True,
    legend: bool = True,
    title: str | None = None,
    palette: Mapping[str, str] | None = None,
    node_size: float = 9.0,
    font_size: float | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | Axes | None:
    """Draw links of a fitted network.

    Without a filter, it draws a readable mixture: of up to six TFs, the three most probable known
    links and the five new ones with the highest lift (:ref:`lift`). With a filter, it draws the
    links that pass: the first 50 with ``top_n="auto"``, all with ``top_n=None``. ``by=None`` takes
    the probability. The log, at level info, says how many links are left out.

    TFs are squares. New links are dashed. Wider arrows are more probable links. A bar in place of
    an arrow head marks a repressing link (negative ``sign``).

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(group)s
    %(links)s
    %(gene_symbols)s
    %(mod)s
    layout
        ``"spring"``, ``"kamada_kawai"``, ``"circular"``, ``"shell"`` or ``"bipartite"``.
    %(random_state)s
    color
        What colours the nodes, in place of TF and target: a column of ``adata.var``, or
        ``"module"`` for what :func:`scregnet.tl.network_stats` wrote of this network; or a series
        by gene, such as mean activities of TFs. Numbers of both signs are coloured around 0.
    labels
        Label the nodes, TFs and hubs first, as far as there is room; none; or the genes with
        these names in any case.
    legend, title
        Whether to explain shapes, colours and widths; title of the axes.
    palette
        Colours of ``"TF"``, ``"target"``, ``"known"`` and ``"new"``, or of some of them.
    node_size, font_size
        Diameter of targets (TFs are 1.4 times as wide) and size of labels in points;
        ``font_size=None`` takes 0.75 of matplotlib's.
    %(ax)s
    %(figure)s

    Returns
    -------
    %(plot_returns)s

    Raises
    ------
    KeyError
        ``key``, ``group``, ``color`` or a gene is unknown, that of a label too, or several genes
        have the name that is given.
    TypeError
        ``save`` is no path, or ``color`` neither a name nor a series.
    ValueError
        The genes have other names than at the fit, no link passes the filters, more than 5,000 do,
        an argument is missing or out of range, or there is no null model for ``by="lift"`` or
        ``min_lift``.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.pl.grn(adata, top_n=30)
    """
    random_state = seed_of(random_state)
    import matplotlib as mpl

    check_choice("layout", layout, LAYOUTS)
    if font_size is None:
        font_size = 0.75 * float(mpl.rcParams["font.size"])
    check_flags(legend=legend)
    style = Style(network_colours(palette), node_size, font_size)
    adata = resolve(adata, mod)
    key = key_of_group(adata, key, group)
    filters = {
        "sources": sources,
        "targets": targets,
        "by": by,
        "threshold": threshold,
        "min_lift": min_lift,
        "max_q": max_q,
        "top_n": top_n,
        "top_n_targets": top_n_targets,
        "new_only": new_only,
    }
    wanted = _labelled(adata, gene_symbols, labels=labels)
    chosen = choose_links(adata, key, gene_symbols, filters)
    n_drawn, n_hidden = len(chosen.links), chosen.n_found - len(chosen.links)
    logger.info(
        "drew %d of %d links; %d hidden (%s)", n_drawn, chosen.n_found, n_hidden, chosen.how
    )
    graph = to_graph(adata, key, chosen.links, gene_symbols)
    fill = None
    if color is not None:
        fill = fill_of(adata, key, color, shown_names(adata, gene_symbols), list(graph))
    named = np.array([wanted is None or node in wanted for node in graph], dtype=bool)
    (one,) = panels(ax, 1, figsize=figsize, dpi=dpi, default_size=(7.6, 5.6), save=save)
    one.set_axis_off()
    if title is not None:
        one.set_title(title)
    draw_network(
        one,
        graph,
        style,
        layout=layout,
        random_state=random_state,
        named=named,
        keep_all=wanted is not None,
        legend=chosen.summary if legend else None,
        fill=fill,
    )
    return finish([one], given=ax is not None, show=show, save=save, return_fig=return_fig)


def _labelled(
    adata: AnnData, gene_symbols: str | None, *, labels: bool | Sequence[str]
) -> set[str] | None:
    """Return the names of the genes that get a label, ``None`` for all that are drawn."""
    if isinstance(labels, bool):
        return None if labels else set()
    names = name_list("labels", labels)
    if names:
        # Raises for a name that no gene goes by.
        find_genes("labels", names, adata, gene_symbols, shown_names(adata, gene_symbols))
    return set(names)
