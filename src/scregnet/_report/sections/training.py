"""How the method was trained, if it has epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet import get, pl
from scregnet._report.figures import picture
from scregnet._report.html import Html, join, number, paragraph
from scregnet._report.page import Section

if TYPE_CHECKING:
    from scregnet._report.subject import Member, Subject


def training(subject: Subject) -> Section:
    """Return loss and metrics by epoch."""
    trained = [member for member in subject.members if len(member.entry["history"])]
    if not trained:
        body = paragraph(
            f"The method {subject.first.method} has no epochs, so there is no history of training."
        )
    else:
        body = join(*(_history(member) for member in trained))
    return Section("training", "Training", body)


def _history(member: Member) -> Html:
    history = get.history(member.adata, key=member.key)
    # One of each member of an ensemble.
    best = [int(epoch) for epoch in np.atleast_1d(member.params.get("best_epoch", -1))]
    where = "" if member.group is None else f", {member.group}"
    kept = f" Kept: epoch {', '.join(map(str, best))}." if min(best) >= 0 else ""
    return picture(
        lambda axes: pl.history(member.adata, key=member.key, ax=axes),
        alt=f"Loss and validation metrics of {member.method} by epoch{where}.",
        caption=f"Training of {member.method}{where}: {number(history['epoch'].nunique())} epochs."
        f"{kept}",
        size=(9.2, 3.6),
        columns=2,
        large=True,
    )
