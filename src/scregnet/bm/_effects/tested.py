"""Tested pairs of a frame of perturbations, at the genes of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._genes.effects import check_effects
from scregnet._genes.names import gene_ids, likely_cause, positions, warn_if_poor
from scregnet._validate import listed

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class Tested:
    """What was tested of each perturbed TF that the data have; arrays are TFs × genes."""

    tfs: np.ndarray
    """Positions of the TFs, ascending."""

    is_tested: np.ndarray
    affected: np.ndarray
    sign: np.ndarray
    effect: np.ndarray
    q: np.ndarray
    popularity: np.ndarray
    """Share of the other perturbations, of any TF, that affect the gene."""

    def take(self, keep: np.ndarray) -> Tested:
        """Return some of the TFs."""
        return Tested(*(values[keep] for values in vars(self).values()))


def placed_tests(
    perturbations: pd.DataFrame, data: AnnData, allowed: np.ndarray, gene_symbols: str | None
) -> Tested:
    """Return the tested pairs of the TFs in ``allowed``, a mask over the genes of the data.

    Raises
    ------
    TypeError, ValueError
        If ``perturbations`` is no such frame, or none of its TFs or genes is there.
    """
    frame = check_effects(perturbations)
    names = gene_ids(data, gene_symbols)
    source, target = (pd.Categorical(frame[end]) for end in ("source", "target"))
    rows, columns = (positions(ends.categories.astype(str), names) for ends in (source, target))
    n_found = int((columns >= 0).sum())
    if n_found == 0:
        cause = likely_cause(target.categories, data, gene_symbols, "perturbations")
        upper = " sr.datasets.perturbation(upper=True) gives upper case."
        upper = upper if cause.text.startswith("letter case") else ""
        msg = f"perturbations: none of its genes is in adata. Likely cause: {cause.text}{upper}"
        raise ValueError(msg)
    warn_if_poor(target.categories, n_found, data, gene_symbols, "perturbations")
    tfs = np.unique(rows[rows >= 0])
    tfs = tfs[allowed[tfs]]
    if len(tfs) == 0:
        there = listed(source.categories, 5)
        msg = f"perturbations: none of its TFs ({there}) is a TF of the network."
        raise ValueError(msg)
    return _placed(frame, rows[source.codes], columns[target.codes], tfs, data.n_vars)


def _placed(
    frame: pd.DataFrame, rows: np.ndarray, columns: np.ndarray, tfs: np.ndarray, n_genes: int
) -> Tested:
    """Return the pairs as arrays of TFs × genes."""
    affected = frame["affected"].to_numpy(bool)
    there = columns >= 0
    n_tests = np.bincount(columns[there], minlength=n_genes)
    n_affected = np.bincount(columns[there & affected], minlength=n_genes)
    tf_of = np.full(n_genes, -1)
    tf_of[tfs] = np.arange(len(tfs))
    # -1, a TF that is not there, finds the last gene.
    place = np.where(rows >= 0, tf_of[rows], -1)
    here = there & (place >= 0)
    at, shape = (place[here], columns[here]), (len(tfs), n_genes)
    found = {
        "is_tested": (np.zeros(shape, bool), np.ones(here.sum(), bool)),
        "affected": (np.zeros(shape, bool), affected[here]),
        "sign": (np.zeros(shape, np.int8), frame["sign"].to_numpy()[here]),
        "effect": (np.full(shape, np.nan), frame["effect"].to_numpy()[here]),
        "q": (np.full(shape, np.nan), frame["q"].to_numpy()[here]),
    }
    for table, values in found.values():
        table[at] = values
    arrays = {name: table for name, (table, _) in found.items()}
    others = n_tests - arrays["is_tested"]
    popularity = np.divide(
        n_affected - arrays["affected"], others, out=np.zeros(shape), where=others > 0
    )
    return Tested(tfs=tfs, **arrays, popularity=popularity)
