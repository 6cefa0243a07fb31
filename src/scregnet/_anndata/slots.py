"""Read the slots of a fitted network, or of one network per group of cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._anndata.access import check_unique, flags
from scregnet._validate import check_text, listed

if TYPE_CHECKING:
    from anndata import AnnData

# What tells the entry of a fitted network in uns from others.
_PARTS = ("varp_key", "params", "metrics", "pairs")

MOST_COMPARED = 20_000
"""Labelled pairs whose probability is compared with that of their link."""

SAME = 1e-3
"""Values may have been rounded to float16 on the way through a file."""


def is_fitted(value: object) -> bool:
    """Return whether an entry of ``uns`` is that of a fitted network."""
    return isinstance(value, Mapping) and all(part in value for part in _PARTS)


def is_grouped(value: object) -> bool:
    """Return whether an entry of ``uns`` names the networks of groups."""
    return isinstance(value, Mapping) and "groups" in value and "keys" in value


def fitted(adata: AnnData, key: str) -> Mapping[str, Any]:
    """Return ``adata.uns[key]`` of one fitted network, or raise and name the function to run."""
    check_text("key", key)
    entry = adata.uns.get(key)
    if is_fitted(entry):
        return entry
    if is_grouped(entry):
        raise ValueError(_name_a_group(key, list(entry["groups"])))
    found = "is not there" if entry is None else "is not a fitted network"
    others = [name for name, value in adata.uns.items() if is_fitted(value)]
    hint = f"; or name one that is there with key=: {listed(others)}" if others else ""
    arguments = "adata, prior" if key == "grn" else f"adata, prior, key_added={key!r}"
    msg = f"adata.uns[{key!r}] {found}: call sr.tl.fit_grn({arguments}) first{hint}."
    raise KeyError(msg)


def holds_scores(entry: Mapping[str, Any]) -> bool:
    """Return whether a network holds scores, not probabilities: it was fitted without labels."""
    return bool(entry["params"].get("values") == "score")


def check_probabilities(adata: AnnData, key: str, what: str) -> None:
    """Raise ``ValueError`` if a network holds scores and ``what`` needs probabilities."""
    entry = fitted(adata, key)
    if holds_scores(entry):
        msg = (
            f"{what} needs probabilities, and {key!r} holds the scores of "
            f"method={str(entry['params']['method'])!r}, fitted without a known network: call "
            "sr.tl.fit_grn with prior= to have both."
        )
        raise ValueError(msg)


def stored_model(adata: AnnData, key: str, *needed: str) -> Mapping[str, Any]:
    """Return what ``uns`` keeps of the fitted model, or raise if it lacks what is needed."""
    model = fitted(adata, key).get("model", {})
    if missing := [name for name in needed if name not in model]:
        msg = (
            f"adata.uns[{key!r}]['model'] lacks {listed(missing)}: it is damaged or was not "
            "written by this version. Call sr.tl.fit_grn again."
        )
        raise ValueError(msg)
    return model


def check_genes(adata: AnnData, key: str) -> None:
    """Raise unless the genes go by the names that they had at the fit.

    Stored pairs name their genes, so under other names known edges would pass as new ones. Genes
    may have been dropped or put in another order.
    """
    check_unique(adata)
    entry, genes = fitted(adata, key), stored_model(adata, key, "genes")["genes"]
    names = adata.var_names.astype(str)
    # Through object: zarr gives numpy's texts of any length, which have no other way to str.
    there = names.isin(pd.Index(np.asarray(genes, dtype=object)).astype(str))
    cure = (
        "Put the names of the fit back into adata.var_names (other names go into a column of "
        "adata.var, for gene_symbols=), or call sr.tl.fit_grn again."
    )
    if not there.all():
        msg = (
            f"adata.var_names changed since {key!r} was fitted: {int((~there).sum()):,} of "
            f"{len(names):,} names are not among the {len(genes):,} genes of the "
            f"fit, such as {listed(names[~there], 3)}. {cure}"
        )
        raise ValueError(msg)
    wrong, n = _moved(adata, key, names)
    if wrong:
        msg = (
            f"adata.varp[{str(entry['varp_key'])!r}] does not hold the probabilities that the fit "
            f"recorded: {wrong:,} of {n:,} labelled pairs have another one. Names were exchanged "
            f"between genes, or values changed, since {key!r} was fitted. {cure}"
        )
        raise ValueError(msg)


def _moved(adata: AnnData, key: str, names: pd.Index) -> tuple[int, int]:
    """Return how many labelled pairs do not have the probability of their fit, and of how many.

    Of many pairs, some are compared. A pair whose link was not written tells nothing, unless all
    regulators of pairs have lost their links to other genes.
    """
    pairs, links = fitted(adata, key)["pairs"], network(adata, key)
    column = "out_of_fold" if "out_of_fold" in pairs else "probability"
    if column not in pairs or len(pairs) == 0:
        return 0, 0
    some = pairs.iloc[:: -(-len(pairs) // MOST_COMPARED)]
    sources, targets = (names.get_indexer(some[end].astype(str)) for end in ("source", "target"))
    here = (sources >= 0) & (targets >= 0)
    sources, targets = sources[here], targets[here]
    if len(sources) == 0:
        return 0, 0
    if links.nnz > 0 and not np.diff(links.indptr)[sources].any():
        return len(sources), len(sources)
    stored = np.asarray(links[sources, targets]).ravel()
    written = stored > 0
    gap = np.abs(stored - some[column].to_numpy(np.float64)[here])[written]
    return int((gap > SAME).sum()), len(gap)


def labelled(adata: AnnData, key: str) -> Mapping[str, Any]:
    """Return :func:`fitted`, or raise if the network was made without labelled pairs."""
    entry = fitted(adata, key)
    check_probabilities(adata, key, "Judging on labelled pairs")
    if len(entry["pairs"]) == 0:
        msg = (
            f"adata.uns[{key!r}] was made by sr.tl.transfer_grn without labels: there are no pairs "
            "to judge it on. sr.get.metrics has its figures on the data sets given as networks=."
        )
        raise ValueError(msg)
    _check_pairs(key, entry["pairs"])
    return entry


def _check_pairs(key: str, pairs: pd.DataFrame) -> None:
    """Raise unless labels are 0 or 1, and probabilities numbers from 0 to 1."""
    judged = ["probability", "out_of_fold", *(f"probability_{name}" for name in nulls(pairs))]
    sound = {"label": pairs["label"].isin((0, 1)).all()}
    for column in judged:
        if column in pairs:
            # NaN is in no interval.
            sound[column] = pairs[column].between(0, 1).all()
    if wrong := [column for column, is_sound in sound.items() if not is_sound]:
        msg = (
            f"adata.uns[{key!r}]['pairs'] is damaged: {listed(wrong)} must hold 0 or 1 (label) or "
            "numbers from 0 to 1 (probabilities) for every pair. Call sr.tl.fit_grn again."
        )
        raise ValueError(msg)


def keys_by_group(adata: AnnData, key: str, group: str | None = None) -> dict[str | None, str]:
    """Return the keys of the fitted networks that ``key`` and ``group`` stand for, by group.

    A fit without ``groupby`` has the group ``None``. With ``groupby``, ``group=None`` gives the
    networks of all groups.
    """
    check_text("key", key)
    entry = adata.uns.get(key)
    if not is_grouped(entry):
        fitted(adata, key)
        if group is not None:
            msg = f"group={group!r}: adata.uns[{key!r}] is a single network; leave group out."
            raise ValueError(msg)
        return {None: key}
    keys: dict[str | None, str] = {
        str(name): str(member) for name, member in zip(entry["groups"], entry["keys"], strict=True)
    }
    if group is None:
        return keys
    if str(group) not in keys:
        msg = f"group={group!r} is not a group of adata.uns[{key!r}]; it has {listed(keys, 30)}."
        raise KeyError(msg)
    return {str(group): keys[str(group)]}


def key_of_group(adata: AnnData, key: str, group: str | None = None) -> str:
    """Return the key of the one fitted network that ``key`` and ``group`` stand for, or raise."""
    keys = keys_by_group(adata, key, group)
    if group is None and None not in keys:
        raise ValueError(_name_a_group(key, list(keys)))
    (found,) = keys.values()
    return found


def read_groups(
    adata: AnnData, key: str, group: str | None, read: Callable[[str], pd.DataFrame]
) -> pd.DataFrame:
    """Return the frame that ``read`` gives for the key of a fitted network.

    Where ``key`` stands for one network per group and no group is named: the frames of all groups,
    one below the other, with a first column ``group``.
    """
    keys = keys_by_group(adata, key, group)
    if group is not None or None in keys:
        return read(next(iter(keys.values())))
    frames = [read(member) for member in keys.values()]
    number = np.repeat(np.arange(len(keys)), [len(frame) for frame in frames])
    column = pd.Categorical.from_codes(number, categories=pd.Index(list(keys)))
    table = pd.concat(frames, ignore_index=True)
    table.insert(0, "group", pd.Series(column))
    return table


def _name_a_group(key: str, groups: list[Any]) -> str:
    return (
        f"adata.uns[{key!r}] stands for one network per group: name one with group=, of "
        f"{listed(groups, 30)}."
    )


def network(adata: AnnData, key: str) -> sp.csr_matrix:
    """Return probabilities, or scores, of a fitted network: row = regulator, column = target."""
    entry = fitted(adata, key)
    varp_key = str(entry["varp_key"])
    if varp_key not in adata.varp:
        msg = (
            f"adata.varp[{varp_key!r}] is not there, though adata.uns[{key!r}] names it "
            "(anndata.concat drops varp unless merge= is given): call sr.tl.fit_grn again; "
            f"adata.varp has {listed(adata.varp)}."
        )
        raise KeyError(msg)
    found = _sorted(adata.varp[varp_key])
    _check_values(varp_key, found, scores=holds_scores(entry))
    return found


def _check_values(slot: str, matrix: sp.csr_matrix, *, scores: bool = False) -> None:
    """Raise unless a stored network holds probabilities, or scores: finite, and 0 or more."""
    highest = np.finfo(np.float32).max if scores else 1
    # With a NaN among the values, their minimum is NaN, and no comparison holds.
    if matrix.nnz and not (matrix.data.min() >= 0 and matrix.data.max() <= highest):
        no = (
            "scores (NaN, infinite, or below 0)"
            if scores
            else "probabilities (NaN, or outside 0 to 1)"
        )
        msg = (
            f"adata.varp[{slot!r}] holds values that are no {no}: it is damaged. Call "
            "sr.tl.fit_grn again."
        )
        raise ValueError(msg)


def link_values(adata: AnnData, key: str, name: str) -> np.ndarray | None:
    """Return what ``varp[f"{key}_{name}"]`` holds of each link of :func:`network`, in its order.

    ``None`` if there is no such slot.
    """
    varp_key = str(fitted(adata, key)["varp_key"])
    slot = f"{varp_key}_{name}"
    if slot not in adata.varp:
        return None
    links, values = network(adata, key), _sorted(adata.varp[slot])
    # Values are matched by their place in the arrays, so the places must be the same.
    if not (
        np.array_equal(links.indptr, values.indptr)
        and np.array_equal(links.indices, values.indices)
    ):
        msg = (
            f"adata.varp[{slot!r}] holds other links ({values.nnz:,}) than "
            f"adata.varp[{varp_key!r}] ({links.nnz:,}); they must come from the same "
            "sr.tl.fit_grn: call it again."
        )
        raise ValueError(msg)
    if name == "null":
        _check_values(slot, values)
    return values.data


def _sorted(matrix: object) -> sp.csr_matrix:
    """Return a matrix as CSR with sorted columns, without a change to the user's own."""
    rows = sp.csr_matrix(matrix)
    return rows if rows.has_sorted_indices else rows.sorted_indices()


def regulators(adata: AnnData, key: str) -> np.ndarray:
    """Return the mask of the TFs: genes with links, and those marked in ``var["is_tf"]``."""
    mask = np.diff(network(adata, key).indptr) > 0
    if "is_tf" in adata.var:
        mask |= flags(adata, "is_tf", "")
    return mask


def stands_for(pairs: pd.DataFrame) -> np.ndarray | None:
    """Return how many pairs each labelled pair counts for; ``None`` if each is one."""
    return pairs["stands_for"].to_numpy(np.float64) if "stands_for" in pairs else None


def nulls(pairs: pd.DataFrame) -> list[str]:
    """Return the names of the null models scored on the labelled pairs."""
    prefix = "probability_"
    names = [column.removeprefix(prefix) for column in pairs.columns if column.startswith(prefix)]
    # probability_sd is the standard deviation over the members of an ensemble, not a model.
    return [name for name in names if name != "sd"]
