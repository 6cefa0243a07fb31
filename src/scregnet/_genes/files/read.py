"""Read a network from a file of any kind, as a frame of links."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from scregnet._genes.files.graphs import read_cyjs, read_gexf, read_graphml
from scregnet._genes.files.sets import read_regulons
from scregnet._genes.files.sif import read_sif
from scregnet._genes.files.tables import read_parquet

if TYPE_CHECKING:
    import pandas as pd

READERS: dict[str, Callable[[Path, str], pd.DataFrame]] = {
    ".graphml": read_graphml,
    ".gexf": read_gexf,
    ".cyjs": read_cyjs,
    ".sif": read_sif,
    ".gmt": read_regulons,
    ".parquet": read_parquet,
}
"""What reads a file that is no table of text, by its suffix."""


def suffix_of(path: Path) -> str:
    """Return the last suffix in lower case, or the one before ``.gz``."""
    name = path.name.lower()
    return Path(name.removesuffix(".gz")).suffix
