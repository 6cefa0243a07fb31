"""Read which peaks belong to which genes, and which TFs have a motif in which peaks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._logging import logger
from scregnet._validate import listed, shortened

# In lower case. The first name that is there counts.
_PEAK = ("peak", "peak_id", "region", "region_name", "peak_name")
_GENE = ("gene", "gene_short_name", "target", "gene_name", "symbol")
_TF = ("tf", "source", "regulator", "tf_name")
_VALUE = ("weight", "score", "importance", "correlation", "rho")

# chr1:100-200, chr1_100_200 and chr1-100-200 are one peak.
_PLACE = re.compile(r"^(.+?)[:_-](\d+)[-_](\d+)$")
# JASPAR: MAX::MYC is a motif of both, and "(var.2)" is another motif of the same TF.
_VARIANT = re.compile(r"\(var\.\d+\)$", re.IGNORECASE)
_BLOCK = 64


@dataclass(frozen=True, eq=False)
class PeakTable:
    """What belongs to which peak: genes, or TFs with a motif."""

    table: sp.csr_matrix
    """float32 (n_names, n_peaks), above 0; the largest of several values of one pair."""

    names: pd.Index
    """Genes or TFs."""

    peaks: pd.Index
    """Peaks, all spelled alike."""

    counts: dict[str, int]
    """Rows that were not used, by reason."""


def read_genes_of_peaks(frame: Any) -> PeakTable:
    """Return genes × peaks of a frame with the columns peak, gene and, optional, weight.

    The sign of a weight is not read: it says that a peak silences, not that it is another gene's.
    Rows without a gene are of peaks that no gene is near; they are counted and dropped.
    """
    name = "peak_to_gene"
    _check_frame(name, frame)
    found = _with_columns(frame, _PEAK, _GENE)
    if found is None:
        msg = (
            f"{name} has columns {listed(frame.columns)}, but needs 'peak' and 'gene' (and, "
            "optional, 'weight'). Rename them: "
            f"{name}.rename(columns={{'...': 'peak', '...': 'gene'}})."
        )
        raise ValueError(msg)
    frame, peak, gene = found
    peaks, peak_names = _coded(frame[peak])
    genes, gene_names = _coded(frame[gene])
    genes = np.where(np.append(gene_names == "", True)[genes], -1, genes)
    _check_present(name, "peak", peaks)
    values = np.abs(_values(name, frame, (peak, gene)))
    kept = (genes >= 0) & (values > 0)
    if not kept.any():
        msg = (
            f"{name} has no row with a gene and a weight other than 0, of {len(frame):,} rows. "
            "Each row must name a peak and a gene."
        )
        raise ValueError(msg)
    counts = {
        "n_links_given": len(frame),
        "n_rows_without_gene": int((genes < 0).sum()),
        "n_zero_weights": int(((genes >= 0) & (values == 0)).sum()),
    }
    triples = (genes[kept], peaks[kept], values[kept])
    read = _table(*triples, gene_names, peak_names, counts)
    linked = np.asarray(read.table.getnnz(axis=0)) > 0
    table = sp.csr_matrix(read.table[:, linked])
    return replace(read, table=table, peaks=read.peaks[linked])


def read_tfs_of_peaks(frame: Any) -> PeakTable:
    """Return TFs × peaks of a motif scan.

    The frame has the columns tf, peak and, optional, score, one hit a row; or peaks in rows and TFs
    in columns, as CellOracle's base networks have. A TF without a hit is in the second form only.
    """
    name = "tf_to_peak"
    _check_frame(name, frame)
    found = _with_columns(frame, _TF, _PEAK)
    if found is None:
        return _from_wide(name, frame)
    frame, tf, peak = found
    tfs, tf_names = _coded(frame[tf])
    peaks, peak_names = _coded(frame[peak])
    for what, codes in (("tf", tfs), ("peak", peaks)):
        _check_present(name, what, codes)
    values = _values(name, frame, (tf, peak))
    return _of_tfs(name, tfs, peaks, values, tf_names, peak_names)


def _from_wide(name: str, frame: pd.DataFrame) -> PeakTable:
    """Read peaks × TFs; the peaks are the index or a column."""
    peak = _column(frame.columns, _PEAK)
    labels = frame.index if peak is None else pd.Index(frame[peak])
    others = {_column(frame.columns, names) for names in (_PEAK, _GENE)} - {None}
    wide = frame.drop(columns=list(others))
    numeric = all(
        pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind)
        for kind in wide.dtypes
    )
    named = all(
        pd.api.types.infer_dtype(axis.astype(object)) == "string" for axis in (labels, wide.columns)
    )
    if not (numeric and named and wide.size):
        msg = (
            f"{name} has columns {listed(frame.columns)}, but needs 'tf' and 'peak' (and, optional,"
            " 'score'), or peaks in its index (or a column 'peak_id') and numbers for each TF in "
            "the other columns."
        )
        raise ValueError(msg)
    parts = [
        (rows, start + columns, values) for start, rows, columns, values in _stored(name, wide)
    ]
    peaks, tfs, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    codes, peak_names = _coded(pd.Series(labels))
    _check_present(name, "peak", codes)
    tf_names = pd.Index(wide.columns.astype(str), dtype=object)
    return _of_tfs(name, tfs, codes[peaks], values, tf_names, peak_names)


def _stored(
    name: str, wide: pd.DataFrame
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the values of some columns that are not 0: no copy is as large as the frame."""
    for start in range(0, wide.shape[1], _BLOCK):
        some = wide.iloc[:, start : start + _BLOCK]
        if all(isinstance(kind, pd.SparseDtype) for kind in some.dtypes):
            found = sp.coo_matrix(some.sparse.to_coo())  # type: ignore[attr-defined]
        else:
            found = sp.coo_matrix(some.to_numpy(dtype=np.float32, na_value=np.nan))
        values = _finite(name, found.data)
        stored = values != 0
        yield start, found.row[stored], found.col[stored], values[stored]


