"""A network against effects of perturbed TFs: the AUROC of each TF."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scregnet._docs import doc
from scregnet._validate import (
    check_choice,
    check_one_value,
    listed,
    name_list,
)
from scregnet.pl._figure import PALETTE, check_colours, finish, panels
from scregnet.pl._study import LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_METRICS = ("auroc", "auprc")
_NEEDED = ("model", "tf", *_METRICS, "prevalence")
# The row that the others have to beat.
_POPULARITY = "popularity"


@doc
def validation(
    frame: pd.DataFrame,
    *,
    metric: Literal["auroc", "auprc"] = "auroc",
    models: Sequence[str] | None = None,
    palette: str | Sequence[str] | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | Axes | None:
    """Draw how well a network and its null models rank what changed, one dot per perturbed TF.

    Diamonds are means over TFs. The dashed line is the mean of the popularity of targets among the
    other perturbations, the dotted one chance.

    Parameters
    ----------
    frame
        Frame of :func:`scregnet.bm.validate` with ``per_tf=True``.
    metric
        What to draw.
    models
        Models to draw, from top to bottom; ``None`` draws all.
    palette
        Colours of the first model and of the others: one name for all, or two.
    %(ax)s
    %(figure)s

    Returns
    -------
    %(plot_returns)s

    Raises
    ------
    TypeError, ValueError
        ``frame`` is another one or of several networks, a model is not in it, or ``palette`` or
        ``ax`` does not fit.

    Examples
    --------
    >>> import scregnet as sr
    >>> tfs = [f"TF{number:03d}" for number in range(1, 9)]
    >>> adata = sr.datasets.simulated(200, 200, n_tfs=12, knockouts=tfs, n_knockout_obs=5)
    >>> sr.tl.fit_grn(adata, adata.uns["binding"], method="degree", n_folds=2)
    >>> sr.pl.validation(sr.bm.validate(adata, adata.uns["effects"], per_tf=True))
    """
    check_choice("metric", metric, _METRICS)
    names = _models(_checked(frame), models)
    colour = _two(palette)
    size = (6.4, 0.6 + 0.42 * len(names))
    (one,) = axes = panels(ax, 1, figsize=figsize, dpi=dpi, default_size=size, save=save)
    for row, name in enumerate(names):
        own = frame[frame["model"] == name]
        _draw_row(one, own[metric].to_numpy(np.float64), row, colour[min(row, 1)])
    popular = frame.loc[frame["model"] == _POPULARITY, metric]
    if len(popular):
        mean = popular.mean()
        one.axvline(mean, color="0.35", linestyle="--", linewidth=1, zorder=1)
    chance = 0.5 if metric == "auroc" else float(frame["prevalence"].mean())
    one.axvline(chance, color="0.5", linestyle=":", linewidth=1, zorder=1)
    counts = frame["model"].value_counts()
    labels = [f"{name.replace('_', ' ')} ({counts[name]})" for name in names]
    one.set_yticks(range(len(names)), labels)
    one.set_ylim(len(names) - 0.5, -0.5)
    one.set_xlabel(f"{LABELS[metric]} within a perturbed TF (dotted: chance, dashed: popularity)")
    one.set_title("Does it rank what changes first? (number of TFs)", fontsize="medium")
    return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)


def _checked(frame: object) -> pd.DataFrame:
    """Return the frame if it is one of ``sr.bm.validate(per_tf=True)``, else raise."""
    what = "what sr.bm.validate(adata, perturbations, per_tf=True) returns"
    if not isinstance(frame, pd.DataFrame):
        msg = f"frame must be {what}, got {type(frame).__name__}."
        raise TypeError(msg)
    missing = [column for column in _NEEDED if column not in frame]
    if missing or len(frame) == 0:
        said = f"lacks the columns {listed(missing)}" if missing else "is empty"
        msg = f"frame {said}; it must be {what}."
        raise ValueError(msg)
    check_one_value(frame, ("model", "tf"), "auroc")
    return frame


def _models(frame: pd.DataFrame, models: Sequence[str] | None) -> list[str]:
    """Return the models to draw."""
    there = frame["model"].unique().tolist()
    if models is None:
        return there
    names = [models] if isinstance(models, str) else list(models)
    if not names or (absent := [name for name in names if name not in there]):
        said = listed(absent) if names else "none was given"
        msg = f"models: {said}; the frame has {listed(there)}."
        raise ValueError(msg)
    return names


def _two(palette: str | Sequence[str] | None) -> list[str]:
    """Return the colours of the first model and of the others."""
    given = [PALETTE[0], "#7F7F7F"] if palette is None else name_list("palette", palette)
    given = given * 2 if isinstance(palette, str) else given
    check_colours(given)
    if len(given) < 2:
        msg = f"palette has {len(given)} colours, but needs two: the first model, and the others."
        raise ValueError(msg)
    return given


def _draw_row(ax: Axes, values: np.ndarray, row: int, colour: str) -> None:
    """Draw the TFs of one model, spread in the order of their values, and their mean."""
    # Steps of the golden ratio fill the height evenly, and the same way each time.
    rank = np.argsort(np.argsort(values))
    height = row + 0.5 * ((rank * 0.618034) % 1 - 0.5)
    ax.scatter(values, height, s=11, color=colour, alpha=0.45, linewidth=0, zorder=2)
    style: dict[str, Any] = {
        "marker": "D",
        "s": 42,
        "edgecolor": "white",
        "linewidth": 0.8,
        "zorder": 3,
    }
    ax.scatter([values.mean()], [row], color=colour, **style)
