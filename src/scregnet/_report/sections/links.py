"""The best new links, and what speaks for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet import get
from scregnet._report.html import Html, bullets, code, join, number, paragraph, table, tag
from scregnet._report.page import Section
from scregnet.links.terms import MEANINGS

if TYPE_CHECKING:
    from scregnet._report.subject import Member, Subject

_TERMS = 3
_MOST_COMPARED = 50
_COLUMNS = {
    "weight": ("Probability", 3),
    "score": ("Score", 3),
    "sd": ("sd", 3),
    "null": ("Null model", 3),
    "lift": ("Lift", 2),
    "q": ("q", 2),
    "sign": ("Sign", 2),
    "stability": ("Stability", 2),
}


def links(subject: Subject) -> Section:
    """Return the new links by probability and by lift, with the terms of their logits."""
    named: set[str] = set()
    parts: list[Html | None] = []
    for member in subject.members:
        if member.group is not None:
            parts.append(tag("h3", member.group))
        parts += _of_member(subject, member, named)
    body = join(_intro(subject.first), *parts, _legend(named))
    return Section("links", "Best new links", body)


def _intro(member: Member) -> Html:
    if member.has_scores:
        return paragraph(
            "The links with the highest scores. Nothing is known of which links are true, so "
            "there is no q: take them as an order in which to test."
        )
    return paragraph(
        "New links are not in the known network. " if member.has_pairs else None,
        tag("b", "Lift"),
        " is the logit of the probability less that of the null model, which uses no cells: 0.7 "
        "doubles the odds. ",
        tag("b", "q"),
        " is the expected share of false links among all that are at least as probable, known "
        "ones included. ",
        tag("b", "Largest terms"),
        " are what the logit is made of besides its baseline: above 0 for the link, below 0 "
        "against it.",
    )


def _of_member(subject: Subject, member: Member, named: set[str]) -> list[Html | None]:
    frame = member.links
    new = frame[~frame["in_prior"]]
    if len(new) == 0:
        return [paragraph("The network has no new link.", class_="missing")]
    parts: list[Html | None] = []
    if member.has_scores:
        return [_table(subject, member, new.head(subject.n_links), named)]
    if "lift" in new and frame["in_prior"].any():
        parts += _by_lift(subject, member, new, named)
        parts.append(tag("h4", "By probability"))
        first = new.head(subject.n_links)
        beaten = int((first["lift"] <= 0).sum())
        parts.append(
            paragraph(
                f"With a lift of 0 or less: {beaten} of these {len(first)}. The null model finds "
                "them as probable or more, without a cell.",
                class_="note",
            )
        )
    parts.append(_table(subject, member, new.head(subject.n_links), named))
    return parts


def _by_lift(
    subject: Subject, member: Member, new: pd.DataFrame, named: set[str]
) -> list[Html | None]:
    """Return the new links that the null model explains least, among the probable ones."""
    known = member.links.loc[member.links["in_prior"], "source"]
    # Of a TF without a known target, the null models know nothing but the target: one that they
    # miss would fill the list with such TFs. Among improbable links, a high lift says little.
    of_known = new[new["source"].isin(known.unique())]
    probable = of_known.head(max(len(known), _MOST_COMPARED))
    order = probable.sort_values("lift", ascending=False, kind="stable").head(subject.n_links)
    note = (
        f"Of the {len(probable):,} most probable new links of TFs with known targets, those that "
        "the null model explains least: what the method adds to popularity."
    )
    return [
        tag("h4", "By lift"),
        paragraph(note, class_="note"),
        _table(subject, member, order, named) if len(order) else None,
    ]


def _table(subject: Subject, member: Member, frame: pd.DataFrame, named: set[str]) -> Html:
    terms, why = _terms(subject, member, frame)
    columns = [name for name in _COLUMNS if name in frame and frame[name].notna().any()]
    head = ["TF", "Target", *(_COLUMNS[name][0] for name in columns)]
    rows = []
    for place, (_, link) in enumerate(frame.iterrows()):
        row: list[object] = [tag("b", link["source"]), link["target"]]
        row += [number(link[name], _COLUMNS[name][1], fixed=True) for name in columns]
        if terms is not None:
            row.append(_largest(terms.iloc[place], named))
        rows.append(row)
    texts = [0, 1]
    if terms is not None:
        head.append("Largest terms")
        texts.append(len(head) - 1)
    note = (
        paragraph(f"The terms of these links are not told: {why}", class_="note") if why else None
    )
    return join(table(head, rows, texts=texts), note)


def _terms(
    subject: Subject, member: Member, frame: pd.DataFrame
) -> tuple[pd.DataFrame | None, str]:
    """Return the terms of the logits; or ``None``, and why there are none."""
    if member.has_scores:
        return None, ""
    try:
        found = get.evidence(
            member.adata,
            links=frame[["source", "target"]],
            key=member.key,
            gene_symbols=subject.gene_symbols,
        )
    except ValueError as error:
        return None, str(error)
    assert isinstance(found, pd.DataFrame)
    names = [name for name in MEANINGS if name in found and name not in ("baseline", "score")]
    if not names:
        return None, f"{member.method} has a score and no terms."
    return found[names], ""


def _largest(terms: pd.Series, named: set[str]) -> Html:
    """Return the largest terms of a link, with their sign."""
    order = terms.iloc[np.argsort(-terms.abs().to_numpy(), kind="stable")].head(_TERMS)
    named.update(str(name) for name in order.index)
    told = [
        join(_shown(name), " ", tag("b", f"{value:+.1f}".replace("-", "−")))
        for name, value in order.items()
    ]
    return tag(
        "span", *(join(", " if k else "", one) for k, one in enumerate(told)), class_="terms"
    )


def _shown(name: object) -> str:
    return str(name).replace("_", " ").replace("tf", "TF")


def _legend(named: set[str]) -> Html | None:
    """Return what the terms that occur mean."""
    if not named:
        return None
    return join(
        paragraph("The terms, in logits: "),
        bullets(
            join(tag("b", _shown(name)), ": ", MEANINGS[name]) for name in MEANINGS if name in named
        ),
        paragraph(code("sr.get.evidence"), " tells all of one link.", class_="note"),
    )
