"""What the registry knows about an encoder without importing its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scregnet.encoders.weights.checkpoints import Checkpoint


@dataclass(frozen=True)
class EncoderEntry:
    """An encoder's name, its classes, and what is known about it.

    ``target`` is the encoder's class and ``training``, if it can be trained further, the class for
    that; or ``"module:Class"``, imported when first used. ``licence`` is the licence of the code.
    ``gene_ids`` says by which ids the model finds genes. ``checkpoints`` has the published weights
    by variant.
    """

    name: str
    target: str | type
    description: str = ""
    reference: str = ""
    licence: str = ""
    weights_licence: str = ""
    gene_ids: str = ""
    checkpoints: Mapping[str, Checkpoint] = field(default_factory=dict)
    default_variant: str | None = None
    training: str | type | None = None

    def load_class(self) -> Any:
        """Import and return the encoder's class."""
        return _load(self.target)

    def load_training(self) -> Any:
        """Import and return the class that trains the model; the encoder must have one."""
        if self.training is None:
            msg = f"model={self.name!r} has no class for training."
            raise ValueError(msg)
        return _load(self.training)


def _load(target: str | type) -> Any:
    if not isinstance(target, str):
        return target
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
