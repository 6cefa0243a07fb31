"""Which links and TFs differ between two groups of cells."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, check_writable, resolve, write
from scregnet._anndata.groups import large_groups
from scregnet._anndata.slots import is_grouped
from scregnet._anndata.uns import check_key
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._progress import stage, stages
from scregnet._validate import (
    check_integer,
    check_interval,
    check_name,
    listed,
    seed_of,
    shortened,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData

    from scregnet.tl._comparison.pair import Options


@doc
def compare_grns(
    adata: AnnData | MuData,
    groups: Sequence[str] | Literal["all"] = "all",
    *,
    groupby: str | None = None,
    along: str | None = None,
    n_bins: int = 5,
    donor: str | None = None,
    key: str = "grn",
    threshold: float | None = None,
    min_cells: int = 50,
    min_donor_cells: int = 20,
    min_detection: float = 0.1,
    n_permutations: int = 200,
    fdr: float = 0.1,
    layer: str | None = None,
    key_added: str | None = None,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    copy: bool = False,
    mod: str = "rna",
) -> AnnData | MuData | None:
    """Test which links differ between groups of cells, or change along pseudotime.

    The test is of the correlation of TF and target within each group, over the links of a fitted
    network: ``p`` and ``q`` are about it. The difference of the networks' logits is written next
    to it, without a test (:ref:`comparison`). With ``along``, cells are not in groups but in an
    order, and the test is of links that change along it (:ref:`course`). Give ``donor`` if you want
    to speak of conditions: cells of one donor are no replicates.

    Parameters
    ----------
    %(adata)s
    groups
        Two groups; or several, or ``"all"``, for all pairs.
    groupby
        Column of ``adata.obs``. ``None`` takes that of the fit.
    along
        In place of groups: a column of ``adata.obs`` with numbers, such as pseudotime, or ordered
        categories. Tests which links become stronger or weaker along it.
    n_bins
        Bins of about equal size along it. If it has no more values than that, each is a bin.
    donor
        Column of ``adata.obs``: whole donors are permuted, not cells. Where donors have cells in
        both groups, they are compared within donors.
    key
        The fitted network that says which links are compared. Of one fitted with ``groupby``, those
        of each group give the logits too.
    threshold
        Compare links whose mean probability in both networks is at least this; ``None`` compares
        all that are stored.
    min_cells, min_donor_cells
        Smaller groups are left out; with ``donor``, smaller parts of donors. With ``along``, every
        bin needs ``min_cells``.
    min_detection
        Both genes of a link are expressed in at least this share of the cells of both groups, or of
        every bin. A TF that one group does not express cannot be compared by correlation.
    n_permutations
        Random permutations; of donors fewer where there are no more.
    fdr
        Links with at most this ``q`` count as gained or lost.
    %(layer)s Raw counts become log1p of counts per 10,000.
    %(key_added)s Here ``"comparison"``.
    %(random_state)s
    %(progress)s
    %(copy)s
    %(mod)s

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. Sets ``adata.uns[key_added]``: ``params``,
    and the frames ``links``, ``tfs`` and ``pairs``, which :func:`scregnet.get.comparison` explains.

    Raises
    ------
    ValueError, KeyError, TypeError
        An argument is wrong, there are too few donors, or no link can be compared. Of several
        pairs, those that cannot be compared are named in the log and left out.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(300, 80, n_cell_types=2, dropout_percentile=30, rewired=0.8)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree", n_folds=1)
    >>> sr.tl.compare_grns(adata, ("type_1", "type_2"), groupby="cell_type", n_permutations=20)
    >>> tfs = sr.get.comparison(adata, "tfs")
    """
    random_state = seed_of(random_state)
    check_integer("min_cells", min_cells, minimum=1)
    check_integer("min_donor_cells", min_donor_cells, minimum=4)
    check_integer("n_permutations", n_permutations, minimum=10)
    check_interval("min_detection", min_detection, 0, 1)
    check_interval("fdr", fdr, 0, 1)
    if threshold is not None:
        check_interval("threshold", threshold, 0, 1)
    check_name("donor", donor)
    data = resolve(adata, mod)
    check_names(data)
    check_writable(data, copy=copy)
    added = "comparison" if key_added is None else key_added
    check_key(added)
    _check_free(data, added)
    check_name("along", along)
    check_integer("n_bins", n_bins, minimum=3)
    from scregnet.tl._comparison.cells import donors_of
    from scregnet.tl._comparison.pair import Options

    options = Options(layer, min_detection, min_donor_cells, n_permutations, fdr)
    codes = None if donor is None else donors_of(data, donor)
    asked = _Asked(data, key, threshold, min_cells, codes, options, random_state, added)
    with stages(added, show=show_progress_bar):
        if along is None:
            frames, own = _between_groups(asked, groups, groupby)
        else:
            _check_alone(along, groups, groupby)
            frames, own = _along_cells(asked, along, n_bins)
    frames["pairs"] = _with_floor(frames["pairs"], data, key)
    _log(added, frames["pairs"], donor)
    params = {
        **own,
        "donor": donor,
        "key": key,
        "threshold": threshold,
        "min_cells": min_cells,
        "min_donor_cells": min_donor_cells,
        "min_detection": min_detection,
        "n_permutations": n_permutations,
        "fdr": fdr,
        "layer": layer,
        "random_state": random_state,
    }
    result = adata.copy() if copy else adata
    write(resolve(result, mod), uns={added: {"params": params, **frames}})
    return result if copy else None


class _Asked(NamedTuple):
    """What both ways of a comparison read."""

    data: AnnData
    key: str
    threshold: float | None
    min_cells: int
    donors: np.ndarray | None
    options: Options
    random_state: int | None
    added: str


_Found = tuple[dict[str, "pd.DataFrame"], dict[str, Any]]


def _between_groups(
    asked: _Asked, groups: Sequence[str] | Literal["all"], groupby: str | None
) -> _Found:
    """Return the frames of all pairs of groups, and what is kept of the question."""
    from scregnet.tl._comparison.cells import STREAM, NotComparable
    from scregnet.tl._comparison.networks import Networks, network_keys
    from scregnet.tl._comparison.pair import Pair

    data, key = asked.data, asked.key
    column = _groupby(data, key, groupby)
    names, codes, _ = large_groups(data, column, asked.min_cells)
    chosen = _chosen(groups, names, column, asked.min_cells)
    keys = network_keys(data, key, chosen)
    streams = np.random.SeedSequence(asked.random_state, spawn_key=(STREAM,))
    pairs = list(combinations(chosen, 2))
    found: list[dict[str, pd.DataFrame]] = []
    last = NotComparable()
    for (a, b), seed in zip(pairs, streams.spawn(len(pairs)), strict=True):
        with stage(f"{a} and {b}"):
            rows = [np.flatnonzero(codes == names.index(name)) for name in (a, b)]
            networks = Networks.of(data, (keys[a], keys[b]), asked.threshold)
            pair = Pair((a, b), (rows[0], rows[1]), asked.donors)
            try:
                rng = np.random.default_rng(seed)
                found.append(pair.compare(data, networks, asked.options, rng))
            except NotComparable as error:
                last = error
                logger.info("%s: left out: %s", asked.added, error)
    if not found:
        raise last
    frames = {name: _joined([one[name] for one in found]) for name in ("links", "tfs", "pairs")}
    return frames, {"groups": chosen, "groupby": column}


def _along_cells(asked: _Asked, along: str, n_bins: int) -> _Found:
    """Return the frames of one course of the cells, and what is kept of the question."""
    from scregnet.tl._comparison.cells import STREAM
    from scregnet.tl._comparison.course import Bins, compare_course, one_network

    key = one_network(asked.data, asked.key)
    bins = Bins.of(asked.data, along, n_bins, asked.min_cells)
    seed = np.random.SeedSequence(asked.random_state, spawn_key=(STREAM,))
    with stage(along):
        found = compare_course(
            asked.data,
            bins,
            key,
            asked.threshold,
            asked.donors,
            asked.options,
            np.random.default_rng(seed),
        )
    frames = {name: _joined([frame]) for name, frame in found.items()}
    ends = [bins.names[0], bins.names[-1]]
    sizes = [len(rows) for rows in bins.rows]
    return frames, {"groups": ends, "along": along, "bins": bins.names, "bin_sizes": sizes}


def _check_alone(along: str, groups: object, groupby: str | None) -> None:
    """Raise ``ValueError`` if groups are asked for besides an order of the cells."""
    if groupby is not None or not (isinstance(groups, str) and groups == "all"):
        msg = (
            f"along={along!r} compares cells along their order, not groups: leave groups and "
            "groupby out, and pass the cells of one group to look at those."
        )
        raise ValueError(msg)


def _check_free(data: AnnData, key: str) -> None:
    """Raise ``ValueError`` if ``uns[key]`` holds something else than a comparison."""
    entry = data.uns.get(key)
    if entry is not None and not (isinstance(entry, dict) and {"links", "tfs"} <= set(entry)):
        msg = (
            f"key_added={key!r} is taken: adata.uns[{key!r}] is no comparison. Choose another "
            "name, or delete it."
        )
        raise ValueError(msg)


def _groupby(data: AnnData, key: str, groupby: str | None) -> str:
    """Return the column of the groups."""
    if groupby is not None:
        return groupby
    entry: Any = data.uns.get(key)
    if is_grouped(entry) and "groupby" in entry:
        return str(entry["groupby"])
    msg = (
        f"groupby=None, but adata.uns[{key!r}] is no fit with groupby: say which column of "
        f"adata.obs has the groups; it has {listed(data.obs.columns)}."
    )
    raise ValueError(msg)


def _chosen(groups: object, names: list[str], column: str, min_cells: int) -> list[str]:
    """Return the groups to compare."""
    if isinstance(groups, str) and groups != "all":
        msg = f"groups must be 'all', or names of two groups or more, got {groups!r}."
        raise TypeError(msg)
    given = names if isinstance(groups, str) else _names(groups)
    absent = [name for name in given if name not in names]
    if absent:
        msg = (
            f"groups: {listed(absent)} are not among those of adata.obs[{column!r}] with at least "
            f"min_cells={min_cells} cells: {listed(names, 30)}."
        )
        raise KeyError(msg)
    if len(given) < 2 or len(set(given)) < len(given):
        msg = f"groups: two different groups or more are needed, got {listed(given)}."
        raise ValueError(msg)
    return given


def _names(groups: object) -> list[str]:
    if not isinstance(groups, (list, tuple, pd.Index, np.ndarray)):
        msg = f"groups must be 'all', or names of two groups or more, got {shortened(groups)}."
        raise TypeError(msg)
    return [str(name) for name in groups]


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Return frames one below the other; names as categories, which need less memory."""
    table = pd.concat(frames, ignore_index=True)
    # Texts are objects, or of the type of texts that pandas 3 has.
    texts = [name for name in table if pd.api.types.is_string_dtype(table[name].dtype)]
    return table.astype(dict.fromkeys(texts, "category"))


