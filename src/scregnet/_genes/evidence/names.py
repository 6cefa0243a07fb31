"""The names by which genes of the data are looked up in evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from scregnet._genes.names import gene_ids
from scregnet.encoders.gene_ids import to_human

if TYPE_CHECKING:
    from anndata import AnnData


def names_in_evidence(
    adata: AnnData,
    gene_symbols: str | None,
    orthologues: pd.DataFrame | Mapping[str, Any] | Literal["upper"] | None,
) -> tuple[pd.Index, dict[str, Any]]:
    """Return the names by which the genes are looked up, and what was asked for."""
    names = gene_ids(adata, gene_symbols)
    asked: dict[str, Any] = {"gene_symbols": gene_symbols, "orthologues": None}
    if orthologues is None:
        return names, asked
    texts = names.to_series().fillna("").astype(str).to_numpy()
    mapped, record = to_human(texts, orthologues)
    # Genes without an orthologue have no name, as those without a symbol.
    found = pd.Series(mapped.astype(object)).where(mapped != "", None)
    return pd.Index(found.to_numpy(dtype=object)), {
        **asked,
        "orthologues": record["orthologues"],
        "n_orthologues": record["n_orthologues"],
    }
