"""Fitted form of the joint model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scregnet.links.forms.saved import read_floats
from scregnet.links.methods.joint.features import PairFeatures
from scregnet.links.methods.joint.pairs import SparsePairs
from scregnet.links.methods.joint.process import EVERY
from scregnet.links.methods.joint.trees import Trees

# Large fits: if more than 1 / FEW of the genes are requested, all are computed and indexed.
FEW = 4


@dataclass(frozen=True, eq=False)
class JointLinks:
    """A fitted joint model.

    Parameters
    ----------
    features
        Features of pairs by all training pairs, with the fitted process.
    forest
        The forest's logits of targets without labels, (n_tfs + 1, n_unlabelled) or without columns.
    trees
        The boosted models, which are averaged.
    offset
        Added to every logit. It corrects for non-edges that were left out of the training.
    """

    features: PairFeatures
    forest: np.ndarray
    trees: tuple[Trees, ...]
    offset: float

    def score(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the logit of each pair, float32."""
        scores = np.empty(len(sources), np.float32)
        n_genes = len(self.features.genes.shape)
        for tf, which in grouped(sources):
            # All genes of a TF at once, even if few are requested: otherwise rounding would make a
            # pair's score depend on the other pairs. In large fits this would take too long.
            if self._is_large and FEW * len(which) < n_genes:
                scores[which] = self._of_tf(tf, targets[which])
            else:
                scores[which] = self._of_tf(tf, EVERY)[targets[which]]
        return scores + np.float32(self.offset)

    def _of_tf(self, tf: int, targets: np.ndarray | slice) -> np.ndarray:
        """Return the logits of one TF before the offset."""
        labelled = self.features.labelled_targets[targets]
        if self.trees and self.features.labelled_sources[tf]:
            rows = self.features.rows(tf, targets)
            scores = rows[:, 0].copy()
            if labelled.any():
                scores[labelled] += self._boosted(rows[labelled])
        else:
            scores = self.features.base(np.array([tf]), targets)[0]
        return self.with_forest(scores, tf, targets)

    def with_forest(
        self, logits: np.ndarray, sources: np.ndarray | int, targets: np.ndarray | slice
    ) -> np.ndarray:
        """Average the logits with the forest's where the target has no labels."""
        outside = ~self.features.labelled_targets[targets]
        if not (self.forest.size and outside.any()):
            return logits
        # A TF without labels has row -1, which is the forest's last.
        row = np.broadcast_to(self.features.process.row[sources], logits.shape)[outside]
        of_forest = self.forest[row, self._unlabelled[targets][outside]]
        averaged = logits.copy()
        averaged[outside] = (logits[outside] + of_forest) / 2
        return averaged

    def _boosted(self, rows: np.ndarray) -> np.ndarray:
        """Return the mean of the boosted models for each row of features, float32."""
        return np.mean([trees.sums(rows) for trees in self.trees], axis=0).astype(np.float32)

    @cached_property
    def _unlabelled(self) -> np.ndarray:
        """Number of each gene among those without labels as a target."""
        return np.cumsum(~self.features.labelled_targets) - 1

    @property
    def _is_large(self) -> bool:
        return isinstance(self.features.process.pairs, SparsePairs)

    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays; those of the boosted model ``i`` are named ``trees_i_...``."""
        state = {"forest": self.forest, "offset": np.array(self.offset)}
        for number, trees in enumerate(self.trees):
            state |= trees.state(f"trees_{number}_")
        return self.features.state() | state

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> JointLinks:
        """The inverse of :meth:`state`; raise ``ValueError`` if the arrays do not fit together."""
        features = PairFeatures.from_state(state)
        n_unlabelled = int((~features.labelled_targets).sum())
        n_tfs = features.process.pairs.shape[0]
        forest = read_floats(state, "forest", (n_tfs + 1, None))
        if forest.shape[1]:
            forest = read_floats(state, "forest", (n_tfs + 1, n_unlabelled))
        n_models = len({name.split("_")[1] for name in state if name.startswith("trees_")})
        trees = tuple(
            Trees.from_state(state, features.n_columns, prefix=f"trees_{number}_")
            for number in range(n_models)
        )
        return cls(features, forest, trees, float(read_floats(state, "offset", (), np.float64)))


def grouped(sources: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each of the sources, ascending, and where it is."""
    order = np.argsort(sources, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(sources[order])) + 1)
    return ((int(sources[group[0]]), group) for group in groups if len(group))
