"""Names of genes as users give and see them: ``adata.var_names`` or a column of ``adata.var``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._genes.names import gene_ids, likely_cause, positions
from scregnet._validate import listed, name_list

if TYPE_CHECKING:
    from anndata import AnnData


def shown_names(adata: AnnData, gene_symbols: str | None) -> pd.Index:
    """Return one name per gene, all different, in the order of ``adata.var_names``.

    A gene goes by its name in ``adata.var[gene_symbols]``. Where that is missing, or where other
    genes have it too, the gene goes by its name in ``adata.var_names``.
    """
    if gene_symbols is None:
        return adata.var_names
    names = pd.Series(gene_ids(adata, gene_symbols), dtype=object)
    nameless = (names.isna() | (names == "") | names.duplicated(keep=False)).to_numpy()
    names = names.where(~nameless, adata.var_names.to_numpy())
    # A name that a gene falls back on may be the symbol of another gene, which then falls back too.
    while (shared := names.duplicated(keep=False)).any():
        names = names.where(~shared, adata.var_names.to_numpy())
    return pd.Index(names.to_numpy(dtype=object))


def find_genes(
    argument: str,
    wanted: str | Sequence[str] | None,
    adata: AnnData,
    gene_symbols: str | None,
    shown: pd.Index,
) -> np.ndarray | None:
    """Return the positions of genes by the names that are shown, each once and in rising order.

    ``None`` stays ``None``. Names that no gene goes by raise ``KeyError``.
    """
    if wanted is None:
        return None
    names = name_list(argument, wanted)
    if not names:
        msg = f"{argument} is empty; name at least one gene, or give None for all."
        raise ValueError(msg)
    found = positions(names, shown)
    if (found < 0).any():
        missing = [name for name, place in zip(names, found, strict=True) if place < 0]
        raise KeyError(_why_missing(argument, missing, adata, gene_symbols, shown))
    return np.unique(found)


def _why_missing(
    argument: str, missing: list[str], adata: AnnData, gene_symbols: str | None, shown: pd.Index
) -> str:
    where = "adata.var_names" if gene_symbols is None else f"adata.var[{gene_symbols!r}]"
    ids = gene_ids(adata, gene_symbols)
    several = np.flatnonzero(positions(missing, ids) == -2)
    if len(several):
        name = missing[several[0]]
        genes = adata.var_names[np.asarray(ids == name)]
        return (
            f"{argument}: {name!r} is the name of {len(genes)} genes in {where}; name the one you "
            f"mean by adata.var_names: {listed(genes)}."
        )
    folded = {str(name).casefold(): name for name in shown}
    close = [folded[str(name).casefold()] for name in missing if str(name).casefold() in folded]
    cause = likely_cause(missing, adata, gene_symbols, argument)
    if close:
        hint = f"Did you mean {listed(close)}?"
    elif cause.n_matched:
        hint = f"Likely cause: {cause.text}"
    else:
        hint = f"They look like {listed(shown[:3])}."
    return f"{argument}: {listed(missing)} not in {where}. {hint}"
