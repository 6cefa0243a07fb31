"""The ids of the genes of an AnnData, as a model gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from scregnet._logging import logger
from scregnet._validate import check_name, listed, shortened
from scregnet.encoders.aliases import renamed
from scregnet.encoders.gene_ids import to_human

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from anndata import AnnData

    from scregnet.encoders import GeneEncoder
    from scregnet.encoders.aliases import AliasTable
    from scregnet.encoders.training.protocol import MaskedModel


def genes_of(
    adata: AnnData,
    gene_ids: str | None,
    orthologues: pd.DataFrame | Mapping[str, Any] | Literal["upper"] | None = None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the ids of the genes as text, and what was done for the record.

    With ``orthologues`` they are human ids. A gene without an id, or without an orthologue, has
    empty text. Raise ``KeyError`` if ``gene_ids`` is no column.
    """
    check_name("gene_ids", gene_ids)
    if gene_ids is None:
        genes = adata.var_names.to_numpy(dtype=object).astype(str)
    elif gene_ids in adata.var:
        column = adata.var[gene_ids]
        genes = column.astype(object).where(column.notna(), "").to_numpy(dtype=object).astype(str)
    else:
        msg = (
            f"gene_ids={shortened(gene_ids)} is not a column of adata.var; it has "
            f"{listed(adata.var.columns)}."
        )
        raise KeyError(msg)
    if orthologues is None:
        return genes, {"gene_ids": gene_ids, "orthologues": None}
    human, record = to_human(genes, orthologues)
    if record["orthologues"] == "upper":
        logger.info(
            "orthologues: symbols in upper case are taken for human ones; %d of %d genes changed",
            *(record["n_orthologues"], len(genes)),
        )
    else:
        logger.info(
            "orthologues: %d of %d genes have a human one; %d are left out because they have "
            "several and none of the same name",
            *(record["n_orthologues"], len(genes), record["n_ambiguous"]),
        )
    return human, {"gene_ids": gene_ids, **record}


def with_aliases(
    name: str, encoder: GeneEncoder | MaskedModel, genes: np.ndarray, table: AliasTable | None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return ids with unknown ones under a name that the model knows, and the record."""
    if table is None:
        return genes, {"aliases": None}
    match = getattr(encoder, "match", None)
    if match is None:
        msg = f"model={name!r} has no vocabulary, so aliases= has no meaning; leave it out."
        raise ValueError(msg)
    genes, record = renamed(match, genes, table)
    logger.info(
        "aliases: %d genes found under another name; %d left out because several genes would do, "
        "%d because the data have that gene under its own name",
        *(record[f"n_{what}"] for what in ("renamed", "alias_ambiguous", "alias_taken")),
    )
    return genes, {"aliases": "table", **record}
