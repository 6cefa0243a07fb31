"""The network as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import regulators
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._validate import check_choice
from scregnet.get._graph import to_graph
from scregnet.get._grn import select_links
from scregnet.pl._figure import finish, panels
from scregnet.pl._layout import LAYOUTS
from scregnet.pl._network import Style, draw_network

if TYPE_CHECKING:
    import networkx as nx
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

_MOST_LINKS = 5000


@doc
def grn(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    sources: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    top_n: int | None = 50,
    threshold: float | None = None,
    new_only: bool = False,
    layout: str = "spring",
    random_state: int | None = 0,
    labels: bool | Sequence[str] = True,
    legend: bool = True,
    title: str | None = None,
    tf_color: str = "#0072B2",
    target_color: str = "#F2C75C",
    known_color: str = "#6E6E6E",
    new_color: str = "#D55E00",
    node_size: float = 9.0,
    font_size: float | None = None,
    mod: str = "rna",
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | Axes | None:
    """Draw the most probable links of a fitted network.

    TFs are squares, other genes circles. Links of the prior are solid, new ones dashed and in another colour; the arrow runs
    from the regulator to its target and is the wider the more probable the link is.

    Parameters
    ----------
    %(adata)s
    %(key)s
    sources
        Regulators to draw, one name or several; ``None`` takes all.
    targets
        Target genes to draw, one name or several; ``None`` takes all.
    top_n
        Number of links to draw, the most probable ones of those that pass everything else; ``None`` draws all.
    threshold
        Least probability of a link that is drawn, between 0 and 1.
    new_only
        Leave out the links that are labelled positive, that is, those of the prior.
    layout
        ``"spring"``, ``"kamada_kawai"``, ``"circular"``, ``"shell"`` (TFs inside) or ``"bipartite"`` (TFs on the left).
    %(random_state)s
    labels
        ``True`` labels all nodes, ``False`` none; or the names of the genes to label.
    legend
        Explain shapes, colours and widths beside the network.
    title
        Title of the axes.
    tf_color
        Colour of TFs.
    target_color
        Colour of genes that are no TFs.
    known_color
        Colour of links of the prior.
    new_color
        Colour of links that are not in the prior.
    node_size
        Diameter of a target in points; the squares of TFs are 1.4 times as wide.
    font_size
        Size of the labels in points; ``None`` takes 0.75 of matplotlib's ``font.size``.
    %(mod)s
    %(ax)s
    %(figure)s

    Returns
    -------
    %(plot_returns)s

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or a name is not in ``adata.var_names``.
    ValueError
        No link passes the filters, more than 5,000 do, or ``layout`` is not known.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated()
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.pl.grn(adata, top_n=30)
    """
    import matplotlib as mpl

    check_choice("layout", layout, LAYOUTS)
    graph = _selected(
        resolve(adata, mod),
        key,
        sources=sources,
        targets=targets,
        top_n=top_n,
        threshold=threshold,
        new_only=new_only,
    )
    named = _named(graph, labels=labels)

    (one,) = panels(ax, 1, figsize=figsize, dpi=dpi, default_size=(7.6, 5.6))
    one.set_axis_off()
    if title is not None:
        one.set_title(title)
    style = Style(
        tf_color=tf_color,
        target_color=target_color,
        known_color=known_color,
        new_color=new_color,
        node_size=node_size,
        font_size=0.75 * float(mpl.rcParams["font.size"]) if font_size is None else font_size,
    )
    draw_network(
        one, graph, style, layout=layout, random_state=random_state, named=named, legend=legend
    )
    return finish([one], given=ax is not None, show=show, save=save, return_fig=return_fig)


def _selected(adata: AnnData, key: str, **filters: Any) -> nx.DiGraph:
    """Return the graph to draw and say how much of the network it leaves out."""
    links, n_found = select_links(adata, key, **filters)
    if len(links) == 0:
        given = ", ".join(
            f"{name}={value!r}" for name, value in filters.items() if value not in (None, False)
        )
        msg = f"no link of adata.uns[{key!r}] passes {given}; lower threshold or name more genes."
        raise ValueError(msg)
    if len(links) > _MOST_LINKS:
        msg = f"{len(links):,} links are too many to draw (at most {_MOST_LINKS:,}); set top_n= or threshold=."
        raise ValueError(msg)
    logger.info(
        "drew %d of %d links; %d hidden (top_n=%s)",
        len(links),
        n_found,
        n_found - len(links),
        filters["top_n"],
    )
    return to_graph(links, adata.var_names[regulators(adata, key)])


def _named(graph: nx.DiGraph, *, labels: bool | Sequence[str]) -> np.ndarray:
    """Which nodes get a label."""
    if isinstance(labels, bool):
        return np.full(len(graph), labels)
    wanted = {labels} if isinstance(labels, str) else set(labels)
    return np.array([node in wanted for node in graph])
