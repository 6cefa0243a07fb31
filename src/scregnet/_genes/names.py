"""Why gene names do not match: the likely cause, worked out from the names on both sides."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._logging import logger

if TYPE_CHECKING:
    from anndata import AnnData

_ENSEMBL = re.compile(r"ENS([A-Z]*)G\d+(\.\d+)?")
_VERSION = re.compile(r"^(ENS[A-Z]*G\d+)\.\d+$")
# Below this share of matched names, a cause that would match five times as many is worth a warning.
_POOR = 0.1
_ORGANISMS = {"": "human", "MUS": "mouse"}


@dataclass(frozen=True)
class Cause:
    """A reason for a poor overlap: how many of the given names it would make match, and what to tell the user."""

    n_matched: int
    text: str


def gene_ids(adata: AnnData, gene_symbols: str | None) -> pd.Index:
    """Return the names that genes go by, in the order of ``adata.var_names``; a missing one is NaN."""
    if gene_symbols is None:
        return adata.var_names
    if gene_symbols not in adata.var:
        text = [str(column) for column in adata.var if _is_text(adata.var[column])]
        msg = f"gene_symbols={gene_symbols!r} is not a column of adata.var; its text columns: {', '.join(text) or 'none'}."
        raise KeyError(msg)
    column = adata.var[gene_symbols]
    if not _is_text(column):
        msg = f"gene_symbols={gene_symbols!r}: adata.var[{gene_symbols!r}] holds {column.dtype}, not names."
        raise ValueError(msg)
    return pd.Index(column.to_numpy(dtype=object))


def positions(names: Iterable[str], ids: pd.Index) -> np.ndarray:
    """Return where each name stands in ``ids``: -1 for a name that is not there, -2 for one that stands there twice."""
    wanted = pd.Index(list(names), dtype=object)
    known, twice = np.asarray(ids.notna()), ids.duplicated(keep=False)
    single = np.flatnonzero(known & ~twice)
    where = pd.Index(ids[single], dtype=object).get_indexer(wanted)
    found = np.full(len(wanted), -1)
    found[where >= 0] = single[where[where >= 0]]
    found[wanted.isin(ids[known & twice])] = -2
    return found


def likely_cause(
    names: Iterable[str], adata: AnnData, gene_symbols: str | None, what: str
) -> Cause:
    """Return why few or none of ``names`` are among the gene names of ``adata``.

    Parameters
    ----------
    names
        The names that were looked for.
    adata
        Where they were looked for.
    gene_symbols
        The column of ``adata.var`` they were looked for in; ``None`` for ``adata.var_names``.
    what
        What the names come from, as the message calls it: ``"the prior"``.
    """
    given = pd.Index(sorted({str(name) for name in names}), dtype=object)
    ids = pd.Index(gene_ids(adata, gene_symbols).dropna(), dtype=object).unique()
    here = "adata.var_names" if gene_symbols is None else f"adata.var[{gene_symbols!r}]"
    found = [
        *_other_names(given, adata, gene_symbols),
        _version(given, ids, here, what),
        _spaces(given, ids, here, what),
        _letter_case(given, ids, here, what),
    ]
    best = max(found, key=lambda cause: cause.n_matched)
    return best if best.n_matched else Cause(0, _kinds(given, ids, here, what))


def warn_if_poor(
    names: pd.Index, n_matched: int, adata: AnnData, gene_symbols: str | None, what: str
) -> None:
    """Log a warning when few of ``names`` match and a likely cause explains many more."""
    if n_matched >= _POOR * min(len(names), adata.n_vars):
        return
    cause = likely_cause(names, adata, gene_symbols, what)
    if cause.n_matched > 5 * n_matched:
        logger.warning(
            "%s: only %d of %d gene names match. Likely cause: %s",
            what,
            n_matched,
            len(names),
            cause.text,
        )


def ensembl_organism(names: pd.Index) -> str | None:
    """Return the organism that Ensembl gene ids name, or ``None`` where most names are not Ensembl ids."""
    found = [match.group(1) for name in names if (match := _ENSEMBL.fullmatch(str(name)))]
    if len(found) <= len(names) / 2:
        return None
    commonest = max(set(found), key=found.count)
    return _ORGANISMS.get(commonest, f"the organism of ENS{commonest}G ids")


def organism_of(names: pd.Index) -> str | None:
    """Guess the organism from how gene names are written: ``"human"``, ``"mouse"`` or ``None``.

    Ensembl ids name it. Of symbols, human ones are upper case (``GATA1``), mouse ones capitalised (``Gata1``); upper case
    alone is weak evidence, since mouse data are also found in upper case.
    """
    organism = ensembl_organism(names)
    if organism is not None:
        return organism
    words = [str(name) for name in names if str(name)[1:].upper() != str(name)[1:].lower()]
    if not words:
        return None
    # Names such as C1orf112 keep a human list from being upper case throughout.
    upper = sum(word == word.upper() for word in words) / len(words)
    capitalised = sum(
        word[0] == word[0].upper() and word[1:] == word[1:].lower() for word in words
    ) / len(words)
    return "human" if upper > 0.5 else "mouse" if capitalised > 0.5 else None


def _is_text(column: pd.Series) -> bool:
    values = (
        column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column.dropna()
    )
    return pd.api.types.infer_dtype(values, skipna=True) == "string"


def _other_names(given: pd.Index, adata: AnnData, used: str | None) -> list[Cause]:
    causes = []
    if used is not None:
        n = int(given.isin(adata.var_names).sum())
        causes.append(
            Cause(n, f"{n:,} of them match adata.var_names: leave gene_symbols={used!r} out.")
        )
    for column in adata.var:
        if column == used or not _is_text(adata.var[column]):
            continue
        n = int(given.isin(adata.var[column].dropna().astype(str)).sum())
        causes.append(
            Cause(
                n,
                f"{n:,} of them match adata.var[{str(column)!r}]: pass gene_symbols={str(column)!r}.",
            )
        )
    return causes


def _version(given: pd.Index, ids: pd.Index, here: str, what: str) -> Cause:
    n, mine, theirs = _overlap(
        given, ids, lambda names: names.str.replace(_VERSION, r"\1", regex=True)
    )
    return Cause(
        n,
        f"Ensembl version suffixes: {here} look like {theirs!r}, {what} like {mine!r}. "
        f"{n:,} of them match without the version; strip it with .str.split('.').str[0].",
    )


def _spaces(given: pd.Index, ids: pd.Index, here: str, what: str) -> Cause:
    n, mine, theirs = _overlap(given, ids, lambda names: names.str.strip())
    return Cause(
        n,
        f"spaces around names: {here} hold {theirs!r}, {what} {mine!r}. {n:,} of them match after .str.strip().",
    )


def _letter_case(given: pd.Index, ids: pd.Index, here: str, what: str) -> Cause:
    n, mine, theirs = _overlap(given, ids, lambda names: names.str.upper())
    text = f"letter case: {here} look like {theirs!r}, {what} like {mine!r}"
    data_organism, given_organism = organism_of(ids), organism_of(given)
    if {data_organism, given_organism} == {"human", "mouse"}:
        text += (
            f" ({data_organism} and {given_organism} spelling: likely a mix-up of organisms; "
            f"take {what} of the data's organism, or map it to orthologues)"
        )
    return Cause(n, f"{text}. {n:,} of them match when letter case is ignored.")


def _overlap(
    given: pd.Index, ids: pd.Index, change: Callable[[pd.Index], pd.Index]
) -> tuple[int, str, str]:
    """How many names match only after ``change``, and one example as written on either side."""
    left = pd.Series(given, index=change(given))
    right = pd.Series(ids, index=change(ids))
    right = right[~right.index.duplicated()]
    left = left[left.index.isin(right.index) & ~left.isin(ids)]
    if left.empty:
        return 0, "", ""
    return len(left), str(left.iloc[0]), str(right[left.index[0]])


def _kinds(given: pd.Index, ids: pd.Index, here: str, what: str) -> str:
    examples = (
        f"{here} look like {', '.join(map(repr, ids[:3].astype(str)))}, "
        f"{what} like {', '.join(map(repr, given[:3].astype(str)))}"
    )
    mine, theirs = ensembl_organism(given), ensembl_organism(ids)
    if theirs is not None and mine is None:
        return f"Ensembl ids against symbols: {examples}. Put symbols into a column of adata.var, or map {what} to ids."
    if theirs is None and mine is not None:
        return f"symbols against Ensembl ids: {examples}. Put Ensembl ids into a column of adata.var, or map {what} to symbols."
    if theirs != mine:
        return (
            f"a mix-up of organisms: {examples} ({theirs} and {mine}). Map {what} to orthologues."
        )
    return f"names of another kind or organism: {examples}."
