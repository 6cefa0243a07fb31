"""``model="svd"``: gene loadings of a truncated SVD, without weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import scipy.sparse as sp

from scregnet._logging import logger
from scregnet._validate import check_integer
from scregnet.encoders.entry import EncoderEntry
from scregnet.encoders.protocol import (
    CellStream,
    CellVectors,
    Embedding,
    EmbedOptions,
    GeneVectors,
)
from scregnet.encoders.svd.gram_sketch import GramSketch

# Counts per cell after scaling, as is usual for log-normalised counts.
TARGET_SUM = 1e4
# Power iterations of the randomised solver. More than scikit-learn's own 4 or 7, so that the
# vectors are closer to those of the exact decomposition.
_N_ITERATIONS = 10
# Cells above which they are read in several passes instead of held in memory.
MANY_CELLS = 20_000
# Passes over the cells, each a multiplication by the matrix and its transpose.
PASSES = 8


class SvdEncoder:
    """Scaled gene loadings of a truncated singular value decomposition of log-normalised counts.

    Counts are scaled to 10,000 per cell, and log(1 + x) is taken. With ``X = U S V'`` over the n
    cells that have counts, the vectors are ``V S / sqrt(n)``. So the inner product of two genes'
    vectors is close to the mean of their product over cells, whatever the number of cells. Genes
    with low expression have short vectors.

    The vector of a cell is its row of ``U S``: the product of its expression and the loadings, as
    the scores of a principal component analysis are, here without centring.

    The matrix is not centred: it stays sparse, and the first component holds the mean expression.
    The sign of each component makes its largest loading positive. Of more than 20,000 cells, the
    vectors come from several passes over the cells by subspace iteration, in memory that does not
    grow with them; fewer are held as a sparse matrix, unless other processes read them.

    Parameters
    ----------
    n_components
        Width of the vectors. It is smaller if there are fewer genes, or if no group has that many
        cells. A group with fewer cells than the width has zeros in the components that it lacks.
    """

    poolings: tuple[str, ...] = ()
    cell_poolings = ("scores",)
    # Each group has axes of its own.
    groups_cells = False
    sums_parts = True

    def __init__(self, *, n_components: int = 64) -> None:
        check_integer("n_components", n_components, minimum=1)
        self.n_components = n_components

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model."""
        return {
            "n_components": self.n_components,
            "scaling": "right singular vectors × singular values / sqrt(cells)",
            "centred": False,
            "versions": {"scikit-learn": version("scikit-learn")},
        }

    def embed(self, cells: CellStream, genes: np.ndarray, options: EmbedOptions) -> Embedding:
        """Return loadings per gene and group; a gene that a cell of the group has is covered."""
        if cells.n_cells > MANY_CELLS or cells.engine is not None:
            return self._streamed(cells, len(genes), options)
        parts: list[list[sp.csr_matrix]] = [[] for _ in range(cells.n_groups)]
        for group, matrix in _filled(cells):
            parts[group].append(matrix)
        matrices = [
            sp.vstack(part, format="csr") if part else sp.csr_matrix((0, len(genes)))
            for part in parts
        ]
        # At least one component, of zeros: the caller raises if no cell can be used.
        most_cells = max([1, *(matrix.shape[0] for matrix in matrices)])
        width = min(self.n_components, len(genes), most_cells)
        if width < self.n_components:
            logger.info(
                "svd: %d components instead of %d, as many as genes and cells allow",
                width,
                self.n_components,
            )
        seed = np.random.default_rng(options.random_state).integers(2**31)
        found = [_gene_vectors(matrix, width, int(seed)) for matrix in matrices]
        return _embedding(cells, found, options, {"dimension": width})

    def _streamed(self, cells: CellStream, n_genes: int, options: EmbedOptions) -> Embedding:
        """Return the loadings from several passes over the cells, which are never all in memory."""
        rng = np.random.default_rng(options.random_state)
        width = min(self.n_components, n_genes)
        sketches = [GramSketch.start(n_genes, width, own) for own in rng.spawn(cells.n_groups)]
        for number in range(PASSES):
            if number:
                sketches = [sketch.refined() for sketch in sketches]
            sketches = cells.summed(_sketched, sketches)
        found = [_vectors_of(sketch, width) for sketch in sketches]
        return _embedding(cells, found, options, {"dimension": width, "passes": PASSES})


