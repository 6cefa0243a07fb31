"""Prior covariance of the logits of TF–gene pairs, as an operator on the known pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scregnet.links.methods.joint.pairs import KnownPairs


@dataclass(frozen=True)
class Variances:
    """Prior variances of the parts of a logit, on the logit scale.

    The defaults were set on development splits, one set for all data and kinds of split
    (docs/results/models.md). Doubling or halving one of them changed figures by less than the
    spread of the seeds.
    """

    tf: float = 3.0
    """Bias of a TF."""

    target: float = 1.0
    """Bias of a target."""

    target_smooth: float = 1.0
    """Bias of a target that similar genes share."""

    own: float = 0.3
    """A TF's own preference among genes, shared by similar genes."""

    similar: float = 0.2
    """Preference that TFs of similar expression share."""

    joint: float = 2.0
    """Targets that TFs with common targets share."""

    joint_smooth: float = 0.5
    """Preference that TFs with common targets share, shared by similar genes."""

    evidence_slopes: float = 1.0
    """Slope of each column of an evidence layer."""


@dataclass(frozen=True, eq=False)
class PairCovariance:
    """Covariance of the logits ``f[t, g]`` of the known pairs; ``covariance @ values`` applies it.

    For TFs ``t`` and ``u`` and their targets ``g`` and ``h``::

        cov(f[t, g], f[u, h]) = tf * I[t, u]
                              + (target + joint * L[t, u]) * I[g, h]
                              + (target_smooth + own * I[t, u] + similar * K[t, u]
                                 + joint_smooth * L[t, u]) * K[g, h]
                              + evidence_slopes * z[t, g] · z[u, h]

    ``K = (F * w) @ F.T`` is the kernel of genes, ``L`` the likeness of TFs, ``I`` the identity,
    ``z`` the columns of evidence layers; the other names are the :class:`Variances`. The matrix is
    never written out: its terms are products of small matrices.

    Parameters
    ----------
    pairs
        The known pairs.
    features
        ``F``, (n_genes, n_components).
    scale
        ``w``, (n_components,).
    tf
        Variance of the biases of TFs.
    same
        ``target + joint * L``, (n_tfs, n_tfs): the factor of ``I[g, h]``.
    alike
        The factor of ``K[g, h]``, (n_tfs, n_tfs).
    columns
        ``z`` at the known pairs, times the root of its variance: one array of values a column.
    """

    pairs: KnownPairs
    features: np.ndarray
    scale: np.ndarray
    tf: np.float32
    same: np.ndarray
    alike: np.ndarray
    columns: list[np.ndarray]

    @classmethod
    def of(
        cls,
        pairs: KnownPairs,
        features: np.ndarray,
        tfs: np.ndarray,
        likeness: np.ndarray,
        variances: Variances,
        *,
        scale: np.ndarray | None = None,
        columns: Sequence[np.ndarray] = (),
    ) -> PairCovariance:
        """Build from ``F``, the positions of the TFs, ``L`` and the variances.

        ``scale`` are the weights of the components of ``F``, by default 1; ``columns`` are ``z``.
        """
        v = variances
        scale = np.ones(features.shape[1], np.float32) if scale is None else scale
        kernel = (features[tfs] * scale) @ features[tfs].T
        same = np.float32(v.target) + np.float32(v.joint) * likeness
        alike = (
            v.target_smooth
            + v.own * np.eye(len(tfs))
            + v.similar * kernel
            + v.joint_smooth * likeness
        )
        root = np.float32(np.sqrt(v.evidence_slopes))
        return cls(
            pairs,
            features,
            scale,
            np.float32(v.tf),
            same,
            alike.astype(np.float32),
            [root * column for column in columns],
        )

    def __matmul__(self, values: np.ndarray) -> np.ndarray:
        """Return the covariance times ``values``, one number for each known pair."""
        pairs, matrix = self.pairs, self.pairs.matrix(values)
        # tf * I[t, u]
        of_tf = pairs.per_tf(self.tf * matrix.sum(1))
        # (target + joint * L[t, u]) * I[g, h]
        if self.is_constant:
            of_same_target = pairs.per_gene(self.same[0, 0] * matrix.sum(0))
        else:
            of_same_target = pairs.mixed(self.same, values)
        # (target_smooth + own * I + similar * K + joint_smooth * L)[t, u] * K[g, h].
        # Through F, so the cost is linear in the genes.
        projected = pairs.projected(values, self.features) * self.scale
        of_similar_target = pairs.dot(self.alike @ projected, self.features)
        total = of_tf + of_same_target + of_similar_target
        # z[t, g] · z[u, h]
        for column in self.columns:
            total += column * np.sum(column * values)
        return total

    @cached_property
    def is_constant(self) -> bool:
        """Whether no TF is like another one, as before their likeness is known."""
        return bool((self.same == self.same[0, 0]).all())

    def preconditioner(self, root: np.ndarray) -> TfBiasInverse:
        """Return an approximate inverse of ``I + W½ cov W½``, where ``root`` is ``W½``."""
        size = self.pairs.matrix(root**2).sum(1)
        return TfBiasInverse(self.pairs, root, self.tf / (1 + self.tf * size))


@dataclass(frozen=True, eq=False)
class TfBiasInverse:
    """Inverse of ``I + tf * W½ (I[t, u]) W½``, the biases of TFs alone.

    They are the largest term: every pair of a TF shares it. For each TF the matrix is
    ``I + tf * r rᵀ`` with ``r = W½``, so its inverse is ``I - s * r rᵀ`` with
    ``s = tf / (1 + tf * rᵀr)`` (Sherman and Morrison).
    """

    pairs: KnownPairs
    root: np.ndarray
    """``r``, for each known pair."""

    shrink: np.ndarray
    """``s``, for each TF."""

    def __matmul__(self, values: np.ndarray) -> np.ndarray:
        """Return the inverse times ``values``."""
        products = self.pairs.matrix(self.root * values).sum(1)
        return values - self.root * self.pairs.per_tf(self.shrink * products)
