"""What a difference to a null model says, in words; used by several sections."""

from __future__ import annotations

from typing import Any

import pandas as pd

from scregnet._report.html import Html, tag
from scregnet.metrics._metrics import LOWER_IS_BETTER

MEANINGS = {
    "auroc": ("AUROC", "how often a known link ranks above another pair; 0.5 is chance"),
    "auprc": ("AUPRC", "average precision over all pairs; chance is the prevalence"),
    "auprc_ratio": ("AUPRC ratio", "AUPRC over the prevalence; 1 is chance"),
    "epr": ("Early precision", "of as many first pairs as there are links, over chance"),
    "per_tf_auroc": ("AUROC within TFs", "mean over TFs: a popular TF gains nothing by it"),
    "per_tf_auprc": ("AUPRC within TFs", "mean over TFs"),
    "per_tf_auroc_5": ("AUROC within TFs, ≥ 5", "of TFs with five links and five other pairs"),
    "per_tf_auprc_5": ("AUPRC within TFs, ≥ 5", "of TFs with five links and five other pairs"),
    "brier": ("Brier score", "error of the probabilities; lower is better"),
    "ece": ("Calibration error", "distance of probability and frequency; lower is better"),
    "prevalence": ("Prevalence", "share of known links among the pairs"),
    "n_tfs_5": ("TFs, ≥ 5", "with five links and five other pairs"),
}
"""Names of the metrics, and what each says."""


DIGITS = {"auprc_ratio": 2, "epr": 2, "brier": 4, "ece": 4}
"""Digits after the point, where three would be too many or too few."""


def label(metric: str) -> str:
    """Return the name of a metric as it is shown."""
    return MEANINGS[metric][0] if metric in MEANINGS else metric


def standing(row: Any, metric: str) -> str:
    """Return ``"ahead"``, ``"behind"``, ``"open"`` (0 is in the interval) or ``""`` (untold)."""
    low, high = row["difference_low"], row["difference_high"]
    if pd.isna(low) or pd.isna(high):
        return ""
    if low <= 0 <= high:
        return "open"
    return "ahead" if (low > 0) != (metric in LOWER_IS_BETTER) else "behind"


WORDS = {"ahead": "ahead", "behind": "behind", "open": "not told apart", "": ""}
_KINDS = {"ahead": "good", "behind": "bad"}


def verdict(found: str) -> Html:
    """Return a standing as words, so that it does not hang on a colour."""
    return tag("span", WORDS[found], class_=f"verdict {_KINDS.get(found, '')}".strip())
