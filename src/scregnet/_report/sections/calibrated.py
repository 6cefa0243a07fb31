"""Whether the probabilities are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from scregnet import get, pl
from scregnet._report.figures import picture
from scregnet._report.html import Html, code, folded, interval, join, number, paragraph, table, tag
from scregnet._report.page import Section

if TYPE_CHECKING:
    from scregnet._report.subject import Member, Subject

_COLUMNS = 3


def calibrated(subject: Subject) -> Section | None:
    """Return the share of known links against the probability, for each network."""
    members = [member for member in subject.members if member.has_pairs and _has(member)]
    if not members:
        return None
    body = join(_intro(subject), _picture(members), _bins(members))
    return Section("calibration", "Calibration", body)


def _split(member: Member) -> Literal["folds", "test"]:
    return "folds" if member.is_out_of_fold else "test"


def _has(member: Member) -> bool:
    return member.is_out_of_fold or bool((member.entry["pairs"]["split"] == "test").any())


def _intro(subject: Subject) -> Html:
    frequency = float(subject.params.get("label_frequency", 1.0))
    listed = (
        "A probability is that of being listed in the known network."
        if frequency == 1
        else f"A share of {frequency:g} of the links is taken to be listed (label_frequency): "
        "probabilities times this share are compared."
    )
    return paragraph(
        "Of the pairs with a probability of 0.3, three in ten should be known links: points "
        "should lie on the diagonal. Bars are Wilson's 95 % intervals. ",
        listed,
    )


def _picture(members: list[Member]) -> Html:
    columns = min(len(members), _COLUMNS)
    rows = -(-len(members) // columns)

    def draw(axes: list) -> None:
        for ax, member in zip(axes, members, strict=False):
            pl.calibration(member.adata, key=member.key, split=_split(member), ax=ax)
            if member.group is not None:
                # Names of groups are text: a dollar sign would start a formula.
                ax.set_title(member.group.replace("$", r"\$"), fontsize="medium")
        for ax in axes[len(members) :]:
            ax.set_axis_off()

    said = "out of fold" if members[0].is_out_of_fold else "of the test pairs"
    return picture(
        draw,
        alt="Share of known links among pairs of similar probability, against the probability.",
        caption=f"Probabilities {said} against the share of known links; grey: share of all pairs.",
        size=(max(5.2, 4.3 * columns), 4.3 * rows),
        columns=columns,
        rows=rows,
        large=columns > 1,
    )


def _bins(members: list[Member]) -> Html:
    parts: list[Html] = []
    for member in members:
        bins = get.calibration(member.adata, key=member.key, split=_split(member))
        rows = [
            (
                f"{row['left']:.1f} to {row['right']:.1f}",
                number(int(row["n_pairs"])),
                number(row["probability"]),
                join(
                    number(row["frequency"]),
                    tag("small", interval(row["low"], row["high"])),
                ),
            )
            for _, row in bins.iterrows()
        ]
        if member.group is not None:
            parts.append(tag("h3", member.group))
        parts.append(table(("Probability", "Pairs", "Mean", "Known links"), rows))
    return folded(
        "The figures", *parts, paragraph("From ", code("sr.get.calibration"), ".", class_="note")
    )
