"""Hyper-parameters that the neural methods share, and their checks. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._validate import check_choice, check_integer, check_interval

if TYPE_CHECKING:
    from scregnet.links.task import LinkTask

GNNS = ("gcn", "graphsage", "gat")
REDUCTIONS = ("concat", "mean")
FUSIONS = ("concat", "cross_attention")
OPTIMIZERS = ("adam", "rmsprop", "sgd", "nesterov")


@dataclass(frozen=True)
class Training:
    """Hyper-parameters of training. ``batch_size=None`` takes all pairs at once."""

    optimizer: str
    learning_rate: float
    weight_decay: float
    batch_size: int | None
    max_epochs: int
    patience: int
    learning_rate_decay: float = 1.0
    """Factor of the learning rate at every step."""

    @classmethod
    def of(cls, method: Any) -> Training:
        """Return those of a method under the same names; without a decay, the rate is constant."""
        names = [field.name for field in fields(cls) if hasattr(method, field.name)]
        return cls(**{name: getattr(method, name) for name in names})

    def check(self) -> None:
        """Raise unless every value is valid."""
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_interval("learning_rate", self.learning_rate, 0, np.inf, closed="neither")
        check_interval("weight_decay", self.weight_decay, 0, np.inf, closed="left")
        check_interval("learning_rate_decay", self.learning_rate_decay, 0, 1, closed="right")
        if self.batch_size is not None:
            check_integer("batch_size", self.batch_size, minimum=1)
        check_integer("max_epochs", self.max_epochs, minimum=1)
        check_integer("patience", self.patience, minimum=1)


@dataclass(frozen=True)
class Fusion:
    """Hyper-parameters of how embedding and graph network are joined."""

    fusion: str
    fusion_dim: int
    fusion_tokens: int
    fusion_heads: int
    fusion_layers: int
    dropout: float

    @classmethod
    def of(cls, method: Any) -> Fusion:
        """Return those of a method, which has them under the same names."""
        return cls(**{field.name: getattr(method, field.name) for field in fields(cls)})

    def check(self, no_graph: str | None) -> None:
        """Raise unless every value is valid.

        ``no_graph`` is the hyper-parameter that leaves the graph network out, ``None`` if there
        is a graph network.
        """
        check_choice("fusion", self.fusion, FUSIONS)
        check_integer("fusion_dim", self.fusion_dim, minimum=1)
        # Attention to a single token is degenerate: the softmax over one key is 1.
        check_integer("fusion_tokens", self.fusion_tokens, minimum=2)
        check_integer("fusion_heads", self.fusion_heads, minimum=1)
        check_integer("fusion_layers", self.fusion_layers, minimum=1)
        check_interval("dropout", self.dropout, 0, 1, closed="left")
        if self.fusion == "cross_attention" and no_graph is not None:
            msg = (
                "fusion='cross_attention' joins the embedding with a graph network, but "
                f"{no_graph} leaves that out; change it, or pass fusion='concat'."
            )
            raise ValueError(msg)


def check_features(task: LinkTask, method: str, *, fusion: str, no_graph: str | None) -> None:
    """Raise ``ValueError`` unless the task has the features that ``method`` needs."""
    if no_graph is None and task.expression is None:
        msg = f"{method} needs expression: it is the node feature of its graph network."
        raise ValueError(msg)
    if task.embedding is not None:
        return
    if no_graph is not None:
        msg = (
            f"{method} has nothing to learn from: {no_graph} leaves the embedding alone, and "
            f"there is none. Pass embedding=, or change {no_graph}."
        )
        raise ValueError(msg)
    if fusion == "cross_attention":
        msg = (
            "fusion='cross_attention' joins an embedding with the graph network, and there is "
            "none; pass embedding=, or fusion='concat'."
        )
        raise ValueError(msg)


def check_expression(task: LinkTask, method: str, what: str) -> np.ndarray:
    """Return the expression of the task, or raise ``ValueError`` if it has none.

    ``what`` says what it is needed for.
    """
    if task.expression is None:
        msg = f"{method} needs expression: {what}."
        raise ValueError(msg)
    return task.expression


def check_layers(method: Any, *names: str) -> None:
    """Make tuples of the hyper-parameters with a width a layer; raise if one names no layer."""
    for name in names:
        # Methods are frozen dataclasses; sequences of any type become tuples.
        object.__setattr__(method, name, layer_sizes(name, getattr(method, name)))
        if not getattr(method, name):
            msg = f"{name} must name at least one layer's width, got an empty sequence."
            raise ValueError(msg)


def layer_sizes(name: str, values: Iterable[int]) -> tuple[int, ...]:
    """Return one integer a layer as a tuple; raise unless all are positive integers."""
    if not isinstance(values, Iterable) or isinstance(values, str):
        msg = f"{name} must be a sequence of integers, one a layer, got {values!r}."
        raise TypeError(msg)
    sizes = tuple(values)
    for position, size in enumerate(sizes):
        check_integer(f"{name}[{position}]", size, minimum=1)
    return sizes
