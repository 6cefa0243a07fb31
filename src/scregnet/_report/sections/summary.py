"""The summary: what a reader needs who reads nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scregnet._report.figures_of_merit import WORDS, label, standing
from scregnet._report.html import Html, interval, join, number, tag
from scregnet._report.page import Section
from scregnet._report.sections.controlled import wide
from scregnet._report.sections.known import n_set_aside
from scregnet.links import null_models

if TYPE_CHECKING:
    from scregnet._report.subject import Member, Subject

MAX_Q = 0.2
"""The q that the summary asks about."""

_DOUBLED = 0.693
"""Lift at which the odds are twice those of the null model: the logarithm of 2."""

_SHUFFLED = "shuffled cells"

_SAID = {
    "ahead": ("good", "The interval excludes 0: the method is ahead."),
    "behind": ("bad", "The interval excludes 0: the null model is ahead."),
    "open": ("bad", "The interval includes 0: no gain over the null model is shown."),
    "": ("", "No interval was computed."),
}


def summary(subject: Subject) -> Section:
    """Return the figures at a glance, and what they say."""
    said: list[tuple[str, object]] = []
    said += _of_networks(subject) + _of_controls(subject) + _of_labels(subject)
    verdicts = tag(
        "ul",
        *(tag("li", text, class_=kind or None) for kind, text in said),
        class_="verdicts",
    )
    return Section("summary", "Summary", join(_tiles(subject), verdicts))


def _tiles(subject: Subject) -> Html:
    adata, member = subject.adata, subject.first
    shown: list[tuple[str, object]] = [
        ("Cells", number(adata.n_obs)),
        ("Genes", number(adata.n_vars)),
        ("Candidate TFs", number(member.params.get("n_candidate_tfs"))),
    ]
    if member.has_pairs:
        known = int((member.entry["pairs"]["label"] == 1).sum()) + len(member.entry["left_out"])
        aside = n_set_aside(subject)
        told = tag("small", f"{number(aside)} set aside") if aside else None
        shown.append(("Known links", join(number(known), told)))
    if len(subject.members) == 1:
        shown.append(("Links in the network", number(len(member.links))))
        if member.metrics is not None and "auroc" in member.figures.index:
            null = member.value(member.figures.loc["auroc", "best_null"], "auroc")
            beside = None if null is None else tag("small", f"null model {number(null)}")
            shown.append(("AUROC", join(number(member.figures.loc["auroc", "value"]), beside)))
    else:
        shown.append(("Groups", number(len(subject.members))))
    # A fit of an earlier version may not tell all of these.
    cells = [tag("div", tag("dt", name), tag("dd", value)) for name, value in shown if value != "–"]
    return tag("dl", *cells, class_="tiles")


def _of_networks(subject: Subject) -> list[tuple[str, object]]:
    """Return what the metrics and the lists of links say."""
    first = subject.first
    if first.has_scores:
        text = (
            f"{first.method}: made without a known network. There are scores and no probabilities, "
            "and no labels to judge them on."
        )
        return [("bad", text)]
    said: list[tuple[str, object]] = []
    for metric in ("auroc", "per_tf_auroc"):
        members = [one for one in subject.members if _is_compared(one, metric)]
        if len(members) == 1:
            said.append(_compared(members[0], metric))
        elif members:
            said.append(_counted(members, metric))
    if not said and subject.first.metrics is not None:
        text = (
            f"{first.method} is a null model itself: it uses no cells."
            if first.method in null_models()
            else "No null model was judged on these pairs, so that the figures have no yardstick."
        )
        said.append(("bad", text))
    said += [_list_of(member, of_several=len(subject.members) > 1) for member in subject.members]
    return said


def _is_compared(member: Member, metric: str) -> bool:
    """Return whether the method was compared with a null model."""
    if member.metrics is None or metric not in member.figures.index:
        return False
    return isinstance(member.figures.loc[metric, "best_null"], str)


def _compared(member: Member, metric: str) -> tuple[str, object]:
    row = member.figures.loc[metric]
    kind, words = _SAID[standing(row, metric)]
    ends = interval(row["difference_low"], row["difference_high"])
    inside = f" (95 % interval {ends})" if ends else ""
    null = number(member.value(row["best_null"], metric))
    text = join(
        f"{label(metric)} ",
        tag("b", number(row["value"])),
        f" on {_told(member.split)}. The better null model, {row['best_null']}, which uses no "
        f"cells, has {null}: a difference of {number(row['difference'])}{inside}. {words}",
    )
    return kind, text


def _counted(members: list[Member], metric: str) -> tuple[str, object]:
    """Return in how many groups the method is ahead of its null models."""
    found = {str(one.group): standing(one.figures.loc[metric], metric) for one in members}
    ahead = [group for group, how in found.items() if how == "ahead"]
    values = [one.value(one.method, metric) or 0.0 for one in members]
    others = "; ".join(f"{group}: {WORDS[how]}" for group, how in found.items() if how != "ahead")
    text = join(
        f"{label(metric)} ",
        tag("b", f"{number(min(values))} to {number(max(values))}"),
        f" on {_told(members[0].split)}. The method is ahead of the better null model in "
        f"{len(ahead)} of {len(found)} groups, with an interval of the difference above 0",
        f" ({others})." if others else ".",
    )
    return "good" if not others else "bad", text


def _told(split: str | None) -> str:
    return {
        "folds": "all labelled pairs, out of fold",
        "test": "the test pairs",
        "validation": "the validation pairs",
    }.get(str(split), str(split))


def _list_of(member: Member, *, of_several: bool) -> tuple[str, object]:
    """Return what q says of the list of links."""
    where = f"{member.group}: " if of_several else ""
    none = "no" if of_several else "No"
    links = member.links
    if len(links) == 0:
        return "bad", f"{where}the network has no link."
    passed = links[links["q"] <= MAX_Q]
    if len(passed) == 0:
        text = (
            f"{where}{none} link has q ≤ {MAX_Q} (the lowest is {number(links['q'].min(), 4)}). "
            "Take the new links as an order in which to test, not as findings."
        )
        return "bad", text
    new = passed[~passed["in_prior"]]
    text = (
        f"{where}q ≤ {MAX_Q} in {len(passed):,} of {len(links):,} links, {len(new):,} of them new."
    )
    if len(new) and "lift" in new:
        doubled = int((new["lift"] >= _DOUBLED).sum())
        text += (
            f" Of the new ones, {doubled:,} have at least twice the odds that the null model gives."
        )
    return ("good" if len(new) else ""), text


def _of_controls(subject: Subject) -> list[tuple[str, object]]:
    """Return whether the cells are needed, by the control that shuffles them."""
    if subject.controls is None:
        return []
    frame, metric = wide(subject.controls)
    if metric is None or _SHUFFLED not in frame.index:
        return []
    row = frame.loc[_SHUFFLED]
    ends = interval(row["difference_low"], row["difference_high"])
    how = standing(row, metric)
    words = {
        "ahead": "The interval excludes 0: co-expression adds something.",
        "behind": "The interval excludes 0: the method is better without co-expression.",
        "open": "The interval includes 0: that co-expression adds something is not shown.",
        "": "",
    }[how]
    text = (
        f"Control: with shuffled cells, the {label(metric)} is {number(row[metric])}, a difference "
        f"of {number(row['difference'])} ({ends}). {words}"
    )
    return [("good" if how == "ahead" else "bad", text)]


def _of_labels(subject: Subject) -> list[tuple[str, object]]:
    """Return what the check of the labelled pairs says, and what was not run."""
    said: list[tuple[str, object]] = []
    if subject.first.has_pairs:
        report, _ = subject.first.audit
        if report is not None:
            n_fail, n_warn = (int((report["verdict"] == one).sum()) for one in ("fail", "warning"))
            text = f"Check of the labelled pairs: {n_fail} failed, {n_warn} with a warning."
            said.append(("bad" if n_fail else "" if n_warn else "good", text))
        if not subject.first.is_out_of_fold:
            said.append(
                (
                    "bad",
                    "The probabilities are those of one model, which saw the labels of its "
                    "training pairs (n_folds=1). Known links look more certain, and unlisted ones "
                    "less.",
                )
            )
    without = [
        name
        for name, there in (
            ("controls", subject.controls is not None),
            ("stability", any("stability" in one.entry for one in subject.members)),
        )
        if not there
    ]
    if without and subject.first.has_pairs:
        said.append(("", f"Not run: {' and '.join(without)}. The sections say how."))
    return said
