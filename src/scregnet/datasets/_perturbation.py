"""Read what changed when TFs were perturbed: gold standards and tables of effects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from scregnet._genes.effects import check_kind, effects_frame, false_discovery_rates
from scregnet._genes.forms import SUFFIXES, read_file
from scregnet._logging import logger
from scregnet._validate import check_flags, check_interval, listed, shortened

# In lower case. The first name that is there counts.
_NAMES = {
    "source": ("source", "tf", "regulator", "perturbation", "gene1"),
    "target": ("target", "gene", "gene2", "names"),
    "effect": (
        "effect",
        "log2fc",
        "logfc",
        "lfc",
        "log2foldchange",
        "logfoldchanges",
        "logfoldchange",
    ),
    "p": ("p", "pval", "pvals", "pvalue", "p_value", "p_val"),
    "q": ("q", "qval", "padj", "pvals_adj", "p_adj", "p_val_adj", "fdr", "adj_p", "qvalue"),
}


def perturbation(
    data: pd.DataFrame | str | PathLike[str],
    name: str | None = None,
    *,
    kind: Literal["loss", "gain"] = "loss",
    genes: Sequence[str] | None = None,
    max_q: float = 0.05,
    min_effect: float = 0.0,
    upper: bool = False,
) -> pd.DataFrame:
    """Read what changed when TFs were perturbed, as tested pairs of a TF and a gene.

    Parameters
    ----------
    data
        A frame, a csv, tsv or txt file, plain or ``.gz``, or a folder of such files. Columns:
        ``source`` (or ``TF``), ``target`` (or ``gene``) and, optional, ``effect`` (or ``logFC``),
        ``p`` and ``q`` (or ``padj``); others, such as weights, are not read. Of a file without such
        a header, the first two columns.
    name
        File in the folder ``data``, without its suffix, such as ``"mESC_KDUnion"``.
    kind
        How the TFs were perturbed: ``"loss"`` (knocked out or down) or ``"gain"`` (more of it).
        Without its TF, a gene that falls is activated by it.
    genes
        Genes that were measured after every perturbation. ``None``: with ``p`` or ``q``, the rows
        are the tests. Without, they are the genes that changed, and a gene of any row was measured
        after every perturbation.
    max_q
        Highest ``q`` of an affected gene. Where there is no ``q``, it is made of ``p`` within each
        TF by Benjamini and Hochberg.
    min_effect
        Lowest absolute effect of an affected gene.
    upper
        Write names in upper case, as BEELINE does. Of rows that become the same, the one with the
        largest effect counts.

    Returns
    -------
    Frame with one row per tested pair; a pair that is not there was not tested. Columns:

    - ``source``, ``target``: categorical;
    - ``effect``: as given, such as a log fold change; NaN where not known;
    - ``p``, ``q``: NaN where not known;
    - ``affected``: whether the gene changed;
    - ``sign``: of an affected pair, 1 if the TF activates the gene, -1 if it represses it, 0 where
      the direction is not known.

    Raises
    ------
    FileNotFoundError
        There is no such file or folder, or no ``name`` in it.
    ValueError, TypeError
        ``data`` lacks a column, has a pair twice or values that are not numbers, or an argument is
        out of range.

    Examples
    --------
    >>> import pandas as pd
    >>> import scregnet as sr
    >>> table = pd.DataFrame(
    ...     {"source": "GATA1", "target": ["KLF1", "SPI1", "ACTB"], "effect": [-2, 1, 0.1]}
    ... )
    >>> sr.datasets.perturbation(table, min_effect=0.5)["sign"].tolist()
    [1, -1, 0]
    """
    check_kind(kind)
    check_flags(upper=upper)
    check_interval("max_q", max_q, 0, 1, closed="right")
    check_interval("min_effect", min_effect, 0, np.inf, closed="left")
    measured = _measured(genes)
    frame, where = _read(data, name)
    table = _columns(frame, where, upper=upper)
    if len(table) == 0:
        msg = f"{where} has no rows."
        raise ValueError(msg)
    has_tests = "p" in table or "q" in table
    if "p" in table and "q" not in table:
        table["q"] = false_discovery_rates(table["p"].to_numpy(), table["source"].to_numpy())
    affected = np.ones(len(table), dtype=bool)
    if has_tests:
        affected &= table["q"].to_numpy() <= max_q
    if "effect" in table:
        size = table["effect"].abs().to_numpy()
        affected &= (size >= min_effect) & (size > 0)
    table["affected"] = affected
    if measured is not None or not has_tests:
        table = _every_test(table, measured, upper=upper)
    _log(table, where)
    known = {column: table[column].to_numpy() for column in ("effect", "p", "q") if column in table}
    return effects_frame(
        table["source"], table["target"], affected=table["affected"].to_numpy(), kind=kind, **known
    )


def _measured(genes: object) -> list[str] | None:
    """Return the genes that were measured as a list, or raise."""
    if genes is None:
        return None
    if isinstance(genes, str) or not isinstance(genes, Iterable):
        msg = f"genes must be a sequence of names or None, got {shortened(genes)}."
        raise TypeError(msg)
    return [str(gene) for gene in genes]


def _read(data: object, name: str | None) -> tuple[pd.DataFrame, str]:
    """Return the table and what messages call it."""
    if isinstance(data, pd.DataFrame):
        if name is not None:
            msg = f"name={shortened(name)} is the name of a file in a folder, but data is a frame."
            raise ValueError(msg)
        return data, "data"
    if not isinstance(data, (str, PathLike)):
        msg = f"data must be a frame or the path of a file or folder, got {type(data).__name__}."
        raise TypeError(msg)
    path = Path(data).expanduser()
    if path.is_dir():
        path = _in_folder(path, name)
    elif name is not None:
        msg = f"name={shortened(name)} needs a folder, but data={shortened(str(path))} is none."
        raise FileNotFoundError(msg)
    elif not path.is_file():
        msg = f"data={shortened(str(path))} is neither a file nor a folder."
        raise FileNotFoundError(msg)
    header = lambda names: all(_column(names, role) is not None for role in ("source", "target"))
    return read_file(path, header, "data"), f"data={str(path)!r}"


def _in_folder(folder: Path, name: str | None) -> Path:
    """Return the file of that name, whatever its suffix."""
    found = {}
    for path in sorted(folder.iterdir()):
        stem = path.name.removesuffix(".gz")
        if path.is_file() and Path(stem).suffix.lower() in SUFFIXES:
            found[Path(stem).stem] = path
    if name not in found:
        said = "is a folder: say which file with name=" if name is None else f"has no {name!r}"
        msg = f"data={shortened(str(folder))} {said}; it has {listed(found, 20)}."
        raise FileNotFoundError(msg)
    return found[name]


def _column(columns: Iterable[Any], role: str) -> Any:
    """Return the column with one of the names of a role, whatever its letter case."""
    lower = {str(column).lower(): column for column in reversed(list(columns))}
    return next((lower[name] for name in _NAMES[role] if name in lower), None)


def _columns(frame: pd.DataFrame, where: str, *, upper: bool) -> pd.DataFrame:
    """Return the columns that are used, by role, checked."""
    found = {role: _column(frame.columns, role) for role in _NAMES}
    missing = [role for role in ("source", "target") if found[role] is None]
    if missing:
        msg = (
            f"{where} has no column for the {' and the '.join(missing)}; it has "
            f"{listed(frame.columns)}. Rename them: data.rename(columns={{'...': 'source'}})."
        )
        raise ValueError(msg)
    table = pd.DataFrame(
        {
            role: _names(frame[column], role, where)
            if role in ("source", "target")
            else _numbers(frame[column], role, where)
            for role, column in found.items()
            if column is not None
        }
    )
    for role in ("p", "q"):
        if role in table and not table[role].between(0, 1).all():
            low, high = table[role].min(), table[role].max()
            msg = f"{where}: {role} must lie between 0 and 1, got {low:g} to {high:g}."
            raise ValueError(msg)
    if upper:
        table = _in_upper_case(table)
    twice = table.duplicated(["source", "target"])
    if twice.any():
        first = table[twice].iloc[0]
        msg = (
            f"{where} has {int(twice.sum()):,} pairs twice, such as {first['source']} → "
            f"{first['target']}. Keep one experiment of each."
        )
        raise ValueError(msg)
    return table


def _names(column: pd.Series, role: str, where: str) -> np.ndarray:
    if column.isna().any():
        msg = f"{where} has {int(column.isna().sum()):,} rows without a {role}; drop them."
        raise ValueError(msg)
    return column.astype(str).to_numpy(dtype=object)


def _numbers(column: pd.Series, role: str, where: str) -> np.ndarray:
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        msg = (
            f"{where}: {role} must be finite numbers, but {len(wrong):,} are not, such as "
            f"{column.iloc[wrong[0]]!r}. Drop the genes that were not tested."
        )
        raise ValueError(msg)
    return values


def _in_upper_case(table: pd.DataFrame) -> pd.DataFrame:
    """Return names in upper case; of pairs that only case told apart, the largest effect."""
    was_twice = table.duplicated(["source", "target"], keep=False)
    table = table.assign(source=table["source"].str.upper(), target=table["target"].str.upper())
    if "effect" in table:
        table = table.loc[table["effect"].abs().sort_values(ascending=False, kind="stable").index]
    # A pair that was there twice as it was written stays, and is refused.
    again = table.duplicated(["source", "target"]) & ~was_twice.loc[table.index]
    return table[~again].sort_index().reset_index(drop=True)


def _every_test(table: pd.DataFrame, genes: list[str] | None, *, upper: bool) -> pd.DataFrame:
    """Return a row for every TF and measured gene."""
    given = table["target"] if genes is None else [g.upper() for g in genes] if upper else genes
    measured = pd.Index(pd.unique(np.asarray(given, dtype=object)))
    outside = ~table["target"].isin(measured)
    if outside.any():
        msg = (
            f"genes lacks {table.loc[outside, 'target'].nunique():,} of the targets, such as "
            f"{listed(table.loc[outside, 'target'].unique(), 3)}: name all genes that were "
            "measured."
        )
        raise ValueError(msg)
    rows, tfs = pd.factorize(table["source"])
    place = rows * len(measured) + measured.get_indexer(table["target"])
    n_genes, n = len(measured), len(tfs) * len(measured)
    whole = pd.DataFrame(
        {
            "source": pd.Categorical.from_codes(np.repeat(np.arange(len(tfs)), n_genes), tfs),
            "target": pd.Categorical.from_codes(np.tile(np.arange(n_genes), len(tfs)), measured),
        }
    )
    for role in ("effect", "p", "q"):
        if role in table:
            values = np.full(n, np.nan)
            values[place] = table[role].to_numpy()
            whole[role] = values
    affected = np.zeros(n, dtype=bool)
    affected[place] = table["affected"].to_numpy()
    return whole.assign(affected=affected)


def _log(table: pd.DataFrame, where: str) -> None:
    logger.info(
        "perturbation: %s has %d TFs and %s genes; %s of %s tested pairs are affected",
        *(where, table["source"].nunique(), f"{table['target'].nunique():,}"),
        *(f"{int(table['affected'].sum()):,}", f"{len(table):,}"),
    )
