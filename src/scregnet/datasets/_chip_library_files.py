"""Read a ChIP library, experiments × genes, from R's files, gene sets and our own cache."""

from __future__ import annotations

import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._genes.evidence.gene_sets import read_gmt
from scregnet._logging import logger
from scregnet._settings import settings
from scregnet.datasets._fetch import SHA256, fetch_file

_COMMIT = "74dae97b6a4a6694b79b9553cceae22578850382"
_REPOSITORY = f"https://raw.githubusercontent.com/MaayanLab/chea3/{_COMMIT}"


class Published(NamedTuple):
    """One published library: its file, and what is in it."""

    name: str
    url: str
    sha256: str
    licence: str
    is_open: bool
    n_experiments: int
    n_genes: int
    n_entries: int

    @property
    def file(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]


PUBLISHED = {
    "encode": Published(
        "ENCODE",
        f"{_REPOSITORY}/data/ENCODE.rda",
        "0a320b96e697f3c772945b44679b6a0a634e5e06ba02f1538d52358bd3c6fdc0",
        "open, also for commercial use",
        True,
        552,
        19_469,
        866_875,
    ),
    "chea": Published(
        "ChEA",
        f"{_REPOSITORY}/data/chea.rda",
        "bf6bb6a3a0ad398256f369b4ead5fb54d1a8824a62c22cc464f806f838cfaa9b",
        "CC BY-NC-SA, not for commercial use",
        False,
        307,
        20_163,
        388_084,
    ),
}

# What rdata raises for files that are damaged or of another kind; it has no error of its own.
_UNREADABLE = (
    AssertionError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    TypeError,
    UserWarning,
    ValueError,
)

# What numpy raises for files that are damaged or of another kind.
_NO_NPZ = (
    EOFError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, eq=False)
class Library:
    """Which genes each experiment found."""

    names: np.ndarray
    """Names of the experiments, each once."""

    genes: np.ndarray
    """Names of the genes, ascending, each once."""

    table: sp.csr_matrix
    """float32 (n_experiments, n_genes), 1 where the experiment has the gene."""


def read_published(source: str) -> Library:
    """Return a published library from the cache, or fetch and read it; the network is used once."""
    published = PUBLISHED[source]
    return _kept(published) or _parsed(_fetched(published), published)


def read_given(path: Path, source: str) -> Library:
    """Return a library from a file of the user: .rda, .gmt, .gmt.gz, or .npz of our own."""
    where, published = f"path={str(path)!r}", PUBLISHED[source]
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    if kind not in (".rda", ".rdata", ".gmt", ".npz"):
        msg = f"{where} is not an .rda, .gmt, .gmt.gz or .npz file."
        raise ValueError(msg)
    if not path.is_file():
        msg = f"{where} is not a file: {str(path.absolute())!r} does not exist."
        raise FileNotFoundError(msg)
    if kind == ".gmt":
        return _from_sets(read_gmt(path, "path"), where)
    if kind == ".npz":
        return read_npz(path, published, where)
    if SHA256.of(path) == published.sha256:
        return _kept(published) or _parsed(path, published)
    logger.info("%s is not the published %s; it is read as it is.", where, published.file)
    return _from_sets(read_rda(path, where), where)


def _fetched(published: Published) -> Path:
    # Before the download: it would be of no use.
    _rdata()
    return fetch_file(
        _folder(),
        published.file,
        published.url,
        SHA256,
        published.sha256,
        otherwise="get that file on another machine and name it with path=.",
    )


def _folder() -> Path:
    return settings.cache_dir / "chip_library"


def _npz(published: Published) -> Path:
    return _folder() / f"{Path(published.file).stem}.npz"


def _kept(published: Published) -> Library | None:
    """Return the library that an earlier call kept; ``None`` if there is none, or it is damaged."""
    path = _npz(published)
    if not path.is_file():
        return None
    try:
        return read_npz(path, published, str(path))
    except ValueError as error:
        logger.warning("%s It is made again.", error)
        return None


def _parsed(path: Path, published: Published) -> Library:
    """Read a published file and keep what was read: R's format takes long."""
    logger.info("chip_library: reading %s, which takes half a minute the first time", path)
    library = _from_sets(read_rda(path, str(path)), str(path))
    _check_counts(library, published, str(path))
    try:
        write_npz(library, published, _npz(published))
    except OSError as error:
        logger.warning(
            "%s could not be written (%s); the next call reads the published file again.",
            *(_npz(published), error),
        )
    return library


def _rdata() -> Any:
    try:
        import rdata
    except ImportError as error:
        msg = (
            "R's data files are read with the package rdata, which is not installed: "
            "pip install scregnet[rdata]"
        )
        raise ImportError(msg) from error
    return rdata


