"""Checks of arguments. Their errors name the argument, what was found and what is allowed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from numbers import Integral

import numpy as np


def listed(names: Iterable[object], limit: int = 10) -> str:
    """Return names as a short quoted enumeration for a message."""
    shown = [repr(str(name)) for name in names]
    if not shown:
        return "none"
    rest = len(shown) - limit
    return ", ".join(shown[:limit]) + (f" and {rest} more" if rest > 0 else "")


def check_choice(argument: str, value: object, choices: Collection[str]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``choices``."""
    if isinstance(value, str) and value in choices:
        return
    close = get_close_matches(str(value), list(choices), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    msg = f"{argument}={value!r} is not known; valid values: {listed(choices, limit=30)}.{hint}"
    raise ValueError(msg)


def check_integer(argument: str, value: object, *, minimum: int) -> None:
    """Raise unless ``value`` is an integer of at least ``minimum``."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        msg = f"{argument} must be an integer, got {value!r}."
        raise TypeError(msg)
    if value < minimum:
        msg = f"{argument} must be at least {minimum}, got {value!r}."
        raise ValueError(msg)


def check_interval(
    argument: str, value: object, low: float, high: float, *, closed: str = "both"
) -> None:
    """Raise unless ``value`` is a number in the interval.

    ``closed`` says which ends belong to it: ``"both"``, ``"left"``, ``"right"`` or ``"neither"``.
    """
    if not isinstance(value, (int, float, np.number)) or isinstance(value, bool):
        msg = f"{argument} must be a number, got {value!r}."
        raise TypeError(msg)
    above = value >= low if closed in ("both", "left") else value > low
    below = value <= high if closed in ("both", "right") else value < high
    if not (above and below):
        left = "[" if closed in ("both", "left") else "("
        right = "]" if closed in ("both", "right") else ")"
        msg = f"{argument} must lie in {left}{low}, {high}{right}, got {value!r}."
        raise ValueError(msg)
