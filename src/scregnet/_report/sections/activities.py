"""Activities of TFs, if they were inferred."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.groups import groups_of
from scregnet._report.html import Html, join, missing, number, paragraph, shaded, table, tag
from scregnet._report.page import Section

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet._report.subject import Member, Subject

_MOST = 30
_BLUE, _ORANGE = "var(--blue)", "var(--orange)"


def activities(subject: Subject) -> Section | None:
    """Return the mean activity of each TF, by group of cells where there are groups."""
    parts: list[Html] = []
    for member in subject.members:
        for name, entry in _slots(subject.adata, member):
            if member.group is not None:
                parts.append(tag("h3", member.group))
            parts.append(_one(subject, name, entry))
    if not parts:
        call = f"sr.tl.tf_activity(adata{subject.named})"
        return Section("activities", "Activities of TFs", missing("Activities", call))
    return Section("activities", "Activities of TFs", join(*parts))


def _slots(adata: AnnData, member: Member) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the names of the activities of this network, with what is known of them."""
    found = []
    for name, entry in adata.uns.items():
        if name not in adata.obsm or not isinstance(entry, Mapping) or "regulons" not in entry:
            continue
        if str(entry.get("params", {}).get("key")) == member.key:
            found.append((str(name), entry))
    return found


def _one(subject: Subject, name: str, entry: Mapping[str, Any]) -> Html:
    adata = subject.adata
    scores = adata.obsm[name]
    if not isinstance(scores, pd.DataFrame):
        return paragraph(f"obsm[{name!r}] is no frame, so its TFs are not named.", class_="missing")
    regulons = entry["regulons"]
    told = paragraph(
        f"Method {entry['params'].get('method')}, of {len(regulons):,} links, "
        f"{int(np.sum(regulons['in_prior'].astype(bool))):,} of them known. Activities are "
        "relative: compare cells, not TFs. TFs that share targets cannot be told apart."
    )
    body = (
        _by_group(subject, scores)
        if subject.groupby is not None
        else _together(adata, scores, name)
    )
    return join(told, body)


def _by_group(subject: Subject, scores: pd.DataFrame) -> Html:
    """Return TFs × groups; those that differ most between groups come first."""
    names, codes = groups_of(subject.adata, str(subject.groupby))
    there = codes >= 0
    means = scores[there].groupby(codes[there]).mean()
    means.index = pd.Index([names[code] for code in means.index])
    order = means.std(axis=0).fillna(0).sort_values(ascending=False, kind="stable").index[:_MOST]
    shown = means[order].T
    largest = float(np.nanmax(np.abs(shown.to_numpy()), initial=0.0)) or 1.0
    rows = [
        [
            tag("b", tf),
            *(
                shaded(
                    number(value, 1, fixed=True),
                    abs(value) / largest,
                    _ORANGE if value > 0 else _BLUE,
                )
                for value in row
            ),
        ]
        for tf, row in zip(shown.index, shown.to_numpy(), strict=True)
    ]
    return join(
        table(("TF", *map(str, shown.columns)), rows),
        paragraph(
            f"Mean activity in each group of {subject.groupby}; orange is above 0, blue below. "
            f"{len(shown):,} of {scores.shape[1]:,} TFs, those that differ most between groups.",
            class_="note",
        ),
    )


def _together(adata: AnnData, scores: pd.DataFrame, name: str) -> Html:
    """Return each TF's mean, deviation, and share of cells that stand out."""
    adjusted = adata.obsm.get(f"{name}_padj")
    order = scores.std(axis=0).sort_values(ascending=False, kind="stable").index[:_MOST]
    rows = [
        (
            tag("b", tf),
            number(float(scores[tf].mean()), 2),
            number(float(scores[tf].std()), 2),
            number(None if adjusted is None else float((adjusted[tf] < 0.05).mean()), 2),
        )
        for tf in order
    ]
    return join(
        table(("TF", "Mean", "sd over cells", "Cells with p < 0.05, adjusted"), rows),
        paragraph(
            "TFs that vary most come first. groupby= of sr.report averages by group of cells.",
            class_="note",
        ),
    )
