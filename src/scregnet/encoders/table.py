"""``model="table"``: the vectors of genes in a table, such as those of a text or protein model."""

from __future__ import annotations

import io
import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scregnet._text import read_text
from scregnet._validate import listed
from scregnet.encoders.entry import EncoderEntry
from scregnet.encoders.gene_ids import GeneIds, is_ensembl, unversioned
from scregnet.encoders.protocol import (
    CellStream,
    CellVectors,
    Embedding,
    EmbedOptions,
    GeneMatch,
    GeneVectors,
)
from scregnet.encoders.svd.encoder import log_normalise
from scregnet.encoders.weights.files import Role, Weights

if TYPE_CHECKING:
    import pandas as pd

# Columns that name the gene, if the table has one of them.
_NAMES = ("gene", "gene_name", "gene_symbol", "symbol", "ensembl_id", "gene_id")


class TableEncoder:
    """Vectors of genes from a file with one row per gene: the same for any cells.

    Such tables come from models of text (GenePT) or of proteins (ESM), or from another program. A
    cell's own vector is the mean of its genes' vectors, weighted by log-normalised expression, at
    length 1, as GenePT-w is.

    Parameters
    ----------
    vectors
        Genes × width.
    genes
        Their ids, each once: symbols or Ensembl ids.
    record
        Where the table came from.
    """

    poolings: tuple[str, ...] = ()
    cell_poolings = ("weighted",)
    sums_parts = True
    roles = (Role("weights", ("*.parquet", "*.csv", "*.tsv", "*.txt", "*.csv.gz", "*.tsv.gz")),)

    def __init__(
        self, vectors: np.ndarray, genes: list[str], *, record: dict[str, Any] | None = None
    ) -> None:
        self.vectors = vectors
        self.dimension = vectors.shape[1]
        self.kind = "ensembl" if np.mean([is_ensembl(gene) for gene in genes]) > 0.5 else "symbol"
        names = [unversioned(gene) for gene in genes] if self.kind == "ensembl" else genes
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            msg = f"the table has several rows for some genes: {listed(twice)}. Leave one of each."
            raise ValueError(msg)
        self.gene_ids = GeneIds(
            "the table",
            {name: row for row, name in enumerate(names)},
            kind="ensembl" if self.kind == "ensembl" else "symbol",
        )
        self._record = dict(record or {})

    @classmethod
    def from_weights(cls, weights: Weights, *, gene_column: str | None = None) -> TableEncoder:
        """Read the table.

        Parameters
        ----------
        weights
            The located file: ``.parquet``, ``.csv``, ``.tsv`` or ``.txt``, text also as ``.gz``.
        gene_column
            Column with the ids of the genes; ``None`` takes one of a usual name (``gene``,
            ``symbol``, ...), the index of a parquet file, or the first column of a text.

        Raises
        ------
        ValueError
            If the file is no table of finite numbers with one row per gene.
        """
        path = weights.files["weights"]
        vectors, genes = _read(path, gene_column)
        return cls(vectors, genes, record=dict(weights.record))

    def match(self, genes: np.ndarray) -> GeneMatch:
        """Find genes by the ids that the table has."""
        match = self.gene_ids.match(genes)
        return GeneMatch(match.slots, match.tokens, {**match.report, "n_table": len(self.vectors)})

    def embed(self, cells: CellStream, genes: np.ndarray, options: EmbedOptions) -> Embedding:
        """Return the vectors of the table; those of cells are weighted means."""
        match = self.match(genes)
        used = cells.summed(_used, match)
        scored = None
        if options.with_cells:
            scored = cells.summed(_weighted, match, self.vectors[match.tokens].astype(np.float64))
        vectors = np.zeros((len(genes), self.dimension), np.float32)
        vectors[match.known] = self.vectors[match.tokens[match.slots[match.known]]]
        groups = tuple(GeneVectors(vectors, match.known, int(n)) for n in used)
        report = dict(match.report)
        return Embedding(groups if options.with_genes else (), match.known, report, scored)

    def describe(self) -> dict[str, Any]:
        """Return what identifies the table."""
        return {
            **self._record,
            "table_ids": self.kind,
            "dimension": self.dimension,
            "versions": {"numpy": version("numpy")},
        }


def _used(cells: CellStream, match: GeneMatch) -> np.ndarray:
    """Return how many cells of each group have a known gene."""
    n = np.zeros(cells.n_groups, np.int64)
    for block in cells:
        present = np.diff(match.collapse(block.matrix).indptr) > 0
        n += np.bincount(block.groups[present], minlength=cells.n_groups)
    return n


