"""Search spaces: plain descriptions of what to draw for each hyper-parameter of each method.

:mod:`scregnet.links.search.tuning` draws from them. This file does not import Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Protocol

from scregnet._validate import check_choice, listed

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


SEARCH_SPACES: dict[str, dict[str, Dimension]] = {
    "degree": {"pseudo_count": Range(0.1, 100.0, log=True)},
    "label_factors": {"rank": Range(0, 64)},
    # The space of the authors' own search (their public repository, read on 2026-11-20).
    "scregnet": {
        "learning_rate": Range(1e-5, 1e-2, log=True),
        "weight_decay": Range(1e-7, 1e-4, log=True),
        "dropout": Range(0.1, 0.8),
        "batch_size": Range(32, 256),
        "optimizer": Choice(("adam", "rmsprop", "sgd")),
        "gnn_dims": Given("gnn", ("gcn", "graphsage", "gat"), Layers(4, 256, depth=(1, 6))),
        "mlp_dims": Layers(4, 256, depth=(1, 6)),
        "gat_heads": Given("gnn", ("gat",), Layers(1, 8, depth="gnn_dims")),
        "gat_reduction": Given("gnn", ("gat",), Choice(("concat", "mean"))),
        "gat_negative_slope": Given("gnn", ("gat",), Range(0.01, 0.5)),
    },
    # The authors name no search: a range around their values and the defaults.
    "sctransnet": {
        "learning_rate": Range(3e-4, 3e-2, log=True),
        "weight_decay": Range(1e-5, 1e-2, log=True),
        "dropout": Range(0.0, 0.6),
        "graph_dims": Layers(16, 256, depth=(1, 3)),
        "channel_dims": Layers(16, 256, depth=(1, 3)),
        "type_dim": Range(4, 32),
    },
    # About a factor of ten around the defaults.
    "joint": {
        "n_trees": Range(50, 1000, log=True),
        "learning_rate": Range(0.01, 0.2, log=True),
        "n_leaves": Range(3, 31, log=True),
        "tf": Range(0.3, 30.0, log=True),
        "target": Range(0.1, 10.0, log=True),
        "target_smooth": Range(0.05, 5.0, log=True),
        "own": Range(0.03, 3.0, log=True),
        "similar": Range(0.02, 2.0, log=True),
        "joint": Range(0.2, 20.0, log=True),
        "joint_smooth": Range(0.05, 5.0, log=True),
        "family": Range(0.03, 3.0, log=True),
    },
}
"""What is searched by default, by method. A hyper-parameter stands after those it depends on."""


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
        if name not in SEARCH_SPACES:
            msg = (
                f"method={name!r} has no search space of its own; pass one as space=. "
                f"Those that have: {listed(SEARCH_SPACES)}."
            )
            raise ValueError(msg)
        own = SEARCH_SPACES[name]
        found: dict[str, Dimension] = {
            key: value
            for key, value in own.items()
            if key not in fixed and _matters(value, base, own)
        }
    else:
        parameters = [field.name for field in fields(base)]  # type: ignore[arg-type]
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
