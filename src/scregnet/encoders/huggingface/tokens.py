"""The vocabulary of a network that reads genes, and how a cell becomes tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from scregnet._validate import check_choice, listed
from scregnet.encoders.gene_ids import GeneIds, is_ensembl
from scregnet.encoders.protocol import CellTokens, GeneMatch
from scregnet.encoders.weights.dictionaries import read_medians, read_names, read_tokens

if TYPE_CHECKING:
    import scipy.sparse as sp

ORDERS = ("rank", "token")
# Usual names of special tokens.
PAD, CLS, EOS = ("<pad>", "[PAD]"), ("<cls>", "[CLS]", "<s>"), ("<eos>", "[SEP]", "</s>")


@dataclass(frozen=True)
class GeneTokens:
    """Tokens of genes, and how the genes of a cell are put into an order.

    Parameters
    ----------
    tokens
        Token of every gene (Ensembl id or symbol), special tokens included.
    medians
        What the values of each gene are divided by before they are ranked; ``None`` ranks the
        counts themselves. Genes without one are unknown to the model.
    mapping
        Ensembl ids to their current form, if the model comes with them.
    symbols
        Symbols to Ensembl ids, if the model comes with them.
    order
        ``"rank"``: falling value. ``"token"``: ascending token, the order of the dictionary.
    pad, cls, eos
        Tokens of padding, before the genes and after them; ``None`` for none.
    """

    tokens: Mapping[str, int]
    medians: Mapping[str, float] | None = None
    mapping: Mapping[str, str] | None = None
    symbols: Mapping[str, str] | None = None
    order: Literal["rank", "token"] = "rank"
    pad: int | None = None
    cls: int | None = None
    eos: int | None = None

    def __post_init__(self) -> None:
        check_choice("order", self.order, ORDERS)
        if len(set(self.tokens.values())) != len(self.tokens):
            msg = "the dictionary of tokens must give every gene a token of its own."
            raise ValueError(msg)
        if self.medians is not None and not self.tokens.keys() & self.medians.keys():
            msg = (
                "the dictionaries of tokens and of medians share no gene: they belong to different "
                "models."
            )
            raise ValueError(msg)

    @classmethod
    def read(
        cls,
        files: Mapping[str, Path],
        *,
        order: Literal["rank", "token"],
        special: Mapping[str, str | int | None],
    ) -> GeneTokens:
        """Read the dictionaries by role: tokens and, where there, medians, mapping and symbols.

        ``special`` has the names or numbers of the tokens ``pad``, ``cls`` and ``eos`` as the user
        gave them.
        """
        tokens = read_tokens(files["tokens"])
        found = {
            name: _special(name, given, tokens, files["tokens"]) for name, given in special.items()
        }
        return cls(
            tokens,
            read_medians(files["medians"]) if "medians" in files else None,
            read_names(files["mapping"]) if "mapping" in files else None,
            read_names(files["symbols"]) if "symbols" in files else None,
            order=order,
            **found,
        )

    @cached_property
    def genes(self) -> dict[str, int]:
        """The tokens of genes alone; with medians, of those that have one."""
        special = {self.cls, self.eos} | {
            token for name, token in self.tokens.items() if _is_special(name)
        }
        return {
            name: token
            for name, token in self.tokens.items()
            if token not in special and (self.medians is None or name in self.medians)
        }

    @cached_property
    def gene_ids(self) -> GeneIds:
        """The genes of the model, and how ids are mapped to them."""
        names = self.genes
        of_ensembl = 2 * sum(map(is_ensembl, names)) > len(names)
        return GeneIds(
            "the model",
            names,
            kind="ensembl" if of_ensembl else "symbol",
            symbols=self.symbols,
            aliases=self.mapping if of_ensembl else None,
        )

    def tokenise(
        self, matrix: sp.csr_matrix, match: GeneMatch, max_length: int, *, n_threads: int = 1
    ) -> CellTokens:
        """Put the genes of every cell into their order, between ``cls`` and ``eos``.

        The value of a gene is ``count / total * 10,000 / median``, as Geneformer has it; equal
        values are ordered by token. Genes that exceed ``max_length`` are cut off. A cell without
        known genes gets no token.
        """
        ends = [self.cls, self.eos]
        room = max_length - sum(end is not None for end in ends)
        if self.order == "rank":
            # Imported here: numba takes a while to import, and only this function needs it.
            from scregnet.encoders.geneformer.ranking import rank_genes

            indptr, slots, _ = rank_genes(
                *(matrix, match.slots, self._divisors(match), match.tokens),
                room=room,
                n_threads=n_threads,
            )
        else:
            collapsed = match.collapse(matrix)
            n = np.diff(collapsed.indptr)
            first = np.arange(collapsed.nnz) - np.repeat(collapsed.indptr[:-1], n) < room
            slots = collapsed.indices[first]
            indptr = np.concatenate([[0], np.cumsum(np.minimum(n, room))])
        return _enclosed(indptr, slots, match.tokens, self.cls, self.eos)

    def _divisors(self, match: GeneMatch) -> np.ndarray:
        """Return what the values of each slot are divided by."""
        if self.medians is None:
            return np.ones(len(match.tokens))
        median = {token: self.medians[name] for name, token in self.genes.items()}
        return np.array([median[token] for token in match.tokens.tolist()], np.float64)


def _enclosed(
    indptr: np.ndarray, slots: np.ndarray, tokens: np.ndarray, cls: int | None, eos: int | None
) -> CellTokens:
    """Return cells with a token before and after their genes; cells without genes get neither."""
    n = np.diff(indptr)
    lead, tail = int(cls is not None), int(eos is not None)
    wide = np.concatenate([[0], np.cumsum(np.where(n > 0, n + lead + tail, 0))])
    ids, places = np.zeros(wide[-1], np.int64), np.full(wide[-1], -1, np.int64)
    at = np.arange(len(slots)) + np.repeat(wide[:-1] - indptr[:-1], n) + lead
    ids[at], places[at] = tokens[slots], slots
    filled = np.flatnonzero(n)
    if cls is not None:
        ids[wide[filled]] = cls
    if eos is not None:
        ids[wide[filled + 1] - 1] = eos
    return CellTokens(indptr=wide, ids=ids, slots=places)


def _special(
    name: str, given: str | int | None, tokens: Mapping[str, int], path: Path
) -> int | None:
    """Return a special token: one of the usual names with ``"auto"``, else what was given."""
    argument = f"{name}_token={given!r}"
    if given is None:
        return None
    if given == "auto":
        usual = {"pad": PAD, "cls": CLS, "eos": EOS}[name]
        return next((tokens[known] for known in usual if known in tokens), None)
    if isinstance(given, str):
        if given not in tokens:
            names = [key for key in tokens if _is_special(key)] or list(tokens)
            msg = f"{argument} is not in {path}; it has {listed(names)}."
            raise ValueError(msg)
        return tokens[given]
    if type(given) is not int or given < 0:
        msg = (
            f"{argument} must be the name of a token, its number, None for none, or 'auto' for the "
            "usual names."
        )
        raise TypeError(msg)
    if taken := [key for key, token in tokens.items() if token == given and not _is_special(key)]:
        msg = f"{argument} is the token of {taken[0]!r} in {path}; name a token of no gene."
        raise ValueError(msg)
    return given


def _is_special(name: str) -> bool:
    return name[:1] + name[-1:] in ("<>", "[]")
