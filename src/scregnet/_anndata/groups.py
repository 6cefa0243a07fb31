"""Categories of cells, and the slot names of what is computed for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._logging import logger
from scregnet._validate import listed

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


def cell_groups(adata: AnnData, groupby: str, key: str) -> list[CellGroup]:
    """Return one group of cells for each category of ``adata.obs[groupby]``."""
    names, codes = groups_of(adata, groupby)
    keys = group_keys(key, names)
    return [
        CellGroup(keys[code], name, np.flatnonzero(codes == code))
        for code, name in enumerate(names)
    ]


def groups_of(adata: AnnData, groupby: str | None) -> tuple[list[str], np.ndarray]:
    """Return the categories that have cells, and the code of every cell (``-1``: none)."""
    if groupby is None:
        return [], np.zeros(adata.n_obs, dtype=np.int64)
    if groupby not in adata.obs:
        msg = (
            f"groupby={groupby!r} is not a column of adata.obs; it has {listed(adata.obs.columns)}."
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
