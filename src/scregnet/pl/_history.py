"""Loss and validation metrics of a fitted network by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from scregnet import get
from scregnet._anndata.access import resolve
from scregnet._anndata.slots import key_of_group
from scregnet._docs import doc
from scregnet.get._history import no_epochs
from scregnet.pl._figure import colours, finish, panels

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

_LOSSES = {"train_loss": "training", "validation_loss": "validation"}
_SCORES = {"validation_auroc": "AUROC", "validation_auprc": "AUPRC"}
_LINES = ("-", (0, (4, 1.2)))


@doc
def history(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    group: str | None = None,
    palette: Sequence[str] | None = None,
    mod: str = "rna",
    ax: Sequence[Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | np.ndarray | None:
    """Draw losses and validation metrics of a fitted network by epoch, and mark the kept epoch.

    Draws :func:`scregnet.get.history`. Each member of an ensemble has its own lines. For a method
    without epochs, the axes are empty and a text on them says so.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(group)s
    palette
        Two colours: of training loss and AUROC, and of validation loss and AUPRC.
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
        ``palette`` or ``ax`` does not fit, or ``group`` is missing.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.embed(adata, model="svd")
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="scregnet", max_epochs=20, n_folds=1)
    >>> sr.pl.history(adata)
    """
    adata = resolve(adata, mod)
    key = key_of_group(adata, key, group)
    table = get.history(adata, key=key)
    pair = colours(palette, ["training", "validation"], "curves")
    losses, scores = axes = panels(
        ax, 2, figsize=figsize, dpi=dpi, default_size=(8.4, 3.6), save=save
    )
    if len(table) == 0:
        _say(axes, no_epochs(adata, key))
    else:
        _panel(losses, table, _LOSSES, pair)
        _panel(scores, table, _SCORES, pair)
    losses.set(title="Loss", ylabel="Loss")
    scores.set(title="Validation pairs", ylabel="AUROC, AUPRC")
    return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)


def _say(axes: Sequence[Axes], text: str) -> None:
    """Leave axes empty, with a text on the first."""
    for ax in axes:
        ax.set(xticks=[], yticks=[], xlabel="Epoch")
    place: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes[0].transAxes}
    # Two lines: one is wider than the axes.
    axes[0].text(0.5, 0.5, text.replace(": ", ":\n"), place, color="0.4")


def _panel(ax: Axes, table: pd.DataFrame, curves: dict[str, str], pair: Sequence[str]) -> None:
    """Draw two columns of the history for each member, and a line at each kept epoch."""
    from matplotlib.ticker import MaxNLocator

    members = [part for _, part in table.groupby("model")] if "model" in table else [table]
    alpha = 1 if len(members) == 1 else 0.6
    for (column, label), colour, line in zip(curves.items(), pair, _LINES, strict=True):
        style: dict[str, Any] = {"color": colour, "linestyle": line, "alpha": alpha}
        for number, member in enumerate(members):
            # A single epoch has no line to draw.
            marker = "o" if len(member) == 1 else None
            # Only the first member has a label: the legend names each curve once.
            named = label if number == 0 else None
            ax.plot(member["epoch"], member[column], label=named, marker=marker, **style)
    kept = table.loc[table["kept"], "epoch"].tolist()
    for number, epoch in enumerate(kept):
        named = _kept_label(kept) if number == 0 else None
        ax.axvline(epoch, color="0.4", linestyle=":", label=named, alpha=alpha, zorder=1)
    ax.set_xlabel("Epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(loc="best", fontsize="small")


def _kept_label(kept: list[int]) -> str:
    if len(kept) == 1:
        return f"kept: epoch {kept[0]}"
    return f"kept: epochs {min(kept)} to {max(kept)}"
