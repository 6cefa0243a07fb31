"""Whether the probabilities of a fitted network mean what they say."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import fitted
from scregnet._docs import doc
from scregnet._validate import check_choice, check_integer
from scregnet.pl._figure import PALETTE, finish, panels

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData


@doc
def calibration(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    split: Literal["train", "validation", "test"] = "test",
    n_bins: int = 10,
    color: str = PALETTE[0],
    mod: str = "rna",
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | Axes | None:
    """Draw how often pairs are true against the probability they were given, over the histogram of the probabilities.

    The bars of each point span Wilson's 95 %% interval of the share of true pairs in the bin. Of a fit with a ``label_frequency`` below 1, the
    probability of being listed in the prior is drawn, that of being an edge times ``label_frequency``: labels tell no more.

    Parameters
    ----------
    %(adata)s
    %(key)s
    split
        Which labelled pairs to take.
    n_bins
        Number of bins of equal width between 0 and 1.
    color
        Colour of the points.
    %(mod)s
    %(plot)s

    Returns
    -------
    %(plot_returns)s

    Raises
    ------
    KeyError
        There is no fitted network named ``key``.
    ValueError
        The split has no labelled pairs.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated()
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.pl.calibration(adata)
    """
    check_integer("n_bins", n_bins, minimum=2)
    results = fitted(resolve(adata, mod), key)
    label_frequency = float(results["params"].get("label_frequency", 1))
    bins = _bins(results["pairs"], split, n_bins, label_frequency)
    (one,) = axes = panels(ax, 1, figsize=figsize, dpi=dpi, default_size=(4.4, 4.4))
    one.bar(
        bins["low"],
        bins["n"] / bins["n"].sum(),
        width=1 / n_bins,
        align="edge",
        color="0.85",
        edgecolor="white",
        label="share of pairs",
        zorder=1,
    )
    one.plot([0, 1], [0, 1], color="0.5", linestyle=":", label="perfect", zorder=2)
    points = bins[bins["n"] > 0]
    spans = np.stack([points["true"] - points["lower"], points["upper"] - points["true"]])
    one.errorbar(
        points["mean"],
        points["true"],
        yerr=spans,
        color=color,
        fmt="o-",
        label="share that is true",
        zorder=3,
    )
    listed = "Probability" if label_frequency == 1 else "Probability of being in the prior"
    one.set(xlim=(0, 1), ylim=(0, 1.02), box_aspect=1, xlabel=listed, ylabel="Share of pairs")
    one.set_title(
        f"Calibration on the {split} split ({int(bins['n'].sum()):,} pairs)", fontsize="medium"
    )
    # No corner is free for sure: under- and overconfident methods fill opposite ones.
    one.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, fontsize="small", frameon=False
    )
    return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)


def _bins(pairs: pd.DataFrame, split: str, n_bins: int, label_frequency: float = 1) -> pd.DataFrame:
    """Return one row per bin: lower edge, pairs, mean probability, share of true pairs and its interval."""
    check_choice("split", split, ("train", "validation", "test"))
    part = pairs[pairs["split"] == split]
    if len(part) == 0:
        msg = f"split={split!r} has no labelled pairs."
        raise ValueError(msg)
    probability = label_frequency * part["probability"].to_numpy(dtype=float)
    place = np.minimum((probability * n_bins).astype(int), n_bins - 1)
    n = np.bincount(place, minlength=n_bins)
    safe = np.maximum(n, 1)
    true = np.bincount(place, weights=part["label"].to_numpy() == 1, minlength=n_bins) / safe
    z = 1.959964
    centre = (true + z**2 / (2 * safe)) / (1 + z**2 / safe)
    half = z * np.sqrt(true * (1 - true) / safe + z**2 / (4 * safe**2)) / (1 + z**2 / safe)
    return pd.DataFrame(
        {
            "low": np.arange(n_bins) / n_bins,
            "n": n,
            "mean": np.bincount(place, weights=probability, minlength=n_bins) / safe,
            "true": true,
            # Rounding must not put an end of the interval on the wrong side of the share itself.
            "lower": np.minimum(np.maximum(centre - half, 0), true),
            "upper": np.maximum(np.minimum(centre + half, 1), true),
        }
    )
