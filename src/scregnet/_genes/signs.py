"""Signs of a known network: which columns give them, and how slots keep them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._logging import logger
from scregnet._validate import listed
from scregnet.links.pairs.codes import pair_codes
from scregnet.links.signs.known import ROLES, KnownSigns

if TYPE_CHECKING:
    from anndata import AnnData

COLUMNS = ("sign", "mode", "mor", "mode_of_regulation")
"""Columns with signs, in lower case. ``mode`` is TRRUST's, ``mor`` that of older decoupler."""

# The beginning of a word, in lower case, and its sign; 0 is unknown.
_WORDS = {
    "activ": 1,
    "stimul": 1,
    "positive": 1,
    "repress": -1,
    "inhib": -1,
    "negative": -1,
    "unknown": 0,
    "nan": 0,
    "none": 0,
}
# The arrows are RegNetwork's.
_SYMBOLS = {"+": 1, "-": -1, "?": 0, ".": 0, "": 0}
ARROWS = {"-->": 1, "->": 1, "--|": -1, "-|": -1, "-p": 0, "---": 0, "--": 0, "-/-": 0}


def read_signs(column: pd.Series) -> np.ndarray:
    """Return 1, -1 or 0 (unknown) for each value of a column with numbers or words."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    signs = np.nan_to_num(np.sign(numbers))
    words = np.flatnonzero(np.isnan(numbers) & column.notna().to_numpy())
    if len(words):
        text = column.iloc[words].astype(str).str.strip().str.lower()
        meaning = {word: _meaning(word) for word in text.unique()}
        if unread := [word for word, sign in meaning.items() if sign is None]:
            msg = (
                f"prior has {listed(unread, 3)} in its column {column.name!r}, which is read as "
                "the sign. Write 'activation', 'repression', 'unknown', or 1, -1 and 0; or drop "
                "the column."
            )
            raise ValueError(msg)
        signs[words] = text.map(meaning).to_numpy(np.float64)
    return signs.astype(np.int8)


def _meaning(word: str) -> int | None:
    if word in _SYMBOLS or word in ARROWS:
        return {**_SYMBOLS, **ARROWS}[word]
    return next((sign for start, sign in _WORDS.items() if word.startswith(start)), None)


def merge_signs(edges: pd.DataFrame) -> pd.DataFrame:
    """Join rows of one edge: TRRUST has one for each sign that was reported.

    A known sign wins over an unknown one. Edges that activate and repress become unknown. Rows that
    differ in the size of their weight stay apart.
    """
    key = ["source", "target", "size"]
    sized = edges.assign(size=edges["weight"].abs())
    repeated = sized.duplicated(key, keep=False)
    if not repeated.any():
        return edges
    groups = sized[repeated].groupby(key, sort=False)["sign"]
    lowest, highest = groups.transform("min"), groups.transform("max")
    merged = edges.copy()
    # Of -1, 0 and 1 the sum of the ends is the rule: -1 and 0 give -1, 0 and 1 give 1, -1 and 1
    # give 0.
    merged.loc[repeated, "sign"] = lowest + highest
    # Without an unknown row the ends are equal, and their sum is twice the sign.
    merged["sign"] = np.sign(merged["sign"]).astype(np.int8)
    first = ~sized.duplicated(key)
    n_both = int((lowest * highest < 0)[first[repeated]].sum())
    logger.info(
        "prior: %d edges have several rows; %d of them activate and repress, and count as edges "
        "of unknown sign",
        int((repeated & first).sum()),
        n_both,
    )
    return merged[first]


def outside_counts(
    sources: np.ndarray, targets: np.ndarray, signs: np.ndarray, n_genes: int
) -> np.ndarray:
    """Count each gene's signed edges whose other gene is not in the data (negative position)."""
    counts = np.zeros((n_genes, len(ROLES)), np.int32)
    for column, (own, other) in enumerate(((sources, targets), (targets, sources))):
        here = (own >= 0) & (other < 0) & (signs != 0)
        np.add.at(counts, (own[here], 2 * column + (signs[here] < 0)), 1)
    return counts


