"""Cell types in which TFs of the simulator have lost targets to other TFs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from scregnet.datasets._knockouts import Kinetics

# A random stream of its own, next to those of the knock-outs.
_STREAM = 3


def rewire_types(kinetics: Kinetics, share: float, seed: int | None) -> Kinetics:
    """Return the kinetics of cell types in which a quarter of the TFs lost a share of the targets.

    Each edge that is lost goes, with its strength, to a TF that keeps its own targets and does not
    regulate the gene. Targets that are TFs stay, so that the TFs are made as before.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM,)))
    n_tfs = len(kinetics.strengths)
    strengths = kinetics.strengths.copy()
    n_targets = (strengths[:, n_tfs:] != 0).sum(axis=1)
    order = np.argsort(-n_targets, kind="stable")
    n_lose = -(-n_tfs // 4)
    others = order[n_lose:]
    for tf in order[:n_lose]:
        targets = n_tfs + np.flatnonzero(kinetics.strengths[tf, n_tfs:])
        for gene in targets[rng.random(len(targets)) < share]:
            free = others[strengths[others, gene] == 0]
            if len(free):
                strengths[rng.choice(free), gene] = strengths[tf, gene]
                strengths[tf, gene] = 0
    return kinetics.changed(strengths, kinetics.basal)


def rewired_frame(before: Kinetics, after: Kinetics, genes: list[str]) -> pd.DataFrame:
    """Return the edges that are lost and gained."""
    was, now = before.strengths != 0, after.strengths != 0
    source, target = np.nonzero(was != now)
    names = np.array(genes, dtype=object)
    change = np.where(was[source, target], "lost", "gained").astype(object)
    return pd.DataFrame({"source": names[source], "target": names[target], "change": change})
