"""Controls that lack something, and refits: how much comes from the cells, and how much stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._report.figures_of_merit import label, standing, verdict
from scregnet._report.html import Html, code, interval, join, missing, number, paragraph, table, tag
from scregnet._report.page import Section
from scregnet._report.sections.data import stability_of

if TYPE_CHECKING:
    from scregnet._report.subject import Subject

_METRIC = "per_tf_auroc"
_SAME = 1e-6
_MEANINGS = {
    "full": "the method as it is",
    "shuffled cells": "each gene's values in another order of cells: no co-expression is left",
    "permuted genes": "each gene has the expression and the vector of another one",
    "random embedding": "random vectors in place of the embedding",
    "no evidence": "without the evidence layers",
    "random evidence": "evidence layers of other genes",
}


def controlled(subject: Subject) -> Section | None:
    """Return the controls that were given, and the stability that was stored."""
    if not subject.first.has_pairs:
        return None
    body = join(_controls(subject), tag("h3", "Stability of the new links"), _stability(subject))
    return Section("controls", "Controls", body)


def _controls(subject: Subject) -> Html:
    if subject.controls is None:
        return join(
            missing(
                "Controls",
                "sr.bm.controls(adata)",
                " with the arguments of the fit, and give what it returns as controls=",
            ),
            paragraph(
                "They say how much of the figures comes from the cells: the same method with "
                "shuffled cells, with the genes permuted, and without each of its parts.",
                class_="note",
            ),
        )
    frame, metric = wide(subject.controls)
    name = "the metric" if metric is None else label(metric)
    rows = []
    for control, row in frame.iterrows():
        ends = interval(row["difference_low"], row["difference_high"])
        told = control != "full" and pd.notna(row["difference"])
        rows.append(
            (
                join(str(control), tag("small", _MEANINGS.get(str(control), ""))),
                number(row[metric]) if metric is not None else "",
                join(number(row["difference"]), tag("small", ends) if ends else None)
                if told
                else "",
                verdict(standing(row, metric or _METRIC)) if told else "",
                number(row.get("top_overlap"), 2),
                number(row.get("top_overlap_lift"), 2),
            )
        )
    head = ("", name, "Method less control", "", "Same first links", "Same first by lift")
    other = None if metric is None else _another_fit(subject, frame[metric], metric)
    return join(
        other,
        paragraph(
            "Each row is a fit to the same pairs that lacks something. If the method is not ahead "
            "of it, what is lacking adds nothing that these pairs show. The fits are of their "
            "own, so the first row can differ from the table above."
        ),
        table(head, rows, texts=(0, 3)),
        paragraph(
            "The last columns: share of the method's first new links that the control has too.",
            class_="note",
        ),
    )


def _another_fit(subject: Subject, values: pd.Series, metric: str) -> Html | None:
    """Return a warning if the controls are not about this fit: its figures are not among theirs."""
    table_of, full = subject.first.metrics, float(pd.to_numeric(values)["full"])
    if table_of is None or len(subject.members) > 1:
        return None
    own = table_of[(table_of["model"] == subject.first.method) & (table_of["metric"] == metric)]
    if np.isclose(own["value"], full, rtol=0, atol=_SAME).any():
        return None
    here = ", ".join(
        f"{number(value)} ({split})"
        for value, split in zip(own["value"], own["split"], strict=True)
    )
    return paragraph(
        f"These controls are about another fit: there the method has {number(full)}, here {here}. "
        "Give sr.bm.controls the arguments of this fit.",
        class_="missing",
    )


def wide(frame: pd.DataFrame) -> tuple[pd.DataFrame, str | None]:
    """Return one row for each control, and the metric that its differences are about."""
    if "control" in frame:
        own = frame[frame["metric"] == _METRIC].set_index("control")
        return own.rename(columns={"value": _METRIC}), _METRIC
    # The wide table does not say of which metric the differences are: it is the one that they fit.
    others = frame[frame["difference"].notna()]
    for metric in [name for name in frame.columns if str(name) != "difference"]:
        if metric not in ("difference_low", "difference_high") and len(others):
            values = pd.to_numeric(frame[metric], errors="coerce")
            expected = float(values["full"]) - values[others.index]
            if np.allclose(expected, others["difference"], atol=1e-9, rtol=0):
                return frame, str(metric)
    return frame, None


def _stability(subject: Subject) -> Html:
    found = [(member, stability_of(member.entry)) for member in subject.members]
    if all(kept is None for _, kept in found):
        call = f"sr.bm.stability(adata, key_added={subject.first.key!r})"
        return missing("Stability", call, " with the arguments of the fit")
    parts: list[Html] = [
        paragraph(
            "The share of refits that have a link among their first new ones is the column ",
            code("stability"),
            " of the links below.",
        )
    ]
    for member, kept in found:
        if kept is None:
            continue
        columns = list(kept.columns)
        rows = [
            [row[name] if isinstance(row[name], str) else number(row[name]) for name in columns]
            for _, row in kept.iterrows()
        ]
        if member.group is not None:
            parts.append(tag("h3", member.group))
        parts.append(table([str(name).replace("_", " ") for name in columns], rows))
    return join(*parts)
