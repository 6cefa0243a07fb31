"""The sections of a report, a file each, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from scregnet._report.sections.activities import activities
from scregnet._report.sections.calibrated import calibrated
from scregnet._report.sections.citing import citing
from scregnet._report.sections.controlled import controlled
from scregnet._report.sections.data import data
from scregnet._report.sections.differing import differing
from scregnet._report.sections.known import known
from scregnet._report.sections.links import links
from scregnet._report.sections.network import network
from scregnet._report.sections.pairs import pairs
from scregnet._report.sections.parameters import parameters
from scregnet._report.sections.performance import performance
from scregnet._report.sections.summary import summary
from scregnet._report.sections.training import training

if TYPE_CHECKING:
    from scregnet._report.page import Section
    from scregnet._report.subject import Subject

SECTIONS: tuple[Callable[[Subject], Section | None], ...] = (
    summary,
    data,
    known,
    pairs,
    performance,
    controlled,
    calibrated,
    training,
    network,
    links,
    differing,
    activities,
    parameters,
    citing,
)