def _embedding(
    cells: CellStream,
    found: Sequence[tuple[GeneVectors, np.ndarray]],
    options: EmbedOptions,
    report: dict[str, int],
) -> Embedding:
    """Return what was asked for; the scores of cells take one more pass."""
    groups = tuple(vectors for vectors, _ in found)
    scores = None
    if options.with_cells:
        if len(found) > 1:
            msg = "the cells of each group would have axes of their own."
            raise ValueError(msg)
        scores = cells.summed(_scored, found[0][1])
    return Embedding(
        groups=groups if options.with_genes else (),
        known=np.ones(len(groups[0].covered), dtype=bool),
        report=report,
        cells=scores,
    )


def _scored(cells: CellStream, loadings: np.ndarray) -> CellVectors:
    """Return the scores of the cells of one pass; zeros for those that are empty."""
    parts, covered = [], []
    for block in cells:
        matrix = log_normalise(block.matrix) if cells.counts else block.matrix
        parts.append((matrix @ loadings).astype(np.float32))
        covered.append(np.diff(matrix.indptr) > 0)
    return CellVectors(np.concatenate(parts), np.concatenate(covered))


def _sketched(cells: CellStream, empty: Sequence[GramSketch]) -> tuple[GramSketch, ...]:
    """Return the sketch of each group, of the cells of one pass."""
    sketches = list(empty)
    for group, matrix in _filled(cells):
        sketches[group] = sketches[group].with_rows(matrix)
    return tuple(sketches)


def _filled(cells: CellStream) -> Iterator[tuple[int, sp.csr_matrix]]:
    """Yield the log-normalised cells of each group in each block, without empty ones."""
    for block in cells:
        matrix = log_normalise(block.matrix) if cells.counts else block.matrix
        filled = np.diff(matrix.indptr) > 0
        for group in np.unique(block.groups[filled]):
            yield int(group), matrix[filled & (block.groups == group)]


def _vectors_of(sketch: GramSketch, width: int) -> tuple[GeneVectors, np.ndarray]:
    rank = min(width, sketch.n_rows)
    singular, loadings = np.zeros(0), np.zeros((len(sketch.basis), 0))
    if rank:
        singular, loadings = sketch.loadings(rank)
    return _padded(loadings, singular, width, sketch.seen, sketch.n_rows)


def _padded(
    loadings: np.ndarray, singular: np.ndarray, width: int, seen: np.ndarray, n_cells: int
) -> tuple[GeneVectors, np.ndarray]:
    """Return ``V S / sqrt(n)``, and ``V``, with zeros in components that the cells do not have.

    The largest loading of each component is positive. Genes that were not seen have zeros.
    """
    # An SVD leaves the sign of a component open.
    largest = loadings[np.abs(loadings).argmax(axis=0), np.arange(len(singular))]
    axes = np.zeros((len(seen), width))
    axes[:, : len(singular)] = loadings * np.sign(largest)
    # The column of a gene without counts is zero. The solvers leave rounding errors there.
    axes[~seen] = 0
    vectors = np.zeros((len(seen), width), dtype=np.float32)
    vectors[:, : len(singular)] = axes[:, : len(singular)] * (singular / np.sqrt(max(n_cells, 1)))
    return GeneVectors(vectors=vectors, covered=seen, n_cells=n_cells), axes


def log_normalise(counts: sp.csr_matrix) -> sp.csr_matrix:
    """Return log(1 + counts per 10,000); empty cells stay empty."""
    totals = np.asarray(counts.sum(axis=1)).ravel()
    # Not divided by zero in empty cells.
    scale = TARGET_SUM / np.where(totals > 0, totals, 1.0)
    return sp.csr_matrix(
        (
            np.log1p(counts.data * np.repeat(scale, np.diff(counts.indptr))),
            counts.indices,
            counts.indptr,
        ),
        shape=counts.shape,
    )


def _gene_vectors(matrix: sp.csr_matrix, width: int, seed: int) -> tuple[GeneVectors, np.ndarray]:
    from sklearn.utils.extmath import randomized_svd

    n_cells, n_genes = matrix.shape
    rank = min(width, n_cells)
    singular, loadings = np.zeros(0), np.zeros((n_genes, 0))
    if rank > 0:
        _, singular, rows = randomized_svd(
            matrix, rank, n_iter=_N_ITERATIONS, random_state=seed, flip_sign=False
        )
        loadings = rows.T
    return _padded(loadings, singular, width, matrix.getnnz(axis=0) > 0, n_cells)


SVD = EncoderEntry(
    name="svd",
    target=SvdEncoder,
    description="Gene loadings of a truncated SVD of log-normalised counts; no weights",
    reference="Halko, Martinsson and Tropp 2011, doi:10.1137/090771806",
    gene_ids="any",
)
