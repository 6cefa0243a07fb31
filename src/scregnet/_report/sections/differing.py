"""How the networks of groups differ, and what comparisons found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scregnet import get
from scregnet._report.html import Html, interval, join, missing, number, paragraph, table, tag
from scregnet._report.page import Section
from scregnet._report.sections.compared import compared, comparisons

if TYPE_CHECKING:
    from scregnet._report.subject import Subject

_STATISTICS = {"new_links": "First new links that differ", "ranks": "Ranks of new links"}


def differing(subject: Subject) -> Section | None:
    """Return the distances of the groups next to those of halves of one, and all comparisons."""
    found = comparisons(subject)
    if not subject.is_grouped and not found:
        return None
    call = f"sr.tl.compare_grns(adata{subject.named})"
    tests = (
        [compared(subject, name, entry) for name, entry in found]
        if found
        else [missing("Test of links and TFs", call)]
    )
    return Section("groups", "Differences between groups", join(_distances(subject), *tests))


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
