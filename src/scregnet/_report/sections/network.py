"""The network as a picture, and its hubs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scregnet import pl
from scregnet._report.figures import picture
from scregnet._report.html import Html, facts, join, missing, number, paragraph, table, tag
from scregnet._report.page import Section

if TYPE_CHECKING:
    import pandas as pd

    from scregnet._report.subject import Member, Subject

MOST_PICTURES = 12
_HUBS = 10
# Half way between black and white: seen on both, since a dark page turns lightness round.
_TARGET = "#C08A1E"


def network(subject: Subject) -> Section:
    """Return one picture for each network."""
    parts: list[Html | None] = []
    for number_of, member in enumerate(subject.members):
        if member.group is not None:
            parts.append(tag("h3", member.group))
        parts.append(_sizes(member))
        if number_of < MOST_PICTURES:
            parts.append(_picture(subject, member))
        parts.append(_hubs(subject, member))
    if len(subject.members) > MOST_PICTURES:
        parts.append(
            paragraph(
                f"Pictures are of the first {MOST_PICTURES} groups; group= makes a page of one.",
                class_="note",
            )
        )
    if not any(_stats(member) is not None for member in subject.members):
        call = f"sr.tl.network_stats(adata{subject.named})"
        parts.append(missing("Hubs, modules and feed-forward loops", call))
    return Section("network", "Network", join(*parts))


def _sizes(member: Member) -> Html:
    links = member.links
    known = number(int(links["in_prior"].sum()))
    return facts(
        [
            ("Links", number(len(links))),
            ("of these, known", known if not member.has_scores else None),
            ("TFs with links", number(int(links["source"].nunique()))),
            ("Targets", number(int(links["target"].nunique()))),
        ]
    )


def _picture(subject: Subject, member: Member) -> Html | None:
    if len(member.links) == 0:
        return None
    where = "" if member.group is None else f" of {member.group}"
    what = (
        f"Of up to six TFs, the links with the highest {'scores' if member.has_scores else 'lift'}."
        if not member.has_pairs
        else "Of up to six TFs, the three most probable known links and the five new ones with the "
        "highest lift over the null model, among links about as probable as known ones. Squares "
        "are TFs, dashed links are new, wider ones are more probable, and a bar in place of an "
        "arrow head marks repression."
    )
    if member is not subject.first:
        what = f"The same of {member.group}."
    return picture(
        lambda axes: pl.grn(
            subject.adata,
            key=member.key,
            gene_symbols=subject.gene_symbols,
            palette={"target": _TARGET},
            ax=axes[0],
        ),
        alt=f"Some links of the network{where}, drawn as a graph; the tables list the links.",
        caption=what,
        size=(9.4, 6.6),
        large=True,
    )


def _stats(member: Member) -> pd.DataFrame | None:
    """Return what ``sr.tl.network_stats`` left of this network in ``var``."""
    var, key = member.adata.var, member.key
    names = ("out_degree", "in_degree", "betweenness", "pagerank", "hub", "module")
    there = [name for name in names if f"{key}_{name}" in var]
    if "out_degree" not in there:
        return None
    return var[[f"{key}_{name}" for name in there]].set_axis(there, axis=1)


def _hubs(subject: Subject, member: Member) -> Html | None:
    stats = _stats(member)
    if stats is None:
        return None
    shown = dict(zip(subject.adata.var_names, subject.shown, strict=True))
    first = stats.sort_values("out_degree", ascending=False, kind="stable").head(_HUBS)
    columns = [name for name in first.columns if name != "hub"]
    rows = [
        [
            shown[gene],
            *(row[name] if isinstance(row[name], str) else number(row[name]) for name in columns),
        ]
        for gene, row in first.iterrows()
    ]
    head = ["Gene", *(name.replace("_", " ") for name in columns)]
    return join(
        tag("h3", "Genes with most targets"),
        table(head, rows),
        paragraph("Of the links that sr.tl.network_stats was given.", class_="note"),
    )
