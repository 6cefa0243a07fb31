"""Read a table of edges from a file, and a known network from pairs or a mapping."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scregnet._genes.files.read import READERS, suffix_of
from scregnet._genes.signs import ARROWS
from scregnet._logging import logger
from scregnet._text import read_text
from scregnet._validate import listed, shortened

# The separator that a suffix stands for; a txt file may have any.
SUFFIXES = {".csv": ",", ".tsv": "\t", ".txt": None}
READABLE = "csv, tsv or txt, plain or .gz"

# The third column of TRRUST's files, in lower case.
_MODES = {"activation", "repression", "unknown"}


def path_of(prior: str | PathLike[str], keys: Collection[str]) -> Path | None:
    """Return the path that ``prior`` names, or ``None`` if it is one of ``keys`` of ``varp``.

    A text is a path if it ends like one that can be read, or if there is a file of that name.

    Raises
    ------
    ValueError
        It is a key and a file.
    KeyError, FileNotFoundError
        It is neither.
    """
    path = Path(prior).expanduser()
    is_file, readable = _is_file(path), suffix_of(path) in {*SUFFIXES, *READERS}
    if isinstance(prior, str):
        if prior in keys and not (is_file and readable):
            return None
        if prior in keys:
            msg = (
                f"prior={prior!r} is a key of adata.varp and a file. "
                f"Pass adata.varp[{prior!r}] for the key, or pathlib.Path({prior!r}) for the file."
            )
            raise ValueError(msg)
        if not is_file and not readable:
            msg = (
                f"prior={shortened(prior)} is not in adata.varp; it has {listed(keys)}. "
                "Call sr.pp.prior(adata, network) first. It is not a file either: "
                f"{_what_is_there(path)}."
            )
            raise KeyError(msg)
    if not is_file:
        msg = (
            f"prior={shortened(str(prior))} is not a file: {_what_is_there(path)}. "
            f"It is not a key of adata.varp either, which has {listed(keys)}."
        )
        raise FileNotFoundError(msg)
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # The name is too long: somebody passed the text of a file.
        return False


def _what_is_there(path: Path) -> str:
    """Return the end of a message about a path that is no file."""
    here = repr(str(path.absolute())[:200])
    try:
        is_folder = path.is_dir()
    except OSError:
        is_folder = False
    return f"{here} is a folder" if is_folder else f"{here} does not exist"


def read_file(
    path: Path, is_header: Callable[[list[str]], bool], argument: str = "prior"
) -> pd.DataFrame:
    """Read a csv, tsv or txt file, all columns as text.

    ``argument`` is what messages call the file. ``is_header`` tells whether names of columns
    include a source and a target. If they do not, the first two columns are taken, and a third one
    if it holds weights or TRRUST's modes.

    Raises
    ------
    ValueError
        The file has another suffix or is not a text of that kind, is larger than a GiB,
        or has less than two columns.
    """
    name = f"{argument}={str(path)!r}"
    suffix = suffix_of(path)
    if suffix not in SUFFIXES:
        msg = f"{name} is a file of another kind than {READABLE}. Pass it as a frame."
        raise ValueError(msg)
    content = _without_comments(_content(path, name), is_header, SUFFIXES[suffix])
    first = _first_line(content)
    separator = _separator(first, SUFFIXES[suffix])
    columns = _fields(first, separator)
    if len(columns) < 2:
        msg = (
            f"{name} has one column, but needs a source and a target. "
            f"Its first line is {first[:100]!r}."
        )
        raise ValueError(msg)
    if is_header(columns) and not _ids_have_one_name(content, separator, name, columns):
        frame = _parse(content, separator, name, header=0)
    else:
        frame = _named(_parse(content, separator, name, header=None), name)
    logger.info("%s: %s rows read from %r", argument, f"{len(frame):,}", str(path))
    return frame.reset_index(drop=True)


def _content(path: Path, name: str) -> str:
    """Return the text of a file that is not empty."""
    content = read_text(path, name)
    if not content.strip():
        msg = f"{name} is an empty file: it has no edges."
        raise ValueError(msg)
    return content


def _without_comments(
    content: str, is_header: Callable[[list[str]], bool], usual: str | None
) -> str:
    """Return a text without the lines at its head that begin with #, but for names of columns."""
    lines = content.lstrip().splitlines(keepends=True)
    n = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    if n in (0, len(lines)):
        return content
    last = lines[n - 1].lstrip("#").lstrip()
    named = last.strip() and is_header(_fields(last, _separator(last, usual)))
    return "".join([last, *lines[n:]] if named else lines[n:])


def _first_line(content: str) -> str:
    return content.lstrip()[:100_000].splitlines()[0]


def _separator(line: str, usual: str | None) -> str:
    """Return what separates the columns of a line: as the suffix says if it is there."""
    # Some programs write csv files with semicolons, and tables with tabs as csv.
    for separator in (usual, "\t", ",", ";"):
        if separator is not None and separator in line:
            return separator
    return r"\s+"


def _fields(line: str, separator: str) -> list[str]:
    """Divide a line into fields and take quotes off."""
    if len(separator) > 1:
        return line.replace('"', "").split()
    return [field.strip() for field in next(csv.reader([line], delimiter=separator))]


def _parse(content: str, separator: str, name: str, *, header: int | None) -> pd.DataFrame:
    """Return all rows as text; an empty field is missing."""
    try:
        return pd.read_csv(
            io.StringIO(content),
            sep=separator,
            header=header,
            dtype=str,
            # Genes are called NAN and NA; only an empty field is missing.
            keep_default_na=False,
            na_values=[""],
            skipinitialspace=True,
        )
    except pd.errors.ParserError as error:
        msg = f"{name} cannot be read as a table: {str(error).strip()}."
        raise ValueError(msg) from error


