"""Checks of arguments. Their errors name the argument, what was found and what is allowed."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from numbers import Integral
from typing import Any

import numpy as np


def listed(names: Iterable[object], limit: int = 10) -> str:
    """Return names as a short quoted enumeration for a message."""
    shown = [shortened(str(name)) for name in names]
    if not shown:
        return "none"
    rest = len(shown) - limit
    return ", ".join(shown[:limit]) + (f" and {rest} more" if rest > 0 else "")


def shortened(value: object, limit: int = 80) -> str:
    """Return a value for a message: as it is written, or kind and shape of a frame or array."""
    shape = getattr(value, "shape", None)
    if shape:
        size = " × ".join(f"{n:,}" for n in shape)
        return f"a {type(value).__name__} of {size}"
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({type(value).__name__})"


@contextmanager
def noted(where: str) -> Iterator[None]:
    """Add to an error from the ``with`` block where it was raised: one of several fits, say."""
    try:
        yield
    except Exception as error:
        error.add_note(where)
        raise


def with_notes(error: BaseException) -> str:
    """Return the kind of an error, its message and its notes, in one line."""
    notes = "; ".join(getattr(error, "__notes__", []))
    return f"{type(error).__name__}: {error}" + (f" ({notes})" if notes else "")


@contextmanager
def about(argument: str) -> Iterator[None]:
    """Say in wrong-input errors from the ``with`` block which of several data sets is meant.

    What is called there says ``adata`` of whatever it gets.
    """
    try:
        yield
    except (TypeError, KeyError, ValueError) as error:
        kind = next(kind for kind in (TypeError, KeyError, ValueError) if isinstance(error, kind))
        # KeyError shows its message in quotes; args has the text itself.
        msg = f"{argument}: {error.args[0] if error.args else error}"
        raise kind(msg) from error


# What other packages call an argument.
_HABITS = {
    "seed": "random_state",
    "random_seed": "random_state",
    "rng": "random_state",
    "verbose": "show_progress_bar",
    "verbosity": "show_progress_bar",
    "epochs": "max_epochs",
    "n_epochs": "max_epochs",
    "lr": "learning_rate",
    "key": "key_added",
}


def did_you_mean(name: object, choices: Collection[str]) -> str:
    """Return a sentence that names the closest of ``choices``, or nothing if none is close."""
    text = str(name)
    usual = _HABITS.get(text)
    close = [usual] if usual in choices else get_close_matches(text, list(choices), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    if text in ("verbose", "verbosity"):
        hint += " For log lines, set sr.settings.verbosity."
    return hint


def own_arguments(function: Any) -> list[str]:
    """Return the names of a function's arguments, without those that ``**`` collects."""
    return [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]


def check_name(argument: str, value: object) -> None:
    """Raise ``TypeError`` unless ``value`` is the name of a column, layer or slot, or ``None``."""
    if value is not None and not isinstance(value, str):
        msg = f"{argument} must be a name or None, got {shortened(value)}."
        raise TypeError(msg)


def check_text(argument: str, value: object) -> None:
    """Raise ``TypeError`` unless ``value`` is a text, such as the name of a slot."""
    if not isinstance(value, str):
        msg = f"{argument} must be a name, got {shortened(value)}."
        raise TypeError(msg)


def check_flags(**flags: object) -> None:
    """Raise ``TypeError`` for an argument that is not true or false: "no" would count as true."""
    for argument, value in flags.items():
        if not isinstance(value, (bool, np.bool_)):
            msg = f"{argument} must be True or False, got {shortened(value)}."
            raise TypeError(msg)


def name_list(argument: str, value: object) -> list[Any]:
    """Return an argument that is one name or several as a list; raise ``TypeError`` for others."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        msg = f"{argument} must be a name or a sequence of names, got {shortened(value)}."
        raise TypeError(msg)
    names = list(value)
    if wrong := [name for name in names if not isinstance(name, Hashable)]:
        msg = f"{argument} must be a sequence of names, but holds {shortened(wrong[0])}."
        raise TypeError(msg)
    return names


def check_choice(argument: str, value: object, choices: Collection[str]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``choices``."""
    if isinstance(value, str) and value in choices:
        return
    hint = did_you_mean(value, choices)
    valid = listed(choices, limit=30)
    msg = f"{argument}={shortened(value)} is not known; valid values: {valid}.{hint}"
    raise ValueError(msg)