def known_signs(
    sources: np.ndarray, targets: np.ndarray, signs: np.ndarray, outside: np.ndarray
) -> KnownSigns:
    """Return the edges whose sign is not 0, sorted by source, then target."""
    known = np.flatnonzero(signs)
    # Folds are drawn by position: the order of the rows of a frame must not change a result.
    known = known[np.lexsort((targets[known], sources[known]))]
    return KnownSigns(
        sources[known].astype(np.int32), targets[known].astype(np.int32), signs[known] > 0, outside
    )


def signs_to_uns(known: KnownSigns, genes: pd.Index) -> dict[str, pd.DataFrame]:
    """Return what ``uns`` keeps of known signs, by name: ``edges`` and ``outside``."""
    names = genes.to_numpy(str).astype(object)
    sign = np.where(known.activates, 1, -1).astype(np.int8)
    edges = pd.DataFrame(
        {"source": names[known.sources], "target": names[known.targets], "sign": sign}
    )
    filled = np.flatnonzero(known.outside.any(axis=1))
    outside = pd.DataFrame(known.outside[filled], columns=list(ROLES))
    outside.insert(0, "gene", names[filled])
    return {"edges": edges.astype({"source": object, "target": object}), "outside": outside}


def signs_from_uns(entry: object, genes: pd.Index) -> KnownSigns | None:
    """Read :func:`signs_to_uns`; genes that are no longer there are left out."""
    if not isinstance(entry, Mapping) or not {"edges", "outside"} <= set(entry):
        return None
    edges = entry["edges"]
    sources, targets = (_places(edges[role], genes) for role in ("source", "target"))
    here = (sources >= 0) & (targets >= 0)
    signs = np.where(here, edges["sign"].to_numpy(), 0)
    # An edge whose target was dropped since still tells of its TF.
    outside = outside_counts(sources, targets, edges["sign"].to_numpy(), len(genes))
    rest = entry["outside"]
    own = _places(rest["gene"], genes)
    outside[own[own >= 0]] += rest.loc[own >= 0, list(ROLES)].to_numpy(np.int32)
    return known_signs(sources, targets, signs, outside)


def _places(names: pd.Series, genes: pd.Index) -> np.ndarray:
    return genes.astype(str).get_indexer(pd.Index(names.to_numpy(dtype=object)).astype(str))


def signs_of_matrix(
    rows: np.ndarray, columns: np.ndarray, values: np.ndarray, report: object, genes: pd.Index
) -> KnownSigns | None:
    """Return the signs of a matrix's edges, or ``None`` if it has none.

    ``report`` is what :func:`scregnet.pp.prior` wrote into ``uns`` with the matrix. It says which
    signs are known: in the matrix an edge of unknown sign looks like an activating one.
    """
    kept = signs_from_uns(report.get("signs") if isinstance(report, Mapping) else None, genes)
    if kept is None or not len(kept):
        if not (values < 0).any():
            return None
        outside = np.zeros((len(genes), len(ROLES)), np.int32)
        return known_signs(rows, columns, np.sign(values), outside)
    n = len(genes)
    activating = pair_codes(kept.sources[kept.activates], kept.targets[kept.activates], n)
    # A negative value is the matrix's own word, also if it was changed since.
    known = (values < 0) | np.isin(pair_codes(rows, columns, n), activating)
    return known_signs(rows, columns, np.where(known, np.sign(values), 0), kept.outside)


def stored_signs(adata: AnnData) -> KnownSigns | None:
    """Return the signs of ``varp["prior"]``, or ``None`` if it is not there or has none."""
    if "prior" not in adata.varp:
        return None
    edges = sp.coo_matrix(adata.varp["prior"])
    kept = (edges.data != 0) & (edges.row != edges.col)
    values = edges.data[kept]
    report = adata.uns.get("prior")
    return signs_of_matrix(edges.row[kept], edges.col[kept], values, report, adata.var_names)
