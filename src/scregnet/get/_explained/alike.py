"""Labelled genes and TFs that are most similar to those of a link."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet.links import EnsembleLinks
from scregnet.links.folded import FoldedLinks

if TYPE_CHECKING:
    from scregnet.links import FittedLinks


def similar_targets(
    links: Any, labelled: pd.DataFrame, genes: pd.Index, link: tuple[str, str], n: int
) -> pd.DataFrame:
    """Return those of the labelled genes of the TF that are most similar to the target."""
    target = link[1]
    labelled = labelled[labelled["target"] != target]
    return _nearest(links, "similar_genes", labelled, "target", genes, target, n).rename(
        columns={"target": "gene"}
    )


def similar_tfs(
    links: Any, labelled: pd.DataFrame, genes: pd.Index, link: tuple[str, str], n: int
) -> pd.DataFrame:
    """Return those of the TFs with a label for the target that are most similar to the TF."""
    source = link[0]
    labelled = labelled[labelled["source"] != source]
    return _nearest(links, "similar_tfs", labelled, "source", genes, source, n).rename(
        columns={"source": "tf"}
    )


def _nearest(
    links: Any,
    how: str,
    labelled: pd.DataFrame,
    column: str,
    genes: pd.Index,
    gene: str,
    n: int,
) -> pd.DataFrame:
    """Return the ``n`` most similar rows of ``labelled``; none if the links know no similarity."""
    member = first_member(links)
    similarity: Callable[[int, np.ndarray], np.ndarray] | None = getattr(member, how, None)
    if similarity is None:
        labelled = labelled.iloc[:0]
    others = genes.get_indexer(pd.Index(labelled[column].astype(str)))
    values = np.zeros(0)
    if similarity is not None and len(others):
        values = similarity(int(genes.get_indexer(pd.Index([gene]))[0]), others)
    order = np.argsort(-values, kind="stable")[:n]
    nearest = labelled.iloc[order]
    return pd.DataFrame(
        {
            column: nearest[column].astype(str).to_numpy(),
            "similarity": values[order].astype(np.float32),
            "label": nearest["label"].to_numpy(bool),
            "split": nearest["split"].astype(str).to_numpy(),
        }
    )


def first_member(links: Any) -> FittedLinks:
    """Return one fit of several: similarity hardly differs between them."""
    return links.members[0] if isinstance(links, (EnsembleLinks, FoldedLinks)) else links
