"""Pieces of HTML that escape what they are given.

A template language would be one more dependency for one page. Here the type says what is safe: only
:class:`Html` is put into a page as it is, and any other text is escaped. So a name of a gene cannot
become markup, however a section is written.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def safe(value: object) -> Html:
    """Return a value as markup: :class:`Html` as it is, anything else escaped."""
    return value if isinstance(value, Html) else Html(html.escape(str(value), quote=True))


def join(*parts: object) -> Html:
    """Return parts one after the other; ``None`` is left out."""
    return Html("".join(safe(part) for part in parts if part is not None))


def tag(name: str, *children: object, **attributes: object) -> Html:
    """Return an element. ``class_`` is the attribute class; what is ``None`` is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{safe(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    # An image has no content and no end.
    return Html(f"<{name}{written}>" + ("" if name == "img" else f"{join(*children)}</{name}>"))


def paragraph(*children: object, class_: str | None = None) -> Html:
    """Return a paragraph."""
    return tag("p", *children, class_=class_)


def code(text: object) -> Html:
    """Return a call or a name as code."""
    return tag("code", text)


def bullets(items: Iterable[object]) -> Html:
    """Return a list."""
    return tag("ul", *(tag("li", item) for item in items))


def missing(what: str, call: str, more: str = "") -> Html:
    """Return the note in the place of what was not run, with the call that runs it."""
    return paragraph(f"{what}: not run. Call ", code(call), f"{more}.", class_="missing")


def folded(title: str, *children: object) -> Html:
    """Return a part that opens on a click, without a script."""
    return tag("details", tag("summary", title), *children)


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Return names with their values; those that are ``None`` are left out."""
    rows = [(name, value) for name, value in pairs if value is not None]
    return tag(
        "dl",
        *(tag("div", tag("dt", name), tag("dd", value)) for name, value in rows),
        class_="facts",
    )


def table(
    head: Sequence[object], rows: Iterable[Sequence[object]], *, texts: Sequence[int] = (0,)
) -> Html:
    """Return a table that can be wider than the page.

    ``texts`` are the columns of words: they are aligned to the left.
    """
    kinds = ["text" if column in texts else "number" for column in range(len(head))]

    def line(cells: Sequence[object], name: str) -> Html:
        return tag(
            "tr",
            *(
                cell if isinstance(cell, Cell) else tag(name, cell, class_=kind)
                for cell, kind in zip(cells, kinds, strict=True)
            ),
        )

    body = tag("tbody", *(line(row, "td") for row in rows))
    return tag("div", tag("table", tag("thead", line(head, "th")), body), class_="wide")


class Cell(Html):
    """A whole cell of a table, with its element."""

    __slots__ = ()


def shaded(text: object, strength: float, kind: str) -> Cell:
    """Return a cell whose ground says a number from 0 to 1; ``kind`` names the colour."""
    share = round(100 * min(max(strength, 0.0), 1.0))
    return Cell(tag("td", text, class_="number shaded", style=f"--share: {share}%; --hue: {kind}"))


def number(value: Any, digits: int = 3, *, fixed: bool = False) -> str:
    """Return a number in few digits, an en dash where there is none.

    A number that would be 0 in these digits is shown as it is, unless the digits are ``fixed``.
    """
    if value is None or pd.isna(value):
        return "–"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    size = abs(float(value))
    if size and ((size < 10**-digits and not fixed) or size >= 1e6):
        # The digits after the point would be none, or more than anybody reads.
        return f"{value:.2g}".replace("e-0", "e-").replace("-", "−")
    # Without a sign, a rounded 0 is a 0.
    return f"{value:z,.{digits}f}".replace("-", "−")


def interval(low: Any, high: Any, digits: int = 3) -> str:
    """Return both ends of an interval, nothing where there is none."""
    if pd.isna(low) or pd.isna(high):
        return ""
    return f"{number(low, digits)} to {number(high, digits)}"
