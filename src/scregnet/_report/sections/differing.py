"""How the networks of groups differ, and what a comparison found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from scregnet import get
from scregnet._report.html import Html, interval, join, missing, number, paragraph, table, tag
from scregnet._report.page import Section

if TYPE_CHECKING:
    from scregnet._report.subject import Subject

_STATISTICS = {"new_links": "First new links that differ", "ranks": "Ranks of new links"}


def differing(subject: Subject) -> Section | None:
    """Return the distances of the groups next to those of halves of one, and the comparison."""
    found = _comparison(subject)
    if not subject.is_grouped and found is None:
        return None
    return Section(
        "groups",
        "Differences between groups",
        join(_distances(subject), _tested(subject, found)),
    )


def _distances(subject: Subject) -> Html | None:
    if not subject.is_grouped:
        return None
    entry = subject.adata.uns[subject.key]
    if not isinstance(entry.get("differences"), pd.DataFrame):
        return missing("Halves of groups", "sr.tl.fit_grn(noise_floor=True)", " with groupby=")
    frame = get.group_differences(subject.adata, key=subject.key)
    rows = [
        (
            f"{row['group_a']} | {row['group_b']}",
            _STATISTICS.get(row["statistic"], row["statistic"]),
            number(row["value"], 2),
            number(row["floor"], 2),
            interval(row["low"], row["high"], 2) or "–",
            tag(
                "span",
                "beyond noise" if row["above"] else "within noise",
                class_="good" if row["above"] else None,
            ),
        )
        for _, row in frame.iterrows()
    ]
    return join(
        paragraph(
            "Networks of two groups always differ: of halves of one group, too. The floor is the "
            "distance between such halves."
        ),
        table(
            ("Groups", "Statistic", "Distance", "Floor", "Interval of the excess", ""),
            rows,
            texts=(0, 1, 5),
        ),
    )


def _comparison(subject: Subject) -> tuple[str, Mapping[str, Any]] | None:
    """Return the comparison of this network that the data hold, and its key."""
    for name, entry in subject.adata.uns.items():
        if isinstance(entry, Mapping) and {"links", "tfs", "pairs", "params"} <= set(entry):
            params = entry["params"]
            if isinstance(params, Mapping) and str(params.get("key")) == subject.key:
                return str(name), entry
    return None


def _tested(subject: Subject, found: tuple[str, Mapping[str, Any]] | None) -> Html | None:
    if found is None:
        call = f"sr.tl.compare_grns(adata{subject.named})"
        return missing("Test of links and TFs", call)
    name, entry = found
    pairs = get.comparison(subject.adata, "pairs", key=name)
    rows = [
        (
            f"{row['group_a']} | {row['group_b']}",
            number(int(row["n_a"])),
            number(int(row["n_b"])),
            number(int(row["n_links"])),
            number(int(row["n_changed"])),
            number(row["p"]),
        )
        for _, row in pairs.iterrows()
    ]
    fdr = float(entry["params"].get("fdr", 0.1))
    units = "donors" if entry["params"].get("donor") is not None else "cells"
    return join(
        tag("h3", "Links that change in co-expression"),
        table(
            ("Groups", f"{units}, first", f"{units}, second", "Links", f"q ≤ {fdr:g}", "p of all"),
            rows,
        ),
        _changed(subject, name, fdr),
    )


def _changed(subject: Subject, name: str, fdr: float) -> Html:
    links = get.comparison(subject.adata, "links", key=name, max_q=fdr)
    links = links.sort_values("p", kind="stable").head(subject.n_links)
    if len(links) == 0:
        return paragraph(f"No link has q ≤ {fdr:g}.")
    rows = [
        (
            f"{row['group_a']} | {row['group_b']}",
            tag("b", row["source"]),
            row["target"],
            number(row["correlation_a"], 2),
            number(row["correlation_b"], 2),
            number(row["p"], 4),
            number(row["q"]),
        )
        for _, row in links.iterrows()
    ]
    head = ("Groups", "TF", "Target", "Correlation, first", "second", "p", "q")
    return join(
        paragraph("The clearest of them (of ", number(len(links)), " shown):"),
        table(head, rows, texts=(0, 1, 2)),
    )
