"""What the forms share: the first links with one number each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scregnet.get import grn

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


def ranked(
    adata: AnnData | MuData,
    *,
    key: str,
    group: str | None,
    top_n: int | None,
    mod: str,
    sources: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return ``source``, ``target`` and ``weight`` (probability or score), highest first."""
    frame = grn(adata, key=key, group=group, sources=sources, top_n=top_n, mod=mod)
    # Names as texts: categories would be written in another way.
    return frame[["source", "target", "weight"]].astype({"source": object, "target": object})
