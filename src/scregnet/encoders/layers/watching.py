"""Lets a caller see the queries and keys of every attention layer while a model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# Gets queries, keys (cells × heads × positions × width), the factor of their products (None for
# the usual one), and the random features of a Performer (None for softmax attention).
Watcher = Callable[["torch.Tensor", "torch.Tensor", "float | None", "torch.Tensor | None"], None]

_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Call ``watcher`` in every attention layer, in their order, during a ``with`` block."""
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def show(
    queries: torch.Tensor,
    keys: torch.Tensor,
    *,
    scaling: float | None = None,
    features: torch.Tensor | None = None,
) -> None:
    """Show queries and keys to who watches, if anyone does."""
    watcher = _WATCHER.get()
    if watcher is not None:
        watcher(queries, keys, scaling, features)
