"""Cells in an order, such as pseudotime: bins of them, and links whose correlation follows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._anndata.slots import is_grouped
from scregnet._logging import logger
from scregnet._validate import listed, shortened
from scregnet.tl._comparison.cells import Cells, NotComparable, drawn, standardised
from scregnet.tl._comparison.networks import Networks
from scregnet.tl._comparison.null import Observed, sign_flips
from scregnet.tl._comparison.pair import Pair
from scregnet.tl._comparison.statistic import Fisher, fisher

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet.tl._comparison.pair import Options

LEAST_BINS = 3
LEAST_DONORS = 4


@dataclass(frozen=True, eq=False)
class Bins:
    """Cells in bins that follow each other."""

    names: list[str]
    rows: list[np.ndarray]
    values: np.ndarray
    """Place of each cell in the order, NaN for none."""

    @classmethod
    def of(cls, data: AnnData, along: str, n_bins: int, min_cells: int) -> Bins:
        """Divide the cells into bins of about equal size, or by the values where these are few."""
        values = _values(data, along)
        there = np.flatnonzero(np.isfinite(values))
        distinct = np.unique(values[there])
        if len(distinct) <= n_bins:
            codes = np.searchsorted(distinct, values[there])
            names = _labels(data, along, distinct)
        else:
            edges = np.unique(np.quantile(values[there], np.linspace(0, 1, n_bins + 1)[1:-1]))
            # A value that many cells share is in one bin.
            codes = np.searchsorted(edges, values[there], side="left")
            present = np.unique(codes)
            codes = np.searchsorted(present, codes)
            names = _ranges(along, [values[there][codes == k] for k in range(len(present))])
        rows = [there[codes == k] for k in range(len(names))]
        small = [
            f"{name} ({len(own)})"
            for name, own in zip(names, rows, strict=True)
            if len(own) < min_cells
        ]
        if len(names) < LEAST_BINS or small:
            found = (
                f"bins with fewer than min_cells={min_cells} cells: {listed(small)}"
                if small
                else f"{len(names)} different values or bins"
            )
            msg = (
                f"along={along!r}: at least {LEAST_BINS} bins of {min_cells} cells are needed; "
                f"there are {found}. Ask for another n_bins, or a smaller min_cells."
            )
            raise ValueError(msg)
        if len(there) < data.n_obs:
            logger.info("%d cells without %s are left out", data.n_obs - len(there), along)
        return cls(names, rows, values)


def _values(data: AnnData, along: str) -> np.ndarray:
    """Return the place of each cell in the order."""
    if along not in data.obs:
        msg = (
            f"along={shortened(along)} is not a column of adata.obs; it has "
            f"{listed(data.obs.columns)}."
        )
        raise KeyError(msg)
    column = data.obs[along]
    if isinstance(column.dtype, pd.CategoricalDtype):
        if not column.cat.ordered:
            msg = (
                f"along={along!r} has categories without an order. Set it with "
                f"adata.obs[{along!r}].cat.as_ordered(), or compare them with groupby=."
            )
            raise ValueError(msg)
        codes = column.cat.codes.to_numpy(np.float64)
        return np.where(codes < 0, np.nan, codes)
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        msg = f"along={along!r} must hold numbers or ordered categories, found {column.dtype}."
        raise TypeError(msg)
    return pd.to_numeric(column).to_numpy(np.float64, na_value=np.nan)


def _labels(data: AnnData, along: str, distinct: np.ndarray) -> list[str]:
    column = data.obs[along]
    if isinstance(column.dtype, pd.CategoricalDtype):
        return [str(column.cat.categories[int(code)]) for code in distinct]
    return _told_apart(lambda digits: [f"{along} {value:.{digits}g}" for value in distinct])


def _ranges(along: str, bins: list[np.ndarray]) -> list[str]:
    """Return a name for each bin."""
    ends = [(own.min(), own.max()) for own in bins]
    return _told_apart(
        lambda digits: [f"{along} {low:.{digits}g} to {high:.{digits}g}" for low, high in ends]
    )


def _told_apart(named: Callable[[int], list[str]]) -> list[str]:
    """Return names with the fewest digits that tell them apart, such as those of dates."""
    found = [named(digits) for digits in (3, 6, 9, 17)]
    return next((names for names in found if len(set(names)) == len(names)), found[-1])


def one_network(data: AnnData, key: str) -> str:
    """Return the key, or raise if it stands for networks of groups."""
    entry = data.uns.get(key)
    if is_grouped(entry):
        msg = (
            f"along= compares the links of one network, and adata.uns[{key!r}] stands for one of "
            f"each group: name one with key=, of {listed(entry['keys'], 30)}."
        )
        raise ValueError(msg)
    return key


def contrast(n: int) -> np.ndarray:
    """Return weights that give the change from the first to the last bin along a straight line."""
    centred = np.linspace(-0.5, 0.5, n)
    return centred / np.square(centred).sum()


def change(bins: list[Fisher]) -> tuple[np.ndarray, np.ndarray]:
    """Return the change of Fisher's transforms over all bins, and its standard error."""
    weights = contrast(len(bins)).astype(np.float32)
    z = sum(w * one.z for w, one in zip(weights, bins, strict=True))
    variance = sum(w * w * one.variance for w, one in zip(weights, bins, strict=True))
    return np.asarray(z), np.sqrt(np.asarray(variance))


