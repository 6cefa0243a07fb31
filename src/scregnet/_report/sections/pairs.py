"""The labelled pairs, how they were divided, and the check of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scregnet._report.html import Html, facts, folded, join, number, paragraph, table, tag
from scregnet._report.page import Section

if TYPE_CHECKING:
    from scregnet._report.subject import Member, Subject

_KINDS = {
    "pairs": "single pairs; training has other pairs of the same TFs and targets",
    "targets": "targets with all their labels: training has none of them",
    "tfs": "TFs with all their labels: training has none of them",
    "both": "TFs and targets with all their labels: training has none of either",
}
_COLOURS = {"fail": "bad", "ok": "good"}


def pairs(subject: Subject) -> Section | None:
    """Return the parts of the split, and the verdicts on it."""
    member = subject.first
    if not member.has_pairs:
        return None
    return Section("pairs", "Labelled pairs", join(_drawn(member), _parts(member), _audit(member)))


def _drawn(member: Member) -> Html:
    """Return how the pairs were drawn."""
    split = member.params.get("split", {})
    kind = split.get("kind")
    folds = member.params.get("n_folds")
    held = _KINDS.get(str(kind))
    told = None if held is None else paragraph("Held out for the test: ", held, ".")
    known = facts(
        [
            ("Non-links", split.get("negatives")),
            ("Share of test pairs", split.get("test_fraction")),
            ("Read from", f"uns[{str(split['key'])!r}]" if split.get("key") else None),
            ("Folds", "none" if folds == 1 else folds),
            ("Known links in no part", number(len(member.entry["left_out"]))),
        ]
    )
    return join(told, known)


def _parts(member: Member) -> Html:
    frame = member.entry["pairs"]
    weighted = "stands_for" in frame
    rows = []
    for part in ("train", "validation", "test"):
        own = frame[frame["split"] == part]
        n = own["stands_for"].sum() if weighted else len(own)
        links = int((own["label"] == 1).sum())
        share = f"{100 * links / n:.1f} %" if n else "–"
        rows.append(
            (
                part,
                number(round(float(n))),
                number(links),
                share,
                number(own["source"].nunique()),
                number(own["target"].nunique()),
            )
        )
    note = None
    if weighted:
        note = paragraph(
            "Of the non-links, some are kept, and each stands for several: pairs and shares are "
            "those that they stand for.",
            class_="note",
        )
    return join(table(("Part", "Pairs", "Known links", "Share", "TFs", "Targets"), rows), note)


def _audit(member: Member) -> Html:
    report, why = member.audit
    if report is None:
        return paragraph(f"The pairs cannot be checked: {why}", class_="missing")
    unsound = report[report["verdict"] != "ok"]
    table_of = join(
        tag("h3", "Check of the split"),
        paragraph(
            f"{len(report)} checks: {int((report['verdict'] == 'ok').sum())} passed, "
            f"{int((report['verdict'] == 'warning').sum())} with a warning, "
            f"{int((report['verdict'] == 'fail').sum())} failed. With a failure, the test figures "
            "are not to be trusted."
        ),
    )
    all_checks = folded("All checks", _checks(report))
    return join(table_of, _checks(unsound) if len(unsound) else None, all_checks)


def _checks(report: pd.DataFrame) -> Html:
    rows = [
        (
            tag("span", row["verdict"], class_=_COLOURS.get(str(row["verdict"]))),
            str(row["check"]).replace("_", " "),
            row["part"],
            number(None if pd.isna(row["count"]) else int(row["count"])),
            row["message"],
        )
        for _, row in report.iterrows()
    ]
    return table(("Verdict", "Check", "Part", "Number", ""), rows, texts=(0, 1, 2, 4))
