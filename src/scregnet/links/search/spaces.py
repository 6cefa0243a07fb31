"""Search spaces: plain descriptions of what to draw for each hyper-parameter of each method.

:mod:`scregnet.links.search.tuning` draws from them. This file does not import Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Protocol

from scregnet._validate import check_choice, listed, shortened

if TYPE_CHECKING:
    from scregnet.links.task import LinkMethod


class Draws(Protocol):
    """What a dimension needs of an Optuna trial."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Draw a number between ``low`` and ``high``."""
        ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Draw an integer from ``low`` to ``high``."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[str]) -> str:
        """Draw one of ``choices``."""
        ...


class Dimension(Protocol):
    """How to draw one hyper-parameter; ``known`` has the values of all, drawn or default."""

    def draw(self, trial: Draws, name: str, known: Mapping[str, Any]) -> Any:
        """Draw a value of the hyper-parameter ``name``."""
        ...


@dataclass(frozen=True)
class Range:
    """A number from ``low`` to ``high``, an integer if both are integers.

    With ``log`` its logarithm is uniform: all magnitudes are equally likely.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            msg = (
                "space: a range must run from a lower to a higher number (above 0 with 'log'), "
                f"got {self.low!r} to {self.high!r}."
            )
            raise ValueError(msg)

    def draw(self, trial: Draws, name: str, known: Mapping[str, Any]) -> float | int:
        """Draw a value of the hyper-parameter ``name``."""
        if isinstance(self.low, Integral) and isinstance(self.high, Integral):
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, float(self.low), float(self.high), log=self.log)


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values:
            msg = "space: a choice needs at least one value."
            raise ValueError(msg)

    def draw(self, trial: Draws, name: str, known: Mapping[str, Any]) -> Any:
        """Draw a value of the hyper-parameter ``name``."""
        # Optuna stores plain values only, so tuples of widths go by their text.
        labels = [str(value) for value in self.values]
        return self.values[labels.index(trial.suggest_categorical(name, labels))]


@dataclass(frozen=True)
class Layers:
    """One integer from ``low`` to ``high`` per layer.

    ``depth`` is the range of the number of layers, or the hyper-parameter with as many entries.
    """

    low: int
    high: int
    depth: tuple[int, int] | str

    def draw(self, trial: Draws, name: str, known: Mapping[str, Any]) -> tuple[int, ...]:
        """Draw a value of the hyper-parameter ``name``."""
        if isinstance(self.depth, str):
            depth = len(known[self.depth])
        else:
            depth = trial.suggest_int(f"{name}.depth", *self.depth)
        return tuple(
            trial.suggest_int(f"{name}.{layer}", self.low, self.high) for layer in range(depth)
        )


@dataclass(frozen=True)
class Given:
    """A dimension that is drawn only if the hyper-parameter ``name`` has one of ``values``.

    Otherwise the default stays.
    """

    name: str
    values: tuple[Any, ...]
    dimension: Dimension

    def draw(self, trial: Draws, name: str, known: Mapping[str, Any]) -> Any:
        """Draw a value of the hyper-parameter ``name``."""
        return (
            self.dimension.draw(trial, name, known)
            if known[self.name] in self.values
            else known[name]
        )


def read_space(
    name: str, base: LinkMethod, space: Mapping[str, Any] | None, fixed: Mapping[str, Any]
) -> dict[str, Dimension]:
    """Return what to search: ``space``, or the method's own space without what is ``fixed``.

    Parameters
    ----------
    name
        Name of the method.
    base
        The method with the fixed values and defaults elsewhere.
    space
        Hyper-parameter to dimension, or to its short form: a list of values, or a tuple
        ``(low, high)`` or ``(low, high, "log")``. ``None`` takes the method's own space.
    fixed
        Hyper-parameters that the user set.
    """
    if space is None:
        own = base.search_space
        if not own:
            msg = f"method={name!r} has no search space of its own; pass one as space=."
            raise ValueError(msg)
        found: dict[str, Dimension] = {
            key: value
            for key, value in own.items()
            if key not in fixed and _matters(value, base, own)
        }
    else:
        parameters = [field.name for field in fields(base)]  # type: ignore[arg-type]
        if not isinstance(space, Mapping):
            msg = f"space must be a mapping of hyper-parameters, got {shortened(space)}."
            raise TypeError(msg)
        for key in space:
            check_choice("a name in space", key, parameters)
        if both := [key for key in space if key in fixed]:
            verb = "is" if len(both) == 1 else "are"
            msg = (
                f"{listed(both)} {verb} both in space and set to one value; "
                "leave one of the two out."
            )
            raise ValueError(msg)
        found = {key: _dimension(key, value) for key, value in space.items()}
    if not found:
        msg = (
            "there is nothing to search: space is empty, "
            f"or every hyper-parameter of method={name!r} is set."
        )
        raise ValueError(msg)
    return found


def draw(space: Mapping[str, Dimension], trial: Draws, base: LinkMethod) -> dict[str, Any]:
    """Draw a value for every hyper-parameter of ``space``."""
    known = {field.name: getattr(base, field.name) for field in fields(base)}  # type: ignore[arg-type]
    for name, dimension in space.items():
        known[name] = dimension.draw(trial, name, known)
    return {name: known[name] for name in space}


def _matters(dimension: Dimension, base: LinkMethod, space: Mapping[str, Dimension]) -> bool:
    """Whether a dimension can come into play: its condition is met, or is itself searched."""
    return (
        not isinstance(dimension, Given)
        or dimension.name in space
        or getattr(base, dimension.name) in dimension.values
    )


def _dimension(name: str, value: Any) -> Dimension:
    """A dimension from its short form."""
    if hasattr(value, "draw"):
        return value
    if isinstance(value, list):
        return Choice(tuple(value))
    if isinstance(value, tuple):
        bounds, scale = value[:2], value[2:]
        numbers = all(isinstance(bound, Real) and not isinstance(bound, bool) for bound in bounds)
        if len(bounds) == 2 and numbers and scale in ((), ("log",)):
            return Range(*bounds, log=scale == ("log",))
    msg = (
        f"space[{name!r}] must be a list of values, (low, high) or (low, high, 'log'), "
        f"got {value!r}."
    )
    raise TypeError(msg)
