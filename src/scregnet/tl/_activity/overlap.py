"""Warn where the activities of different TFs are made of the same targets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._logging import logger

N_NAMES = 3
"""How many pairs or TFs a warning names; it counts the others."""


def warn_of_overlap(links: pd.DataFrame, tmin: int) -> None:
    """Log one line about pairs of TFs that share targets, and one about TFs without own ones."""
    tfs, members = _members(links)
    pairs, shares = shared_more_than_half(members)
    if len(pairs):
        names = [
            f"{tfs[one]} and {tfs[other]} ({share:.0%})"
            for (one, other), share in zip(pairs[:N_NAMES], shares[:N_NAMES], strict=True)
        ]
        logger.warning(
            "tf_activity: %d %s more than half of the targets of the smaller regulon, so their "
            "activities are alike: %s",
            len(pairs),
            "pair of TFs shares" if len(pairs) == 1 else "pairs of TFs share",
            _listed(names, len(pairs)),
        )
    own = n_own(members)
    few = np.flatnonzero(own < tmin)
    # The fewest first: these are the least their own.
    few = few[np.argsort(own[few], kind="stable")]
    if len(few):
        names = [f"{tfs[tf]} ({own[tf]})" for tf in few[:N_NAMES]]
        logger.warning(
            "tf_activity: %d of %d TFs have fewer than tmin=%d targets that no other TF has: %s",
            len(few),
            len(tfs),
            tmin,
            _listed(names, len(few)),
        )


def _members(links: pd.DataFrame) -> tuple[np.ndarray, sp.csr_matrix]:
    """Return the names of the TFs, and which targets each has: int64 CSR, TFs × targets."""
    row, tfs = pd.factorize(links["source"], sort=True)
    column, targets = pd.factorize(links["target"])
    ones = np.ones(len(links), np.int64)
    return np.asarray(tfs), sp.csr_matrix((ones, (row, column)), (len(tfs), len(targets)))


def shared_more_than_half(members: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of rows that share more than half of the smaller, and the shares, largest first.

    The pairs are of shape (n, 2).
    """
    common = sp.triu(members @ members.T, k=1).tocoo()
    sizes = np.diff(members.indptr)
    share = common.data / np.minimum(sizes[common.row], sizes[common.col])
    alike = np.flatnonzero(share > 0.5)
    alike = alike[np.lexsort((common.col[alike], common.row[alike], -share[alike]))]
    return np.stack([common.row[alike], common.col[alike]], axis=1), share[alike]


def n_own(members: sp.csr_matrix) -> np.ndarray:
    """Return how many columns each row has that no other row has."""
    n_tfs = np.asarray(members.sum(axis=0)).ravel()
    return members @ (n_tfs == 1).astype(np.int64)


def _listed(names: list[str], n: int) -> str:
    rest = n - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest > 0 else "")
