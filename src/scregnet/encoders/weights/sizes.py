"""Sizes in configurations: far above any published model is a damaged or hostile file.

A network is laid out by these sizes, layer by layer, before its tensors are compared.
"""

from __future__ import annotations

from collections.abc import Mapping

MOST_LAYERS = 1_000
MOST_TOKENS = 1_000_000
MOST_WIDTH = 1_000_000


def check_sizes(where: str, sizes: Mapping[str, object], most: Mapping[str, int]) -> None:
    """Raise ``ValueError`` unless each size is an integer from 1 to the most there may be.

    Parameters
    ----------
    where
        What states the sizes, the start of the message.
    sizes
        The sizes by name.
    most
        The highest of each; it names all that are checked.
    """
    for name, highest in most.items():
        value = sizes[name]
        # True is an integer to isinstance.
        if type(value) is not int or not 1 <= value <= highest:
            msg = f"{where} has {name} {value!r}; it must be an integer from 1 to {highest:,}."
            raise ValueError(msg)
