"""Evidence layers in the joint model: their columns of pairs, and how much their profiles weigh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet.links.evidence import EvidenceLayer, PairColumns
from scregnet.links.methods.joint.kernel import profile_features

if TYPE_CHECKING:
    from scregnet.links.methods.joint.pairs import KnownPairs

# Components of each profile that are features of a single gene, beside its popularity.
N_COLUMNS = 16
# Permutations of the genes that tell how large the score of a layer is by chance.
N_PERMUTATIONS = 30
# A score of so many standard deviations above chance counts as none.
NOISE = 2.0


@dataclass(frozen=True, eq=False)
class Layers:
    """The layers of a fit: what is known of pairs, of single genes, and of likeness of genes."""

    columns: tuple[PairColumns, ...]
    profiles: tuple[np.ndarray, ...]
    """``F`` of each profile, (n_genes, n_components): products are similarities of genes."""

    of_genes: tuple[np.ndarray, ...]
    """Leading components of each profile and the popularity, (n_genes, 17 at most)."""

    @classmethod
    def of(
        cls, layers: Sequence[EvidenceLayer], tfs: np.ndarray, rng: np.random.Generator
    ) -> Layers:
        """Describe the layers; ``tfs`` are the labelled TFs."""
        return cls(
            tuple(PairColumns.of(layer) for layer in layers),
            tuple(profile_features(layer.profile, first=tfs, rng=rng) for layer in layers),
            tuple(
                np.column_stack([layer.profile[:, :N_COLUMNS], layer.popularity])
                for layer in layers
            ),
        )

    @property
    def component(self) -> np.ndarray:
        """The layer of each component of all profiles side by side."""
        return np.repeat(np.arange(len(self.profiles)), [p.shape[1] for p in self.profiles])


def at_pairs(
    columns: Sequence[PairColumns], tfs: np.ndarray, pairs: KnownPairs
) -> list[np.ndarray]:
    """Return the columns of all layers as values of the known pairs, two arrays a layer."""
    if not pairs.is_sparse:
        return [
            column
            for layer in columns
            for column in np.stack([layer.of_tf(int(tf)) for tf in tfs], axis=1)
        ]
    rows, targets = pairs.cells(pairs.known)
    # TF by TF, because all columns of all TFs would be as large as TFs × genes.
    parts = np.split(targets, np.searchsorted(rows, np.arange(1, len(tfs))))
    return [
        column
        for layer in columns
        for column in np.concatenate(
            [layer.of_tf(int(tf))[:, part] for tf, part in zip(tfs, parts, strict=True)], axis=1
        )
    ]


def layer_weights(
    residual: np.ndarray, alike: np.ndarray, layers: Layers, pairs: KnownPairs
) -> np.ndarray:
    """Return a weight from 0 to 1 for each profile: how surely it says more than is fitted.

    The score of a variance component, ``aᵀ C a`` with the residuals ``a`` of a fit without it, says
    how fast the likelihood rises with the component's variance. It is compared with the scores of
    the same profile with its genes permuted.

    Parameters
    ----------
    residual
        ``a``: label less probability of each known pair.
    alike
        Factor of the gene kernel between TFs, (n_tfs, n_tfs).
    layers
        The layers.
    pairs
        The known pairs.

    Returns
    -------
    ``1 - (2 / z)²`` for a score of ``z`` standard deviations above chance, 0 for less than 2.

    Notes
    -----
    Lin, Variance component testing in generalised linear models with random effects, Biometrika 84
    (1997). The weight is shrunk as by the positive-part estimator of James and Stein.
    """
    matrix = pairs.matrix(residual)
    labelled = np.asarray(pairs.matrix(pairs.known.astype(np.float32)).sum(0)) > 0
    # A stream of its own: the same labels have the same weights, whatever the seed of the fit.
    rng = np.random.default_rng(0)
    weights = np.zeros(len(layers.profiles))
    for number, (profile, of) in enumerate(zip(layers.profiles, layers.columns, strict=True)):
        genes = np.flatnonzero(of.covered & labelled)
        if len(genes) < 2:
            continue
        score = partial(_score, matrix[:, genes], alike, profile[genes])
        found = score(np.arange(len(genes)))
        chance = np.array([score(rng.permutation(len(genes))) for _ in range(N_PERMUTATIONS)])
        z = (found - chance.mean()) / max(chance.std(), 1e-12)
        weights[number] = max(0.0, 1 - (NOISE / z) ** 2) if z > 0 else 0.0
    return weights


def _score(residual: Any, alike: np.ndarray, profile: np.ndarray, order: np.ndarray) -> float:
    """Return ``aᵀ C a`` for the profile with its genes in another order."""
    projected = residual @ profile[order]
    return float(np.sum((alike @ projected) * projected))
