"""Read the edges of a known network between names, in any of the usual forms."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scregnet._genes.effects import check_all_affected
from scregnet._genes.files.read import READERS, suffix_of
from scregnet._genes.files.tables import known_table
from scregnet._genes.forms import READABLE, SUFFIXES, mapping_edges, pair_edges, read_file
from scregnet._genes.signs import COLUMNS, merge_signs, read_signs
from scregnet._logging import logger
from scregnet._validate import listed

# In lower case. First decoupler's name, then those of arboreto, BEELINE and others.
_ALIASES = {
    "source": ("source", "tf", "gene1", "regulator", "regulators"),
    "target": ("target", "gene2", "targets"),
    "weight": ("weight", "importance", "edgeweight", "weights"),
    "sign": COLUMNS,
}


def file_edges(path: Path) -> pd.DataFrame:
    """Return the edges of a file, checked."""
    return _checked(_frame_edges(_rows(path, "prior"))[0])


def _rows(path: Path, argument: str) -> pd.DataFrame:
    """Return what a file holds, by its suffix; ``argument`` is what messages call it."""
    reader = READERS.get(suffix_of(path))
    if reader is not None:
        return reader(path, f"{argument}={str(path)!r}")
    if suffix_of(path) not in SUFFIXES:
        msg = (
            f"{argument}={str(path)!r} is a file of another kind than {READABLE}, or "
            f"{', '.join(ending[1:] for ending in READERS)}. Pass it as a frame."
        )
        raise ValueError(msg)
    return read_file(path, _is_header, argument)


def file_links(path: Path) -> pd.DataFrame:
    """Return source, target and what else a file says of each link, numbers as numbers."""
    frame = known_table(_rows(path, "path"))
    columns = {role: _column(frame, role) for role in ("source", "target", "weight", "sign")}
    if columns["source"] is None or columns["target"] is None:
        # The message says which columns there are.
        _frame_edges(frame)
    ends = (columns["source"], columns["target"])
    links = pd.DataFrame(
        {
            name: column if name in ends else _typed(column)
            for name, column in frame.items()
            if isinstance(name, str)
        }
    )
    weight = columns["weight"]
    if weight is not None and np.isinf(pd.to_numeric(links[weight], errors="coerce")).any():
        msg = f"path={str(path)!r} has weights that are not finite, in its column {weight!r}."
        raise ValueError(msg)
    if columns["sign"] is not None:
        links[columns["sign"]] = _signs_as_numbers(links[columns["sign"]])
    links = links.rename(columns={column: role for role, column in columns.items() if column})
    first = [role for role in ("source", "target", "weight") if role in links]
    return links[[*first, *(name for name in links if name not in first)]]


def _typed(column: pd.Series) -> pd.Series:
    """Return a column of text as numbers or truth values, if all of it is."""
    if not pd.api.types.is_object_dtype(column) and not pd.api.types.is_string_dtype(column):
        return column
    there = column.dropna()
    if len(there) and there.isin(["True", "False"]).all() and len(there) == len(column):
        return column == "True"
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if numbers.notna().sum() == len(there) else column


def _signs_as_numbers(column: pd.Series) -> pd.Series:
    """Return signs as numbers: those of a prediction stay in between; unknown ones are NaN."""
    if not pd.api.types.is_numeric_dtype(column):
        column = pd.Series(read_signs(column), column.index, np.float64)
    return column.astype(np.float64).replace(0.0, np.nan)


def object_edges(prior: object) -> tuple[pd.DataFrame, str]:
    """Return the edges between names of an object, checked, and which form it has."""
    edges, form = _edges_of_object(prior)
    return _checked(edges), form


def _edges_of_object(prior: object) -> tuple[pd.DataFrame, str]:
    # If networkx was never imported, nobody holds one of its graphs.
    networkx = sys.modules.get("networkx")
    # A graph is iterable too, and so is a frame.
    if networkx is not None and isinstance(prior, networkx.Graph):
        return _graph_edges(prior), "graph"
    if isinstance(prior, pd.DataFrame):
        return _frame_edges(prior)
    if isinstance(prior, Mapping):
        return mapping_edges(prior), "mapping"
    if isinstance(prior, Iterable) and not isinstance(prior, (bytes, bytearray)):
        return pair_edges(prior), "pairs"
    msg = (
        "prior must be a frame, a path, pairs of names, a mapping, a networkx.DiGraph, "
        f"a key of adata.varp or a square matrix, got {type(prior).__name__}."
    )
    raise TypeError(msg)


def _is_header(names: list[str]) -> bool:
    """Whether names of columns include those of a source and a target."""
    header = known_table(pd.DataFrame(columns=names))
    return all(_column(header, role) is not None for role in ("source", "target"))


_CELLORACLE = "gene_short_name"
"""CellOracle's column of targets."""


