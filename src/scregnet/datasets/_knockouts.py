"""Knock-outs of TFs in the simulator: cells, effects, and what a binding assay would find."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scregnet._genes.effects import effects_frame
from scregnet._validate import listed, shortened
from scregnet.datasets._sergio import langevin, steady_state

CONTROL = "control"
"""What ``obs["perturbation"]`` holds of a cell without a knock-out."""

# Random streams of their own: cells without a knock-out are the same with and without others.
_CELLS_STREAM, _BINDING_STREAM = 1, 2
# Log2 of the smallest change that counts, a tenth up.
_LEAST_CHANGE = np.log2(1.1)
# A gene that is lost altogether falls to this share.
_FLOOR = 0.01


@dataclass(frozen=True, eq=False)
class Kinetics:
    """What the cells of one network share: see :mod:`scregnet.datasets._sergio`."""

    strengths: np.ndarray
    order: np.ndarray
    basal: np.ndarray
    steady: np.ndarray
    half_response: np.ndarray
    coefficient: float
    noise: float

    def without(self, tf: int) -> Kinetics:
        """Return the kinetics of cells in which nothing makes a TF."""
        strengths, basal = self.strengths.copy(), self.basal.copy()
        strengths[:, tf] = 0
        basal[:, tf] = 0
        return self.changed(strengths, basal)

    def changed(self, strengths: np.ndarray, basal: np.ndarray) -> Kinetics:
        """Return the kinetics with other strengths and rates; promoters respond as before."""
        steady, half_response = steady_state(
            strengths, self.order, basal, self.coefficient, self.half_response
        )
        return Kinetics(
            strengths, self.order, basal, steady, half_response, self.coefficient, self.noise
        )

    def concentrations(self, cell_type: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the concentrations (n_cells, n_genes) of cells of these types."""
        return langevin(
            self.strengths,
            self.basal,
            self.steady,
            self.half_response,
            cell_type,
            coefficient=self.coefficient,
            noise=self.noise,
            rng=rng,
        )


def check_knockouts(knockouts: object, tfs: Sequence[str]) -> np.ndarray:
    """Return the positions of the TFs to knock out, or raise."""
    if isinstance(knockouts, str) or not isinstance(knockouts, Iterable):
        msg = f"knockouts must be a sequence of TFs, such as {tfs[:2]}; got {shortened(knockouts)}."
        raise TypeError(msg)
    names = list(knockouts)
    wrong = [name for name in names if name not in set(tfs)]
    if wrong or len(set(names)) < len(names) or not names:
        said = f"{listed(wrong, 5)} not among the TFs" if wrong else "one or more, each once"
        msg = f"knockouts: {said}; TFs go from {tfs[0]!r} to {tfs[-1]!r}."
        raise ValueError(msg)
    return np.array([tfs.index(name) for name in names])


def knock_out(
    kinetics: Kinetics, tfs: np.ndarray, cell_type: np.ndarray, n_obs: int, seed: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return types and concentrations of ``n_obs`` cells of each knock-out, and its effects.

    Effects are log2 of mean concentrations in the steady state over those without the knock-out,
    (n_tfs, n_genes).
    """
    share = np.bincount(cell_type, minlength=len(kinetics.basal)) / len(cell_type)
    types, cells, effects = [], [], []
    for tf in tfs:
        key = np.random.SeedSequence(seed, spawn_key=(_CELLS_STREAM, int(tf)))
        rng = np.random.default_rng(key)
        lost = kinetics.without(tf)
        types.append(rng.choice(cell_type, n_obs))
        cells.append(lost.concentrations(types[-1], rng))
        ratio = (share @ lost.steady) / (share @ kinetics.steady)
        effects.append(np.log2(np.maximum(ratio, _FLOOR)))
    return np.concatenate(types), np.concatenate(cells), np.array(effects)


def effects_of(
    effects: np.ndarray, tfs: np.ndarray, edges: np.ndarray, genes: list[str]
) -> pd.DataFrame:
    """Return the effects as the frame of :func:`scregnet.datasets.perturbation`, and ``direct``."""
    n_genes = len(genes)
    rows, columns = np.repeat(np.arange(len(tfs)), n_genes), np.tile(np.arange(n_genes), len(tfs))
    frame = effects_frame(
        pd.Categorical.from_codes(rows, pd.Index([genes[tf] for tf in tfs])),
        pd.Categorical.from_codes(columns, pd.Index(genes)),
        affected=np.abs(effects).ravel() >= _LEAST_CHANGE,
        kind="loss",
        effect=effects.ravel(),
    )
    return frame.assign(direct=edges[tfs[frame["source"].cat.codes], frame["target"].cat.codes])


def binding(edges: np.ndarray, silent: float, genes: list[str], seed: int | None) -> pd.DataFrame:
    """Return what each TF binds: its targets, and genes that it does not regulate.

    Silent binding goes where many TFs bind, as open chromatin is shared.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_BINDING_STREAM,)))
    n_tfs, n_genes = edges.shape
    openness = np.ones(n_genes) + rng.pareto(1.2, n_genes)
    bound = edges.copy()
    for tf in range(n_tfs):
        free = np.flatnonzero(~edges[tf] & (np.arange(n_genes) != tf))
        wanted = round(int(edges[tf].sum()) * silent / (1 - silent))
        share = openness[free] / openness[free].sum()
        bound[tf, rng.choice(free, min(wanted, len(free)), replace=False, p=share)] = True
    source, target = np.nonzero(bound)
    names = np.array(genes, dtype=object)
    return pd.DataFrame(
        {"source": names[source], "target": names[target], "functional": edges[source, target]}
    )