def read_rda(path: Path, where: str) -> dict[str, np.ndarray]:
    """Return the gene sets of an R data file that holds one named list of character vectors.

    Raises
    ------
    ValueError
        If it is damaged or holds something else.
    ImportError
        If the package rdata is not installed.
    """
    rdata = _rdata()
    try:
        with warnings.catch_warnings():
            # What rdata only warns of, such as a file of another kind, is no library.
            warnings.simplefilter("error", UserWarning)
            parsed = rdata.parser.parse_file(path, extension=".rda")
            objects = rdata.conversion.convert(parsed)
            n_given = len(parsed.object.value[0].value)
    except _UNREADABLE as error:
        msg = f"{where} cannot be read as an R data file: {error}. It may be damaged."
        raise ValueError(msg) from error
    sets = next(iter(objects.values()))
    if len(objects) != 1 or not isinstance(sets, dict):
        kinds = ", ".join(f"{name} ({type(value).__name__})" for name, value in objects.items())
        msg = f"{where} must hold one named list, experiment → genes; it holds {kinds}."
        raise ValueError(msg)
    if len(sets) < n_given:
        msg = f"{where} has {n_given - len(sets)} experiments whose names occur twice."
        raise ValueError(msg)
    for name, genes in sets.items():
        # Numbers have another kind; a vector with missing names is an array of objects.
        if not isinstance(genes, np.ndarray) or genes.dtype.kind != "U":
            msg = f"{where}: the experiment {str(name)!r} is not a vector of gene names."
            raise ValueError(msg)
    return {str(name): genes for name, genes in sets.items()}


def _from_sets(sets: Mapping[str, Any], where: str) -> Library:
    """Return gene sets as a table. A gene that a set names twice counts once."""
    empty = [name for name, genes in sets.items() if not name or not len(genes)]
    if empty or not sets:
        what = f"the experiment {empty[0]!r} without genes" if empty else "no experiments"
        msg = f"{where} has {what}."
        raise ValueError(msg)
    sizes = [len(genes) for genes in sets.values()]
    members = np.concatenate([np.asarray(genes, dtype=object) for genes in sets.values()])
    codes, genes = pd.factorize(members, sort=True)
    if "" in genes:
        msg = f"{where} has an experiment with a gene without a name."
        raise ValueError(msg)
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    table = sp.csr_matrix(
        (np.ones(len(codes), np.float32), codes, indptr), shape=(len(sizes), len(genes))
    )
    table.sum_duplicates()
    table.data[:] = 1
    return Library(np.array(list(sets), dtype=str), genes.astype(str), table)


def _check_counts(library: Library, published: Published, where: str) -> None:
    found = (*library.table.shape, library.table.nnz)
    if found != (expected := published[-3:]):
        shown = [f"{n} experiments × {m} genes with {k} entries" for n, m, k in (found, expected)]
        msg = f"{where} has {shown[0]}, but {published.name} has {shown[1]}."
        raise ValueError(msg)


def write_npz(library: Library, published: Published, path: Path) -> None:
    """Keep a published library as plain arrays. The file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder) / path.name
        np.savez_compressed(
            part,
            sha256=np.array(published.sha256),
            names=library.names,
            genes=library.genes,
            indptr=library.table.indptr,
            indices=library.table.indices,
        )
        part.replace(path)


def read_npz(path: Path, published: Published, where: str) -> Library:
    """Read what :func:`write_npz` wrote.

    Raises
    ------
    ValueError
        If the file is damaged, of another library, or not one of ours.
    """
    needed = ("sha256", "names", "genes", "indptr", "indices")
    try:
        # Opened here: numpy leaves a damaged file open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            sha256, names, genes, indptr, indices = (file[name] for name in needed)
    except _NO_NPZ as error:
        msg = (
            f"{where} is damaged, or no file that sr.datasets.chip_library wrote: "
            f"{type(error).__name__}, {error}."
        )
        raise ValueError(msg) from error
    if str(sha256) != published.sha256:
        other = [one.name for one in PUBLISHED.values() if one.sha256 == str(sha256)]
        msg = f"{where} is not made of the published {published.file}, but of {other or sha256}."
        raise ValueError(msg)
    _check_arrays(names, genes, indptr, indices, where)
    ones = np.ones(len(indices), np.float32)
    library = Library(
        names, genes, sp.csr_matrix((ones, indices, indptr), shape=(len(names), len(genes)))
    )
    _check_counts(library, published, where)
    return library


def _check_arrays(
    names: np.ndarray, genes: np.ndarray, indptr: np.ndarray, indices: np.ndarray, where: str
) -> None:
    """Raise unless the arrays are those of a table with every entry once, in order."""
    texts = all(array.ndim == 1 and array.dtype.kind == "U" for array in (names, genes))
    whole = all(array.ndim == 1 and array.dtype.kind in "iu" for array in (indptr, indices))
    good = texts and whole and len(indptr) == len(names) + 1
    good = good and len(set(names)) == len(names) and len(set(genes)) == len(genes)
    good = good and indptr[0] == 0 and indptr[-1] == len(indices)
    good = good and bool((np.diff(indptr) > 0).all())
    if good and len(indices):
        rises = np.diff(indices.astype(np.int64)) > 0
        # The first entry of a row may be below the last one of the row before.
        rises[indptr[1:-1] - 1] = True
        good = bool(rises.all()) and indices.min() >= 0 and indices.max() < len(genes)
    if not good:
        msg = f"{where} is damaged: its arrays do not make a table of experiments × genes."
        raise ValueError(msg)
