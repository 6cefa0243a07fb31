"""What each comparison of groups, or along an order of the cells, found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scregnet import get
from scregnet._report.html import Html, code, join, number, paragraph, table, tag

if TYPE_CHECKING:
    import pandas as pd

    from scregnet._report.subject import Subject


def comparisons(subject: Subject) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the comparisons of these networks that the data hold, by key."""
    keys = {subject.key, *(member.key for member in subject.members)}
    found = []
    for name, entry in subject.adata.uns.items():
        if not isinstance(entry, Mapping) or not {"links", "tfs", "pairs", "params"} <= set(entry):
            continue
        params = entry["params"]
        if isinstance(params, Mapping) and str(params.get("key")) in keys:
            found.append((str(name), entry))
    return found


def compared(subject: Subject, name: str, entry: Mapping[str, Any]) -> Html:
    """Return a comparison: what was asked, the pairs of groups, and what differs."""
    params = entry["params"]
    fdr = float(params.get("fdr", 0.1))
    pairs = get.comparison(subject.adata, "pairs", key=name)
    title = "Change of co-expression "
    title += f"along {params['along']}" if "along" in params else f"by {params.get('groupby')}"
    title += ", over donors" if params.get("donor") is not None else ""
    return join(
        tag("h3", title),
        _asked(name, params, pairs),
        _pairs(pairs, params, fdr),
        _tfs(subject, name, fdr, many=len(pairs) > 1),
        _links(subject, name, fdr, many=len(pairs) > 1),
    )


def _asked(name: str, params: Mapping[str, Any], pairs: pd.DataFrame) -> Html:
    """Return what was permuted, and where the result is."""
    donor = params.get("donor")
    told: list[object]
    if donor is None:
        told = [
            "Cells were permuted. p and q are about these cells: they do not speak of other donors."
        ]
    else:
        least = number(int(pairs["n_permutations"].min()))
        told = [f"Whole donors ({donor}) were permuted, {least} ways."]
        if int(pairs["n_permutations"].min()) < 1 / float(params.get("fdr", 0.1)):
            told.append(" So few donors can hardly show that anything differs.")
    if "along" in params:
        bins = [str(one) for one in params["bins"]]
        told.append(f" Cells are in {len(bins)} bins, first to last: {'; '.join(bins)}.")
    return paragraph(*told, " From ", code(f"uns[{name!r}]"), ".", class_="note")


def _pairs(pairs: pd.DataFrame, params: Mapping[str, Any], fdr: float) -> Html:
    units = "Donors" if params.get("donor") is not None else "Cells"
    rows = [
        (
            _of(row),
            number(int(row["n_a"])),
            number(int(row["n_b"])),
            number(int(row["n_links"])),
            number(int(row["n_changed"])),
            number(row["p"]),
        )
        for _, row in pairs.iterrows()
    ]
    of = "Ends" if "along" in params else "Groups"
    head = (of, f"{units}, first", f"{units}, second", "Links", f"q ≤ {fdr:g}", "p of all")
    return table(head, rows)


def _tfs(subject: Subject, name: str, fdr: float, *, many: bool) -> Html:
    found = get.comparison(subject.adata, "tfs", key=name, max_q=fdr)
    if len(found) == 0:
        return paragraph(f"No TF has q ≤ {fdr:g} over all its links.")
    shown = found.sort_values("p", kind="stable").head(subject.n_links)
    rows = [
        (
            *([_of(row)] if many else []),
            tag("b", row["tf"]),
            number(int(row["n_links"])),
            number(int(row["n_gained"])),
            number(int(row["n_lost"])),
            number(row["p"], 4),
            number(row["q"]),
        )
        for _, row in shown.iterrows()
    ]
    head = ("TF", "Links", "stronger in the second", "weaker", "p", "q")
    return join(
        tag("h4", _count("TF", len(found), len(shown), fdr)),
        table(("Groups", *head) if many else head, rows, texts=(0, 1) if many else (0,)),
    )


def _links(subject: Subject, name: str, fdr: float, *, many: bool) -> Html:
    found = get.comparison(subject.adata, "links", key=name, max_q=fdr)
    if len(found) == 0:
        return paragraph(f"No link has q ≤ {fdr:g}.")
    shown = found.sort_values("p", kind="stable").head(subject.n_links)
    rows = [
        (
            *([_of(row)] if many else []),
            tag("b", row["source"]),
            row["target"],
            number(row["correlation_a"], 2),
            number(row["correlation_b"], 2),
            number(row["p"], 4),
            number(row["q"]),
        )
        for _, row in shown.iterrows()
    ]
    head = ("TF", "Target", "Correlation, first", "second", "p", "q")
    return join(
        tag("h4", _count("link", len(found), len(shown), fdr)),
        table(("Groups", *head) if many else head, rows, texts=(0, 1, 2) if many else (0, 1)),
    )


def _of(row: pd.Series) -> str:
    return f"{row['group_a']} | {row['group_b']}"


def _count(what: str, n: int, n_shown: int, fdr: float) -> str:
    plural = "s have" if n != 1 else " has"
    most = f"; the clearest {n_shown:,}" if n_shown < n else ""
    return f"{n:,} {what}{plural} q ≤ {fdr:g}{most}"
