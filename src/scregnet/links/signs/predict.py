"""Signs for a network: the known ones, and those that can be predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.special import logit

from scregnet.links.signs.coexpression import Coexpression, KnownCorrelations, Regulons
from scregnet.links.signs.crossfit import Held, can_be_predicted, hold_out_edges, hold_out_tfs
from scregnet.links.signs.model import SignModel, UsualSign

if TYPE_CHECKING:
    from scregnet.links.signs.known import KnownSigns

LEAST_EVIDENCE = 0.35
"""Least change of the logit from that of the base share, for a sign that is given. It is a factor
of 1.4 in the odds. Among held-out signs below it, AUROC was 0.52 to 0.61 on six data sets; between
0.35 and 0.7 it was 0.63 to 0.67, above 1.1 it was 0.80 to 0.95 (``benchmarks/signs.py``)."""

SUREST = 0.9999
"""Largest size of a predicted sign."""

BLOCK = 2**21
"""Pairs predicted at a time: a block of float32 takes 8 MB, and about six are alive at once."""


@dataclass(frozen=True, eq=False)
class Signs:
    """Known signs, and what predicts others; either model may be ``None``."""

    known: KnownSigns
    seen: SignModel | UsualSign | None
    """For TFs with a known sign."""

    unseen: SignModel | UsualSign | None
    """For TFs without one."""

    chosen: tuple[str | None, str | None]
    """Names of the two."""

    held: Held | None
    """The known signs, each predicted by fits without it."""

    held_tfs: Held | None
    """The known signs, each predicted by fits without its TF."""

    coexpression: Coexpression | None

    @classmethod
    def fit(
        cls, known: KnownSigns, expression: np.ndarray | None, rng: np.random.Generator
    ) -> Signs:
        """Choose on held-out signs what predicts, and fit it to all known ones.

        ``expression`` is standardised, (n_genes, n_features). With fewer than 20 signed edges, or
        5 of either sign, nothing is predicted.
        """
        if not can_be_predicted(known):
            return cls(known, None, None, (None, None), None, None, None)
        coexpression = None if expression is None else Coexpression.of(expression)
        correlations = None if coexpression is None else KnownCorrelations.of(known, coexpression)
        held = hold_out_edges(known, correlations, rng)
        held_tfs = hold_out_tfs(known, correlations, rng)
        names = (held.best(), None if held_tfs is None else held_tfs.best())
        fits = {name: _fitted(name, known, correlations) for name in set(names)}
        return cls(known, fits[names[0]], fits[names[1]], names, held, held_tfs, coexpression)

    def matrix(self, network: sp.csr_matrix) -> sp.csr_matrix:
        """Return the sign of each stored link, float32 CSR with the places of ``network``.

        ±1 is known, a value between is ``2 P(activates) - 1``, NaN cannot be told.
        """
        values = np.full(network.nnz, np.nan, np.float32)
        is_seen = self.known.tf_counts().sum(axis=1) > 0
        tfs = np.flatnonzero(np.diff(network.indptr))
        for model, rows in ((self.seen, tfs[is_seen[tfs]]), (self.unseen, tfs[~is_seen[tfs]])):
            if model is not None:
                self._predict(model, rows, network, values)
        self._write_known(network, values)
        return sp.csr_matrix(
            (values, network.indices.copy(), network.indptr.copy()), shape=network.shape
        )

    def _predict(
        self,
        model: SignModel | UsualSign,
        tfs: np.ndarray,
        network: sp.csr_matrix,
        values: np.ndarray,
    ) -> None:
        """Write the predicted signs of some rows, a block of rows at a time."""
        base = logit(self.known.share)
        regulons = None if self.coexpression is None else Regulons.of(self.known, self.coexpression)
        for part in np.array_split(tfs, max(1, -(-len(tfs) * self.known.n_genes // BLOCK))):
            probability = self._block(model, part, regulons)
            for row, tf in enumerate(part):
                places = slice(network.indptr[tf], network.indptr[tf + 1])
                own = probability[row, network.indices[places]]
                told = np.abs(logit(own) - base) >= LEAST_EVIDENCE
                # ±1 is for known signs; float32 would round a sure prediction to it.
                predicted = np.clip(2 * own - 1, -SUREST, SUREST)
                values[places] = np.where(told, predicted, np.float32(np.nan))

    def _block(
        self, model: SignModel | UsualSign, tfs: np.ndarray, regulons: Regulons | None
    ) -> np.ndarray:
        """Return P(activates) of some TFs with all genes, float32 (n_tfs, n_genes)."""
        if isinstance(model, UsualSign):
            return np.broadcast_to(model.rates[tfs, None], (len(tfs), self.known.n_genes))
        correlations: list[np.ndarray] = []
        if len(model.weights) and self.coexpression is not None and regulons is not None:
            correlations = [*self.coexpression.block(tfs), regulons.block(tfs)]
        return model.of_block(tfs, correlations)

    def _write_known(self, network: sp.csr_matrix, values: np.ndarray) -> None:
        """Write the known signs of the links that are stored."""
        known = self.known
        sign = np.zeros(known.n_genes, np.float32)
        for tf, edges in known.by_tf():
            sign[known.targets[edges]] = np.where(known.activates[edges], 1, -1)
            places = slice(network.indptr[tf], network.indptr[tf + 1])
            own = sign[network.indices[places]]
            values[places][own != 0] = own[own != 0]
            sign[known.targets[edges]] = 0


def _fitted(
    name: str | None, known: KnownSigns, correlations: KnownCorrelations | None
) -> SignModel | UsualSign | None:
    """Fit the model of a name to all known signs."""
    if name is None:
        return None
    if name == "usual_sign":
        return UsualSign.fit(known)
    if name == "labels" or correlations is None:
        return SignModel.fit(known, None)
    return SignModel.fit(known, correlations.given(np.ones(len(known), bool)))
