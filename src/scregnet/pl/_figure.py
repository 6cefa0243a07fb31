"""What all plots share: colours, axes, and one rule for showing, saving and returning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._text import checked_file
from scregnet._validate import check_flags, check_interval, listed, name_list, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, which all common forms of colour blindness can tell apart.
# Grey replaces its yellow, which is hard to see on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")

MOST_INCHES, MOST_DPI = 1000, 10_000
"""Beyond any page and any printer; matplotlib fails on larger ones, when all is drawn."""


def colours(palette: str | Sequence[str] | None, names: Sequence[str], what: str) -> list[str]:
    """Return one colour per name, of ``palette`` or of the package's own."""
    given = list(PALETTE) if palette is None else name_list("palette", palette)
    check_colours(given)
    if len(given) < len(names):
        msg = (
            f"palette has {len(given)} colours, but there are {len(names)} {what}: "
            f"{', '.join(names)}."
        )
        raise ValueError(msg)
    return given[: len(names)]


def check_colours(given: Iterable[Any]) -> None:
    """Raise ``ValueError`` for a colour of ``palette`` that matplotlib does not know."""
    from matplotlib.colors import is_color_like

    if wrong := [colour for colour in given if not is_color_like(colour)]:
        msg = (
            f"palette: {listed(wrong, 3)} is no colour. Give names or hexadecimal codes, such as "
            "'tab:blue' or '#0072B2'."
        )
        raise ValueError(msg)


def check_map(palette: str | None, usual: str) -> Any:
    """Return ``palette`` as the name of a colour map, ``usual`` for ``None``; or raise."""
    import matplotlib as mpl

    if palette is None:
        return usual
    known = isinstance(palette, str) and palette in mpl.colormaps
    if known or isinstance(palette, mpl.colors.Colormap):
        return palette
    msg = f"palette must be the name of a colour map, such as 'viridis', got {shortened(palette)}."
    raise ValueError(msg)


def panels(
    ax: Axes | Sequence[Axes] | None,
    n: int,
    *,
    figsize: tuple[float, float] | None,
    dpi: float | None,
    default_size: tuple[float, float],
    save: str | PathLike[str] | None,
    rows: int = 1,
) -> list[Axes]:
    """Return ``n`` axes, row by row: the given ones, or those of a new figure.

    Raises before anything is drawn where ``save`` is no path of a figure, or a size is wrong.
    """
    check_save("save", save)
    _check_sizes(figsize, dpi)
    if ax is None:
        import matplotlib.pyplot as plt

        size = default_size if figsize is None else figsize
        figure, made = plt.subplots(
            rows, n // rows, figsize=size, dpi=dpi, layout="constrained", squeeze=False
        )
        return list(made.ravel())
    given = list(np.ravel(np.asarray(ax, dtype=object)))
    if len(given) != n or not all(hasattr(one, "transData") for one in given):
        wanted = "one matplotlib Axes" if n == 1 else f"a sequence of {n} matplotlib Axes"
        found = (
            f"{len(given)} objects"
            if len(given) != n
            else ", ".join(type(one).__name__ for one in given)
        )
        msg = f"ax must be {wanted}, got {found}."
        raise ValueError(msg)
    return given


def check_save(argument: str, save: str | PathLike[str] | None) -> None:
    """Raise unless a figure can be saved there: what is drawn first would be lost."""
    if save is None:
        return
    path = checked_file(argument, save)
    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    if path.suffix and path.suffix[1:].lower() not in known:
        msg = f"{argument}={str(path)!r}: the suffix must be one of {listed(sorted(known), 30)}."
        raise ValueError(msg)


def _check_sizes(figsize: tuple[float, float] | None, dpi: float | None) -> None:
    """Raise unless sizes of a figure are positive numbers."""
    if dpi is not None:
        check_interval("dpi", dpi, 0, MOST_DPI, closed="right")
    if figsize is None:
        return
    if isinstance(figsize, str) or np.shape(figsize) != (2,):
        msg = f"figsize must be width and height in inches, such as (6, 4); got {figsize!r}."
        raise TypeError(msg)
    for size in figsize:
        check_interval("each of figsize", size, 0, MOST_INCHES, closed="right")


def finish(
    axes: list[Axes],
    *,
    given: bool,
    show: bool | None,
    save: str | PathLike[str] | None,
    return_fig: bool,
) -> Any:
    """Save and show a drawn figure; return it, its axes or nothing.

    ``given`` says that the axes are the user's.
    """
    check_flags(return_fig=return_fig)
    if show is not None:
        check_flags(show=show)
    # axes.figure may be a subfigure; the canvas has the figure that is saved.
    figure = axes[0].figure.canvas.figure
    if save is not None:
        figure.savefig(Path(save).expanduser(), bbox_inches="tight")
    if not given:
        import matplotlib.pyplot as plt

        if show or (show is None and save is None and not return_fig and _can_show()):
            plt.show()
        elif show is None and save is not None and not return_fig:
            # Nobody can reach this figure any more: a loop that saves would fill the memory.
            plt.close(figure)
    if return_fig:
        return figure
    if show is False:
        return axes[0] if len(axes) == 1 else np.array(axes, dtype=object)
    return None


def _can_show() -> bool:
    """Whether the backend shows figures: a window or a notebook, not a file only."""
    import matplotlib as mpl
    from matplotlib.backends import BackendFilter, backend_registry

    return mpl.get_backend().lower() not in backend_registry.list_builtin(
        BackendFilter.NON_INTERACTIVE
    )
