"""Probabilities of a fitted network against the share of known edges."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Literal

import numpy as np

from scregnet import get
from scregnet._anndata.access import resolve
from scregnet._anndata.slots import fitted, key_of_group
from scregnet._docs import doc
from scregnet.pl._figure import colours, finish, panels

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData


@doc
def calibration(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    group: str | None = None,
    split: Literal["train", "validation", "test", "folds"] = "test",
    n_bins: int = 10,
    palette: str | Sequence[str] | None = None,
    mod: str = "rna",
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | Axes | None:
    """Draw the share of known edges against the probability, over the histogram of probabilities.

    Draws :func:`scregnet.get.calibration`. Points of calibrated probabilities lie on the diagonal.
    The bars of a point are Wilson's 95 %% interval.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(group)s
    split
        Labelled pairs to use: ``"train"``, ``"validation"``, ``"test"``, or ``"folds"``, which are
        all of them with the probabilities out of fold that are delivered.
    n_bins
        Number of bins of equal width between 0 and 1.
    palette
        Colour of the points: one name, or the first of several.
    %(mod)s
    %(ax)s
    %(figure)s

    Returns
    -------
    %(plot_returns)s

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or no such ``group``.
    ValueError
        The split has no labelled pairs, the fit has no folds, ``n_bins`` is below 2, or ``group``
        is missing.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.pl.calibration(adata)
    """
    adata = resolve(adata, mod)
    key = key_of_group(adata, key, group)
    bins = get.calibration(adata, key=key, split=split, n_bins=n_bins)
    (colour,) = colours(palette, ["points"], "kinds of points")
    (one,) = axes = panels(ax, 1, figsize=figsize, dpi=dpi, default_size=(4.4, 4.4), save=save)
    _draw(one, bins, colour)
    label_frequency = float(fitted(adata, key)["params"]["label_frequency"])
    one.set_xlabel("Probability" if label_frequency == 1 else "Probability of being in the prior")
    n_pairs = bins["n_pairs"].sum()
    where = "out of fold" if split == "folds" else f"on the {split} split"
    one.set_title(f"Calibration {where} ({n_pairs:,} pairs)", fontsize="medium")
    return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)


def _draw(ax: Axes, bins: pd.DataFrame, colour: str) -> None:
    ax.bar(
        bins["left"],
        bins["n_pairs"] / bins["n_pairs"].sum(),
        width=bins["right"] - bins["left"],
        align="edge",
        color="0.85",
        edgecolor="white",
        label="share of pairs",
        zorder=1,
    )
    ax.plot([0, 1], [0, 1], color="0.5", linestyle=":", label="perfect", zorder=2)
    points = bins[bins["n_pairs"] > 0]
    below = points["frequency"] - points["low"]
    above = points["high"] - points["frequency"]
    ax.errorbar(
        points["probability"],
        points["frequency"],
        yerr=np.stack([below, above]),
        color=colour,
        fmt="o-",
        label="share that is true",
        zorder=3,
    )
    ax.set(xlim=(0, 1), ylim=(0, 1.02), box_aspect=1, ylabel="Share of pairs")
    # Below the axes: under- and overconfident methods fill opposite corners.
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, fontsize="small", frameon=False
    )
