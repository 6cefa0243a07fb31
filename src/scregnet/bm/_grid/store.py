"""What a run keeps: a file for each cell that is done."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scregnet._logging import logger
from scregnet._validate import shortened

CELL = ["data", "method", "split", "seed"]
FIGURE = ["metric", "value", "best_null", "difference"]
COST = ["cpu_seconds", "seconds", "peak_gib"]
COLUMNS = [*CELL, *FIGURE, *COST, "versions", "error"]


class Store:
    """A folder of records; without a folder nothing is kept."""

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        # An empty path would be the folder where Python runs.
        if folder is not None and (not isinstance(folder, (str, os.PathLike)) or not str(folder)):
            msg = f"folder must be the path of a folder, or None; got {shortened(folder)}."
            raise TypeError(msg)
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)

    def read(self, key: str) -> dict[str, Any] | None:
        """Return the record of a cell, ``None`` if there is none or its file cannot be read."""
        if self.folder is None or not (path := self.folder / f"{key}.json").exists():
            return None
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            as_frame([record])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("%s is damaged and is made again: %s", path, error)
            return None
        return record

    def write(self, key: str, record: dict[str, Any]) -> None:
        """Keep a record. A file is there whole or not at all."""
        if self.folder is None:
            return
        path = self.folder / f"{key}.json"
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            part.write_text(json.dumps(record, default=_number), encoding="utf-8")
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            msg = f"folder: {path} cannot be written: {error.strerror}."
            raise OSError(error.errno, msg) from error


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


def _number(value: Any) -> Any:
    """Return what JSON has for a number of numpy's."""
    if isinstance(value, np.generic):
        return value.item()
    msg = f"a record cannot hold {type(value).__name__}."
    raise TypeError(msg)
