"""Labelled pairs as frames: source, target, label, split, and how many pairs each stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._genes.names import gene_ids, positions
from scregnet._logging import logger
from scregnet._validate import listed
from scregnet.links import Pairs, Split, hold_out
from scregnet.links.pairs.codes import pair_codes
from scregnet.links.pairs.reciprocity import concatenate

if TYPE_CHECKING:
    from anndata import AnnData

PARTS = ("train", "validation", "test")

GIVEN_VALIDATION = 0.1
"""Share of the training pairs for validation where a frame has none; as in a split of pairs."""


def read_split(
    frame: pd.DataFrame,
    adata: AnnData,
    *,
    rng: np.random.Generator,
    gene_symbols: str | None = None,
) -> Split:
    """Read a frame with columns source, target, label and split as positions of genes.

    Where no pair is marked ``"validation"``, as in some published splits, a share
    :data:`GIVEN_VALIDATION` of the training pairs is taken for it.

    Raises
    ------
    ValueError
        If columns, parts or genes are missing, labels are not 0 and 1, a pair is there twice, or a
        gene is paired with itself.
    """
    parts, labels = parts_and_labels(frame)
    source, target = (genes_of(frame[role], role, adata, gene_symbols) for role in PARTS_OF_A_PAIR)
    if (source == target).any():
        loop = adata.var_names[source[source == target][0]]
        msg = (
            f"split: {int((source == target).sum())} pairs join a gene with itself, for example "
            f"{loop!r}. Drop them."
        )
        raise ValueError(msg)
    pair = pair_codes(source, target, adata.n_vars)
    unique, first, times = np.unique(pair, return_index=True, return_counts=True)
    if len(unique) < len(pair):
        row = frame.iloc[first[times > 1][0]]
        msg = (
            f"split: {int((times > 1).sum())} pairs are there more than once, for example "
            f"{row['source']} → {row['target']}; "
            "a pair in two parts would let the test pairs into the training."
        )
        raise ValueError(msg)
    pairs = Pairs(source, target, labels.astype(bool), share=_share(frame, labels))
    train, validation, test = (pairs.take(parts == part) for part in PARTS)
    if len(validation) == 0:
        train, validation = hold_out(train, GIVEN_VALIDATION, rng=rng)
        logger.info(
            "split: no validation pairs given, %d of the training pairs are taken", len(validation)
        )
    return Split(train, validation, test)


def _share(frame: pd.DataFrame, labels: np.ndarray) -> float:
    """Return the share of the non-edges that a frame holds, by its column ``stands_for``."""
    if STANDS_FOR not in frame:
        return 1.0
    weights = pd.to_numeric(frame[STANDS_FOR]).to_numpy(np.float64)
    of_edges, of_others = weights[labels == 1], weights[labels != 1]
    uniform = len(of_others) == 0 or (of_others[0] >= 1 and (of_others == of_others[0]).all())
    if not uniform or not (of_edges == 1).all():
        msg = (
            f"split: its column {STANDS_FOR!r} must hold 1 for edges and one number of at least 1 "
            "for all non-edges: how many of them each stands for. Without the column each counts "
            "once."
        )
        raise ValueError(msg)
    return 1 / float(of_others[0]) if len(of_others) else 1.0


STANDS_FOR = "stands_for"
"""Column of labelled pairs: how many pairs each stands for, where non-edges were drawn."""

PARTS_OF_A_PAIR = ("source", "target")


def parts_and_labels(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns ``split`` and ``label`` of a frame of labelled pairs, checked."""
    missing = [column for column in ("source", "target", "label", "split") if column not in frame]
    if missing:
        msg = (
            f"split: the frame lacks the columns {listed(missing)}; "
            "it needs source, target, label and split."
        )
        raise ValueError(msg)
    parts = frame["split"].astype(str).to_numpy()
    found = set(parts)
    if not {"train", "test"} <= found <= set(PARTS):
        msg = (
            "split: its column 'split' must hold 'train', 'test' and, optional, 'validation', and "
            f"nothing else; found {listed(sorted(found))}."
        )
        raise ValueError(msg)
    # Text of numbers, as a file without types gives it, is read; "yes" and gaps are not.
    numbers = pd.to_numeric(frame["label"], errors="coerce")
    labels = numbers.to_numpy(np.float64, na_value=np.nan)
    good = np.isin(labels, (0, 1))
    if not good.all():
        wrong = frame["label"][~good].astype(str).unique()
        msg = (
            f"split: its column 'label' must hold 0 and 1, but {int((~good).sum()):,} of "
            f"{len(good):,} rows hold {listed(wrong, 5)}."
        )
        raise ValueError(msg)
    return parts, labels


def pairs_frame(split: Split, genes: pd.Index) -> pd.DataFrame:
    """Return all labelled pairs as a frame: source, target, label (int8), split (categorical).

    Where non-edges were drawn, also stands_for: how many pairs each counts for.
    """
    parts: list[Pairs] = [getattr(split, part) for part in PARTS]
    names = genes.to_numpy()
    columns: dict[str, Any] = {}
    for column, field in (("source", "sources"), ("target", "targets")):
        place = np.concatenate([getattr(pairs, field) for pairs in parts])
        # Categoricals: names repeat many times, and files store each once.
        present = np.zeros(len(names), bool)
        present[place] = True
        code = np.cumsum(present, dtype=np.int32) - 1
        columns[column] = pd.Categorical.from_codes(code[place], pd.Index(names[present]))
    columns["label"] = np.concatenate([pairs.labels for pairs in parts]).astype(np.int8)
    weights = concatenate(parts).weights
    if weights is not None:
        columns[STANDS_FOR] = weights.astype(np.float32)
    number = np.repeat(np.arange(3), [len(pairs) for pairs in parts])
    columns["split"] = pd.Categorical(np.array(PARTS)[number], categories=list(PARTS))
    # A file spells out even an index that counts, by default in 64 bits.
    return pd.DataFrame(columns, index=np.arange(len(number), dtype=np.int32))


def genes_of(names: pd.Series, role: str, adata: AnnData, gene_symbols: str | None) -> np.ndarray:
    """Return the positions of named genes, int32, or raise and name those that are not there."""
    if isinstance(names.dtype, pd.CategoricalDtype) and not names.hasnans:
        # Of millions of pairs, each name once.
        used = names.cat.remove_unused_categories().cat
        return genes_of(pd.Series(used.categories), role, adata, gene_symbols)[used.codes]
    text = names.astype(str)
    where = positions(text, gene_ids(adata, gene_symbols))
    place = "adata.var_names" if gene_symbols is None else f"adata.var[{gene_symbols!r}]"
    for code, fault in ((-1, "are not in"), (-2, "are the names of several genes in")):
        if (where == code).any():
            found = text[where == code].unique()
            msg = (
                f"split: {len(found)} genes of its column {role!r} {fault} {place}: "
                f"{listed(found, 5)}. Drop those pairs first."
            )
            raise ValueError(msg)
    return where.astype(np.int32)
