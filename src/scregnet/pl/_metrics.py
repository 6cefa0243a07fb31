"""ROC and precision-recall curves of a fitted network and its null models."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scregnet import get
from scregnet._anndata.access import resolve
from scregnet._anndata.slots import key_of_group, labelled, stands_for
from scregnet._docs import doc
from scregnet.pl._figure import colours, finish, panels

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData


@doc
def metrics(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    group: str | None = None,
    split: Literal["train", "validation", "test"] = "test",
    palette: Sequence[str] | None = None,
    mod: str = "rna",
    ax: Sequence[Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | np.ndarray | None:
    """Draw the ROC and the precision-recall curve of a fitted network and of its null models.

    Draws :func:`scregnet.get.curves`. Compare the method with the null models, not with chance:
    the null models use the known links only.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(group)s
    %(split)s
    palette
        Colours of the method and of the null models, in the order of the legend.
    %(mod)s
    %(two_axes)s
    %(figure)s

    Returns
    -------
    %(plot_returns)s

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or no such ``group``.
    ValueError
        The split has no pairs or pairs of one label only, ``palette`` or ``ax`` does not fit, or
        ``group`` is missing.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.pl.metrics(adata)
    """
    adata = resolve(adata, mod)
    key = key_of_group(adata, key, group)
    table = get.curves(adata, key=key, split=split)
    models = table["model"].unique().tolist()
    colour = dict(zip(models, colours(palette, models, "models"), strict=True))
    pairs = labelled(adata, key)["pairs"]
    part = pairs[pairs["split"] == split]
    label = part["label"]

    roc, precision_recall = axes = panels(
        ax, 2, figsize=figsize, dpi=dpi, default_size=(8.4, 4.2), save=save
    )
    _panel(roc, table[table["curve"] == "roc"], colour, "AUROC", (0, 1), "chance, AUROC 0.500")
    share = np.average(label, weights=stands_for(part))
    _panel(
        precision_recall,
        table[table["curve"] == "precision_recall"],
        colour,
        "AUPRC",
        (share, share),
        f"prevalence {share:.3f}",
    )
    roc.set(title="ROC", xlabel="False positive rate", ylabel="True positive rate")
    precision_recall.set(title="Precision-recall", xlabel="Recall", ylabel="Precision")
    _legend(roc, "lower right")
    _legend(precision_recall, "best")
    if ax is None:
        roc.figure.suptitle(
            f"{len(label):,} labelled pairs of the {split} split", fontsize="medium"
        )
    return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)


def _panel(
    ax: Axes,
    table: pd.DataFrame,
    colour: dict[str, str],
    area: str,
    chance: tuple[float, float],
    chance_label: str,
) -> None:
    """Draw the curves of all models, and the line of a model that knows nothing."""
    for rank, model in reversed(list(enumerate(colour))):
        points = table[table["model"] == model]
        style: dict[str, Any] = {
            "color": colour[model],
            "linestyle": "-" if rank == 0 else (0, (4, 1.2)),
            # Average precision is the area under steps; the ROC curve is joined by straight lines.
            "drawstyle": "steps-post" if area == "AUPRC" else "default",
            # The method, which comes first, lies on top where curves meet.
            "zorder": 3 - 0.1 * rank,
        }
        label = f"{model}, {area} {points['area'].iloc[0]:.3f}"
        ax.plot(points["x"], points["y"], label=label, **style)
    ax.plot([0, 1], chance, color="0.5", linestyle=":", zorder=1, label=chance_label)
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), box_aspect=1)


def _legend(ax: Axes, place: Any) -> None:
    # Curves were drawn from the last to the first, then the line of chance.
    handles, labels = ax.get_legend_handles_labels()
    order = [*range(len(handles) - 2, -1, -1), len(handles) - 1]
    ax.legend([handles[i] for i in order], [labels[i] for i in order], loc=place, fontsize="small")
