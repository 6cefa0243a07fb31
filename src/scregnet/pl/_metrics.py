"""ROC and precision-recall curves of a fitted network beside its null models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import fitted, nulls
from scregnet._docs import doc
from scregnet._validate import check_choice
from scregnet.pl._figure import PALETTE, finish, panels

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData


@dataclass(frozen=True)
class Curves:
    """One model's curves over the labelled pairs of one split."""

    model: str
    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    auroc: float
    auprc: float


@doc
def metrics(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
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
    """Draw the ROC and the precision-recall curve of a fitted network beside those of its null models.

    The null models know only how often a gene is a regulator or a target. What the method adds to them is the distance
    between the curves, not the distance to the dotted line of chance (ROC) or of the share of positives (precision-recall).

    Parameters
    ----------
    %(adata)s
    %(key)s
    split
        Which labelled pairs to take.
    palette
        Colours of the method and of the null models in the order of their columns in ``adata.uns[key]["pairs"]``.
    %(mod)s
    ax
        Two axes to draw on, for ROC and for precision-recall; ``None`` makes a figure.
    figsize
        Width and height of a new figure in inches.
    dpi
        Resolution of a new figure; ``None`` takes matplotlib's.
    show
        Show the figure; ``None`` shows it in an interactive session unless ``ax``, ``save`` or ``return_fig`` is given.
    save
        Path to write the figure to.
    return_fig
        Return the figure.

    Returns
    -------
    The :class:`~matplotlib.figure.Figure` if ``return_fig``, an array of the two :class:`~matplotlib.axes.Axes` if
    ``show=False``, else ``None``.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``.
    ValueError
        The split has no pairs or pairs of one label only, or ``ax`` is not two axes.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated()
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.pl.metrics(adata)
    """
    results = fitted(resolve(adata, mod), key)
    curves, prevalence, n_pairs = _curves(results["pairs"], str(results["params"]["method"]), split)
    colours = tuple(palette or PALETTE)
    if len(colours) < len(curves):
        msg = f"palette has {len(colours)} colours, but there are {len(curves)} models: {', '.join(c.model for c in curves)}."
        raise ValueError(msg)

    roc, precision_recall = axes = panels(ax, 2, figsize=figsize, dpi=dpi, default_size=(8.4, 4.2))
    # The method is drawn last, so that it lies on top where the curves meet.
    for rank, (curve, colour) in reversed(list(enumerate(zip(curves, colours, strict=False)))):
        style: dict[str, Any] = {
            "color": colour,
            "linestyle": "-" if rank == 0 else (0, (4, 1.2)),
            "zorder": 3 - 0.1 * rank,
        }
        roc.plot(
            curve.false_positive_rate,
            curve.true_positive_rate,
            label=f"{curve.model}, AUROC {curve.auroc:.3f}",
            **style,
        )
        precision_recall.plot(
            curve.recall,
            curve.precision,
            drawstyle="steps-post",
            label=f"{curve.model}, AUPRC {curve.auprc:.3f}",
            **style,
        )
    chance: dict[str, Any] = {"color": "0.5", "linestyle": ":", "zorder": 1}
    roc.plot([0, 1], [0, 1], label="chance, AUROC 0.500", **chance)
    precision_recall.plot(
        [0, 1], [prevalence, prevalence], label=f"prevalence {prevalence:.3f}", **chance
    )

    roc.set(title="ROC", xlabel="False positive rate", ylabel="True positive rate")
    precision_recall.set(title="Precision-recall", xlabel="Recall", ylabel="Precision")
    places: tuple[tuple[Axes, Any], ...] = ((roc, "lower right"), (precision_recall, "best"))
    for one, place in places:
        one.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), box_aspect=1)
        handles, labels = one.get_legend_handles_labels()
        n = len(curves)
        one.legend(
            [*handles[:n][::-1], handles[n]],
            [*labels[:n][::-1], labels[n]],
            loc=place,
            fontsize="small",
        )
    if ax is None:
        roc.figure.suptitle(f"{n_pairs:,} labelled pairs of the {split} split", fontsize="medium")
    return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)


def _curves(pairs: pd.DataFrame, method: str, split: str) -> tuple[list[Curves], float, int]:
    """Return the curves of the method and of every null model, the share of positives and the number of pairs."""
    from sklearn.metrics import (
        average_precision_score,
        precision_recall_curve,
        roc_auc_score,
        roc_curve,
    )

    check_choice("split", split, ("train", "validation", "test"))
    part = pairs[pairs["split"] == split]
    label = part["label"].to_numpy()
    n_positive = int((label == 1).sum())
    if not 0 < n_positive < len(label):
        msg = (
            f"split={split!r} has {n_positive} positive and {len(label) - n_positive} negative pairs; "
            f"ROC and precision-recall curves need both."
        )
        raise ValueError(msg)
    columns = {method: "probability"} | {
        name: f"probability_{name}" for name in nulls(pairs) if name != method
    }
    curves = []
    for model, column in columns.items():
        score = part[column].to_numpy()
        false_positive_rate, true_positive_rate, _ = roc_curve(label, score)
        precision, recall, _ = precision_recall_curve(label, score)
        curves.append(
            Curves(
                model,
                false_positive_rate,
                true_positive_rate,
                # From recall 0 upwards; the steps then have the area that is the average precision.
                recall[::-1],
                precision[::-1],
                float(roc_auc_score(label, score)),
                float(average_precision_score(label, score)),
            )
        )
    return curves, n_positive / len(label), len(label)
