"""One page of a fit, for a colleague or a reviewer."""

from __future__ import annotations

from datetime import UTC, datetime
from os import PathLike
from typing import TYPE_CHECKING

from scregnet._anndata.access import check_names, resolve
from scregnet._anndata.groups import groups_of
from scregnet._anndata.slots import check_genes, fitted, keys_by_group
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._report.html import Html, join, paragraph
from scregnet._report.page import ReportPage, make_page
from scregnet._report.sections import SECTIONS
from scregnet._report.subject import Member, Subject
from scregnet._text import checked_file
from scregnet._validate import check_integer, listed
from scregnet.get._names import shown_names

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@doc
def report(
    adata: AnnData | MuData,
    path: str | PathLike[str] | None = None,
    *,
    key: str = "grn",
    group: str | None = None,
    controls: pd.DataFrame | None = None,
    groupby: str | None = None,
    n_links: int = 15,
    gene_symbols: str | None = None,
    title: str | None = None,
    note: str | None = None,
    mod: str = "rna",
) -> ReportPage:
    """Make one page of a fitted network, for a colleague or a reviewer.

    The page has the data, the known network, a check of the labelled pairs, the metrics next to the
    null models, controls, calibration, training, pictures, the best new links with what speaks for
    them, activities of TFs, parameters, versions and what to cite. What was not run is named, with
    the call that runs it. It is one file that loads nothing and runs no script, can be read on a
    phone and printed.

    Parameters
    ----------
    %(adata)s
    path
        File to write, such as ``"report.html"``; ``None`` writes none.
    %(key)s
    group
        Group to tell of, if the network was fitted with ``groupby``; ``None`` tells of all.
    controls
        What :func:`scregnet.bm.controls` returned for this fit, which ``adata`` does not hold.
    groupby
        Column of ``adata.obs``: count cells and average activities of TFs for each of its
        categories. ``None`` takes that of the fit, or all cells together.
    n_links
        New links to list, by probability and by lift each.
    %(gene_symbols)s
    title
        Heading of the page; ``None`` takes the name of the network.
    note
        Text below the heading, such as what the data are.
    %(mod)s

    Returns
    -------
    The page, which a notebook shows. ``.html`` is its text, ``.save(path)`` writes it. ``adata`` is
    not changed.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, no such ``group``, or no such column.
    TypeError
        ``path`` is no path, or ``controls`` no frame.
    ValueError
        The genes have other names than at the fit, ``controls`` is another frame, or ``n_links`` is
        below 1.
    FileNotFoundError
        The folder of ``path`` does not exist.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> page = sr.report(adata, "report.html")
    """
    # Before any work.
    file = None if path is None else checked_file("path", path)
    check_integer("n_links", n_links, minimum=1)
    data = resolve(adata, mod)
    check_names(data)
    _check_controls(controls)
    members = [
        Member(data, name, member, fitted(data, member), gene_symbols)
        for name, member in keys_by_group(data, key, group).items()
    ]
    for member in members:
        check_genes(data, member.key)
    shown_names(data, gene_symbols)
    if groupby is None:
        own = data.uns[key].get("groupby") or members[0].params.get("groupby")
        groupby = str(own) if own is not None and str(own) in data.obs else None
    if groupby is not None:
        groups_of(data, groupby)
    subject = Subject(data, key, members, gene_symbols, groupby, n_links, controls)
    page = ReportPage(_text(subject, title, note))
    if file is not None:
        page.save(file)
        logger.info("report: %s kB in %r", f"{len(page.html.encode()) / 1000:,.0f}", str(file))
    return page


def _check_controls(controls: object) -> None:
    """Raise unless this is a table of :func:`scregnet.bm.controls`."""
    import pandas as pd

    if controls is None:
        return
    what = "what sr.bm.controls returned"
    if not isinstance(controls, pd.DataFrame):
        msg = f"controls must be {what}, got {type(controls).__name__}."
        raise TypeError(msg)
    names = pd.Series(controls.get("control", controls.index))
    needed = ["difference", "difference_low", "difference_high"]
    needed += ["metric", "value"] if "control" in controls else []
    lacking = [name for name in needed if name not in controls]
    if lacking or "full" not in set(names.astype(str)):
        said = f"it lacks the columns {listed(lacking)}" if lacking else "it has no row 'full'"
        msg = f"controls must be {what}: {said}."
        raise ValueError(msg)


def _text(subject: Subject, title: str | None, note: str | None) -> str:
    heading = f"Gene regulatory network: {subject.key}" if title is None else str(title)
    told = (section(subject) for section in SECTIONS)
    return make_page(
        heading,
        _lead(subject, note),
        [one for one in told if one is not None],
        paragraph(
            "Written by scregnet, ",
            datetime.now(UTC).strftime("%d %B %Y"),
            ". This page is one file: it loads nothing and runs no script.",
        ),
    )


def _lead(subject: Subject, note: str | None) -> Html:
    adata, method = subject.adata, subject.first.method
    of_groups = (
        f", one network for each of {len(subject.members)} groups" if subject.is_grouped else ""
    )
    if subject.is_grouped and len(subject.members) == 1:
        of_groups = f", group {subject.first.group}"
    return join(
        paragraph(
            f"Method {method}, {adata.n_obs:,} cells × {adata.n_vars:,} genes{of_groups}.",
        ),
        None if note is None else paragraph(note),
    )
