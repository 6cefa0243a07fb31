"""Gene encoders: expression in, one vector per gene out.

Part of the core: knows no AnnData, and imports a model only when it is used.
"""

from __future__ import annotations

from scregnet._sums import load_sums, save_sums
from scregnet.encoders.protocol import (
    CellBlock,
    CellStream,
    CellTokens,
    CellVectors,
    Embedding,
    EmbedOptions,
    Encoded,
    GeneEncoder,
    GeneMatch,
    GeneVectors,
    TokenBatch,
)
from scregnet.encoders.registry import create, names, register
from scregnet.encoders.svd.gram_sketch import GramSketch

__all__ = [
    "CellBlock",
    "CellStream",
    "CellTokens",
    "CellVectors",
    "EmbedOptions",
    "Embedding",
    "Encoded",
    "GeneEncoder",
    "GeneMatch",
    "GeneVectors",
    "GramSketch",
    "TokenBatch",
    "create",
    "load_sums",
    "names",
    "register",
    "save_sums",
]
