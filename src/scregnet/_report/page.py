"""Put sections into one page, and write it as a whole."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from os import PathLike

from scregnet._report.html import Html, bullets, join, tag
from scregnet._text import write_whole


@dataclass(frozen=True)
class Section:
    """A part of the page: the anchor, the heading, and what is below it."""

    anchor: str
    title: str
    body: Html


@dataclass(frozen=True)
class ReportPage:
    """A report as an HTML page. A notebook shows it."""

    html: str
    height: int = 700

    def save(self, path: str | PathLike[str]) -> None:
        """Write the page to a file, which needs nothing else. What is there stays until then."""
        write_whole("path", path, self.html)

    def __repr__(self) -> str:
        return f"<report, {len(self.html.encode()) / 1000:,.0f} kB; save(path) writes it>"

    def _repr_html_(self) -> str:
        """Show the page in a frame of its own, in which nothing can run."""
        return (
            f'<iframe srcdoc="{html.escape(self.html, quote=True)}" sandbox title="report" '
            f'style="width: 100%; height: {self.height}px; border: 1px solid #8886"></iframe>'
        )


def make_page(title: str, lead: Html, sections: Sequence[Section], foot: Html) -> str:
    """Return the page."""
    contents = bullets(tag("a", one.title, href=f"#{one.anchor}") for one in sections)
    body = join(
        *(tag("section", tag("h2", one.title), one.body, id=one.anchor) for one in sections)
    )
    parts = {
        "title": html.escape(title),
        "style": _part("page.css"),
        "lead": lead,
        "contents": contents,
        "sections": body,
        "foot": foot,
    }
    # In pieces, not one after the other: a part may hold the mark of another as its text.
    pieces = _part("page.html").split("%%")
    return "".join(parts[piece] if k % 2 else piece for k, piece in enumerate(pieces))


def _part(name: str) -> str:
    return files("scregnet._report").joinpath(name).read_text(encoding="utf-8")
