"""``model="svd"``: gene loadings of a truncated SVD; needs no weights and runs anywhere."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
import scipy.sparse as sp

from scregnet._logging import logger
from scregnet._validate import check_integer
from scregnet.encoders.entry import EncoderEntry
from scregnet.encoders.protocol import CellStream, Embedding, EmbedOptions, GeneVectors

TARGET_SUM = 1e4


class SvdEncoder:
    r"""Scaled gene loadings of a truncated singular value decomposition of log-normalised counts.

    Counts are brought to 10,000 per cell and :math:`\log(1 + x)` is taken; with :math:`X = U S V^\top` over the :math:`n`
    cells that have counts, the vectors are :math:`V S / \sqrt{n}`. So the inner product of two genes' vectors is close to
    their mean product over cells, whatever the number of cells, and faint genes have short vectors. The matrix is not
    centred: it stays sparse, and the first component carries the mean expression of genes. Each component's sign is such
    that its largest loading is positive.

    The log-normalised matrix of all cells is held in memory (sparse).

    Parameters
    ----------
    n_components
        Width of the vectors. Where there are fewer genes, or no group with as many cells, the width is that number and the
        log says so; a group with fewer cells than the width has zeros in the components that it lacks.
    """

    poolings: tuple[str, ...] = ()

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
        """Return loadings per gene and group; a gene is covered where a cell of the group has it."""
        parts: list[list[sp.csr_matrix]] = [[] for _ in range(cells.n_groups)]
        for block in cells:
            matrix = _log_normalise(block.matrix) if cells.counts else block.matrix
            filled = np.diff(matrix.indptr) > 0
            for group in np.unique(block.groups[filled]):
                parts[group].append(matrix[filled & (block.groups == group)])
        matrices = [
            sp.vstack(part, format="csr") if part else sp.csr_matrix((0, len(genes)))
            for part in parts
        ]
        # One component at least, of zeros: that no cell can be used is for the caller to say.
        most_cells = max(1, *(matrix.shape[0] for matrix in matrices))
        width = min(self.n_components, len(genes), most_cells)
        if width < self.n_components:
            logger.info(
                "svd: %d components instead of %d, as many as genes and cells allow",
                width,
                self.n_components,
            )
        seed = np.random.default_rng(options.random_state).integers(2**31)
        groups = tuple(_gene_vectors(matrix, width, int(seed)) for matrix in matrices)
        return Embedding(
            groups=groups, known=np.ones(len(genes), dtype=bool), report={"dimension": width}
        )


def _log_normalise(counts: sp.csr_matrix) -> sp.csr_matrix:
    totals = np.asarray(counts.sum(axis=1)).ravel()
    scale = TARGET_SUM / np.where(totals > 0, totals, 1.0)
    return sp.csr_matrix(
        (
            np.log1p(counts.data * np.repeat(scale, np.diff(counts.indptr))),
            counts.indices,
            counts.indptr,
        ),
        shape=counts.shape,
    )


def _gene_vectors(matrix: sp.csr_matrix, width: int, seed: int) -> GeneVectors:
    from sklearn.utils.extmath import randomized_svd

    n_cells, n_genes = matrix.shape
    vectors = np.zeros((n_genes, width), dtype=np.float32)
    rank = min(width, n_cells)
    if rank > 0:
        _, singular, loadings = randomized_svd(
            matrix, rank, n_iter=10, random_state=seed, flip_sign=False
        )
        largest = loadings[np.arange(rank), np.abs(loadings).argmax(axis=1)]
        vectors[:, :rank] = (loadings * (np.sign(largest) * singular / np.sqrt(n_cells))[:, None]).T
    covered = matrix.getnnz(axis=0) > 0
    # A gene without a single count has a zero column; what the solver leaves there is rounding.
    vectors[~covered] = 0
    return GeneVectors(vectors=vectors, covered=covered, n_cells=n_cells)


SVD = EncoderEntry(
    name="svd",
    target=SvdEncoder,
    description="Gene loadings of a truncated SVD of log-normalised counts; no weights",
    reference="Halko, Martinsson and Tropp 2011, doi:10.1137/090771806",
    gene_ids="any",
)