def _named(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Name the columns of a table whose first row does not name a source and a target."""
    if _has_ids(rows):
        return _without_ids(rows, name)
    if _mostly(pd.to_numeric(rows[1], errors="coerce").notna()):
        msg = (
            f"{name} has numbers in its second column, such as {rows[1].iloc[-1]!r}, and "
            "no header that names a source and a target. Name the columns; or, if it is a table "
            "of regulators × targets, pass pd.read_csv(path, index_col=0)."
        )
        raise ValueError(msg)
    columns, start = {0: "source", 1: "target"}, 0
    if rows.shape[1] > 2:
        third, start = _third_column(rows[2])
        columns |= {} if third is None else {2: third}
    frame = rows.iloc[start:, : len(columns)].rename(columns=columns)
    logger.info(
        "%s has no header with source and target; its first columns are read as %s, "
        "from row %d on: %s",
        *(name, ", ".join(columns.values()), start, listed(frame.iloc[0])),
    )
    return frame


def _ids_have_one_name(content: str, separator: str, name: str, columns: list[str]) -> bool:
    """Whether a table is RegNetwork's with a header, "TF ID target ID direction"."""
    # Only then is it worth to read the rows twice.
    twice = len(set(columns)) < len(columns)
    return twice and _has_ids(_parse(content, separator, name, header=None))


def _has_ids(rows: pd.DataFrame) -> bool:
    """Whether a number follows each of two names: RegNetwork's symbol and Entrez id."""
    if rows.shape[1] < 4:
        return False
    are_numbers = [_mostly(pd.to_numeric(rows[at], errors="coerce").notna()) for at in range(4)]
    return are_numbers == [False, True, False, True]


def _without_ids(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the names of such a table, and the arrows of its fifth column."""
    columns = {0: "source", 2: "target"}
    if rows.shape[1] > 4 and _mostly(rows[4].str.strip().isin(ARROWS)):
        columns[4] = "mode"
    # "#TF ID target ID direction"
    start = int(pd.isna(pd.to_numeric(rows[1].iloc[:1], errors="coerce")).all() and len(rows) > 1)
    frame = rows.iloc[start:][list(columns)].rename(columns=columns)
    logger.info("%s: names and ids as RegNetwork's, read as %s", name, ", ".join(columns.values()))
    return frame.drop_duplicates()


def _third_column(column: pd.Series) -> tuple[str | None, int]:
    """Return the name of a column of weights or modes, and the row in which they start."""
    is_number = pd.to_numeric(column, errors="coerce").notna()
    is_mode = column.str.strip().str.lower().isin(_MODES)
    for name, fits in (("weight", is_number), ("mode", is_mode)):
        # Not all of them: a wrong weight is an error that names its row, later.
        if _mostly(fits):
            # A first row with another text is a header whose names are unknown.
            is_header = not fits.iloc[0] and len(column) > 1 and pd.notna(column.iloc[0])
            return name, int(is_header)
    return None, 0


def _mostly(fits: pd.Series) -> bool:
    """Whether more than half of the rows fit, without the first one, which may be a header."""
    rest = fits.iloc[1:] if len(fits) > 1 else fits
    return bool(rest.mean() > 0.5)


def mapping_edges(prior: Mapping[Any, Any]) -> pd.DataFrame:
    """Return the edges of a mapping from TFs to targets, or to mappings of targets to weights."""
    return _frame(_edges_of_mapping(prior))


def _edges_of_mapping(prior: Mapping[Any, Any]) -> Iterator[tuple[str, str, Any]]:
    for source, targets in prior.items():
        where = f"prior[{source!r}]"
        # A text is iterable, by letters; so is a frame, by the names of its columns.
        if isinstance(targets, (str, bytes, pd.DataFrame)) or not isinstance(targets, Iterable):
            shown = repr(targets) if isinstance(targets, str) else type(targets).__name__
            msg = f"{where} is {shown}; give its targets as a list, or as {{target: weight}}."
            raise ValueError(msg)
        weighted = targets.items() if isinstance(targets, Mapping) else ((t, 1.0) for t in targets)
        for target, weight in weighted:
            yield _edge(source, target, weight, where)


def pair_edges(prior: Iterable[Any]) -> pd.DataFrame:
    """Return the edges of an iterable of ``(source, target)`` or ``(source, target, weight)``."""
    return _frame(_edges_of_pairs(prior))


def _edges_of_pairs(prior: Iterable[Any]) -> Iterator[tuple[str, str, Any]]:
    for row, edge in enumerate(prior):
        listlike = isinstance(edge, (Sequence, np.ndarray)) and not isinstance(edge, (str, bytes))
        if not listlike or len(edge) not in (2, 3):
            msg = (
                f"prior: row {row} is {str(edge)[:100]!r}; "
                "give (source, target) or (source, target, weight)."
            )
            raise ValueError(msg)
        yield _edge(edge[0], edge[1], edge[2] if len(edge) == 3 else 1.0, f"prior: row {row}")


def _edge(source: Any, target: Any, weight: Any, where: str) -> tuple[str, str, Any]:
    """Return an edge whose names are texts, or raise and say where it is."""
    for role, name in (("source", source), ("target", target)):
        if not isinstance(name, str):
            msg = f"{where} has the {role} {name!r}, which is not the name of a gene."
            raise ValueError(msg)
    # Weights that are texts come from arrays of text; they are read as numbers later.
    if not isinstance(weight, (Real, str)):
        msg = f"{where} has the weight {weight!r}, which is not a number."
        raise ValueError(msg)
    return source, target, weight


def _frame(edges: Iterable[tuple[str, str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(list(edges), columns=["source", "target", "weight"])
