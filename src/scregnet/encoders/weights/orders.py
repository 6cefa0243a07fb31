"""Published orders of genes: positions that stand for other genes give vectors without meaning."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scregnet._logging import logger


@dataclass(frozen=True)
class PublishedOrder:
    """How many names a published list has, and the sha256 of them in order and sorted.

    The names are joined by newlines: files differ in their line ends.
    """

    n: int
    ordered: str
    sorted: str


def sha256_of(names: Sequence[str]) -> str:
    """Return the sha256 of names, joined by newlines."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def check_order(path: Path, names: Sequence[str], known: PublishedOrder, model: str) -> None:
    """Raise ``ValueError`` for the names of a published list in another order.

    A list of that length with other names may be a model of the user's own: it gives a warning.
    """
    if len(names) != known.n or sha256_of(names) == known.ordered:
        return
    if sha256_of(sorted(names)) == known.sorted:
        msg = (
            f"{path} has the genes of {model} in another order than the published one: each "
            "position would stand for another gene. Get the file again from its source."
        )
        raise ValueError(msg)
    logger.warning(
        "%s is not the published list of %s's genes: "
        "positions that stand for other genes give vectors without meaning",
        *(path, model),
    )
