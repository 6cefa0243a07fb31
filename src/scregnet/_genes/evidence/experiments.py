"""The table of experiments × genes that an evidence layer is made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._logging import logger
from scregnet._validate import listed, name_list


@dataclass(frozen=True, eq=False)
class Experiments:
    """Experiments × genes, genome-wide: what each experiment found at each gene."""

    table: sp.csr_matrix
    """float32 (n_experiments, n_genes), not negative, zeros not stored."""

    tfs: np.ndarray
    """Name of the TF of each experiment."""

    contexts: np.ndarray
    """Context of each experiment, such as its cell type; empty text where none was given."""

    genes: pd.Index
    """Names of the genes, each once."""

    form: str
    """Which form it was read from."""

    def rows(self, keep: np.ndarray) -> Experiments:
        """Return some of the experiments, with the genes that they have an entry for."""
        table = self.table[keep]
        # A gene without any entry may be absent, or have another name there: unknown, not 0.
        seen = np.asarray(table.getnnz(axis=0)) > 0
        return Experiments(
            sp.csr_matrix(table[:, seen]),
            self.tfs[keep],
            self.contexts[keep],
            self.genes[seen],
            self.form,
        )


def without(
    experiments: Experiments, exclude: str | Sequence[str] | None
) -> tuple[Experiments, list[str]]:
    """Return the experiments whose context matches no pattern, and the contexts left out.

    Letter case is ignored: a pattern for ``HEPG2`` must not miss ``HepG2``.

    Raises
    ------
    ValueError
        If there are no contexts, a pattern is no regular expression, or no experiment remains.
    """
    patterns = [] if exclude is None else name_list("exclude", exclude)
    out = np.zeros(len(experiments.tfs), dtype=bool)
    if patterns and not (experiments.contexts != "").any():
        msg = (
            "exclude= needs contexts to search, and net has none; name their column with context=."
        )
        raise ValueError(msg)
    for pattern in patterns:
        found = _matches(pattern, experiments.contexts)
        if not found.any():
            logger.warning(
                "evidence: exclude=%r matches none of the contexts, such as %s",
                *(pattern, listed(pd.unique(experiments.contexts), 5)),
            )
        out |= found
    if out.all():
        msg = f"exclude={exclude!r} leaves out all {len(out):,} experiments; nothing remains."
        raise ValueError(msg)
    return experiments.rows(~out), sorted(set(experiments.contexts[out]))


def _matches(pattern: str, contexts: np.ndarray) -> np.ndarray:
    if not isinstance(pattern, str):
        msg = f"exclude must be regular expressions, got {pattern!r}."
        raise TypeError(msg)
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        msg = f"exclude={pattern!r} is not a regular expression: {error}."
        raise ValueError(msg) from error
    return np.array([compiled.search(context) is not None for context in contexts], dtype=bool)
