"""Look up genes by name, and say why names do not match."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._logging import logger
from scregnet._validate import check_name, shortened

if TYPE_CHECKING:
    from anndata import AnnData

# ENSMUSG00000051951.6: the letters before the G name the organism (none: human), .6 is the version.
_ENSEMBL = re.compile(r"^(ENS([A-Z]*)G\d+)(\.\d+)?$")
_ORGANISMS = {"": "human", "MUS": "mouse"}
# Below this share of matched names, a cause that explains five times as many is worth a warning.
_POOR, _MANY_MORE = 0.1, 5


@dataclass(frozen=True)
class Cause:
    """A reason why names do not match: how many names it explains, and the text for the user."""

    n_matched: int
    text: str


def gene_ids(adata: AnnData, gene_symbols: str | None) -> pd.Index:
    """Return the names of the genes in the order of ``adata.var_names``; a missing one is NaN.

    ``gene_symbols`` is the column of ``adata.var`` to take; ``None`` takes ``adata.var_names``.
    """
    if gene_symbols is None:
        return adata.var_names
    check_name("gene_symbols", gene_symbols)
    if gene_symbols not in adata.var:
        text = [str(column) for column in adata.var if _is_text(adata.var[column])]
        msg = (
            f"gene_symbols={shortened(gene_symbols)} is not a column of adata.var; "
            f"its text columns: {', '.join(text) or 'none'}."
        )
        raise KeyError(msg)
    column = adata.var[gene_symbols]
    if not _is_text(column):
        msg = (
            f"gene_symbols={gene_symbols!r}: {place_of_names(gene_symbols)} "
            f"holds {column.dtype}, not names."
        )
        raise ValueError(msg)
    return pd.Index(column.to_numpy(dtype=object))


def place_of_names(gene_symbols: str | None) -> str:
    """Return how messages call the place where gene names were looked up."""
    return "adata.var_names" if gene_symbols is None else f"adata.var[{gene_symbols!r}]"


def positions(names: Iterable[str], genes: pd.Index) -> np.ndarray:
    """Return the position of each name in ``genes``: -1 if it is absent, -2 if it occurs twice."""
    wanted = pd.Index(list(names), dtype=object)
    known, twice = np.asarray(genes.notna()), genes.duplicated(keep=False)
    single = np.flatnonzero(known & ~twice)
    where = pd.Index(genes[single], dtype=object).get_indexer(wanted)
    found = np.full(len(wanted), -1)
    found[where >= 0] = single[where[where >= 0]]
    found[wanted.isin(genes[known & twice])] = -2
    return found


def places_of(names: pd.Series, genes: pd.Index) -> np.ndarray:
    """Return the position of each name in unique ``genes``, -1 if it is absent.

    Of a categorical each category is looked up once.
    """
    if not isinstance(names.dtype, pd.CategoricalDtype):
        return genes.get_indexer(pd.Index(names.astype(str)))
    of_category = genes.get_indexer(pd.Index(names.cat.categories.astype(str)))
    # The last one is for names that are missing, whose code is -1.
    return np.append(of_category, -1)[names.cat.codes.to_numpy()]


def likely_cause(
    names: Iterable[str], adata: AnnData, gene_symbols: str | None, what: str
) -> Cause:
    """Return why few or none of ``names`` are among the gene names of ``adata``.

    Parameters
    ----------
    names
        The names that were looked up.
    adata
        Where they were looked up.
    gene_symbols
        Column of ``adata.var`` that was searched; ``None`` for ``adata.var_names``.
    what
        Where the names come from, in the words of the message: ``"the prior"``.
    """
    given = pd.Index(sorted({str(name) for name in names}), dtype=object)
    genes = pd.Index(gene_ids(adata, gene_symbols).dropna(), dtype=object).unique()
    here = place_of_names(gene_symbols)
    causes = [
        _transposed(given, adata),
        *_other_columns(given, adata, gene_symbols),
        _numbers(given, genes, here, what),
        _version(given, genes, here, what),
        _spaces(given, genes, here, what),
        _letter_case(given, genes, here, what),
    ]
    best = max(causes, key=lambda cause: cause.n_matched)
    return best if best.n_matched else Cause(0, _different_kinds(given, genes, here, what))


def warn_if_poor(
    names: pd.Index, n_matched: int, adata: AnnData, gene_symbols: str | None, what: str
) -> None:
    """Log a warning if few of ``names`` match and a likely cause explains many more."""
    if n_matched >= _POOR * min(len(names), adata.n_vars):
        return
    cause = likely_cause(names, adata, gene_symbols, what)
    if cause.n_matched > _MANY_MORE * n_matched:
        logger.warning(
            "%s: only %d of %d gene names match. Likely cause: %s",
            *(what, n_matched, len(names), cause.text),
        )


def warn_if_ambiguous(call: str, n: int, things: str) -> None:
    """Log a warning if ``call`` drops ``n`` ``things`` whose name belongs to several genes."""
    if n:
        logger.warning(
            "%s: %d %s left out because several genes of adata share their name", call, n, things
        )


def ensembl_organism(names: pd.Index) -> str | None:
    """Return the organism of Ensembl gene ids; ``None`` if most names are not Ensembl ids."""
    found = [match[2] for name in names if (match := _ENSEMBL.fullmatch(str(name)))]
    if len(found) <= len(names) / 2:
        return None
    commonest = max(set(found), key=found.count)
    return _ORGANISMS.get(commonest, f"the organism of ENS{commonest}G ids")


def organism_of(names: pd.Index) -> str | None:
    """Guess the organism from the spelling of gene names: ``"human"``, ``"mouse"`` or ``None``.

    Ensembl ids name it. Human symbols are upper case (``GATA1``), mouse symbols capitalised
    (``Gata1``). Upper case alone is weak evidence: mouse data are also found in upper case.
    """
    organism = ensembl_organism(names)
    if organism is not None:
        return organism
    # The first letter is upper case in both organisms, so only the rest of a name decides.
    words = [str(name) for name in names if str(name)[1:].upper() != str(name)[1:].lower()]
    if not words:
        return None
    # Half is enough: names such as C1orf112 keep a human list from being all upper case.
    upper = sum(word == word.upper() for word in words) / len(words)
    if upper > 0.5:
        return "human"
    capitalised = sum(
        word[0] == word[0].upper() and word[1:] == word[1:].lower() for word in words
    ) / len(words)
    return "mouse" if capitalised > 0.5 else None


def _is_text(column: pd.Series) -> bool:
    values = (
        column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column.dropna()
    )
    return pd.api.types.infer_dtype(values, skipna=True) == "string"


def _other_columns(given: pd.Index, adata: AnnData, used: str | None) -> list[Cause]:
    """Names that match another column of ``adata.var``, one cause per column."""
    causes = []
    if used is not None:
        n = int(given.isin(adata.var_names).sum())
        advice = f"leave gene_symbols={used!r} out"
        causes.append(Cause(n, f"{n:,} of them match adata.var_names: {advice}."))
    for column in adata.var:
        if column == used or not _is_text(adata.var[column]):
            continue
        n = int(given.isin(adata.var[column].dropna().astype(str)).sum())
        advice = f"pass gene_symbols={str(column)!r}"
        causes.append(Cause(n, f"{n:,} of them match adata.var[{str(column)!r}]: {advice}."))
    return causes


def _transposed(given: pd.Index, adata: AnnData) -> Cause:
    n = int(given.isin(adata.obs_names).sum())
    return Cause(
        n,
        f"{n:,} of them match adata.obs_names: adata seems to be genes × cells. Pass adata.T, "
        "whose rows are cells.",
    )


def _numbers(given: pd.Index, genes: pd.Index, here: str, what: str) -> Cause:
    n, mine, theirs = _match_after(
        lambda names: names.str.replace(r"^(\d+)\.0$", r"\1", regex=True), given, genes
    )
    return Cause(
        n,
        f"ids that became floating-point numbers: {here} hold {theirs!r}, {what} {mine!r}. {n:,} "
        "of them match without the '.0'; read the ids as text, or strip it with "
        ".str.removesuffix('.0').",
    )


def _version(given: pd.Index, genes: pd.Index, here: str, what: str) -> Cause:
    n, mine, theirs = _match_after(
        lambda names: names.str.replace(_ENSEMBL, r"\1", regex=True), given, genes
    )
    return Cause(
        n,
        f"Ensembl version suffixes: {here} look like {theirs!r}, {what} like {mine!r}. "
        f"{n:,} of them match without the version; strip it with .str.split('.').str[0].",
    )


def _spaces(given: pd.Index, genes: pd.Index, here: str, what: str) -> Cause:
    n, mine, theirs = _match_after(lambda names: names.str.strip(), given, genes)
    return Cause(
        n,
        f"spaces around names: {here} hold {theirs!r}, {what} {mine!r}. "
        f"{n:,} of them match after .str.strip().",
    )


def _letter_case(given: pd.Index, genes: pd.Index, here: str, what: str) -> Cause:
    n, mine, theirs = _match_after(lambda names: names.str.upper(), given, genes)
    text = f"letter case: {here} look like {theirs!r}, {what} like {mine!r}"
    data_organism, given_organism = organism_of(genes), organism_of(given)
    if {data_organism, given_organism} == {"human", "mouse"}:
        text += (
            f" ({data_organism} and {given_organism} spelling: likely a mix-up of organisms; "
            f"take {what} of the data's organism, or map it to orthologues)"
        )
    return Cause(n, f"{text}. {n:,} of them match when letter case is ignored.")


def _match_after(
    change: Callable[[pd.Index], pd.Index], given: pd.Index, genes: pd.Index
) -> tuple[int, str, str]:
    """Count names that match only after ``change``; give one example as each side spells it."""
    left = pd.Series(given, index=change(given))
    right = pd.Series(genes, index=change(genes))
    right = right[~right.index.duplicated()]
    left = left[left.index.isin(right.index) & ~left.isin(genes)]
    if left.empty:
        return 0, "", ""
    return len(left), str(left.iloc[0]), str(right[left.index[0]])


def _different_kinds(given: pd.Index, genes: pd.Index, here: str, what: str) -> str:
    """Compare the kinds of names, for the case that no change of spelling makes any match."""
    examples = (
        f"{here} look like {', '.join(map(repr, genes[:3].astype(str)))}, "
        f"{what} like {', '.join(map(repr, given[:3].astype(str)))}"
    )
    mine, theirs = ensembl_organism(given), ensembl_organism(genes)
    if theirs is not None and mine is None:
        return (
            f"Ensembl ids against symbols: {examples}. "
            f"Put symbols into a column of adata.var, or map {what} to ids."
        )
    if theirs is None and mine is not None:
        return (
            f"symbols against Ensembl ids: {examples}. "
            f"Put Ensembl ids into a column of adata.var, or map {what} to symbols."
        )
    if theirs != mine:
        return (
            f"a mix-up of organisms: {examples} ({theirs} and {mine}). Map {what} to orthologues."
        )
    return f"names of another kind or organism: {examples}."
