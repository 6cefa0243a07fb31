"""Models of the sign of a link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.special import expit

if TYPE_CHECKING:
    from scregnet.links.signs.known import KnownSigns

TF_SCALE, TARGET_SCALE, WEIGHT_SCALE = 1.0, 0.7, 0.5
"""Prior standard deviations, on the logit scale, of the effects of TFs, of targets, and of a
correlation that changes by one standard deviation. Chosen on CollecTRI and TRRUST; twice or half of
each changes the held-out log loss by 0.02 at most where over 100 edges have a sign."""

PSEUDO_COUNT = 2.0
"""Edges of the overall share that are added to each TF's own."""


@dataclass(frozen=True, eq=False)
class SignModel:
    """Logit of activating: ``b + a_t + c_g + w·z``, with Gaussian priors on all but ``b``.

    ``a`` is the TF's usual sign and ``c`` the target's. ``z`` are the correlations of the two.
    """

    bias: float
    tf: np.ndarray
    """``a``, float32 (n_genes,); 0 for a TF without known signs."""

    target: np.ndarray
    """``c``, float32 (n_genes,)."""

    weights: np.ndarray
    """``w``, float32 (3,), or (0,) for a model without expression."""

    @classmethod
    def fit(cls, known: KnownSigns, correlations: np.ndarray | None) -> SignModel:
        """Fit to known signs; ``correlations`` of their edges (n_edges, 3), or ``None``."""
        from sklearn.linear_model import LogisticRegression

        n = known.n_genes
        z = np.zeros((len(known), 0)) if correlations is None else correlations
        # Spread 1, so that one prior fits all three. The mean stays: a gene that does not vary has
        # correlation 0, and that is no evidence.
        spread = z.std(axis=0)
        scale = np.divide(WEIGHT_SCALE, spread, out=np.zeros(z.shape[1]), where=spread > 1e-6)
        blocks = (
            _one_hot(known.sources, n, TF_SCALE),
            _one_hot(known.targets, n, TARGET_SCALE),
            sp.csr_matrix(z * scale),
        )
        rows, labels, counts = _outside_rows(known, z.shape[1])
        design = sp.vstack([sp.hstack(blocks), rows], format="csr")
        # Columns of genes without a known sign would only cost time: their effect is 0.
        used = np.flatnonzero(np.bincount(design.indices, minlength=design.shape[1]))
        # The priors have variance 1 after scaling, which is C=1. newton-cg takes 0.1 s for 43,000
        # edges, a tenth of what lbfgs takes.
        model = LogisticRegression(C=1.0, solver="newton-cg", tol=1e-3, max_iter=500)
        model.fit(
            design[:, used],
            np.concatenate([known.activates, labels]),
            sample_weight=np.concatenate([np.ones(len(known)), counts]),
        )
        effects = np.zeros(design.shape[1])
        effects[used] = model.coef_[0]
        return cls(
            float(model.intercept_[0]),
            (effects[:n] * TF_SCALE).astype(np.float32),
            (effects[n : 2 * n] * TARGET_SCALE).astype(np.float32),
            (effects[2 * n :] * scale).astype(np.float32),
        )

    def of_pairs(
        self, sources: np.ndarray, targets: np.ndarray, correlations: np.ndarray | None
    ) -> np.ndarray:
        """Return P(activates) of pairs, given their correlations, float32 (n_pairs,)."""
        logit = self.bias + self.tf[sources] + self.target[targets]
        if correlations is not None:
            logit = logit + correlations @ self.weights
        return np.asarray(expit(logit), np.float32)

    def of_block(self, tfs: np.ndarray, correlations: list[np.ndarray]) -> np.ndarray:
        """Return P(activates) of some TFs with all genes, float32 (n_tfs, n_genes)."""
        logit = np.float32(self.bias) + self.tf[tfs, None] + self.target
        for weight, values in zip(self.weights, correlations, strict=True):
            logit += weight * values
        return np.asarray(expit(logit), np.float32)


@dataclass(frozen=True, eq=False)
class UsualSign:
    """The null model: the share of a TF's known edges that activate, shrunk to the overall one."""

    rates: np.ndarray
    """P(activates) of each TF, float32 (n_genes,)."""

    @classmethod
    def fit(cls, known: KnownSigns) -> UsualSign:
        """Count the known signs of each TF."""
        counts = known.tf_counts()
        total = counts.sum(axis=1)
        share = counts[:, 0].sum() / total.sum()
        rates = (counts[:, 0] + PSEUDO_COUNT * share) / (total + PSEUDO_COUNT)
        return cls(rates.astype(np.float32))


def _one_hot(genes: np.ndarray, n_genes: int, value: float) -> sp.csr_matrix:
    rows = np.arange(len(genes))
    return sp.csr_matrix((np.full(len(genes), value), (rows, genes)), shape=(len(genes), n_genes))


def _outside_rows(
    known: KnownSigns, n_correlations: int
) -> tuple[sp.csr_matrix, np.ndarray, np.ndarray]:
    """Return the edges outside the data as rows of the design, their labels and their numbers.

    Of such an edge only one gene is in the data. The other one has effect 0.
    """
    genes, role = np.nonzero(known.outside)
    n = known.n_genes
    as_target = role >= 2
    value = np.where(as_target, TARGET_SCALE, TF_SCALE)
    place = (np.arange(len(genes)), genes + n * as_target)
    rows = sp.csr_matrix((value, place), shape=(len(genes), 2 * n + n_correlations))
    return rows, role % 2 == 0, known.outside[genes, role]
