"""The metrics next to those of the null models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scregnet import get, pl
from scregnet._anndata.slots import nulls
from scregnet._report.figures import picture
from scregnet._report.figures_of_merit import DIGITS, MEANINGS, label, standing, verdict
from scregnet._report.html import Html, folded, interval, join, number, paragraph, table, tag
from scregnet._report.page import Section
from scregnet.metrics._metrics import OF_THE_PAIRS

if TYPE_CHECKING:
    from scregnet._report.subject import Member, Subject

_ABOUT = {
    "folds": "Every labelled pair is scored once, by models that did not see its label. ",
    "test": "Test pairs chose nothing and were scored once. ",
}
# What one row of a table of groups has room for.
_OF_GROUPS = ("auroc", "auprc", "per_tf_auroc", "per_tf_auprc")


def performance(subject: Subject) -> Section:
    """Return the table of differences, the curves, and all figures."""
    first = subject.first
    if first.metrics is None:
        body = paragraph(
            "There are no labels to judge on, so there are no metrics: the network was made "
            "without a known one.",
            class_="missing",
        )
        return Section("performance", "Metrics and null models", body)
    parts: list[Html | None] = [_intro(first)]
    if len(subject.members) > 1:
        parts.append(_of_groups(subject))
    else:
        parts += [_of_one(first), _curves(first)]
    parts.append(folded("All figures of all models", _all(subject)))
    return Section("performance", "Metrics and null models", join(*parts))


def _intro(member: Member) -> Html:
    return paragraph(
        _ABOUT.get(str(member.split), ""),
        "Null models get the same pairs. They know the known links of the training pairs, and no "
        "cell. Compare the method with the better null model, not with chance. Intervals are 95 % "
        "bootstrap intervals; those of differences are paired.",
    )


def _of_one(member: Member) -> Html:
    """Return one row for each metric: the method, the best null model, and the difference."""
    figures = member.figures
    rows = []
    for metric, row in figures.iterrows():
        name, meaning = MEANINGS.get(str(metric), (metric, ""))
        digits = DIGITS.get(str(metric), 3)
        ends = interval(row["low"], row["high"], digits)
        null = row.get("best_null")
        told = isinstance(null, str)
        difference = interval(row["difference_low"], row["difference_high"], digits) if told else ""
        rows.append(
            (
                join(name, tag("small", meaning)),
                join(
                    number(_whole(metric, row["value"]), digits),
                    tag("small", ends) if ends else None,
                ),
                join(number(member.value(null, str(metric)), digits), tag("small", null))
                if told
                else "",
                join(number(row["difference"], digits), tag("small", difference)) if told else "",
                verdict(standing(row, str(metric))) if told else "",
            )
        )
    head = ("", member.method, "Best null model", "Difference", "")
    return table(head, rows, texts=(0, 4))


def _whole(metric: object, value: float) -> object:
    return int(value) if metric == "n_tfs_5" and value == value else value


def _of_groups(subject: Subject) -> Html:
    """Return one row for each group: each metric with its difference to the best null model."""
    metrics = [name for name in _OF_GROUPS if name in subject.first.figures.index]
    rows = []
    for member in subject.members:
        cells: list[object] = [member.group]
        for metric in metrics:
            row = member.figures.loc[metric]
            ends = interval(row["difference_low"], row["difference_high"])
            told = f"{number(row['difference'])} ({ends})" if ends else number(row["difference"])
            found = verdict(standing(row, metric))
            cells.append(
                join(
                    number(row["value"]),
                    tag("small", told),
                    tag("small", found),
                )
            )
        rows.append(cells)
    head = ("Group", *(label(metric) for metric in metrics))
    return join(
        table(head, rows),
        paragraph(
            "Below each figure: the difference to the best null model, and its interval.",
            class_="note",
        ),
    )


def _curves(member: Member) -> Html | None:
    """Return the curves on the test pairs."""
    if not member.has_pairs:
        return None
    pairs = member.entry["pairs"]
    part = pairs[pairs["split"] == "test"]
    if part["label"].nunique() < 2:
        return None
    others = ", ".join(nulls(pairs)) or "none"
    return picture(
        lambda axes: pl.metrics(member.adata, key=member.key, ax=axes),
        alt=f"ROC and precision-recall curves of {member.method} and of the null models {others}.",
        caption=f"ROC and precision-recall curves on the {len(part):,} test pairs.",
        size=(9.2, 4.5),
        columns=2,
        large=True,
    )


def _all(subject: Subject) -> Html:
    """Return what ``sr.get.metrics(wide=True)`` gives, for each network."""
    parts: list[Html] = []
    for member in subject.members:
        wide = get.metrics(member.adata, key=member.key, wide=True).reset_index()
        names = [name for name in ("split", "model") if name in wide]
        metrics = [name for name in wide.columns if name in MEANINGS or name in OF_THE_PAIRS]
        rows = [
            [*(row[name] for name in names), *(number(_whole(m, row[m])) for m in metrics)]
            for _, row in wide.rename(columns={"index": "model"}).iterrows()
        ]
        head = ("Pairs", "Model") if len(names) == 2 else ("Model",)
        if member.group is not None:
            parts.append(tag("h3", member.group))
        parts.append(table((*head, *map(label, metrics)), rows, texts=range(len(names))))
    return join(*parts)