def tau(z: np.ndarray) -> np.ndarray:
    """Return Kendall's tau of bins and values, (n_bins, n_links): 1 rises in every step."""
    first, second = np.triu_indices(len(z), k=1)
    return np.sign(z[second] - z[first]).mean(axis=0)


def compare_course(
    data: AnnData,
    bins: Bins,
    key: str,
    threshold: float | None,
    donors: np.ndarray | None,
    options: Options,
    rng: np.random.Generator,
) -> dict[str, pd.DataFrame]:
    """Return the frames of links, TFs, and the first and last bin."""
    networks = Networks.of(data, (key, key), threshold)
    rows = [drawn(own, rng) for own in bins.rows]
    parts = None
    if donors is not None:
        parts = _parts(bins, donors, options.min_donor_cells)
        rows = [np.concatenate(side) for side in zip(*parts, strict=True)]
    groups = [Cells.of(data, options.layer, own, bins.values) for own in rows]
    kept_z: list[np.ndarray] = []

    def observe(genes: np.ndarray, tfs: np.ndarray, mask: np.ndarray) -> Observed:
        if parts is None:
            values = [group.values[:, genes] for group in groups]
            found, z = over_bins(values, tfs, mask, options.n_permutations, rng)
        else:
            read = lambda own: Cells.of(data, options.layer, own, bins.values).values[:, genes]
            made = np.array([[fisher(read(own), tfs).z[mask] for own in donor] for donor in parts])
            found, z = over_donor_courses(made, options.n_permutations, rng)
        kept_z.append(z)
        return found

    pair = Pair((bins.names[0], bins.names[-1]), (rows[0], rows[-1]), donors)
    n_units = [len(rows[0]), len(rows[-1])] if parts is None else [len(parts)] * 2
    frames = pair.frames(
        data, networks, options, groups, observe, n_units=n_units, paired=parts is not None
    )
    (z,) = kept_z
    columns = {f"correlation_{k + 1}": np.tanh(one) for k, one in enumerate(z)}
    frames["links"] = frames["links"].assign(**columns, tau=tau(z))
    return frames


def over_bins(
    values: list[np.ndarray],
    tfs: np.ndarray,
    mask: np.ndarray,
    n_permutations: int,
    rng: np.random.Generator,
) -> tuple[Observed, np.ndarray]:
    """Test the change over bins, whose labels are permuted among the cells.

    As for two groups, cells are standardised within their bin first. Also returns Fisher's
    transforms, (n_bins, n_links).
    """
    own = [fisher(one, tfs) for one in values]
    delta, error = change(own)
    pool, ends = np.vstack(values), np.cumsum([len(one) for one in values])[:-1]

    def permuted() -> Iterator[np.ndarray]:
        for _ in range(n_permutations):
            parts = np.split(rng.permutation(len(pool)), ends)
            moved, se = change([fisher(standardised(pool[part]), tfs) for part in parts])
            yield (moved / se)[mask]

    z = np.stack([one.z[mask] for one in own])
    delta, error = delta[mask], error[mask]
    return Observed(np.tanh(z[0]), np.tanh(z[-1]), delta, error, delta / error, permuted), z


def over_donor_courses(
    made: np.ndarray, n_permutations: int, rng: np.random.Generator
) -> tuple[Observed, np.ndarray]:
    """Test the change over bins between donors: the sign of a whole donor's changes is flipped.

    ``made`` are Fisher's transforms, (n_donors, n_bins, n_links).
    """
    weights = contrast(made.shape[1]).astype(np.float32)
    changes = np.einsum("dbl,b->dl", made, weights)
    found = sign_flips(changes, n_permutations, rng)
    z = made.mean(axis=0)
    own, error, statistic, permuted = found
    return Observed(np.tanh(z[0]), np.tanh(z[-1]), own, error, statistic, permuted), z


def _parts(bins: Bins, donors: np.ndarray, least: int) -> list[list[np.ndarray]]:
    """Return the cells of each donor in each bin; donors with too few in a bin are left out."""
    parts: list[list[np.ndarray]] = []
    for donor in np.unique(donors[donors >= 0]):
        own = [rows[donors[rows] == donor] for rows in bins.rows]
        if min(map(len, own)) >= least:
            parts.append(own)
    if len(parts) < LEAST_DONORS:
        msg = (
            f"donor: {LEAST_DONORS} donors with min_donor_cells={least} cells in each of the "
            f"{len(bins.names)} bins are needed; there are {len(parts)}. Ask for fewer bins or a "
            "smaller min_donor_cells, or donor=None, which speaks of cells."
        )
        raise NotComparable(msg)
    return parts
