"""Read an evidence layer in any of its forms as a table of experiments × genes."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._genes.effects import check_all_affected
from scregnet._genes.evidence.experiments import Experiments
from scregnet._genes.evidence.gene_sets import read_gmt, sets_experiments
from scregnet._genes.forms import read_file
from scregnet._validate import check_name, listed

# In lower case. The first name that is there counts.
_TF = ("source", "tf", "regulator", "gene1")
_GENE = ("target", "gene", "gene2")
_WEIGHT = ("weight", "importance", "edgeweight")


def read_experiments(net: Any, context: str | None) -> Experiments:
    """Return the experiments of ``net``, see :func:`scregnet.pp.evidence` for its forms.

    Raises
    ------
    ValueError, KeyError, TypeError, FileNotFoundError
        If ``net`` has no known form, or its names or values cannot be used.
    """
    where = "net"
    if isinstance(net, (str, PathLike)):
        where = f"net={str(net)!r}"
        experiments = _from_file(Path(net).expanduser(), context)
    elif isinstance(net, pd.DataFrame):
        long = _is_long(net.columns)
        experiments = _from_long(net, context, "frame") if long else _from_wide(net, context)
    elif isinstance(net, Mapping):
        _no_context(context, "gene sets")
        experiments = sets_experiments(net, "gene sets")
    elif all(hasattr(net, part) for part in ("obs", "var_names", "X")):
        # Not "source": in a table of experiments that is where they are from.
        tfs = _column(net.obs.columns, ("tf", "regulator"))
        if tfs is None:
            msg = (
                "net is an AnnData without the TF of each experiment; put it into a column 'tf' "
                f"of its obs, which has {listed(net.obs.columns)}."
            )
            raise ValueError(msg)
        experiments = _from_table(net.X, net.obs, tfs, net.var_names, context, "AnnData")
    else:
        msg = (
            "net must be a frame, a file, a mapping of gene sets or an AnnData of "
            f"experiments × genes, got {type(net).__name__}. A bare matrix has no names: "
            "use a frame or an AnnData."
        )
        raise TypeError(msg)
    if not experiments.table.nnz:
        msg = f"{where} has no entry that is not 0."
        raise ValueError(msg)
    return experiments.rows(np.ones(len(experiments.tfs), dtype=bool))


def _from_file(path: Path, context: str | None) -> Experiments:
    """Read a GMT file, or a csv or tsv file with a row for each source and target."""
    where = f"net={str(path)!r}"
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    if kind not in (".gmt", ".csv", ".tsv"):
        msg = f"{where} is not a .gmt, .csv or .tsv file (plain or .gz). "
        if kind == ".txt":
            msg += "Enrichr's gene sets are a GMT file whatever they are called: rename it to .gmt."
        raise ValueError(msg.strip())
    if kind == ".gmt":
        _no_context(context, "the sets of a GMT file")
    if not path.is_file():
        msg = f"{where} is not a file: {str(path.absolute())!r} does not exist."
        raise FileNotFoundError(msg)
    if kind == ".gmt":
        return sets_experiments(read_gmt(path), "gmt")
    frame = read_file(path, lambda names: _is_long(pd.Index(names)), "net")
    return _from_long(frame, context, "file", where)


def _no_context(context: str | None, what: str) -> None:
    if context is not None:
        msg = (
            f"context={context!r}: {what} have no columns. What follows the TF in the name of a "
            "set is its context; leave context out."
        )
        raise ValueError(msg)


def _column(columns: pd.Index, names: tuple[str, ...]) -> Any:
    """Return the column with one of these names, whatever its letter case."""
    lower = {str(column).lower(): column for column in reversed(list(columns))}
    return next((lower[name] for name in names if name in lower), None)


def _is_long(columns: pd.Index) -> bool:
    """Whether the columns name a TF and a gene, one edge a row."""
    return _column(columns, _TF) is not None and _column(columns, _GENE) is not None


def _texts(column: pd.Series, what: str, net: str = "net") -> np.ndarray:
    """Return a column as text; raise if a value is missing. ``net`` is for the message."""
    missing = column.isna().to_numpy()
    if missing.any():
        msg = (
            f"{net} has {int(missing.sum())} rows without a {what} (first in row "
            f"{int(missing.argmax())}). Fill them or drop those rows."
        )
        raise ValueError(msg)
    return column.astype(str).to_numpy(dtype=object)


def _contexts(frame: pd.DataFrame, context: str | None, net: str = "net") -> np.ndarray:
    check_name("context", context)
    if context is None:
        return np.full(len(frame), "", dtype=object)
    if context not in frame:
        msg = f"context={context!r} is not a column of {net}; it has {listed(frame.columns)}."
        raise KeyError(msg)
    return _texts(frame[context], "context", net)


def _values(values: np.ndarray, net: str = "net") -> np.ndarray:
    """Return sizes as float32: a negative weight says that a TF represses, not that it is away."""
    try:
        numbers = np.abs(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        msg = f"{net} has values that are not numbers: {error}."
        raise ValueError(msg) from error
    # A float64 may be too large for a float32.
    with np.errstate(over="ignore"):
        kept = numbers.astype(np.float32)
    if not np.isfinite(kept).all():
        n = int((~np.isfinite(kept)).sum())
        msg = (
            f"{net} has {n:,} values that are NaN or infinite, or above 3.4e38. Drop them or fill "
            "them with 0."
        )
        raise ValueError(msg)
    return kept


def _from_long(
    frame: pd.DataFrame, context: str | None, form: str, net: str = "net"
) -> Experiments:
    """Read source, target, weight: an experiment is a TF in a context."""
    check_all_affected(frame, net)
    edges = pd.DataFrame(
        {
            "tf": _texts(frame[_column(frame.columns, _TF)], "TF", net),
            "gene": _texts(frame[_column(frame.columns, _GENE)], "gene", net),
            "context": _contexts(frame, context, net),
        }
    )
    twice = edges.duplicated()
    if twice.any():
        first = edges[twice].iloc[0]
        msg = (
            f"{net} has {int(twice.sum()):,} rows twice, such as {first['tf']} → {first['gene']}"
            f"{' in ' + first['context'] if context else ''}. If they are of several experiments, "
            "name the column that tells them apart with context=; else keep one of each."
        )
        raise ValueError(msg)
    weight = _column(frame.columns, _WEIGHT)
    values = np.ones(len(edges), np.float32) if weight is None else _values(frame[weight], net)
    groups = edges.groupby(["tf", "context"], sort=True)
    columns, genes = pd.factorize(edges["gene"].to_numpy(), sort=True)
    table = sp.csr_matrix(
        (values, (groups.ngroup().to_numpy(), columns)), shape=(groups.ngroups, len(genes))
    )
    table.eliminate_zeros()
    keys = groups.size().index.to_frame(index=False)
    tfs, contexts = (keys[name].to_numpy(dtype=object) for name in ("tf", "context"))
    return Experiments(table, tfs, contexts, pd.Index(genes, dtype=object), form)


def _from_wide(frame: pd.DataFrame, context: str | None) -> Experiments:
    """Read experiments × genes: the first level of the index is the TF, others are contexts."""
    named = all(
        pd.api.types.infer_dtype(axis) == "string"
        for axis in (frame.index.get_level_values(0), frame.columns)
    )
    if not named:
        msg = (
            f"net has columns {listed(frame.columns, 5)}, but needs 'source' and 'target', or TFs "
            "in its index and genes in its columns."
        )
        raise ValueError(msg)
    levels = [str(name) for name in frame.index.names[1:]]
    names = ["tf", *levels]
    obs = frame.index.to_frame(index=False).set_axis(names, axis=1)
    return _from_table(frame.to_numpy(), obs, "tf", frame.columns, context, "wide frame")


def _from_table(
    values: Any, obs: pd.DataFrame, tf: Any, genes: pd.Index, context: str | None, form: str
) -> Experiments:
    """Read a dense or sparse table, experiments × genes, whose rows ``obs`` describes."""
    if not genes.is_unique:
        twice = listed(genes[genes.duplicated()].unique(), 5)
        msg = f"net has genes twice in its columns: {twice}. Keep or sum one of each."
        raise ValueError(msg)
    if values is None:
        msg = "net is an AnnData without X; put the table of experiments × genes there."
        raise ValueError(msg)
    # A file that is open in backed mode gives its matrix so.
    if hasattr(values, "to_memory"):
        values = values.to_memory()
    if sp.issparse(values):
        table = sp.csr_matrix(values, copy=True)
        table.sum_duplicates()
        table = sp.csr_matrix((_values(table.data), table.indices, table.indptr), table.shape)
    else:
        table = sp.csr_matrix(_values(values))
    table.eliminate_zeros()
    tfs, names = _texts(obs[tf], "TF"), pd.Index(genes.astype(str), dtype=object)
    return Experiments(table, tfs, _contexts(obs, context), names, form)
