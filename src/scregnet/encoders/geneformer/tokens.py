"""Geneformer's vocabulary, and how a cell becomes tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scregnet._validate import listed
from scregnet.encoders.gene_ids import GeneIds
from scregnet.encoders.protocol import CellTokens, GeneMatch
from scregnet.encoders.weights.dictionaries import read_medians, read_names, read_tokens
from scregnet.encoders.weights.orders import PublishedOrder, check_order

if TYPE_CHECKING:
    import scipy.sparse as sp

PAD, CLS, EOS = "<pad>", "<cls>", "<eos>"
_PUBLISHED = (
    PublishedOrder(
        25426,
        "f5170dbe675da42c05a8cff520db6e29d3f8f6f059ed409ba464a92c910ffa87",
        "70f670e98b7aa229cef985f329242b537adbec1d8f0642b5ec87b1d8c8e0026e",
    ),
    PublishedOrder(
        20275,
        "d51cb0ff2b42693be7962eb479167f5f59d2724813a82bc7811a43361de915da",
        "aa942dc4d688ce0c518efd2468f662c3e9c750b264099a5f5ef866f0f45bc185",
    ),
)
MAX_LENGTH = {"V1": 2048, "V2": 4096}


@dataclass(frozen=True)
class GeneformerVocabulary:
    """Token of every gene (Ensembl id, human or not), and its median over the training corpus.

    ``mapping`` maps Ensembl ids to their current form. If given, ids outside it are unknown, as
    upstream has it. ``symbols`` maps gene symbols to Ensembl ids. Both may be ``None``.
    """

    tokens: Mapping[str, int]
    medians: Mapping[str, float]
    mapping: Mapping[str, str] | None = None
    symbols: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        ids = list(self.tokens.values())
        if not all(type(token) is int and token >= 0 for token in ids) or len(set(ids)) != len(ids):
            msg = "the token dictionary must give every gene its own non-negative integer."
            raise ValueError(msg)
        if PAD not in self.tokens or (CLS in self.tokens) != (EOS in self.tokens):
            msg = (
                f"the token dictionary must hold {PAD!r}, and {CLS!r} and {EOS!r} together or not "
                "at all."
            )
            raise ValueError(msg)
        if bad := [gene for gene, median in self.medians.items() if not 0 < median < np.inf]:
            msg = f"the median dictionary holds values that are not above zero: {listed(bad)}."
            raise ValueError(msg)
        if not self.tokens.keys() & self.medians.keys():
            msg = (
                "the token and median dictionaries share no gene: they belong to different models."
            )
            raise ValueError(msg)

    @classmethod
    def read(cls, files: Mapping[str, Path]) -> GeneformerVocabulary:
        """Read the files of the roles tokens and medians and, if there, mapping and symbols."""
        mapping, symbols = (
            read_names(files[role]) if role in files else None for role in ("mapping", "symbols")
        )
        tokens, medians = read_tokens(files["tokens"]), read_medians(files["medians"])
        by_token = sorted(tokens, key=lambda gene: tokens[gene])
        for known in _PUBLISHED:
            check_order(files["tokens"], by_token, known, "Geneformer")
        return cls(tokens, medians, mapping, symbols)

    @property
    def family(self) -> str:
        """``"V2"`` where the vocabulary has ``<cls>``, else ``"V1"``."""
        return "V2" if CLS in self.tokens else "V1"

    @cached_property
    def gene_ids(self) -> GeneIds:
        """The genes that have a token and a median, and how ids are mapped to them."""
        return GeneIds(
            "Geneformer",
            {gene: token for gene, token in self.tokens.items() if gene in self.medians},
            kind="ensembl",
            symbols=self.symbols,
            aliases=self.mapping,
        )

    def match(self, genes: np.ndarray) -> GeneMatch:
        """Find genes by Ensembl id or symbol; raise ``ValueError`` if there is none."""
        return self.gene_ids.match(genes)

    def tokenise(
        self, matrix: sp.csr_matrix, match: GeneMatch, max_length: int, *, n_threads: int = 1
    ) -> CellTokens:
        """Rank the genes of every cell by scaled expression.

        The value of a gene is ``count / total * 10,000 / median``, with the total over all genes of
        the matrix, known or not. Genes with counts are ordered by value, highest first. Equal
        values are ordered by token id, so that the order of genes in the data does not matter.
        ``<cls>`` and ``<eos>`` enclose the genes if the vocabulary has them. Genes that exceed
        ``max_length`` are cut off. A cell without known genes gets no token.
        """
        # Imported here: numba takes a while to import, and only this function needs it.
        from scregnet.encoders.geneformer.ranking import rank_genes

        lead = int(CLS in self.tokens)
        indptr, slots, ids = rank_genes(
            *(matrix, match.slots, self._medians[match.tokens], match.tokens),
            room=max_length - 2 * lead,
            margin=lead,
            n_threads=n_threads,
        )
        # The margins are free for the special tokens.
        if lead:
            filled_cells = np.flatnonzero(np.diff(indptr))
            ids[indptr[filled_cells]] = self.tokens[CLS]
            ids[indptr[filled_cells + 1] - 1] = self.tokens[EOS]
        return CellTokens(indptr=indptr, ids=ids, slots=slots)

    @cached_property
    def _medians(self) -> np.ndarray:
        """The median of every token; NaN for those that are no gene."""
        medians = np.full(max(self.tokens.values()) + 1, np.nan)
        genes = self.tokens.keys() & self.medians.keys()
        medians[[self.tokens[gene] for gene in genes]] = [self.medians[gene] for gene in genes]
        return medians
