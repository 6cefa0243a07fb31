"""What the plots of studies share: labels of metrics, the check of the frame, the legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from scregnet._validate import listed

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

LABELS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "auprc_ratio": "AUPRC ratio",
    "epr": "Early precision ratio",
    "per_tf_auroc": "AUROC per TF",
    "per_tf_auprc": "AUPRC per TF",
    "per_tf_auroc_5": "AUROC per TF with 5 edges",
    "per_tf_auprc_5": "AUPRC per TF with 5 edges",
    "brier": "Brier score",
    "ece": "Calibration error",
    "prevalence": "Prevalence",
    "n_tfs_5": "TFs with 5 edges",
}
# The value of a random ranking, where that is not 0.
CHANCE = {"auroc": 0.5, "per_tf_auroc": 0.5, "per_tf_auroc_5": 0.5}


def check_frame(
    study: str, frame: object, needed: Sequence[str], *, groupby: str | None, metrics: Sequence[str]
) -> pd.DataFrame:
    """Return ``frame`` if it is one of ``sr.bm.<study>`` with the given metrics, else raise."""
    if not isinstance(frame, pd.DataFrame):
        msg = f"frame must be the frame that sr.bm.{study} returns, got {type(frame).__name__}."
        raise TypeError(msg)
    wanted = [*needed, *([] if groupby is None else [groupby])]
    missing = [column for column in wanted if column not in frame]
    if missing or len(frame) == 0:
        what = f"lacks the columns {listed(missing)}" if missing else "is empty"
        also = "" if groupby is None else " and hold the column that groupby names"
        msg = f"frame {what}; it must be what sr.bm.{study} returns{also}."
        raise ValueError(msg)
    if isinstance(metrics, str) or len(metrics) == 0:
        msg = f"metrics must be a sequence of names such as ('auroc', 'auprc'), got {metrics!r}."
        raise ValueError(msg)
    found = set(frame["metric"])
    if absent := [metric for metric in metrics if metric not in found]:
        msg = f"metrics: {listed(absent)} not in the frame; it has {listed(sorted(found))}."
        raise ValueError(msg)
    return frame


def check_not_pooled(table: pd.DataFrame, columns: Sequence[str], groupby: str | None) -> None:
    """Raise if a mean would run over several methods or data sets."""
    for column in columns:
        if column == groupby or column not in table:
            continue
        if len(there := list(table[column].astype(str).unique())) > 1:
            msg = (
                f"frame holds several values of {column!r}: {listed(there)}. Give "
                f"groupby={column!r}, or the rows of one."
            )
            raise ValueError(msg)


def legend(axes: Sequence[Axes], *, given: bool, ncols: int) -> None:
    """Draw one legend for all panels: below a new figure, or in the first of the user's axes."""
    found: dict[str, Artist] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if not found:
        return
    handles, labels = list(found.values()), list(found)
    if given:
        axes[0].legend(handles, labels, loc="best", fontsize="small")
    else:
        figure: Any = axes[0].figure
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=ncols,
            fontsize="small",
            frameon=False,
        )
