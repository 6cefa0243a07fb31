"""Figures of ``sr.pl`` inside a page."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from scregnet._report.html import Html, tag

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A vector figure is sharp at any size. One of very many points takes less room as pixels.
MOST_BYTES = 400_000
_PIXELS_PER_INCH = 170


def picture(
    draw: Callable[[list[Axes]], Any],
    *,
    alt: str,
    caption: object,
    size: tuple[float, float],
    columns: int = 1,
    rows: int = 1,
    large: bool = False,
) -> Html:
    """Return what ``draw`` puts on axes, as a figure that is part of the page.

    ``large`` figures keep their size on a narrow screen.
    """
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # The page looks alike whatever the session's style is. Not of pyplot: no window can open.
    with style.context(["default", {"svg.hashsalt": "scregnet", "svg.fonttype": "path"}]):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        draw(list(figure.subplots(rows, columns, squeeze=False).ravel()))
        kind, content, (width, height) = _written(figure)
    image = f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
    return tag(
        "figure",
        tag("img", src=image, alt=alt, width=width, height=height),
        tag("figcaption", caption),
        class_="large" if large else None,
    )


def _written(figure: Any) -> tuple[str, bytes, tuple[int, int]]:
    """Return kind, bytes and size of a figure: vectors, or pixels where vectors are many."""
    options: dict[str, Any] = {"transparent": True, "bbox_inches": "tight", "pad_inches": 0.05}
    vectors, pixels = io.BytesIO(), io.BytesIO()
    figure.savefig(vectors, format="svg", metadata={"Date": None}, **options)
    drawn = vectors.getvalue()
    written = re.search(rb'<svg [^>]*?width="([\d.]+)pt" height="([\d.]+)pt"', drawn)
    points = (0.0, 0.0) if written is None else (float(written[1]), float(written[2]))
    # A page has 96 pixels where paper has 72 points.
    size = (round(points[0] * 96 / 72), round(points[1] * 96 / 72))
    if len(drawn) <= MOST_BYTES:
        return "svg+xml", drawn, size
    figure.savefig(pixels, format="png", dpi=_PIXELS_PER_INCH, **options)
    return "png", pixels.getvalue(), size
