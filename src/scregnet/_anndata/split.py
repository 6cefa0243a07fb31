"""Labelled pairs between frames of gene names and the positions that the core works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._logging import logger
from scregnet._validate import listed
from scregnet.links import VALIDATION_FRACTIONS, Pairs, Split, hold_out
from scregnet.links.pairs.codes import pair_codes

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet._genes.network import Network

PARTS = ("train", "validation", "test")


def read_split(
    frame: pd.DataFrame,
    adata: AnnData,
    *,
    validation_fraction: float | None,
    rng: np.random.Generator,
) -> Split:
    """Read a frame with columns source, target, label and split as positions in ``adata.var_names``.

    Where no pair is marked ``"validation"``, as in some published splits, a share ``validation_fraction`` of the training pairs (``None``: 0.1)
    is taken for it.

    Raises
    ------
    ValueError
        If columns, parts or genes are missing, labels are not 0 and 1, a pair is there twice, or a gene is paired with itself.
    """
    parts, labels = parts_and_labels(frame)
    positions = []
    for column in ("source", "target"):
        where = adata.var_names.get_indexer(pd.Index(frame[column].astype(str)))
        if (where < 0).any():
            unknown = frame[column].astype(str)[where < 0].unique()
            msg = f"split: {len(unknown)} genes of its column {column!r} are not in adata.var_names: {listed(unknown, 5)}. Drop those pairs first."
            raise ValueError(msg)
        positions.append(where.astype(np.int32))
    source, target = positions
    if (source == target).any():
        msg = f"split: {int((source == target).sum())} pairs join a gene with itself, for example {adata.var_names[source[source == target][0]]!r}. Drop them."
        raise ValueError(msg)
    pair = pair_codes(source, target, adata.n_vars)
    unique, first, times = np.unique(pair, return_index=True, return_counts=True)
    if len(unique) < len(pair):
        row = frame.iloc[first[times > 1][0]]
        msg = (
            f"split: {int((times > 1).sum())} pairs are there more than once, for example {row['source']} → {row['target']}; "
            "a pair in two parts would let the test pairs into the training."
        )
        raise ValueError(msg)
    pairs = Pairs(source, target, labels.astype(bool))
    train, validation, test = (pairs.take(parts == part) for part in PARTS)
    if len(validation) == 0:
        share = (
            VALIDATION_FRACTIONS["pairs"] if validation_fraction is None else validation_fraction
        )
        train, validation = hold_out(train, share, rng=rng)
        logger.info(
            "split: no validation pairs given, %d of the training pairs are taken for it",
            len(validation),
        )
    return Split(train, validation, test)


def parts_and_labels(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The columns ``split`` and ``label`` of a frame of labelled pairs, or ``ValueError`` that says what is wrong with them."""
    missing = [column for column in ("source", "target", "label", "split") if column not in frame]
    if missing:
        msg = f"split: the frame lacks the columns {listed(missing)}; it needs source, target, label and split."
        raise ValueError(msg)
    parts = frame["split"].astype(str).to_numpy()
    found = set(parts)
    if not {"train", "test"} <= found <= set(PARTS):
        msg = (
            "split: its column 'split' must hold 'train', 'test' and, optional, 'validation', and nothing else; "
            f"found {listed(sorted(found))}."
        )
        raise ValueError(msg)
    labels = pd.to_numeric(frame["label"]).to_numpy()
    if not np.isin(labels, (0, 1)).all():
        msg = f"split: its column 'label' must hold 0 and 1, found {listed(np.unique(labels[~np.isin(labels, (0, 1))]), 5)}."
        raise ValueError(msg)
    return parts, labels


def check_split(split: Split, name: str) -> None:
    """Raise ``ValueError`` unless the split can be fitted and scored: two TFs with edges, and both labels in every part."""
    known = np.concatenate(
        [pairs.sources[pairs.labels] for pairs in (split.train, split.validation, split.test)]
    )
    n_tfs = len(np.unique(known))
    if n_tfs < 2:
        msg = f"{name}: {'no TF' if n_tfs == 0 else 'only one TF'} has an edge to a gene of adata; a fit needs at least two TFs with edges."
        raise ValueError(msg)
    for part in PARTS:
        pairs: Pairs = getattr(split, part)
        if pairs.n_positive in (0, len(pairs)):
            kind = "edges" if pairs.n_positive else "non-edges"
            msg = (
                f"{name}: all {len(pairs)} pairs of the {part} part are {kind}; every part needs both. "
                f"The network has {len(known)} edges of {n_tfs} TFs among {listed(PARTS)} parts: give one with more edges, or a split of your own."
            )
            raise ValueError(msg)


def pairs_frame(split: Split, genes: pd.Index) -> pd.DataFrame:
    """All labelled pairs as a frame with columns source, target, label (int8) and split (categorical)."""
    columns: dict[str, list[np.ndarray]] = {"source": [], "target": [], "label": []}
    for part in PARTS:
        pairs: Pairs = getattr(split, part)
        columns["source"].append(pairs.sources)
        columns["target"].append(pairs.targets)
        columns["label"].append(pairs.labels)
    names = genes.to_numpy()
    number = np.repeat(np.arange(3), [len(getattr(split, part)) for part in PARTS])
    frame = pd.DataFrame({key: np.concatenate(value) for key, value in columns.items()})
    for key in ("source", "target"):
        # Categoricals: the names are many times repeated, and files store each once.
        present = np.zeros(len(names), bool)
        present[frame[key].to_numpy()] = True
        code = np.cumsum(present, dtype=np.int32) - 1
        frame[key] = pd.Categorical.from_codes(
            code[frame[key].to_numpy()], pd.Index(names[present])
        )
    frame["label"] = frame["label"].astype(np.int8)
    frame["split"] = pd.Categorical(np.array(PARTS)[number], categories=list(PARTS))
    return frame


def left_out(split: Split, network: Network | None, genes: pd.Index) -> pd.DataFrame:
    """Known edges that are among the labelled pairs of no part, as a frame with columns source and target."""
    names, n = genes.to_numpy(str).astype(object), len(genes)
    sources, targets = np.zeros(0, np.int64), np.zeros(0, np.int64)
    if network is not None:
        labelled = [getattr(split, part) for part in PARTS]
        used = np.concatenate([pair_codes(pairs.sources, pairs.targets, n) for pairs in labelled])
        rest = ~np.isin(pair_codes(network.sources, network.targets, n), used)
        sources, targets = network.sources[rest], network.targets[rest]
    return pd.DataFrame({"source": names[sources], "target": names[targets]}, dtype=object)
