"""What ``joint`` knows of genes before any label, and how pairs are described from labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scregnet.links.forms.compact import halved
from scregnet.links.methods.joint.features import N_COLUMNS, GeneTable, PairFeatures
from scregnet.links.methods.joint.forest import forest_logits
from scregnet.links.methods.joint.kernel import gene_features
from scregnet.links.methods.joint.layers import Layers
from scregnet.links.methods.joint.pairs import is_large
from scregnet.links.methods.joint.process import MANY_PAIRS, PairProcess, has_many

if TYPE_CHECKING:
    from scregnet.links.methods.joint.covariance import Variances
    from scregnet.links.methods.joint.pairs import KnownPairs
    from scregnet.links.task import LinkTask


@dataclass(frozen=True, eq=False)
class DescribedGenes:
    """What a fit knows before any label, and how pairs are described from labels."""

    tfs: np.ndarray
    """Positions of the labelled TFs."""

    kernel: np.ndarray
    """Features of the kernel of genes."""

    table: GeneTable
    layers: Layers | None
    variances: Variances
    profile: float
    """Largest weight of the profile of a layer in the similarity of genes."""

    factors: bool
    """Whether factors and boosted trees are fitted."""

    @classmethod
    def of(
        cls,
        task: LinkTask,
        tfs: np.ndarray,
        rng: np.random.Generator,
        *,
        variances: Variances,
        family: float,
        profile: float,
        dense_cells: int,
    ) -> DescribedGenes:
        """Compute everything that does not depend on labels; numbers as in ``Joint``."""
        if task.expression is None or task.summary is None:
            msg = (
                "method='joint' needs expression of the genes and its summary (mean, standard "
                "deviation, detection rate); the task has none."
            )
            raise ValueError(msg)
        kernel = gene_features(
            task.expression,
            task.summary,
            task.embedding,
            task.families,
            family=family,
            first=tfs,
            rng=rng,
        )
        layers = None
        if task.evidence:
            # A stream of their own: what else is drawn is the same with and without them.
            layers = Layers.of(task.evidence, tfs, rng.spawn(1)[0])
        table = GeneTable.of(
            task.expression,
            task.summary,
            task.embedding,
            rng,
            more=layers.of_genes if layers else (),
        )
        large = is_large(task.train, task.n_genes, dense_cells)
        if large and len(task.train) > MANY_PAIRS:
            # A file then takes half the bytes; all of the fit goes by the rounded numbers.
            kernel, table = halved(kernel), table.halved()
        factors = mostly_labelled(task)
        return cls(tfs, kernel, table, layers, variances, profile, factors)

    def describe(self, pairs: KnownPairs) -> PairFeatures:
        """Fit the process, and the factors if there are any, to the given pairs."""
        process = PairProcess.fit(
            self.kernel, self.tfs, pairs, self.variances, layers=self.layers, most=self.profile
        )
        return PairFeatures.fit(self.table, process, factors=self.factors)

    def forest(self, features: PairFeatures, n_trees: int, rng: np.random.Generator) -> np.ndarray:
        """Return the forest's logits by the labels that ``features`` are made of."""
        columns = [self.table.columns, self.kernel[:, :N_COLUMNS]]
        if self.layers is not None:
            # A layer without weight would only add noise to the cuts.
            widths = [of_genes.shape[1] for of_genes in self.layers.of_genes]
            weights = features.process.scale[self.kernel.shape[1] :]
            used = [(weights[self.layers.component == i] > 0).any() for i in range(len(widths))]
            first = self.table.columns.shape[1] - sum(widths)
            kept = np.append(np.ones(first, bool), np.repeat(used, widths))
            columns[0] = self.table.columns[:, kept]
        pairs = features.process.pairs
        logits = forest_logits(np.concatenate(columns, axis=1), pairs, n_trees, rng)
        return halved(logits) if has_many(pairs) else logits


def mostly_labelled(task: LinkTask) -> bool:
    """Return whether TF and target of most validation pairs have training pairs.

    For others, factors say nothing, and boosted trees memorise the few dozen TFs.
    """
    seen = np.isin(task.validation.sources, task.train.sources) & np.isin(
        task.validation.targets, task.train.targets
    )
    return bool(seen.mean() > 0.5)
