"""The network as a page that one can search, filter and click."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Literal

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import key_of_group
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._text import checked_file
from scregnet._validate import check_choice, check_integer, seed_of
from scregnet.get._graph import to_graph
from scregnet.pl._html.page import NetworkPage, make_page
from scregnet.pl._network.layout import LAYOUTS
from scregnet.pl._selection import Amount, choose_links

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

# A page can be searched and filtered: it holds more than a picture.
PAGE = Amount(tfs=25, known=10, new=10, first=500, most=10_000)


@doc
def grn_html(
    adata: AnnData | MuData,
    path: str | PathLike[str] | None = None,
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
    title: str | None = None,
    theme: Literal["auto", "light", "dark"] = "auto",
    height: int = 600,
) -> NetworkPage:
    """Make an interactive page of a fitted network: one file, which needs no connection.

    Drag and zoom; search a gene; filter by probability, lift, TF, and known or new; click a gene
    for its regulon and its regulators, a link for what is known of it; save the picture as PNG.
    Names of genes are shown as text and are never run.

    Without a filter, it holds a mixture: of up to 25 TFs, the ten most probable known links and
    the ten new ones with the highest lift. With a filter, it holds the links that pass: the first
    500 with ``top_n="auto"``, all with ``top_n=None``. The page says how many are left out.

    Parameters
    ----------
    %(adata)s
    path
        File to write, such as ``"network.html"``; ``None`` writes none.
    %(key)s
    %(group)s
    %(links)s
    %(gene_symbols)s
    %(mod)s
    layout
        ``"spring"``, ``"kamada_kawai"``, ``"circular"``, ``"shell"`` or ``"bipartite"``.
    %(random_state)s
    title
        Heading of the page; ``None`` takes the name of the network.
    theme
        ``"light"``, ``"dark"``, or ``"auto"``: what the reader's system asks for.
    height
        Height in a notebook, in pixels.

    Returns
    -------
    The page, which a notebook shows. ``.html`` is its text, ``.save(path)`` writes it.

    Raises
    ------
    KeyError
        ``key``, ``group`` or a gene is unknown.
    TypeError
        ``path`` is no path.
    ValueError
        No link passes the filters, more than 10,000 do, or an argument is out of range.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> page = sr.pl.grn_html(adata, top_n=100)
    """
    if path is not None:
        # Before the page is made.
        checked_file("path", path)
    random_state = seed_of(random_state)
    check_choice("layout", layout, LAYOUTS)
    check_choice("theme", theme, ("auto", "light", "dark"))
    check_integer("height", height, minimum=100)
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
    chosen = choose_links(adata, key, gene_symbols, filters, PAGE)
    n_hidden = chosen.n_found - len(chosen.links)
    logger.info(
        "page of %d of %d links; %d left out (%s)",
        len(chosen.links),
        chosen.n_found,
        n_hidden,
        chosen.how,
    )
    text = make_page(
        to_graph(adata, key, chosen.links, gene_symbols),
        title=f"Gene regulatory network: {key}" if title is None else str(title),
        note=f"{n_hidden:,} of {chosen.n_found:,} are not on this page" if n_hidden else "",
        theme=theme,
        layout=layout,
        random_state=random_state,
    )
    page = NetworkPage(text, height)
    if path is not None:
        page.save(path)
    return page
