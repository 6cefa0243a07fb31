"""Gaussian process over TF–gene pairs: similar genes and similar TFs share preferences."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from scregnet._logging import logger
from scregnet.links.forms.compact import from_upper_triangle, halved, upper_triangle
from scregnet.links.forms.layers import columns_from_state, columns_state
from scregnet.links.forms.saved import State, check_ascending, read_floats, read_integers
from scregnet.links.methods.joint.cells import Cells
from scregnet.links.methods.joint.covariance import PairCovariance, Variances
from scregnet.links.methods.joint.laplace import LogisticObjective, Mode, laplace_mode
from scregnet.links.methods.joint.layers import Layers, at_pairs, layer_weights
from scregnet.links.methods.joint.pairs import KnownPairs, from_state

if TYPE_CHECKING:
    import scipy.sparse as sp

    from scregnet.links.evidence import PairColumns

# They end the search where logits are within 0.02 of the most probable ones.
MAX_NEWTON, MAX_CG, TOLERANCE = 20, 100, 1e-2
# The same for the first fits where there are layers: they only give weights and L for the last one.
ROUGH = 0.1
# Relative residual that ends conjugate gradients where a list has so many pairs: half as many
# products as with TOLERANCE, logits within 0.03 of their standard deviation (165,000 pairs).
ROUGH_CG, MANY_PAIRS = 0.05, 50_000
# Mean change of the logits, in the last step, that is worth a warning.
UNFINISHED = 0.3
# Least variance of a label when residuals are scaled: nearly certain pairs must not dominate.
LEAST_VARIANCE = 0.01
# Added to the number of genes that are labelled for both TFs: few of them show little likeness.
PSEUDO_PAIRS = 20

# Terms of a logit without evidence.
N_PARTS = 6


def has_many(pairs: KnownPairs) -> bool:
    """Whether these are a list of so many pairs that a fit saves steps."""
    return pairs.is_sparse and len(pairs.labels) > MANY_PAIRS


@dataclass(frozen=True, eq=False)
class PairProcess:
    """Posterior of a fitted process. :meth:`parts` gives the terms of a TF's logits.

    Parameters
    ----------
    features
        ``F`` with the kernel of genes ``K = (F * w) @ F.T``, (n_genes, n_components).
    scale
        ``w``, (n_components,).
    tfs
        Positions of the labelled TFs.
    pairs
        The known pairs.
    weights
        Dual weights ``a`` of the known pairs.
    likeness
        ``L``, (n_tfs, n_tfs): how much TFs have targets in common.
    mean
        Prior mean ``m`` of every logit.
    variances
        Prior variances of the terms.
    columns
        Evidence layers, as columns ``z`` of pairs.
    slopes
        Weight of each column, (n_columns,).
    """

    features: np.ndarray
    scale: np.ndarray
    tfs: np.ndarray
    pairs: KnownPairs
    weights: np.ndarray
    likeness: np.ndarray
    mean: float
    variances: Variances
    columns: tuple[PairColumns, ...] = ()
    slopes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        tfs: np.ndarray,
        pairs: KnownPairs,
        variances: Variances,
        *,
        layers: Layers | None = None,
        most: float = 1.0,
        max_newton: int = MAX_NEWTON,
        max_cg: int = MAX_CG,
        tolerance: float = TOLERANCE,
    ) -> PairProcess:
        """Find the most probable logits of the known pairs; warn if the search has not converged.

        A first fit has no ``L`` and no profiles of layers. Its residuals give the weights of the
        profiles, for a fit with them. The residuals of that fit give ``L`` for the last one. Each
        starts from the weights of the one before.

        Parameters
        ----------
        features, tfs, pairs, variances
            See the class; ``tfs`` are the rows of ``pairs``.
        layers
            Evidence layers.
        most
            Largest weight of a profile in ``K``, where expression weighs 1.
        max_newton, max_cg, tolerance
            See :func:`~scregnet.links.methods.joint.laplace.laplace_mode`.
        """
        # Half a pair of either kind keeps the logit finite: a fold may hold no edge at all.
        share = (pairs.labels.sum() + 0.5) / (pairs.known.sum() + 1)
        mean = float(np.log(share / (1 - share)))
        unlike = np.zeros((len(tfs), len(tfs)), np.float32)
        weights = np.zeros(pairs.known.shape, np.float32)
        limits: dict[str, Any] = {
            "max_newton": max_newton,
            "max_cg": max_cg,
            "tolerance": tolerance,
        }
        scale = np.ones(features.shape[1], np.float32)
        columns: tuple[PairColumns, ...] = ()
        values: list[np.ndarray] = []
        if layers is not None:
            features = np.concatenate([features, *layers.profiles], axis=1)
            scale = np.pad(scale, (0, len(layers.component)))
            columns, values = layers.columns, at_pairs(layers.columns, tfs, pairs)
        start = cls(features, scale, tfs, pairs, weights, unlike, mean, variances, columns)
        if layers is None:
            first = start._solved(values, **limits)
        else:
            rough = limits | {"tolerance": max(tolerance, ROUGH)}
            first = start._solved(values, **rough)._with_profiles(layers, most, values, rough)
        return replace(first, likeness=first._likeness(values))._solved(values, **limits)

    def _with_profiles(
        self, layers: Layers, most: float, values: list[np.ndarray], limits: dict[str, Any]
    ) -> PairProcess:
        """Return the process fitted again with the profiles that the labels agree with."""
        alike = self._covariance([]).alike
        own = most * layer_weights(self.weights, alike, layers, self.pairs)
        logger.debug("joint: weights of the profiles %s", np.round(own, 2).tolist())
        if not own.any():
            return self
        # All weights add up to 1.
        total = 1 + own.sum()
        n_own = len(layers.component)
        scale = np.concatenate([self.scale[:-n_own] / total, (own / total)[layers.component]])
        # What the profiles explain must not look like likeness of TFs.
        return replace(self, scale=scale.astype(np.float32))._solved(values, **limits)

    def _covariance(self, values: list[np.ndarray]) -> PairCovariance:
        """Return the covariance; ``values`` are the columns of evidence at the known pairs."""
        return PairCovariance.of(
            self.pairs,
            self.features,
            self.tfs,
            self.likeness,
            self.variances,
            scale=self.scale,
            columns=values,
        )

    def _solved(
        self, values: list[np.ndarray], *, max_newton: int, max_cg: int, tolerance: float
    ) -> PairProcess:
        """Return the process with the weights of the most probable logits."""
        pairs = self.pairs
        covariance = self._covariance(values)
        objective = LogisticObjective(
            pairs.labels.astype(np.float32), pairs.known, np.float32(self.mean)
        )

        def search(tolerance: float) -> Mode:
            return laplace_mode(
                covariance,
                objective,
                start=self.weights,
                max_newton=max_newton,
                max_cg=max_cg,
                tolerance=tolerance,
                cg_tolerance=max(tolerance, ROUGH_CG) if has_many(pairs) else None,
            )

        mode = search(tolerance)
        if tolerance > TOLERANCE and not mode.last_change < UNFINISHED:
            # Where one column of evidence tells most, roughly solved steps can be no better at all.
            mode = search(TOLERANCE)
        if not mode.last_change < UNFINISHED:
            msg = (
                "the process of method='joint' has not converged: its last step would change "
                f"logits by {mode.last_change:.2g} on average. Take smaller prior variances."
            )
            warnings.warn(msg, RuntimeWarning, stacklevel=2)
        # The most probable slope of a column: its variance times z · a.
        slopes = [self.variances.evidence_slopes * np.sum(z * mode.weights) for z in values]
        return replace(self, weights=mode.weights, slopes=np.array(slopes, np.float32))

    def _likeness(self, values: list[np.ndarray]) -> np.ndarray:
        """Return ``L``: correlation of TFs' label residuals, scaled to a mean variance of 1."""
        pairs, expected = self.pairs, expit(self.biases(values))
        scale = np.sqrt(np.maximum(expected * (1 - expected), LEAST_VARIANCE))
        residual = np.where(pairs.known, (pairs.labels - expected) / scale, 0)
        n_common = pairs.gram(pairs.known.astype(np.float32))
        sizes, vectors = np.linalg.eigh(pairs.gram(residual) / (n_common + PSEUDO_PAIRS))
        # A covariance has no negative eigenvalues; setting them to 0 gives the nearest one.
        likeness = (vectors * np.maximum(sizes, 0)) @ vectors.T
        likeness = (likeness / max(np.diag(likeness).mean(), 1e-6)).astype(np.float32)
        # Symmetric to the last bit: half of it is stored.
        likeness = from_upper_triangle(upper_triangle(likeness), len(likeness))
        return halved(likeness) if has_many(pairs) else likeness

    @cached_property
    def row(self) -> np.ndarray:
        """Row of each gene among the labelled TFs, -1 for the others."""
        row = np.full(len(self.features), -1)
        row[self.tfs] = np.arange(len(self.tfs))
        return row

    @cached_property
    def _matrix(self) -> np.ndarray | sp.csr_array:
        """``a`` as a matrix of TFs × genes."""
        return self.pairs.matrix(self.weights)

    @cached_property
    def _projected(self) -> np.ndarray:
        """``a @ F * w``, (n_tfs, n_components)."""
        return self.pairs.projected(self.weights, self.features) * self.scale

    @cached_property
    def _by_expression(self) -> np.ndarray:
        """What turns ``F`` of a gene into its preference by TFs of similar expression.

        ``similar * K[t, u] a[u, h] K[h, g]`` is ``F[t] · this · F[g]``, (n_components,
        n_components).
        """
        of_tfs = self.features[self.tfs] * self.scale
        return np.float32(self.variances.similar) * (of_tfs.T @ self._projected)

    @cached_property
    def _by_labels(self) -> np.ndarray:
        """Preferences of the labelled TFs: their own, and those of TFs with common targets.

        ``own * a[t, h] F[h]`` and ``joint_smooth * L[t, u] a[u, h] F[h]``, (2, n_tfs,
        n_components).
        """
        own = np.float32(self.variances.own) * self._projected
        return np.stack(
            [own, np.float32(self.variances.joint_smooth) * (self.likeness @ self._projected)]
        )

    @cached_property
    def _tf_biases(self) -> np.ndarray:
        return self.variances.tf * self._matrix.sum(1)

    @cached_property
    def _target_biases(self) -> np.ndarray:
        """Own and shared bias of each target, (2, n_genes)."""
        total = self._matrix.sum(0)
        smooth = self.features @ ((total @ self.features) * self.scale)
        v = self.variances
        return np.stack([np.float32(v.target) * total, np.float32(v.target_smooth) * smooth])

    @property
    def n_parts(self) -> int:
        """Number of terms that :meth:`parts` gives."""
        return N_PARTS + bool(self.columns)

    def evidence(self, cells: Cells) -> np.ndarray:
        """Return ``z`` of some pairs, (n_columns, n_pairs)."""
        found = np.empty((len(self.slopes), len(cells)), np.float32)
        for number, source in enumerate(cells.sources if self.columns else ()):
            here = slice(*cells.indptr[number : number + 2])
            of_tf = np.concatenate([layer.of_tf(int(source)) for layer in self.columns])
            found[:, here] = of_tf if cells.whole else of_tf[:, cells.targets[here]]
        return found

    def biases(self, values: list[np.ndarray] | None = None) -> np.ndarray:
        """Return the logits of biases and evidence alone for the known pairs, float32.

        ``values`` are the columns of evidence at the known pairs; ``None`` computes them.
        """
        of_tfs = self.pairs.per_tf(self._tf_biases)
        of_targets = self.pairs.per_gene(self._target_biases.sum(0))
        logits = self.mean + of_tfs + of_targets
        if self.columns:
            values = at_pairs(self.columns, self.tfs, self.pairs) if values is None else values
            for slope, z in zip(self.slopes, values, strict=True):
                logits = logits + slope * z
        return np.asarray(logits, np.float32)

    def parts(self, cells: Cells, evidence: np.ndarray | None = None) -> np.ndarray:
        """Return the terms of the logits of some pairs, float32 of shape (n_parts, n_pairs).

        ``evidence`` is what :meth:`evidence` gives, if it is known. The terms, in order:

        - bias of the TF;
        - bias of the target;
        - bias that similar targets share;
        - preferences of the TF and of TFs of similar expression;
        - targets in common with other TFs;
        - preferences of TFs with common targets;
        - what evidence layers say of the pair, if there are any.

        For a gene that is no labelled TF, only the terms with ``K[t, u]``, the target's biases and
        the last one are non-zero.
        """
        rows = self.row[cells.sources]
        seen = rows >= 0
        mine = rows[seen]
        # Preferences as vectors p with the logit p · F[g].
        by_expression = cells.product(self.features[cells.sources], self._by_expression)
        by_labels = np.zeros_like(by_expression)
        by_expression[seen] += self._by_labels[0, mine]
        by_labels[seen] = self._by_labels[1, mine]
        biases, likeness = np.zeros(len(rows)), np.zeros((len(rows), len(self.tfs)), np.float32)
        biases[seen], likeness[seen] = self._tf_biases[mine], self.likeness[mine]
        parts = np.empty((self.n_parts, len(cells)), np.float32)
        parts[0] = cells.per_source(biases)
        for number, numbers in enumerate(self._target_biases, start=1):
            parts[number] = cells.per_gene(numbers)
        parts[3] = cells.dot(by_expression, self.features)
        # joint * L[t, u] a[u, g]
        parts[4] = np.float32(self.variances.joint) * self.pairs.mixed_at(
            likeness, self.weights, cells
        )
        parts[5] = cells.dot(by_labels, self.features)
        if self.columns:
            # z[t, g] · slopes
            parts[6] = self.slopes @ (self.evidence(cells) if evidence is None else evidence)
        return parts

    def logits(self, sources: np.ndarray) -> np.ndarray:
        """Return the logits of all pairs of the given genes with all genes, float32."""
        cells = Cells.every(sources, len(self.features))
        logits = np.float32(self.mean) + self.parts(cells).sum(0)
        return logits.reshape(len(sources), -1)

    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays from which :meth:`from_state` makes an equal object."""
        arrays = {
            name: np.asarray(getattr(self, name))
            for name in ("features", "scale", "tfs", "weights", "mean", "slopes")
        }
        arrays["likeness"] = upper_triangle(self.likeness)
        arrays["variances"] = np.array([getattr(self.variances, f.name) for f in fields(Variances)])
        arrays |= columns_state(self.columns)
        return arrays | {f"pairs_{name}": value for name, value in self.pairs.state().items()}

    @classmethod
    def from_state(cls, state: State, prefix: str = "") -> PairProcess:
        """The inverse of :meth:`state`; raise ``ValueError`` if the arrays do not fit together."""
        features = read_floats(state, f"{prefix}features", (None, None))
        n_genes = len(features)
        tfs = read_integers(state, f"{prefix}tfs", (None,), high=n_genes - 1, dtype=np.int64)
        check_ascending(f"{prefix}tfs", tfs, strictly=True)
        n_tfs = len(tfs)
        pairs = from_state(state, (n_tfs, n_genes), f"{prefix}pairs_")
        variances = read_floats(state, f"{prefix}variances", (len(fields(Variances)),), np.float64)
        columns = columns_from_state(state, n_genes, prefix)
        return cls(
            features,
            read_floats(state, f"{prefix}scale", features.shape[1:]),
            tfs,
            pairs,
            read_floats(state, f"{prefix}weights", pairs.known.shape),
            from_upper_triangle(
                read_floats(state, f"{prefix}likeness", (n_tfs * (n_tfs + 1) // 2,)), n_tfs
            ),
            float(read_floats(state, f"{prefix}mean", (), np.float64)),
            Variances(*variances.tolist()),
            columns,
            read_floats(state, f"{prefix}slopes", (2 * len(columns),)),
        )
