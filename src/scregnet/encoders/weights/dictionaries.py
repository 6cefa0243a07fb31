"""Tokens and medians of genes, read from files and checked value by value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from scregnet.encoders.weights.pickles import read_dictionary
from scregnet.encoders.weights.sizes import MOST_TOKENS


def read_tokens(path: Path) -> dict[str, int]:
    """Return the token of each gene from a pickle or JSON; of a ``.txt``, the number of its line.

    Raises
    ------
    ValueError
        If the file is damaged, or holds something else than tokens.
    """
    if path.suffix == ".txt":
        return _numbered(path)
    what = f"an integer from 0 to {MOST_TOKENS - 1:,}"
    return _checked(path, read_dictionary(path), what, _is_token)


def read_medians(path: Path) -> dict[str, float]:
    """Return the median of each gene from a pickle or JSON; raise unless all are above zero."""
    return _checked(path, read_dictionary(path), "a number above zero", _is_median)


def read_names(path: Path) -> dict[str, str]:
    """Return a dictionary of names, such as of symbols to Ensembl ids."""
    return {key: str(value) for key, value in read_dictionary(path).items()}


def _numbered(path: Path) -> dict[str, int]:
    try:
        names = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        msg = f"{path} is no text of one token a line: {error}."
        raise ValueError(msg) from error
    names = [name.strip() for name in names]
    tokens = {name: number for number, name in enumerate(names)}
    if len(tokens) != len(names) or len(names) > MOST_TOKENS:
        msg = f"{path} must hold one token a line, each once; it has {len(names):,} lines."
        raise ValueError(msg)
    return tokens


def _checked(
    path: Path, content: dict[str, Any], what: str, is_sound: Callable[[object], bool]
) -> dict[str, Any]:
    if bad := [gene for gene, value in content.items() if not is_sound(value)]:
        msg = (
            f"{path} must give every gene {what}, but gives {bad[0]!r} {content[bad[0]]!r} "
            f"({len(bad):,} such entries)."
        )
        raise ValueError(msg)
    return content


def _is_token(value: object) -> bool:
    return type(value) is int and 0 <= value < MOST_TOKENS


def _is_median(value: object) -> bool:
    return type(value) in (int, float) and 0 < value < float("inf")  # type: ignore[operator]
