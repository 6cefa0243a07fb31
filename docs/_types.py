"""Types as the documentation shows them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import get_args

from numpy.typing import ArrayLike

ALL = frozenset(get_args(ArrayLike))


@dataclass(frozen=True)
class ByName:
    """Write ``ArrayLike`` by its name, not as the dozen types that it stands for.

    No function: the configuration could not be stored, and every page would be made anew.
    """

    def __call__(self, annotation: object, config: object = None) -> str | None:
        """Return the type as text, or ``None`` for all but this one."""
        types = {part for part in get_args(annotation) if isinstance(part, Hashable)}
        if not types >= ALL:
            return None
        return " | ".join([":py:class:`ArrayLike`", *("None" for _ in types - ALL)])
