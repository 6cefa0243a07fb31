"""From the gene ids of the data to those of a model. Ids are compared nowhere else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scregnet._validate import check_choice, listed
from scregnet.encoders.protocol import GeneMatch

if TYPE_CHECKING:
    import pandas as pd

_ENSEMBL = re.compile(r"ENS([A-Z]*?)G[A-Z]?\d{6,}(\.\d+)?", re.IGNORECASE)
_ORGANISMS = {"": "human", "MUS": "mouse", "RNO": "rat", "DAR": "zebrafish", "SSC": "pig"}
# A share of the genes below which another organism's are a few strays.
_STRAYS = 0.05
# The only human symbols with lower case: open reading frames.
_READING_FRAME = re.compile(r"C(\d+|X|Y)orf\w+")


def is_ensembl(name: str) -> bool:
    """Whether an id has the form of an Ensembl gene id, with or without version."""
    return _ENSEMBL.fullmatch(name) is not None


def unversioned(name: str) -> str:
    """Return an Ensembl id in upper case and without its version; any other id as it is."""
    # In the symbol of a clone (RP11-34P13.7) the dot is part of the name.
    return name.upper().partition(".")[0] if is_ensembl(name) else name


def organism_of(ids: Iterable[str], symbols: Iterable[str] = ()) -> str:
    """Return whose genes these are: ``"human"``, ``"mouse"``, ``"human and mouse"`` and the like.

    Ensembl ids say it by their form (``ENSMUSG``). If there are none, symbols do: mouse and rat
    have most of theirs with a capital first letter alone. Without a sign it is ``"human"``.
    """
    forms = Counter(found[1].upper() for name in ids if (found := _ENSEMBL.fullmatch(name)))
    if forms:
        some = [form for form, n in forms.items() if n >= _STRAYS * forms.total()]
        return " and ".join(sorted(_ORGANISMS.get(form, f"ENS{form}G") for form in some))
    names = [name for name in symbols if name.upper() != name.lower()]
    n_mouse = sum(
        name.upper() != name == name.capitalize() and not _READING_FRAME.fullmatch(name)
        for name in names
    )
    return "mouse" if 2 * n_mouse > len(names) else "human"


@dataclass(frozen=True)
class GeneIds:
    """The genes that a model knows, and how ids of the data are mapped to them.

    An encoder makes one when it is built, and uses it in
    :meth:`~scregnet.encoders.token_encoder.TokenEncoder.match`::

        tokens = {symbol: position for position, symbol in enumerate(order)}
        self.gene_ids = GeneIds("scBERT", tokens, kind="symbol")
        ...
        def match(self, genes):
            return self.gene_ids.match(genes)

    The ``tokens`` of a match are values of ``tokens``, ascending. Genes of another organism than
    the model's are unknown here: ``to_human`` maps them beforehand, if the user asks for it.

    Parameters
    ----------
    model
        Name of the model, for messages.
    tokens
        The model's own number of every gene, without special tokens.
    kind
        What the keys of ``tokens`` are: ``"ensembl"`` ids or ``"symbol"``.
    symbols
        Gene symbols to Ensembl ids, if the model comes with them.
    aliases
        Ensembl ids to their current form. If given, ids outside it are unknown. It may map symbols
        too, as Geneformer's second family does with previous symbols and synonyms.
    """

    model: str
    tokens: Mapping[str, int]
    kind: Literal["ensembl", "symbol"]
    symbols: Mapping[str, str] | None = None
    aliases: Mapping[str, str] | None = None

    def match(self, genes: np.ndarray) -> GeneMatch:
        """Find the genes of the data. Symbols and Ensembl ids may be mixed.

        A symbol is looked up as it is written. If it is unknown and all upper case, case is
        ignored: data sets with upper-case symbols turn ``C1orf112`` into ``C1ORF112``. Symbols in
        another case, such as mouse ``Gata1``, are never taken for human ones; ``C3orf14`` is
        human case. Ensembl ids are looked up in upper case and without version. A symbol that is
        still unknown is looked up among the ``aliases``, by the same rule: ``SEPT7`` is found
        there, mouse ``Sept7`` is not. In a vocabulary of another organism only the name as it is
        written counts, so that human ``GATA1`` is never taken for mouse ``Gata1``.

        Raises
        ------
        ValueError
            If no gene is found; the message names the likely cause.
        """
        find = self._by_ensembl if self.kind == "ensembl" else self._by_symbol
        found = np.array([find(name) for name in genes], dtype=np.int64)
        by_alias = 0
        if self.kind == "ensembl" and self.aliases is not None:
            for at in np.flatnonzero(found < 0):
                found[at] = self._by_alias(str(genes[at]))
                by_alias += int(found[at] >= 0)
        known = found >= 0
        if not known.any():
            raise ValueError(self._no_match(genes))
        by_ensembl = int(sum(is_ensembl(name) for name in genes[known]))
        # A slot for each token that occurs; two genes with one token share its slot.
        tokens, found[known] = np.unique(found[known], return_inverse=True)
        return GeneMatch(
            slots=found,
            tokens=tokens,
            report={
                "n_by_ensembl": by_ensembl,
                "n_by_symbol": int(known.sum()) - by_ensembl - by_alias,
                "n_by_alias": by_alias,
            },
        )

    @cached_property
    def organism(self) -> str:
        """The organism whose genes the model knows, such as ``"human"``."""
        symbols = self.symbols or {}
        return organism_of([*self.tokens, *map(str, symbols.values())], self.tokens)

    def _any_case(self, name: str) -> str | None:
        """Return the key of an upper-case symbol that is written otherwise in the vocabulary."""
        return self._upper.get(name) if name.isupper() and self.organism == "human" else None

    def _by_ensembl(self, name: str) -> int:
        gene: str | None = unversioned(name)
        if not is_ensembl(name):
            gene = (self.symbols or {}).get(name) or self._any_case(name)
        if gene is not None and self.aliases is not None:
            gene = self.aliases.get(gene)
        return self.tokens.get(gene, -1) if gene is not None else -1

    def _by_alias(self, name: str) -> int:
        if is_ensembl(name):
            return -1
        aliases = self.aliases or {}
        gene = aliases.get(name)
        # Upstream takes any case, and so mouse symbols for human ones.
        if self.organism == "human":
            human_case = name.isupper() or _READING_FRAME.fullmatch(name)
            gene = aliases.get(name.upper()) if human_case else None
        return -1 if gene is None else self.tokens.get(gene, -1)

    def _by_symbol(self, name: str) -> int:
        if name in self.tokens:
            return self.tokens[name]
        if is_ensembl(name):
            return self.tokens.get(self._names.get(unversioned(name), ""), -1)
        return self.tokens.get(self._any_case(name) or "", -1)

    @cached_property
    def _upper(self) -> dict[str, str]:
        """The key that an upper-cased symbol means."""
        # Reversed, so that the first of several symbols that differ only in case counts.
        names = (
            self.symbols or {} if self.kind == "ensembl" else {name: name for name in self.tokens}
        )
        return {symbol.upper(): gene for symbol, gene in reversed(list(names.items()))}

    @cached_property
    def _names(self) -> dict[str, str]:
        """The key of ``tokens`` that an Ensembl id means, in a vocabulary of symbols."""
        named = {
            gene: symbol
            for symbol, gene in reversed(list((self.symbols or {}).items()))
            if symbol in self.tokens
        }
        # Vocabularies of symbols have genes without a symbol under their Ensembl id, often with a
        # version.
        return named | {
            unversioned(name): name for name in reversed(list(self.tokens)) if is_ensembl(name)
        }

    def _no_match(self, genes: np.ndarray) -> str:
        """Say what the ids look like, and what to do about it."""
        kind = "Ensembl ids" if self.kind == "ensembl" else "gene symbols"
        start = (
            f"none of the {len(genes)} genes ({listed(genes, 3)}) is in {self.model}'s vocabulary "
            f"of {self.organism} {kind}."
        )
        ensembl = [unversioned(name) for name in genes if is_ensembl(name)]
        return f"{start} {self._advice(ensembl, genes)}"

    def _advice(self, ensembl: list[str], genes: np.ndarray) -> str:
        human = self.organism == "human"
        if ensembl and organism_of(ensembl) != self.organism:
            whose = "another organism" if human else organism_of(ensembl)
            return f"They look like Ensembl ids of {whose}: {self._orthologues}"
        if ensembl and self.kind == "symbol" and self.symbols is None:
            return (
                "They are Ensembl ids: name the column of adata.var that holds gene symbols with "
                "gene_ids=."
            )
        if self.kind == "ensembl" and self.symbols is None:
            return (
                "Name the column of adata.var that holds Ensembl ids with gene_ids=, or put "
                f"gene_name_id_dict*.pkl (or .json: {self.organism} symbols to Ensembl ids) into "
                "the folder of the weights so that symbols can be looked up."
            )
        others = self.aliases or {}
        if any(name.upper() in self._upper or name.upper() in others for name in genes):
            if not human:
                return f"They look like human symbols: {self._orthologues}"
            return (
                "They look like mouse symbols: give a table of orthologues with orthologues=, or, "
                "if you accept that rule, upper-case them with orthologues='upper'."
            )
        return (
            f"Name the column of adata.var that holds {self.organism} gene symbols or Ensembl ids "
            f"with gene_ids=; for genes of another organism {self._orthologues}"
        )

    @property
    def _orthologues(self) -> str:
        if self.organism == "human":
            return "give a table of orthologues with orthologues=."
        return (
            f"this model reads {self.organism} genes as they are. Leave orthologues= out, or give "
            f"it a mapping of your ids to those of {self.organism}."
        )


def to_human(
    genes: np.ndarray, orthologues: pd.DataFrame | Mapping[str, Any] | Literal["upper"]
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the human ids of another organism's genes, and what was done for the record.

    Of several human genes, the one with the same name is taken, ignoring case. If there is none,
    the gene is ambiguous and left out. Several genes of the data may have the same human one.

    Parameters
    ----------
    genes
        Ids as the user has them.
    orthologues
        ``"upper"`` upper-cases symbols. A mapping gives an id, or several, for every id. A frame
        does so with the columns ``mouse`` and ``human``, or with its only two columns. Symbols must
        be as in the data; versions of Ensembl ids are ignored.

    Returns
    -------
    Ids, with empty text for genes without an orthologue; and the record: ``orthologues``
    (``"upper"`` or ``"table"``), ``n_orthologues`` (genes that have one; with ``"upper"`` those
    that changed) and ``n_ambiguous``.

    Raises
    ------
    ValueError
        If the table has other columns or holds none of the genes.
    TypeError
        If ``orthologues`` is something else.

    Examples
    --------
    >>> import numpy as np
    >>> to_human(np.array(["Gata1", "Trp53"]), {"Trp53": "TP53"})[0].tolist()
    ['', 'TP53']
    """
    if isinstance(orthologues, str):
        check_choice("orthologues", orthologues, ("upper",))
        human = [name if is_ensembl(name) else name.upper() for name in genes]
        changed = sum(a != b for a, b in zip(genes, human, strict=True))
        record = {"orthologues": "upper", "n_orthologues": changed, "n_ambiguous": 0}
        return np.array(human, dtype=str), record
    found = _looked_up(genes, orthologues)
    human = []
    for name, targets in zip(genes, found, strict=True):
        same = [target for target in targets if target.upper() == name.upper()]
        human.append(targets[0] if len(targets) == 1 else same[0] if same else "")
    several = [len(targets) > 1 for targets in found]
    return np.array(human, dtype=str), {
        "orthologues": "table",
        "n_orthologues": sum(name != "" for name in human),
        "n_ambiguous": sum(name == "" and many for name, many in zip(human, several, strict=True)),
    }


