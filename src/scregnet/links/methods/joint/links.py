"""Fitted form of the joint model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from scregnet.links.forms.compact import compact
from scregnet.links.forms.saved import read_floats
from scregnet.links.methods.joint.cells import Cells
from scregnet.links.methods.joint.features import PairFeatures
from scregnet.links.methods.joint.pairs import SparsePairs
from scregnet.links.methods.joint.trees import Trees

# Names of the terms of the process, in its order.
PROCESS_TERMS = (
    "tf_popularity",
    "target_popularity",
    "similar_popularity",
    "preferences",
    "shared_targets",
    "similar_tfs",
    "evidence",
)

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

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(self.features.genes.shape)

    def score(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the logit of each pair, float32."""
        scores = np.empty(len(sources), np.float32)
        n_genes = self.n_genes
        order = _by_source(sources, n_genes)
        each = Cells.chosen(sources[order], targets[order], n_genes)
        counts = np.diff(each.indptr)
        # All genes of a TF at once, even if few are requested: otherwise rounding would make a
        # pair's score depend on the other pairs. In large fits this would take too long.
        whole = FEW * counts >= n_genes if self._is_large else np.ones(len(counts), bool)
        has_trees = self.features.labelled_sources[each.sources] & bool(self.trees)
        for alike in (has_trees, ~has_trees):
            numbers = np.flatnonzero(alike & whole)
            for block in Cells.every(numbers, n_genes).blocks():
                logits = self._logits(replace(block, sources=each.sources[block.sources]))
                for number, line in zip(block.sources, logits.reshape(-1, n_genes), strict=True):
                    here = slice(*each.indptr[number : number + 2])
                    scores[order[here]] = line[each.targets[here]]
            few = np.flatnonzero((alike & ~whole)[each.rows])
            some = Cells.chosen(each.sources[each.rows[few]], each.targets[few], n_genes)
            scores[order[few]] = np.concatenate(
                [np.zeros(0, np.float32), *map(self._logits, some.blocks())]
            )
        return scores + np.float32(self.offset)

    def _logits(self, cells: Cells) -> np.ndarray:
        """Return the logits before the offset of TFs that all have labels or all have none."""
        if self.trees and self.features.labelled_sources[cells.sources].all():
            rows = self.features.rows(cells)
            corrected = cells.per_gene(self.features.labelled_targets)
            scores = rows[:, 0] + np.where(corrected, self._boosted(rows), np.float32(0))
        else:
            scores = self.features.base(cells)
        return self.with_forest(scores, cells.per_source(cells.sources), cells.targets)

    def with_forest(
        self, logits: np.ndarray, sources: np.ndarray, targets: np.ndarray
    ) -> np.ndarray:
        """Average the logits with the forest's where the target has no labels."""
        outside = ~self.features.labelled_targets[targets]
        if not (self.forest.size and outside.any()):
            return logits
        # A TF without labels has row -1, which is the forest's last.
        row = self.features.process.row[sources[outside]]
        of_forest = self.forest[row, self._unlabelled[targets[outside]]]
        averaged = logits.copy()
        averaged[outside] = (logits[outside] + of_forest) / 2
        return averaged

    def terms(self, sources: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        """Return what the logits of pairs are made of, float64; the terms add up to :meth:`score`.

        See :mod:`scregnet.links.terms` for their names.
        """
        order = np.argsort(sources, kind="stable")
        each = Cells.chosen(sources[order], targets[order], self.n_genes)
        found = [self._terms(block) for block in each.blocks()]
        terms = {}
        for name in found[0] if found else ():
            terms[name] = np.empty(len(sources))
            terms[name][order] = np.concatenate([block[name] for block in found])
        return terms

    def _terms(self, cells: Cells) -> dict[str, np.ndarray]:
        features, process = self.features, self.features.process
        of_tf = features.labelled_sources[cells.per_source(cells.sources)]
        of_target = features.labelled_targets[cells.targets]
        parts = process.parts(cells).astype(np.float64)
        terms = {"baseline": np.full(len(cells), process.mean)}
        terms |= dict(zip(PROCESS_TERMS, parts, strict=False))
        logits = process.mean + parts.sum(0)
        if features.tf_factors.shape[1]:
            # The mean of process and factors: each counts by half.
            known = of_tf & of_target
            terms = {name: np.where(known, term / 2, term) for name, term in terms.items()}
            terms["factors"] = np.where(known, features.factor_logits(cells) / 2, 0)
            logits = sum(terms.values())
        if self.trees:
            corrected = of_tf & of_target
            boosted = self._boosted(features.rows(cells)) if corrected.any() else 0.0
            terms["trees"] = np.where(corrected, boosted, 0.0)
        if self.forest.size:
            # Elsewhere the forest says nothing; here it counts by half.
            averaged = self.with_forest(
                np.asarray(logits), cells.per_source(cells.sources), cells.targets
            )
            terms = {name: np.where(of_target, term, term / 2) for name, term in terms.items()}
            terms["forest"] = np.where(of_target, 0, averaged - logits / 2)
        terms["baseline"] = terms["baseline"] + self.offset
        return terms

    def similar_genes(self, gene: int, others: np.ndarray) -> np.ndarray:
        """Return the similarity of a gene to others by the kernel, from -1 to 1."""
        return _cosines(self.features.process.features, self.features.process.scale, gene, others)

    def similar_tfs(self, tf: int, others: np.ndarray) -> np.ndarray:
        """Return the likeness of a TF to others: by common targets, else by the kernel."""
        process = self.features.process
        rows = process.row[np.append(tf, others)]
        if (rows < 0).any():
            return self.similar_genes(tf, others)
        size = np.sqrt(np.maximum(np.diag(process.likeness).astype(np.float64), 1e-12))
        return process.likeness[rows[0], rows[1:]] / (size[rows[0]] * size[rows[1:]])

    def _boosted(self, rows: np.ndarray) -> np.ndarray:
        """Return the mean of the boosted models for each row of features, float32."""
        return (self._all_trees.sums(rows) / len(self.trees)).astype(np.float32)

    @cached_property
    def _all_trees(self) -> Trees:
        return Trees.joined(self.trees)

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
        return {name: compact(array) for name, array in (self.features.state() | state).items()}

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


def _by_source(sources: np.ndarray, n_genes: int) -> np.ndarray:
    """Return the order of pairs by source; pairs of one source stay as they are."""
    # Numbers of 16 bits are sorted in a tenth of the time.
    small = np.min_scalar_type(max(n_genes - 1, 0))
    return np.argsort(sources.astype(small), kind="stable")


def _cosines(features: np.ndarray, scale: np.ndarray, gene: int, others: np.ndarray) -> np.ndarray:
    """Return ``K[gene, other]`` over the root of both variances; 0 for a gene without any."""
    own = (features[gene] * scale).astype(np.float64)
    there = features[others].astype(np.float64)
    size = np.sqrt((there**2 * scale).sum(1) * (own @ features[gene]))
    return np.divide(there @ own, size, out=np.zeros(len(others)), where=size > 0)
