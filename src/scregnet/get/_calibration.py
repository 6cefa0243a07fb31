"""Probabilities of a fitted network against the labels of held-out pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import labelled, read_groups, stands_for
from scregnet._docs import doc
from scregnet._genes.frames import PARTS
from scregnet._validate import check_choice, check_integer

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

# The 97.5th percentile of the normal distribution: 95 % lie between -z and z.
_Z = 1.959964


@doc
def calibration(
    adata: AnnData | MuData,
    *,
    key: str = "grn",
    group: str | None = None,
    split: Literal["train", "validation", "test", "folds"] = "test",
    n_bins: int = 10,
    mod: str = "rna",
) -> pd.DataFrame:
    """Return the share of known edges among pairs of similar probability.

    Labels tell whether a pair is listed in the prior. For a fit with a ``label_frequency`` below 1,
    probabilities are therefore multiplied by it: they are those of being listed.

    Parameters
    ----------
    %(adata)s
    %(key)s
    %(groups)s
    split
        Labelled pairs to use: ``"train"``, ``"validation"``, ``"test"``, or ``"folds"``, which are
        all of them with the probabilities out of fold that are delivered.
    n_bins
        Number of bins of equal width between 0 and 1.
    %(mod)s

    Returns
    -------
    Frame with one row per bin, in rising order:

    - ``left``, ``right``: the edges of the bin;
    - ``n_pairs``: number of labelled pairs whose probability is in the bin;
    - ``probability``: their mean probability, NaN for an empty bin;
    - ``frequency``: share of positives among them, NaN for an empty bin;
    - ``low``, ``high``: Wilson's 95 %% interval of ``frequency`` (:cite:p:`wilson1927`).

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or no such ``group``.
    ValueError
        The split has no labelled pairs, the fit has no folds, or ``n_bins`` is below 2.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> bins = sr.get.calibration(adata, n_bins=5)
    """
    check_choice("split", split, (*PARTS, "folds"))
    check_integer("n_bins", n_bins, minimum=2)
    data = resolve(adata, mod)
    return read_groups(
        data, key, group, lambda member: _calibration(labelled(data, member), split, n_bins)
    )


def _calibration(results: Mapping[str, Any], split: str, n_bins: int) -> pd.DataFrame:
    pairs = results["pairs"]
    if split == "folds":
        part, column = pairs, "out_of_fold"
        if column not in pairs:
            msg = (
                "split='folds': the network was fitted without folds. Take split='test', or call "
                "sr.tl.fit_grn with n_folds above 1."
            )
            raise ValueError(msg)
    else:
        part, column = pairs[pairs["split"] == split], "probability"
    if len(part) == 0:
        msg = f"split={split!r} has no labelled pairs."
        raise ValueError(msg)
    probability = part[column].to_numpy(dtype=float)
    probability = float(results["params"]["label_frequency"]) * probability
    return _bins(probability, part["label"].to_numpy() == 1, stands_for(part), n_bins)


def _bins(
    probability: np.ndarray, label: np.ndarray, weights: np.ndarray | None, n_bins: int
) -> pd.DataFrame:
    # A probability of exactly 1 belongs to the last bin.
    place = np.minimum((probability * n_bins).astype(int), n_bins - 1)
    counts = np.ones(len(place)) if weights is None else weights
    n = np.bincount(place, minlength=n_bins)
    total = np.bincount(place, weights=counts, minlength=n_bins)
    # An empty bin has no mean: 0 / NaN gives NaN without a warning.
    divisor = np.where(n > 0, total, np.nan)
    frequency = np.bincount(place, weights=counts * label, minlength=n_bins) / divisor
    # As many equal pairs as would be as sure of a mean (Kish): all of them without weights.
    squares = np.bincount(place, weights=counts**2, minlength=n_bins)
    low, high = _wilson(frequency, divisor**2 / np.where(n > 0, squares, np.nan))
    return pd.DataFrame(
        {
            "left": np.arange(n_bins) / n_bins,
            "right": np.arange(1, n_bins + 1) / n_bins,
            "n_pairs": n,
            "probability": np.bincount(place, counts * probability, minlength=n_bins) / divisor,
            "frequency": frequency,
            "low": low,
            "high": high,
        }
    )


def _wilson(p: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's interval of a share ``p`` that was observed among ``n``.

    Its ends are (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n).
    """
    z = _Z
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # Rounding must not put an end of the interval on the wrong side of the share itself.
    low = np.minimum(np.maximum(centre - half, 0), p)
    high = np.maximum(np.minimum(centre + half, 1), p)
    return low, high