def _of_tfs(
    name: str,
    tfs: np.ndarray,
    peaks: np.ndarray,
    values: np.ndarray,
    tf_names: pd.Index,
    peak_names: pd.Index,
) -> PeakTable:
    """Return the table of hits whose scores are not negative; motifs of several TFs go to each."""
    if negative := int((values < 0).sum()):
        msg = (
            f"{name} has {negative:,} negative scores. Keep the hits above a threshold of yours, "
            "or drop the column, so that each hit counts once."
        )
        raise ValueError(msg)
    if not (values > 0).any():
        msg = f"{name} has no hit with a score above 0, of {len(values):,} rows."
        raise ValueError(msg)
    n_given = len(values)
    members = [[_VARIANT.sub("", part) for part in text.split("::")] for text in tf_names]
    sizes = np.array([len(part) for part in members])
    flat, names = pd.factorize(np.array([tf for part in members for tf in part], dtype=object))
    starts = np.cumsum(sizes) - sizes
    if sizes.max() > 1:
        # Each hit once for each member.
        of_hit = sizes[tfs]
        hit = np.repeat(np.arange(len(tfs)), of_hit)
        place = np.arange(len(hit)) - np.repeat(np.cumsum(of_hit) - of_hit, of_hit)
        tfs, peaks, values = flat[starts[tfs[hit]] + place], peaks[hit], values[hit]
    else:
        tfs = flat[starts[tfs]]
    counts = {"n_hits_given": n_given, "n_motifs_of_several": int((sizes > 1).sum())}
    hits = values > 0
    return _table(tfs[hits], peaks[hits], values[hits], pd.Index(names), peak_names, counts)


