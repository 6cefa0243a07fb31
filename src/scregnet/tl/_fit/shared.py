"""Features of a group of cells: what its cells say, shrunk to what all groups share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._anndata.features import (
    cells_record,
    log_normalised,
    moments,
    reduced,
    shuffled,
    standardised,
)

if TYPE_CHECKING:
    import scipy.sparse as sp
    from anndata import AnnData

    from scregnet._anndata.groups import CellGroup

MOST_CELLS = 3_000
"""Cells that describe all groups, at most. A correlation then has a standard error of 0.018."""

MOST_GENES = 1_000
"""Genes whose correlations are compared to find a group's share, at most."""

STREAM = 11
"""Number of the random stream of the cells drawn here; folds and signs have their own."""


@dataclass(frozen=True, eq=False)
class OwnShares:
    """How much of a group's features is its own, between 0 and 1."""

    correlations: float
    """Of the co-expression of genes; the rest is that of all groups."""

    summary: float
    """Of mean, standard deviation and detection rate; the rest is that of all cells."""


@dataclass(frozen=True, eq=False)
class SharedCells:
    """Expression of all groups together: the features that a group's own are shrunk to.

    Standardised expression of a cell is ``z = b + v``: ``b`` is the mean of the cell's group, ``v``
    its deviation. Their products vanish when they are summed over cells, so the correlation of
    two genes is a part between groups and one within. A group of cells changes the second part:

    ``R_group = Σ b b' + (1 - w) Σ v v' + w √(s s') R_own``

    with ``s = Σ v²``, the share of a gene's variance that is within groups. ``w = 0`` gives the
    correlations of all cells.
    """

    data: AnnData
    layer: str | None
    n_pcs: int | None
    max_cells: int | None
    random_state: int | None
    shuffle: bool
    """Whether the values of each gene are permuted among the cells, as a control."""

    rows: np.ndarray
    """Sorted positions of the cells."""

    between: np.ndarray
    """``b``, float32 (n_genes, n_cells)."""

    within: np.ndarray
    """``v``, float32 (n_genes, n_cells)."""

    summary: np.ndarray
    """Mean, standard deviation and detection rate in all cells, (n_genes, 3)."""

    chosen: np.ndarray
    """Positions of the genes whose correlations are compared."""

    @classmethod
    def of(
        cls,
        data: AnnData,
        groups: list[CellGroup],
        *,
        layer: str | None,
        n_pcs: int | None,
        max_cells: int | None,
        random_state: int | None,
        shuffle: bool = False,
    ) -> SharedCells:
        """Read the cells of all groups, or a random share of many."""
        rng = _stream(random_state)
        group_of = np.full(data.n_obs, -1)
        for number, group in enumerate(groups):
            group_of[group.cells] = number
        rows = np.flatnonzero(group_of >= 0)
        if len(rows) > MOST_CELLS:
            rows = np.sort(rng.permutation(rows)[:MOST_CELLS])
        cells, _ = log_normalised(data, layer, rows)
        mean, scale, summary = moments(cells)
        if shuffle:
            cells = shuffled(cells, random_state)
        within = standardised(cells, mean, scale)
        between = np.zeros_like(within)
        for number in np.unique(group_of[rows]):
            here = group_of[rows] == number
            between[:, here] = within[:, here].mean(axis=1, keepdims=True)
        within -= between
        varies = np.flatnonzero(scale)
        chosen = np.sort(rng.permutation(varies)[:MOST_GENES])
        return cls(
            data=data,
            layer=layer,
            n_pcs=n_pcs,
            max_cells=max_cells,
            random_state=random_state,
            shuffle=shuffle,
            rows=rows,
            between=between,
            within=within,
            summary=summary,
            chosen=chosen,
        )

    def features(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Return expression and summary of a group, and a record with the shares of its own.

        float32 of shape (n_genes, n_features), rows as long as standardised expression, and
        (n_genes, 3).
        """
        limits = [self.max_cells, None if self.n_pcs is None else MOST_CELLS]
        most = min((limit for limit in limits if limit is not None), default=len(rows))
        if len(rows) > most:
            rows = np.sort(_stream(self.random_state).permutation(rows)[:most])
        cells, counts = log_normalised(self.data, self.layer, rows)
        mean, scale, summary = moments(cells)
        if self.shuffle:
            cells = shuffled(cells, self.random_state)
        shares = self._shares(cells, summary, rows)
        # A gene without variation in the group keeps the shared correlations whole.
        w = np.where(scale > 0, shares.correlations, 0)[:, None].astype(np.float32)
        expression = self.between + np.sqrt(1 - w) * self.within
        if shares.correlations > 0:
            # s of the class, and √(N / n) so that Σ over n cells weighs as much as over N.
            inside = np.square(self.within).mean(axis=1, keepdims=True)
            own = np.sqrt(w * inside * (len(self.rows) / len(rows)))
            expression = np.hstack([expression, own * standardised(cells, mean, scale)])
        mixed = (1 - shares.summary) * self.summary + shares.summary * summary
        if self.n_pcs is not None:
            expression = reduced(expression, self.n_pcs, self.random_state)
        record = cells_record(cells, summary, counts=counts) | {
            "own_share": shares.correlations,
            "own_share_summary": shares.summary,
        }
        return np.asarray(expression, np.float32), mixed.astype(np.float32), record

    def _shares(self, cells: sp.csr_matrix, summary: np.ndarray, rows: np.ndarray) -> OwnShares:
        """Estimate both shares from random halves of the group's cells."""
        n_cells = len(rows)
        if n_cells < 4:
            return OwnShares(0.0, 0.0)
        order = _stream(self.random_state).permutation(n_cells)
        halves = [cells[np.sort(part)] for part in np.array_split(order, 2)]
        described = [moments(part) for part in halves]
        common = np.isin(rows, self.rows).sum() / len(self.rows)
        spread = np.maximum(self.summary.std(axis=0), 1e-6)
        of_summary = own_share(
            (described[0][2] / spread, described[1][2] / spread),
            summary / spread,
            self.summary / spread,
            common=common,
        )
        varies = (described[0][1][self.chosen] > 0) & (described[1][1][self.chosen] > 0)
        genes = self.chosen[varies]
        if len(genes) < 2:
            return OwnShares(0.0, of_summary)
        pairs = np.triu_indices(len(genes), 1)
        first, second, own = (
            _correlations(_dense(part[:, genes]))[pairs] for part in (*halves, cells)
        )
        shared = _correlations(self.within[genes])[pairs]
        return OwnShares(own_share((first, second), own, shared, common=common), of_summary)


def own_share(
    halves: tuple[np.ndarray, np.ndarray], own: np.ndarray, shared: np.ndarray, *, common: float
) -> float:
    """Return the weight ``w`` of a group's values: shrunk ones are ``shared + w (own - shared)``.

    ``w = 1 - noise / observed``, cut at 0, is the positive-part estimator of James and Stein
    :cite:p:`efron1973stein`, with the noise measured. ``observed`` is the mean square of
    ``own - shared``; halves differ by four times the squared error of ``own``.

    Parameters
    ----------
    halves
        The values in two random halves of the group's cells.
    own, shared
        The values in the group and in all cells.
    common
        Share of the cells of ``shared`` that are the group's: their error is in both.
    """
    observed = np.square(own - shared).mean()
    noise = np.square(halves[0] - halves[1]).mean() / 4 * (1 - common)
    return float(np.clip(1 - noise / observed, 0, 1)) if observed > 0 else 0.0


def _stream(random_state: int | None) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(random_state, spawn_key=(STREAM,)))


def _dense(cells: sp.csr_matrix) -> np.ndarray:
    dense = cells.toarray().T
    return np.asarray(dense - dense.mean(axis=1, keepdims=True))


def _correlations(centred: np.ndarray) -> np.ndarray:
    """Return the correlations of centred rows."""
    length = np.sqrt(np.square(centred).sum(axis=1, keepdims=True))
    unit = centred / np.maximum(length, 1e-12)
    return np.asarray(unit @ unit.T)