def _frame_edges(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Edges of a long or a wide frame, and which of the two it is."""
    check_all_affected(frame, "prior")
    frame = _with_index(known_table(frame))
    columns = {role: _column(frame, role) for role in _ALIASES}
    if columns["source"] is not None and columns["target"] is not None:
        return _long_edges(frame, columns), "frame"
    # Names on both axes and numbers everywhere: a wide frame. Default integer labels are no names.
    # As objects: of a CategoricalIndex, pandas tells only that it is one.
    axes = (frame.index.astype(object), frame.columns.astype(object))
    named = all(pd.api.types.infer_dtype(axis) == "string" for axis in axes)
    if named and all(pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes):
        return _wide_edges(frame), "wide frame"
    if _CELLORACLE in frame:
        msg = (
            f"prior has a column {_CELLORACLE!r} and TFs in its columns, as CellOracle's base "
            "networks have: targets × TFs. Pass prior.drop(columns='peak_id')"
            f".groupby({_CELLORACLE!r}).max().T, which has regulators in rows."
        )
        raise ValueError(msg)
    msg = (
        f"prior has columns {listed(frame.columns)}, but needs 'source' and 'target' (and, "
        "optional, 'weight'), or gene names on both axes with regulators in rows. "
        "Rename them: prior.rename(columns={'...': 'source', '...': 'target'})."
    )
    raise ValueError(msg)


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with its index as columns, if source or target is the name of a level."""
    roles = ("source", "target")
    levels = pd.DataFrame(columns=[name for name in frame.index.names if name is not None])
    lacking = [role for role in roles if _column(frame, role) is None]
    inside = [role for role in roles if _column(levels, role) is not None]
    if not lacking or inside != lacking:
        return frame
    logger.info("prior: %s read from the index", listed(inside))
    return frame.reset_index()


def _column(frame: pd.DataFrame, role: str) -> Any:
    """The column with the source, target or weight: decoupler's name, else the only alias."""
    if list(frame.columns).count(role) == 1:
        return role
    found = [column for column in frame.columns if str(column).lower() in _ALIASES[role]]
    if len(found) > 1:
        msg = (
            f"prior has several columns for the {role}: {listed(found)}. "
            f"Keep one, or name it {role!r}."
        )
        raise ValueError(msg)
    return found[0] if found else None


def _long_edges(frame: pd.DataFrame, columns: dict[str, Any]) -> pd.DataFrame:
    found = {role: column for role, column in columns.items() if column is not None}
    renamed = [f"{column} → {role}" for role, column in found.items() if str(column) != role]
    if renamed:
        logger.info("prior: columns read as %s", ", ".join(renamed))
    edges = pd.DataFrame({role: frame[column].to_numpy() for role, column in found.items()})
    if "sign" in found:
        edges["sign"] = read_signs(frame[found["sign"]])
    return edges.assign(weight=edges.get("weight", 1.0))


def _wide_edges(frame: pd.DataFrame) -> pd.DataFrame:
    for axis, names in (("index", frame.index), ("columns", frame.columns)):
        if not names.is_unique:
            twice = listed(names[names.duplicated()].unique(), 5)
            msg = f"prior has gene names twice in its {axis}: {twice}."
            raise ValueError(msg)
    values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    if n_missing := int(np.isnan(values).sum()):
        msg = (
            f"prior is a wide frame with {n_missing:,} of {values.size:,} values missing (NaN). If "
            "they mean no edge, pass prior.fillna(0)."
        )
        raise ValueError(msg)
    _warn_if_turned(frame)
    rows, cols = np.nonzero(values)
    sources, targets = (np.asarray(axis, dtype=object) for axis in (frame.index, frame.columns))
    return pd.DataFrame(
        {"source": sources[rows], "target": targets[cols], "weight": values[rows, cols]}
    )


FEW_ROWS, MORE_ROWS = 10, 2
"""From so many rows on, and so many times the columns, rows are hardly the regulators."""


def _warn_if_turned(frame: pd.DataFrame) -> None:
    """Warn if the columns seem to be the regulators.

    They are targets too, and not conversely; or there are far fewer of them, as of regulators.
    """
    also_rows = int(frame.columns.isin(frame.index).sum())
    also_columns = int(frame.index.isin(frame.columns).sum())
    n_rows, n_columns = frame.shape
    if n_columns < n_rows and 2 * also_rows > n_columns and 2 * also_columns < n_rows:
        logger.warning(
            "prior: a wide frame has regulators in rows, but this one seems to be targets × "
            "regulators: %d of its %d columns are rows too, and %d of its %d rows are columns. If "
            "so, pass prior.T.",
            *(also_rows, n_columns, also_columns, n_rows),
        )
    elif n_rows >= max(FEW_ROWS, MORE_ROWS * n_columns):
        logger.warning(
            "prior: a wide frame has regulators in rows, and this one has %d rows and %d columns: "
            "more regulators than targets. If the columns are the regulators, pass prior.T.",
            *(n_rows, n_columns),
        )


def _graph_edges(graph: Any) -> pd.DataFrame:
    if not graph.is_directed():
        msg = (
            "prior is an undirected graph, so it does not say which gene regulates which; "
            "pass a networkx.DiGraph with edges regulator → target."
        )
        raise ValueError(msg)
    edges = list(graph.edges(data="weight", default=1.0))
    return pd.DataFrame(edges, columns=["source", "target", "weight"])


def _checked(edges: pd.DataFrame) -> pd.DataFrame:
    """Edges with names as text and weights as numbers; raise if a row is unusable or repeated."""
    if edges.empty:
        msg = "prior has no edges."
        raise ValueError(msg)
    for role in ("source", "target"):
        missing = edges[role].isna().to_numpy()
        if missing.any():
            msg = (
                f"prior has {missing.sum()} missing {role} names (first in row "
                f"{missing.argmax()}). Drop those rows; if a gene is called 'NA' or 'NAN', "
                "read the file with keep_default_na=False."
            )
            raise ValueError(msg)
    named = pd.DataFrame(
        {
            "source": edges["source"].astype(str).to_numpy(),
            "target": edges["target"].astype(str).to_numpy(),
            "weight": _weights(edges["weight"]),
        }
    )
    if "sign" in edges:
        named = merge_signs(named.assign(sign=edges["sign"].to_numpy()))
        # An unknown sign counts as positive: the matrix has no other place for it.
        named["weight"] = named["weight"].abs() * np.where(named["sign"] < 0, -1, 1)
    else:
        named["sign"] = np.sign(named["weight"]).astype(np.int8)
    twice = named.duplicated(["source", "target"])
    if twice.any():
        repeated = named.loc[twice, ["source", "target"]].itertuples(index=False)
        msg = (
            f"prior has {int(twice.sum())} duplicated edges: "
            f"{listed((f'{source} → {target}' for source, target in repeated), 5)}. "
            "Keep one of each: prior.drop_duplicates(['source', 'target'])."
        )
        raise ValueError(msg)
    return named


def _weights(column: pd.Series) -> np.ndarray:
    """Weights as float64, also those written as text."""
    weights = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    # They are stored as float32.
    bad = ~(np.abs(weights) <= np.finfo(np.float32).max)
    if bad.any():
        row = int(bad.argmax())
        msg = (
            f"prior has {int(bad.sum())} weights that are not finite numbers, "
            f"such as {column.iloc[row]!r} in row {row}."
        )
        raise ValueError(msg)
    return weights