def check_one_value(frame: Any, columns: Sequence[str], value: str) -> None:
    """Raise if rows that are alike in ``columns`` have other values: a mean would pool them."""
    groups = frame.groupby(list(columns), observed=True, sort=False)[value]
    spread = groups.max() - groups.min()
    if not (several := spread[spread > 1e-9]).empty:
        name = several.index[0]
        which = ", ".join(f"{column}={one!r}" for column, one in zip(columns, name, strict=True))
        msg = (
            f"frame has several figures of the same name ({which}). Of other data or another fit, "
            f"they need another name in {columns[0]!r}, or a frame of their own."
        )
        raise ValueError(msg)


def check_integer(argument: str, value: object, *, minimum: int) -> None:
    """Raise unless ``value`` is an integer of at least ``minimum``."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        msg = f"{argument} must be an integer, got {shortened(value)}."
        raise TypeError(msg)
    if value < minimum:
        msg = f"{argument} must be at least {minimum}, got {value!r}."
        raise ValueError(msg)
    if int(value) > LARGEST_INTEGER:
        msg = f"{argument} must be at most {LARGEST_INTEGER}, got {value!r}."
        raise ValueError(msg)


LARGEST_INTEGER = 2**63 - 1
"""What NumPy's arrays and h5ad files can hold."""

LARGEST_SEED = 2**32 - 1
"""What NumPy's, scikit-learn's and torch's generators all take."""


def seed_of(random_state: object) -> int:
    """Return the seed of a call; ``None`` draws it, once for all that the call draws.

    Raise unless it is an integer that every generator takes, or ``None``.
    """
    if random_state is None:
        # Half of the range: parts of a call may count on from it.
        return int(np.random.default_rng().integers(2**31))
    if not isinstance(random_state, Integral) or isinstance(random_state, (bool, np.bool_)):
        msg = (
            f"random_state must be an integer from 0 to {LARGEST_SEED} or None, got "
            f"{type(random_state).__name__}: a call draws from several generators, which one seed "
            "starts. Of a generator rng, give int(rng.integers(2**32))."
        )
        raise TypeError(msg)
    if not 0 <= int(random_state) <= LARGEST_SEED:
        msg = (
            f"random_state must be an integer from 0 to {LARGEST_SEED} or None, got {random_state}."
        )
        raise ValueError(msg)
    return int(random_state)


def check_interval(
    argument: str, value: object, low: float, high: float, *, closed: str = "both"
) -> None:
    """Raise unless ``value`` is a number in the interval.

    ``closed`` says which ends belong to it: ``"both"``, ``"left"``, ``"right"`` or ``"neither"``.
    """
    if not isinstance(value, (int, float, np.number)) or isinstance(value, bool):
        msg = f"{argument} must be a number, got {shortened(value)}."
        raise TypeError(msg)
    above = value >= low if closed in ("both", "left") else value > low
    below = value <= high if closed in ("both", "right") else value < high
    if not (above and below):
        left = "[" if closed in ("both", "left") else "("
        right = "]" if closed in ("both", "right") else ")"
        msg = f"{argument} must lie in {left}{low}, {high}{right}, got {value!r}."
        raise ValueError(msg)


def check_unmasked(argument: str, value: object) -> None:
    """Raise ``ValueError`` for a masked array that hides values: NumPy would count them as data."""
    if not isinstance(value, np.ma.MaskedArray):
        return
    if hidden := int(np.ma.getmaskarray(value).sum()):
        msg = (
            f"{argument} is a masked array that hides {hidden:,} of {value.size:,} values. "
            "Drop them (.compressed()) or say what they are (.filled(value)) first."
        )
        raise ValueError(msg)
