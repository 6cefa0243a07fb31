"""Read what metrics are given: labels, numbers and TFs, one of each pair."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._validate import check_unmasked, shortened

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def read_labels(labels: ArrayLike) -> np.ndarray:
    """Return labels as bool; raise unless each is true or false, or 1 or 0."""
    check_unmasked("labels", labels)
    values = np.asarray(labels)
    if values.dtype == bool:
        return values
    # By truth value, "no", NaN and -1 would be edges.
    numbers = values.ravel()
    if values.dtype.kind not in "iuf":
        known = [isinstance(value, (Real, np.bool_)) for value in numbers]
        numbers = np.where(known, numbers.astype(object), np.nan).astype(np.float64)
    good = np.isin(numbers, (0, 1))
    if not good.all():
        wrong = values.ravel()[~good][0]
        msg = (
            "labels must be True or False, or 1 or 0, for every pair; "
            f"{int((~good).sum()):,} of {len(good):,} are something else, such as "
            f"{shortened(wrong)}."
        )
        raise ValueError(msg)
    return values.astype(bool)


def read_numbers(argument: str, values: ArrayLike) -> np.ndarray:
    """Return values as float64; raise if they are no numbers, or partly hidden by a mask."""
    check_unmasked(argument, values)
    found = np.asarray(values)
    wrong = found.dtype.kind not in "biuf" and not all(
        isinstance(value, (Real, np.bool_)) for value in found.flat
    )
    if wrong:
        msg = f"{argument} must be numbers, got {shortened(values)}."
        raise ValueError(msg)
    return found.astype(np.float64)


def read_tfs(argument: str, tfs: ArrayLike, n: int) -> np.ndarray:
    """Return the TF of each pair; raise unless there is one for each of ``n`` pairs."""
    check_unmasked(argument, tfs)
    found = np.asarray(tfs)
    if found.shape != (n,):
        got = "None" if tfs is None else f"shape {found.shape}"
        msg = f"{argument} must name the TF of each of the {n} pairs, got {got}."
        raise ValueError(msg)
    if n_missing := int(pd.isna(found).sum()):
        msg = f"{argument} must name the TF of each of the {n} pairs; {n_missing:,} are missing."
        raise ValueError(msg)
    return found
