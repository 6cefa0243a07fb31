"""Categories of cells, and the slot names of what is computed for each."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._anndata.slots import is_fitted, is_grouped
from scregnet._logging import logger
from scregnet._validate import check_integer, check_name, listed, noted, shortened

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class CellGroup:
    """Some cells, and the slot of what is computed from them."""

    key: str
    name: str | None = None
    """The category; ``None`` for all cells."""

    rows: np.ndarray | None = None
    """Positions of the cells; ``None`` for all."""

    def named_in_errors(self) -> AbstractContextManager[None]:
        """Add to an error which category its cells are of."""
        return nullcontext() if self.name is None else noted(f"in the cells of {self.name!r}")

    @property
    def cells(self) -> np.ndarray:
        """Positions of the cells of a category."""
        if self.rows is None:
            msg = "all cells are no category."
            raise ValueError(msg)
        return self.rows


SLOTS = ("null", "sd", "sign", "stability")
"""Endings of the slots of ``varp`` next to the probabilities. A new fit replaces or removes all."""


def cell_groups(
    adata: AnnData, groupby: str, key: str, *, min_cells: int
) -> tuple[list[CellGroup], dict[str, int]]:
    """Return a group of cells for each category of ``adata.obs[groupby]`` that is large enough.

    Also the categories with fewer than ``min_cells`` cells, and their sizes.
    """
    names, codes, small = large_groups(adata, groupby, min_cells)
    keys = group_keys(key, names)
    check_slots(key, keys)
    for name in keys:
        check_network_key(adata, name)
    groups = [
        CellGroup(keys[code], name, np.flatnonzero(codes == code))
        for code, name in enumerate(names)
    ]
    return groups, small


def large_groups(
    adata: AnnData, groupby: str, min_cells: int
) -> tuple[list[str], np.ndarray, dict[str, int]]:
    """Return the categories with enough cells, the code of every cell, and sizes of the others.

    The code is ``-1`` for cells of no category and of one that is too small. These are logged.
    """
    check_integer("min_cells", min_cells, minimum=1)
    names, codes = groups_of(adata, groupby)
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    kept = sizes >= min_cells
    small = {names[code]: int(sizes[code]) for code in np.flatnonzero(~kept)}
    if not kept.any():
        msg = (
            f"groupby={groupby!r} has no category with min_cells={min_cells} cells: {_sizes(small)}"
            ". Merge categories, or give a smaller min_cells."
        )
        raise ValueError(msg)
    if small:
        logger.info(
            "groupby=%r: %d categories with fewer than min_cells=%d cells are left out: %s",
            groupby,
            len(small),
            min_cells,
            _sizes(small),
        )
    # The last place is that of the code -1.
    new = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
    return [name for name in names if name not in small], new[codes], small


def check_slots(key: str, keys: list[str]) -> None:
    """Raise ``ValueError`` if a group's key is the name of another network's slot."""
    taken = {f"{other}_{slot}": other for other in (key, *keys) for slot in SLOTS}
    clashes = [f"{name!r} (a slot of {taken[name]!r})" for name in keys if name in taken]
    if clashes:
        msg = (
            "categories of groupby give keys that name slots of other networks: "
            f"{', '.join(clashes)}. Rename these categories, or choose another key_added."
        )
        raise ValueError(msg)


def check_network_key(adata: AnnData, key: str) -> None:
    """Raise ``ValueError`` if a network named ``key`` would overwrite what is not its own."""
    for other in (name for name, value in adata.uns.items() if is_fitted(value)):
        for one, two in ((key, other), (other, key)):
            if one in {f"{two}_{slot}" for slot in SLOTS}:
                msg = (
                    f"key_added={key!r} cannot be there beside the network {other!r}: {one!r} is "
                    f"the name of a slot of {two!r}. Choose another name."
                )
                raise ValueError(msg)
    entry = adata.uns.get(key)
    taken = [slot for slot in ("uns", "varp") if key in getattr(adata, slot)]
    if taken and not (is_fitted(entry) or is_grouped(entry)):
        msg = (
            f"key_added={key!r} is taken: adata.{taken[0]}[{key!r}] is not a network that was "
            "fitted here. Choose another name, or delete it."
        )
        raise ValueError(msg)


def _sizes(small: dict[str, int]) -> str:
    return ", ".join(f"{name!r} ({size})" for name, size in small.items())


def groups_of(adata: AnnData, groupby: str) -> tuple[list[str], np.ndarray]:
    """Return the categories that have cells, and the code of every cell (``-1``: none)."""
    check_name("groupby", groupby)
    if groupby not in adata.obs:
        msg = (
            f"groupby={shortened(groupby)} is not a column of adata.obs; it has "
            f"{listed(adata.obs.columns)}."
        )
        raise KeyError(msg)
    column = pd.Categorical(adata.obs[groupby]).remove_unused_categories()
    if len(column.categories) == 0:
        msg = f"groupby={groupby!r} has no category: all values are missing."
        raise ValueError(msg)
    codes = column.codes.astype(np.int64)
    if n_missing := int((codes < 0).sum()):
        logger.info("%d cells without %s are left out", n_missing, groupby)
    return [str(name) for name in column.categories], codes


def group_keys(key: str, groups: list[str]) -> list[str]:
    """Return the slot name of every group."""
    keys = [f"{key}_{group}".replace("/", "_") for group in groups]
    if twice := sorted({name for name in keys if keys.count(name) > 1}):
        msg = (
            "categories differ only in '/' and '_', which are the same in slot names: "
            f"{listed(twice)}. Rename them."
        )
        raise ValueError(msg)
    return keys