def _with_floor(pairs: pd.DataFrame, data: AnnData, key: str) -> pd.DataFrame:
    """Return the pairs with how far the networks differ, and halves of one group do."""
    entry: Any = data.uns.get(key)
    table = entry.get("differences") if is_grouped(entry) else None
    columns = {"network_distance": np.nan, "noise_floor": np.nan}
    if not isinstance(table, pd.DataFrame):
        return pairs.assign(**columns)
    ranks = table[table["statistic"] == "ranks"]
    known = {
        frozenset((str(row.group_a), str(row.group_b))): (row.value, row.floor)
        for row in ranks.itertuples()
    }
    values = [
        known.get(frozenset((a, b)), (np.nan, np.nan))
        for a, b in zip(pairs["group_a"], pairs["group_b"], strict=True)
    ]
    return pairs.assign(**dict(zip(columns, np.array(values).T, strict=True)))


def _log(key: str, pairs: pd.DataFrame, donor: str | None) -> None:
    """Say how many links differ."""
    told = [
        f"{row.group_a} and {row.group_b}: {row.n_changed:,} of {row.n_links:,} links (all links: "
        f"p {row.p:.3g})"
        for row in pairs.head(10).itertuples()
    ]
    more = f"; and {len(pairs) - 10} more pairs" if len(pairs) > 10 else ""
    logger.info("%s, permuting %s: %s%s", key, donor or "cells", "; ".join(told), more)
