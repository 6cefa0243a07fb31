"""What all plots share: colours, axes, and one rule for showing, saving and returning."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, which all common forms of colour blindness can tell apart.
# Grey replaces its yellow, which is hard to see on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")


def colours(palette: str | Sequence[str] | None, names: Sequence[str], what: str) -> list[str]:
    """Return one colour per name, of ``palette`` or of the package's own."""
    given = [palette] if isinstance(palette, str) else list(palette or PALETTE)
    if len(given) < len(names):
        msg = (
            f"palette has {len(given)} colours, but there are {len(names)} {what}: "
            f"{', '.join(names)}."
        )
        raise ValueError(msg)
    return given[: len(names)]


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

    Raises before anything is drawn where ``save`` is no path.
    """
    if save is not None and not isinstance(save, (str, PathLike)):
        msg = f"save must be the path of a file, such as 'figure.pdf', or None; got {save!r}."
        raise TypeError(msg)
    if ax is None:
        import matplotlib.pyplot as plt

        size = figsize or default_size
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
    # axes.figure may be a subfigure; the canvas has the figure that is saved.
    figure = axes[0].figure.canvas.figure
    if save is not None:
        figure.savefig(save, bbox_inches="tight")
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
