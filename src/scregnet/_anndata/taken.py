"""Slots that hold something else are not overwritten."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from scregnet._anndata.uns import check_key

if TYPE_CHECKING:
    from anndata import AnnData


def check_free(
    adata: AnnData, argument: str, key: str, slots: Iterable[tuple[str, str]], what: str
) -> None:
    """Raise ``ValueError`` if a call would overwrite what no call of its kind wrote.

    Parameters
    ----------
    adata
        Where the call will write.
    argument, key
        The argument that names the slots, and its value.
    slots
        Slots and names that the call writes, without those that are its own.
    what
        What the call writes, in the words of the message.
    """
    check_key(key)
    taken = [f"adata.{slot}[{name!r}]" for slot, name in slots if name in getattr(adata, slot)]
    if taken:
        msg = (
            f"{argument}={key!r} is taken: {taken[0]} is there and is not {what}. "
            "Choose another name, or delete it."
        )
        raise ValueError(msg)
