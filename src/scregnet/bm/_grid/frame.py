"""The frame of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

CELL = ["data", "method", "split", "seed"]
FIGURE = ["metric", "value", "best_null", "difference"]
COST = ["cpu_seconds", "seconds", "peak_gib"]
COLUMNS = [*CELL, *FIGURE, *COST, "versions", "error"]


def as_frame(records: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Return one row a metric; one row with an error for a cell that failed."""
    rows = []
    for record in records:
        cell = [record[name] for name in CELL]
        cost = [float(record.get(name, math.nan)) for name in COST]
        more = [*cost, str(record["versions"]), str(record["error"])]
        figures = record["figures"] or [("", math.nan, "", math.nan)]
        for metric, value, null, difference in figures:
            rows.append([*cell, str(metric), float(value), str(null), float(difference), *more])
    frame = pd.DataFrame(rows, columns=COLUMNS)
    numbers = ["value", "difference", *COST]
    return frame.astype(dict.fromkeys(numbers, np.float64) | {"seed": np.int64})


def whole(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record that can be part of the frame; raise for another."""
    as_frame([record])
    return record