def _weighted(cells: CellStream, match: GeneMatch, vectors: np.ndarray) -> CellVectors:
    """Return the mean of each cell's genes, weighted by log-normalised expression, at length 1."""
    parts, covered = [np.zeros((0, vectors.shape[1]), np.float32)], [np.zeros(0, bool)]
    for block in cells:
        logged = log_normalise(block.matrix) if cells.counts else block.matrix
        values = sp.csr_matrix(match.collapse(logged))
        mean = values @ vectors
        length = np.linalg.norm(mean, axis=1, keepdims=True)
        there = (np.diff(values.indptr) > 0) & (length[:, 0] > 0)
        parts.append(np.where(there[:, None], mean / np.where(length > 0, length, 1), 0))
        covered.append(there)
    return CellVectors(np.concatenate(parts).astype(np.float32), np.concatenate(covered))


def _read(path: Path, gene_column: str | None) -> tuple[np.ndarray, list[str]]:
    """Return the vectors, float32, and the ids of the genes as text."""
    frame = _frame(path)
    if gene_column is not None and gene_column not in frame:
        msg = f"gene_column={gene_column!r} is not in {path}; it has {listed(frame.columns)}."
        raise ValueError(msg)
    if gene_column is None:
        gene_column = next((name for name in _NAMES if name in frame), None)
    if gene_column is None and path.suffix != ".parquet":
        gene_column = frame.columns[0]
    names = frame.index if gene_column is None else frame[gene_column]
    numbers = frame if gene_column is None else frame.drop(columns=gene_column)
    genes = [str(name).strip() for name in names]
    missing = [row for row, name in enumerate(genes) if name in ("", "nan", "None")]
    if missing or not genes:
        msg = f"{path} must name a gene in every row; {len(missing)} of {len(genes)} rows do not."
        raise ValueError(msg)
    vectors = _numbers(path, numbers)
    if not np.isfinite(vectors).all():
        bad = [genes[row] for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1))]
        msg = (
            f"{path} holds NaN, infinite values or numbers too large for float32 in the vectors of "
            f"{listed(bad)}: leave these genes out, they then count as not covered."
        )
        raise ValueError(msg)
    return vectors, genes


def _numbers(path: Path, frame: pd.DataFrame) -> np.ndarray:
    """Return the numbers of a frame: a column each, or lists in its only column."""
    if frame.shape[1] == 1 and frame.dtypes.iloc[0].kind not in "iuf" and len(frame):
        rows = [np.asarray(_list(value)) for value in frame.iloc[:, 0]]
        if {row.shape for row in rows} == {rows[0].shape} and rows[0].ndim == 1 and rows[0].size:
            found = np.stack(rows)
            if found.dtype.kind in "iuf":
                return found.astype(np.float32)
    text = [name for name, kind in frame.dtypes.items() if kind.kind not in "iuf"]
    if text or not frame.shape[1]:
        msg = (
            f"{path} must hold numbers beside the ids of the genes; "
            f"{listed(text) if text else 'no column'} does not. Name the column of the ids with "
            "gene_column=."
        )
        raise ValueError(msg)
    with np.errstate(over="ignore"):
        return frame.to_numpy(np.float64).astype(np.float32)


def _list(value: object) -> object:
    """Return a list that a text holds as it is written, ``[0.1, 0.2]``."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _frame(path: Path) -> pd.DataFrame:
    import pandas as pd

    ending = path.suffix.lower()
    if ending in (".pkl", ".pickle"):
        msg = (
            f"{path} is a pickle, which can run code: it is not read. If you trust it, write its "
            "content anew: pandas.DataFrame(...).to_parquet(...)."
        )
        raise ValueError(msg)
    try:
        if ending == ".parquet":
            return pd.read_parquet(path)
        text = read_text(path, str(path))
        separator = "\t" if "\t" in text.partition("\n")[0] else ","
        return pd.read_csv(io.StringIO(text), sep=separator, keep_default_na=True, na_filter=True)
    except ImportError as error:
        msg = f"{path}: parquet files need pyarrow: pip install pyarrow."
        raise ImportError(msg) from error
    except (OSError, ValueError, pd.errors.ParserError) as error:
        msg = f"{path} was not read as a table: {str(error).strip()[:200]}."
        raise ValueError(msg) from error


TABLE = EncoderEntry(
    name="table",
    target=TableEncoder,
    description="Vectors of genes from a file of your own, one row per gene (GenePT, ESM, ...)",
    reference="Chen and Zou 2024, doi:10.1101/2023.10.16.562533 (GenePT)",
    gene_ids="those of the table: symbols or Ensembl ids",
)
