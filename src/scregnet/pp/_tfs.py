"""Mark the transcription factors."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, resolve, write
from scregnet._docs import doc
from scregnet._genes.names import (
    ensembl_organism,
    gene_ids,
    likely_cause,
    organism_of,
    positions,
    warn_if_poor,
)
from scregnet._genes.network import read_network
from scregnet._logging import logger
from scregnet._validate import check_choice

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

    No list of TFs comes with the package; take one for the organism of the data, for example the human one of
    Lambert et al., *Cell* 172 (2018), or AnimalTFDB's.

    Parameters
    ----------
    %(adata)s
    tfs
        Names of TFs: a list, set, array, index or series, or the path of a text file with one name a line. ``None`` takes
        the regulators of the prior network.
    organism
        Organism of the data. ``None`` matches names exactly as they are written. When it is given,

        - names that are not found as written are looked up without regard to letter case (within one organism, symbols do
          not differ by it alone), counted and warned of: so a list spelled ``Gata1`` serves data spelled ``GATA1``. This is
          not a map of orthologues, and it leaves TFs out that are named differently in the two organisms;
        - gene names that belong to another organism (Ensembl ids; capitalised symbols for human) are an error. Upper-case
          symbols pass for mouse, since mouse data are often kept so.
    prior
        Key of ``adata.varp`` with the network to take regulators from when ``tfs`` is ``None``: what
        :func:`scregnet.pp.prior` wrote, row = regulator.
    gene_symbols
        Column of ``adata.var`` with the names that the list uses; ``None`` takes ``adata.var_names``. A name that several
        genes share is left out, counted and warned of.
    %(key_added)s
    %(copy)s
    %(mod)s

    Returns
    -------
    Returns `None` if `copy=False`, else the changed copy. Sets the following fields:

    - ``.var["is_tf"]`` (or ``key_added``): bool, True for TFs. Marks from before are replaced.
    - ``.uns["is_tf"]`` (or ``key_added``): where the TFs come from, how many were given and matched, and the genes that
      the list named.

    Raises
    ------
    ValueError
        If the list is empty or has missing names, if none of it matches (with the likely cause), or if gene names belong to
        another organism.
    KeyError
        If there is no such prior network, or no such column of ``adata.var``.
    FileNotFoundError
        If ``tfs`` is text but not the path of a file.

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
    key = "is_tf" if key_added is None else key_added
    ids = gene_ids(source, gene_symbols)
    if organism is not None:
        check_choice("organism", organism, ("human", "mouse"))
        _check_organism(pd.Index(ids.dropna()), organism)

    marked = np.zeros(source.n_vars, dtype=bool)
    report: dict[str, Any] = {"organism": organism, "gene_symbols": gene_symbols}
    if tfs is None:
        network = read_network(prior, source)
        marked[network.sources] = True
        report |= {
            "from": f"varp[{prior!r}]",
            "n_given": int(marked.sum()),
            "n_matched": int(marked.sum()),
        }
        logger.info("tfs: %d regulators of varp[%r] are TFs", report["n_given"], prior)
    else:
        names = _names(tfs)
        found, counts = _match(names, ids, source, gene_symbols, organism)
        marked[found] = True
        report |= {
            "from": "list",
            **counts,
            "given": source.var_names[marked].to_numpy(dtype=object),
        }

    data = adata.copy() if copy else adata
    write(resolve(data, mod), var={key: marked}, uns={key: report})
    return data if copy else None


def _names(tfs: Any) -> pd.Index:
    if isinstance(tfs, (str, Path)):
        path = Path(tfs).expanduser()
        if not path.is_file():
            msg = f"tfs={str(tfs)!r} is not a file. Pass the path of a text file with one name a line, or a list of names."
            raise FileNotFoundError(msg)
        tfs = [
            line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
        ]
    elif isinstance(tfs, pd.DataFrame) or not isinstance(tfs, Iterable):
        msg = f"tfs must be names of TFs or the path of a text file, got {type(tfs).__name__}."
        raise TypeError(msg)
    names = pd.Index(list(tfs), dtype=object)
    if names.empty:
        msg = "tfs names no TF."
        raise ValueError(msg)
    if names.hasnans or not all(isinstance(name, str) for name in names):
        odd = next(name for name in names if not isinstance(name, str))
        msg = f"tfs holds {odd!r}, which is not a name. Drop it; if a gene is called 'NA', read the file with keep_default_na=False."
        raise ValueError(msg)
    return names.unique()


def _check_organism(names: pd.Index, organism: str) -> None:
    ensembl = ensembl_organism(names)
    found = ensembl or (
        "mouse" if organism == "human" and organism_of(names) == "mouse" else organism
    )
    if found != organism:
        kind = "Ensembl ids" if ensembl else "symbols"
        msg = f"organism={organism!r}, but the genes of adata are {kind} of {found}, such as {str(names[0])!r}."
        raise ValueError(msg)


def _match(
    names: pd.Index, ids: pd.Index, adata: AnnData, gene_symbols: str | None, organism: str | None
) -> tuple[np.ndarray, dict[str, int]]:
    """Positions of the genes that ``names`` stand for, and the counts to report."""
    found = positions(names, ids)
    by_case = np.zeros(len(names), dtype=bool)
    if organism is not None:
        missing = found == -1
        folded = pd.Index(ids.to_series().str.upper().to_numpy(), dtype=object)
        found[missing] = positions(names[missing].str.upper(), folded)
        by_case = missing & (found >= 0)
    matched = np.unique(found[found >= 0])
    n_ambiguous = int((found == -2).sum())
    if not len(matched):
        where = "adata.var_names" if gene_symbols is None else f"adata.var[{gene_symbols!r}]"
        cause = likely_cause(names, adata, gene_symbols, "the list of TFs")
        msg = f"none of the {len(names):,} TFs is in {where}. Likely cause: {cause.text}"
        raise ValueError(msg)
    if by_case.any():
        logger.warning(
            "tfs: %d of %d TFs match only without regard to letter case, such as %r",
            by_case.sum(),
            len(names),
            names[by_case][0],
        )
    warn_if_poor(names, len(matched), adata, gene_symbols, "the list of TFs")
    if n_ambiguous:
        logger.warning(
            "tfs: %d TFs left out because several genes of adata share their name", n_ambiguous
        )
    logger.info("tfs: %d of %d TFs are in adata", len(matched), len(names))
    return matched, {
        "n_given": len(names),
        "n_matched": len(matched),
        "n_matched_by_case": int(by_case.sum()),
        "n_ambiguous": n_ambiguous,
    }
