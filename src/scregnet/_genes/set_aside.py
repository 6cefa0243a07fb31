"""Pairs that are neither edges nor non-edges, as ``uns`` keeps them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

Ends = tuple[np.ndarray, np.ndarray]
"""Positions of sources and of targets."""


def joined(one: Ends, other: Ends | None) -> Ends:
    """Return the edges of both."""
    if other is None:
        return one
    return np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])


def set_aside_to_uns(aside: Ends | None, genes: pd.Index) -> dict[str, pd.DataFrame]:
    """Return what ``uns`` keeps of the edges that are neither edges nor non-edges."""
    return {} if aside is None or not len(aside[0]) else {"set_aside": pairs_named(aside, genes)}


def set_aside_from_uns(entry: object, genes: pd.Index) -> Ends | None:
    """Return the edges of an entry of ``uns``, without genes that are gone; ``None`` for none."""
    frame = entry.get("set_aside") if isinstance(entry, Mapping) else None
    if not isinstance(frame, pd.DataFrame) or not {"source", "target"} <= set(frame):
        return None
    sources, targets = (
        genes.get_indexer(pd.Index(frame[end].astype(str))) for end in ("source", "target")
    )
    here = (sources >= 0) & (targets >= 0)
    if not here.any():
        return None
    return sources[here].astype(np.int32), targets[here].astype(np.int32)


def pairs_named(ends: Ends, genes: pd.Index) -> pd.DataFrame:
    """Return pairs of genes by name."""
    names = genes.to_numpy(str).astype(object)
    return pd.DataFrame({"source": names[ends[0]], "target": names[ends[1]]}, dtype=object)
