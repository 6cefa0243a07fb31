"""The course of the training of a fitted network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import fitted
from scregnet._docs import doc
from scregnet.pl._figure import PALETTE, finish, panels

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

_LOSSES = {"train_loss": "training", "validation_loss": "validation"}
_SCORES = {"validation_auroc": "AUROC", "validation_auprc": "AUPRC"}


@doc
def history(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    palette: Sequence[str] | None = None,
    mod: str = "rna",
    ax: Sequence[Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | np.ndarray | None:
    """Draw loss and validation metrics of a fitted network by epoch, and the epoch whose state was kept.

    Of an ensemble, every member has its own line and its own kept epoch.

    Parameters
    ----------
    %(adata)s
    %(key)s
    palette
        Two colours: the first for training loss and AUROC, the second for validation loss and AUPRC.
    %(mod)s
    ax
        Two axes to draw on, for the losses and for the metrics; ``None`` makes a figure.
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
        The method is not trained in epochs, or ``ax`` is not two axes.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated()
    >>> sr.tl.embed(adata, model="svd")
    >>> sr.tl.fit_grn(adata, adata.uns["network"], embedding="svd", method="scregnet")
    >>> sr.pl.history(adata)
    """
    from matplotlib.ticker import MaxNLocator

    results = fitted(resolve(adata, mod), key)
    table, kept = _epochs(results, key)
    members = [part for _, part in table.groupby("model")] if "model" in table else [table]
    alpha = 1 if len(members) == 1 else 0.6
    colours = tuple(palette or PALETTE)
    if len(colours) < 2:
        msg = f"palette must have at least 2 colours, got {len(colours)}."
        raise ValueError(msg)

    losses, scores = axes = panels(ax, 2, figsize=figsize, dpi=dpi, default_size=(8.4, 3.6))
    for one, curves in ((losses, _LOSSES), (scores, _SCORES)):
        for (column, label), colour, line in zip(
            curves.items(), colours, ("-", (0, (4, 1.2))), strict=False
        ):
            style: dict[str, Any] = {"color": colour, "linestyle": line}
            for number, member in enumerate(members):
                # A single epoch has no line to draw.
                marker = "o" if len(member) == 1 else None
                named = label if number == 0 else None
                one.plot(
                    member["epoch"],
                    member[column],
                    label=named,
                    marker=marker,
                    alpha=alpha,
                    **style,
                )
        for number, epoch in enumerate(kept):
            named = None
            if number == 0:
                named = (
                    f"kept: epoch {epoch}"
                    if len(kept) == 1
                    else f"kept: epochs {min(kept)} to {max(kept)}"
                )
            one.axvline(epoch, color="0.4", linestyle=":", label=named, alpha=alpha, zorder=1)
        one.set_xlabel("Epoch")
        one.xaxis.set_major_locator(MaxNLocator(integer=True))
        one.legend(loc="best", fontsize="small")
    losses.set(title="Loss", ylabel="Loss")
    scores.set(title="Validation pairs", ylabel="AUROC, AUPRC")
    return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)


def _epochs(results: Mapping[str, Any], key: str) -> tuple[pd.DataFrame, list[int]]:
    """Return the frame of epochs and the epoch that each model kept, where it is known."""
    table: pd.DataFrame = results["history"]
    if len(table) == 0:
        msg = (
            f"adata.uns[{key!r}]['history'] is empty: method {str(results['params']['method'])!r} is not trained in epochs, "
            f"so there is no history to draw."
        )
        raise ValueError(msg)
    kept = np.atleast_1d(results["params"].get("best_epoch", -1)).tolist()
    return table, [epoch for epoch in kept if epoch >= 0]
