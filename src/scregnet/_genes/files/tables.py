"""Tables of CellOracle, SCENIC+ and RegNetwork, as frames of links; parquet files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from scregnet._text import LARGEST

_REGNETWORK = {"regulator_symbol": "source", "target_symbol": "target"}


def read_parquet(path: Path, name: str) -> pd.DataFrame:
    """Return the table of a parquet file."""
    if path.stat().st_size > LARGEST:
        msg = f"{name} is larger than {LARGEST:,} bytes. Read what you need of it, and pass that."
        raise ValueError(msg)
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        msg = f"{name}: parquet files need pyarrow: pip install pyarrow."
        raise ImportError(msg) from error
    # pyarrow's own errors are subclasses of these.
    except (ValueError, OSError, KeyError, TypeError) as error:
        msg = f"{name} cannot be read as parquet: {str(error).strip()[:200]}."
        raise ValueError(msg) from error


def known_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the tables of CellOracle, SCENIC+ and RegNetwork as links; others as they are."""
    columns = set(frame.columns.map(str))
    if {"source", "target", "coef_mean"} <= columns and "weight" not in columns:
        return _celloracle(frame)
    if {"TF", "Gene"} <= columns and columns & {"importance_TF2G", "rho_TF2G", "regulation"}:
        return _scenicplus(frame)
    if columns >= _REGNETWORK.keys() and not columns & {"source", "target"}:
        kept = frame.rename(columns=_REGNETWORK)
        return kept[["source", "target"]].drop_duplicates(ignore_index=True)
    return frame


def _number(column: pd.Series) -> pd.Series:
    return pd.to_numeric(column, errors="coerce")


def _celloracle(frame: pd.DataFrame) -> pd.DataFrame:
    """Links of CellOracle: the weight is the size of the coefficient, the sign its sign."""
    coefficient = _number(frame["coef_mean"])
    links = frame.drop(columns=["coef_mean", "coef_abs"], errors="ignore")
    size = _number(frame["coef_abs"]) if "coef_abs" in frame else coefficient.abs()
    return links.assign(weight=size, sign=np.sign(coefficient))


def _scenicplus(frame: pd.DataFrame) -> pd.DataFrame:
    """TF-to-gene links of eRegulons, which have a row for each region."""
    links = pd.DataFrame(
        {"source": frame["TF"].to_numpy(), "target": frame["Gene"].to_numpy()}, dtype=object
    )
    if "importance_TF2G" in frame:
        links["weight"] = _number(frame["importance_TF2G"]).to_numpy()
    signed = next((name for name in ("regulation", "rho_TF2G") if name in frame), None)
    if signed is not None:
        links["sign"] = np.sign(_number(frame[signed]).to_numpy())
    if "weight" in links:
        links = links.sort_values("weight", ascending=False, kind="stable")
    return links.drop_duplicates(["source", "target"]).sort_index().reset_index(drop=True)