def _looked_up(genes: np.ndarray, orthologues: pd.DataFrame | Mapping[str, Any]) -> list[list[str]]:
    """Return the human genes of every gene of the data, in the order of the table."""
    table: dict[str, list[str]] = {}
    for name, target in _pairs(orthologues):
        targets = table.setdefault(unversioned(name), [])
        if target not in targets:
            targets.append(target)
    found = [table.get(unversioned(name), []) for name in genes]
    if not any(found):
        msg = (
            f"orthologues= has none of the {len(genes)} genes ({listed(genes, 3)}); it has "
            f"{listed(table, 3)}. Its ids must be of the kind that adata.var_names, or the column "
            "named with gene_ids=, has."
        )
        raise ValueError(msg)
    return found


def _pairs(orthologues: pd.DataFrame | Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the table as pairs of texts; pairs with a missing side are left out."""
    import pandas as pd

    pairs: Iterable[tuple[Any, Any]]
    if isinstance(orthologues, pd.DataFrame):
        columns = [name for name in ("mouse", "human") if name in orthologues]
        if len(columns) < 2:
            columns = list(orthologues.columns)
        if len(columns) != 2:
            msg = (
                "orthologues= must have the columns 'mouse' and 'human', or two columns in that "
                f"order; it has {listed(orthologues.columns)}."
            )
            raise ValueError(msg)
        kept = orthologues[columns].dropna()
        pairs = zip(kept.iloc[:, 0], kept.iloc[:, 1], strict=True)
    elif isinstance(orthologues, (Mapping, pd.Series)):
        pairs = (
            (name, one)
            for name, target in orthologues.items()
            for one in (target if isinstance(target, (list, tuple, np.ndarray)) else (target,))
            if not pd.isna(one)
        )
    else:
        msg = (
            f"orthologues= must be a frame, a mapping or 'upper', got {type(orthologues).__name__}."
        )
        raise TypeError(msg)
    texts = ((str(name).strip(), str(target).strip()) for name, target in pairs)
    return [(name, target) for name, target in texts if name and target]