def _table(
    rows: np.ndarray,
    peaks: np.ndarray,
    values: np.ndarray,
    names: pd.Index,
    peak_names: pd.Index,
    counts: dict[str, int],
) -> PeakTable:
    """Return the table; of repeated pairs the largest value counts."""
    codes, alike = pd.factorize(np.array([spelled(p) for p in peak_names], dtype=object))
    shape = (len(names), len(alike))
    pairs = rows.astype(np.int64) * shape[1] + codes[peaks]
    order = np.argsort(pairs, kind="stable")
    pairs, values = pairs[order], values[order]
    first = np.flatnonzero(np.append(True, pairs[1:] != pairs[:-1]))
    largest = np.maximum.reduceat(values, first)
    row, column = np.divmod(pairs[first], shape[1])
    table = sp.csr_matrix((largest, (row.astype(np.int32), column.astype(np.int32))), shape)
    n_repeated = len(pairs) - len(first)
    repeated = {"n_repeated_links" if "n_links_given" in counts else "n_repeated_hits": n_repeated}
    return PeakTable(table, names, pd.Index(alike, dtype=object), counts | repeated)


def spelled(peak: str) -> str:
    """Return the name of a peak as ``chr1:100-200``; names without a place stay."""
    match = _PLACE.fullmatch(peak)
    return f"{match[1]}:{match[2]}-{match[3]}" if match else peak


def _check_frame(name: str, frame: Any) -> None:
    if not isinstance(frame, pd.DataFrame):
        msg = f"{name} must be a pandas DataFrame, got {shortened(frame)}."
        raise TypeError(msg)
    if frame.empty:
        msg = f"{name} is empty: {frame.shape[0]} rows × {frame.shape[1]} columns."
        raise ValueError(msg)


def _column(columns: pd.Index, names: tuple[str, ...]) -> Any:
    """Return the column with the first of these names, whatever its letter case."""
    lower = {str(column).lower(): column for column in reversed(list(columns))}
    return next((lower[name] for name in names if name in lower), None)


def _with_columns(
    frame: pd.DataFrame, one: tuple[str, ...], two: tuple[str, ...]
) -> tuple[pd.DataFrame, Any, Any] | None:
    """Return the frame with two columns that were found; one may be the name of the index."""
    for candidate in (frame, None):
        if candidate is None:
            named = [level for level in frame.index.names if level is not None]
            if not named or set(named) & set(frame.columns):
                return None
            candidate = frame.reset_index()
        ends = _column(candidate.columns, one), _column(candidate.columns, two)
        if None not in ends:
            return candidate, *ends
    return None


def _coded(column: Any) -> tuple[np.ndarray, pd.Index]:
    """Return the code of each name, -1 where it is missing, and the names as text."""
    if isinstance(column, pd.DataFrame):
        msg = f"two columns are called {column.columns[0]!r}; keep one of them."
        raise ValueError(msg)
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, names = column.cat.codes.to_numpy(), column.cat.categories
    else:
        codes, names = pd.factorize(column)
    return codes, pd.Index([str(name) for name in names], dtype=object)


def _check_present(name: str, what: str, codes: np.ndarray) -> None:
    missing = codes < 0
    if missing.any():
        msg = (
            f"{name} has {int(missing.sum()):,} rows without a {what} (first in row "
            f"{int(missing.argmax())}). Fill them or drop those rows."
        )
        raise ValueError(msg)


def _values(name: str, frame: pd.DataFrame, ends: tuple[Any, Any]) -> np.ndarray:
    """Return the weights or scores of the rows, float32; 1 where there is no such column."""
    rest = pd.Index([column for column in frame.columns if column not in ends], dtype=object)
    column = _column(rest, _VALUE)
    if column is None:
        return np.ones(len(frame), np.float32)
    logger.info("chromatin: %s: the column %r is read as weights", name, column)
    numbers = pd.to_numeric(frame[column], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return _finite(name, numbers)


def _finite(name: str, values: np.ndarray) -> np.ndarray:
    # They are kept as float32, and sums of them too.
    bad = ~(np.abs(values) <= 1e30)
    if bad.any():
        msg = (
            f"{name} has {int(bad.sum()):,} weights or scores that are no finite numbers below "
            "1e30. Drop those rows, or fill them with 0."
        )
        raise ValueError(msg)
    return values.astype(np.float32)
