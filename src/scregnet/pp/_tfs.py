"""Mark the transcription factors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, check_writable, resolve, write
from scregnet._anndata.taken import check_free
from scregnet._docs import doc
from scregnet._genes.names import (
    ensembl_organism,
    gene_ids,
    likely_cause,
    organism_of,
    place_of_names,
    positions,
    warn_if_ambiguous,
    warn_if_poor,
)
from scregnet._genes.network import read_network
from scregnet._logging import logger
from scregnet._text import read_text
from scregnet._validate import check_choice, check_text

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@doc
def tfs(
    adata: AnnData | MuData,
    tfs: Iterable[str] | str | Path | None = None,
    *,
    organism: Literal["human", "mouse"] | None = None,
    prior: str = "prior",
    gene_symbols: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
    mod: str = "rna",
) -> AnnData | MuData | None:
    """Mark the genes that are transcription factors (TFs), from a list or from the prior network.

    The package ships no list. A human one is in :cite:t:`lambert2018tfs`.

    Parameters
    ----------
    %(adata)s
    tfs
        Names of TFs, or the path of a text file with one name a line; ``None`` takes the
        regulators of the prior network.
    organism
        Organism of the data. If given, letter case is ignored (with a warning where it differs)
        and genes of another organism are an error.
    prior
        Key of ``adata.varp`` with the prior network (row = regulator), read if ``tfs`` is ``None``.
    gene_symbols
        Column of ``adata.var`` with the names in the list; ``None`` takes ``adata.var_names``.
        Names that several genes share are left out, with a warning.
    %(key_added)s
    %(copy)s
    %(mod)s

    Returns
    -------
    Returns `None` if `copy=False`, else the changed copy. Sets the following fields:

    - ``.var["is_tf"]`` (or ``key_added``): bool; earlier marks are replaced.
    - ``.uns["is_tf"]`` (or ``key_added``): source of the TFs, how many were given and matched.

    Raises
    ------
    ValueError
        If the list is empty, has missing names or matches nothing, or ``key_added`` names what
        this function did not write.
    KeyError, FileNotFoundError
        If the prior network, the column of ``adata.var`` or the file does not exist.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd, scregnet as sr
    >>> adata = anndata.AnnData(np.ones((5, 3)), var=pd.DataFrame(index=["GATA1", "KLF1", "HBB"]))
    >>> sr.pp.tfs(adata, ["GATA1", "KLF1", "SPI1"])
    >>> adata.var["is_tf"].tolist()
    [True, True, False]
    """
    source = resolve(adata, mod)
    check_names(source)
    check_writable(source, copy=copy)
    key = "is_tf" if key_added is None else key_added
    _check_own(source, key)
    genes = gene_ids(source, gene_symbols)
    if organism is not None:
        check_choice("organism", organism, ("human", "mouse"))
        _check_organism(pd.Index(genes.dropna()), organism)

    marked = np.zeros(source.n_vars, dtype=bool)
    report: dict[str, Any] = {"organism": organism, "gene_symbols": gene_symbols}
    if tfs is None:
        marked[read_network(prior, source).sources] = True
        n = int(marked.sum())
        report |= {"from": f"varp[{prior!r}]", "n_given": n, "n_matched": n}
        logger.info("tfs: %d regulators of varp[%r] are TFs", n, prior)
    else:
        found, counts = _match(_names(tfs), genes, source, gene_symbols, organism)
        marked[found] = True
        # sr.pp.prior reads "given": TFs that the user named stay when the prior is replaced.
        given = source.var_names[marked].to_numpy(dtype=object)
        report |= {"from": "list", **counts, "given": given}

    data = adata.copy() if copy else adata
    write(resolve(data, mod), var={key: marked}, uns={key: report})
    return data if copy else None


def _check_own(adata: AnnData, key: str) -> None:
    """Raise if the call would overwrite what marks no TFs; ``var["is_tf"]`` always does."""
    check_text("key_added", key)
    entry = adata.uns.get(key)
    slots = [] if key == "is_tf" else [("var", key)]
    if isinstance(entry, Mapping) and {"from", "n_given", "n_matched"} <= set(entry):
        slots = []
    else:
        slots.append(("uns", key))
    check_free(adata, "key_added", key, slots, "what sr.pp.tfs wrote")


def _names(tfs: Any) -> pd.Index:
    """The names of a list or a file, each once."""
    if isinstance(tfs, (str, Path)):
        path = Path(tfs).expanduser()
        if not path.is_file():
            msg = (
                f"tfs={str(tfs)!r} is not a file. "
                "Pass the path of a text file with one name a line, or a list of names."
            )
            raise FileNotFoundError(msg)
        lines = read_text(path, f"tfs={str(tfs)!r}").splitlines()
        tfs = [line.strip() for line in lines if line.strip()]
    elif isinstance(tfs, pd.DataFrame) or not isinstance(tfs, Iterable):
        msg = f"tfs must be names of TFs or the path of a text file, got {type(tfs).__name__}."
        raise TypeError(msg)
    names = pd.Index(list(tfs), dtype=object)
    if names.empty:
        msg = "tfs names no TF."
        raise ValueError(msg)
    odd = [name for name in names if not isinstance(name, str)]
    if odd:
        # pandas reads a gene called NA as a missing value.
        msg = (
            f"tfs holds {odd[0]!r}, which is not a name. Drop it; "
            "if a gene is called 'NA', read the file with keep_default_na=False."
        )
        raise ValueError(msg)
    return names.unique()


def _check_organism(names: pd.Index, organism: str) -> None:
    """Raise if the spelling of gene names shows another organism."""
    found = ensembl_organism(names)
    kind = "Ensembl ids" if found else "symbols"
    # Upper-case symbols pass for mouse: mouse data are often kept that way.
    if found is None and organism == "human" and organism_of(names) == "mouse":
        found = "mouse"
    if found not in (None, organism):
        msg = (
            f"organism={organism!r}, but the genes of adata are {kind} of {found}, "
            f"such as {str(names[0])!r}."
        )
        raise ValueError(msg)


def _match(
    names: pd.Index, genes: pd.Index, adata: AnnData, gene_symbols: str | None, organism: str | None
) -> tuple[np.ndarray, dict[str, int]]:
    """Positions of the genes with these names, and the counts for the report."""
    found = positions(names, genes)
    by_case = np.zeros(len(names), dtype=bool)
    if organism is not None:
        # Within one organism no two symbols differ in letter case alone.
        missing = found == -1
        folded = pd.Index(genes.to_series().str.upper().to_numpy(), dtype=object)
        found[missing] = positions(names[missing].str.upper(), folded)
        by_case = missing & (found >= 0)
    matched = np.unique(found[found >= 0])
    if not len(matched):
        cause = likely_cause(names, adata, gene_symbols, "the list of TFs")
        msg = (
            f"none of the {len(names):,} TFs is in {place_of_names(gene_symbols)}. "
            f"Likely cause: {cause.text}"
        )
        raise ValueError(msg)
    counts = {
        "n_given": len(names),
        "n_matched": len(matched),
        "n_matched_by_case": int(by_case.sum()),
        "n_ambiguous": int((found == -2).sum()),
    }
    if by_case.any():
        logger.warning(
            "tfs: %d of %d TFs match only without regard to letter case, such as %r",
            *(counts["n_matched_by_case"], len(names), names[by_case][0]),
        )
    warn_if_poor(names, len(matched), adata, gene_symbols, "the list of TFs")
    warn_if_ambiguous("tfs", counts["n_ambiguous"], "TFs")
    logger.info("tfs: %d of %d TFs are in adata", len(matched), len(names))
    return matched, counts
