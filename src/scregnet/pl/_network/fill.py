"""Colours of nodes by what is known of the genes: a module, a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._validate import listed, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

MISSING = "#D9D9D9"
# The colours of plots without that of new links, and without greys.
COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F4A00", "#000000")
# More groups cannot be told apart by colour.
MOST = len(COLOURS)


@dataclass(frozen=True)
class Fill:
    """The colour of each node, and what the legend says of colours."""

    title: str
    colours: list[str]
    legend: list[tuple[str, str]]


def fill_of(
    adata: AnnData, key: str, color: str | pd.Series, shown: pd.Index, nodes: Sequence[str]
) -> Fill:
    """Return the colours of nodes, which go by the names that are shown."""
    title, values = _values(adata, key, color)
    # Values are by the genes' own names; a series may use the names that are shown.
    by_name = pd.Index(adata.var_names.astype(str))
    places = shown.get_indexer(pd.Index(nodes, dtype=object))
    own = values.reindex(by_name.take(places))
    if not isinstance(color, str):
        own = own.where(own.notna().to_numpy(), values.reindex(list(nodes)).to_numpy())
    if own.isna().all():
        msg = f"color: no gene that is drawn has a value in {title!r}."
        raise ValueError(msg)
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    found = _scale(own.to_numpy(float)) if is_number else _groups(own.astype(object))
    return Fill(title, *found)


def _values(adata: AnnData, key: str, color: str | pd.Series) -> tuple[str, pd.Series]:
    """Return the name of the values, and one for each gene that has one."""
    if isinstance(color, pd.Series):
        if not color.index.is_unique:
            msg = "color: the series has a gene twice; give one value for each."
            raise ValueError(msg)
        values = color.set_axis(color.index.astype(str))
        return str(color.name) if color.name is not None else "value", values
    if not isinstance(color, str):
        msg = f"color must be a column of adata.var or a series by gene, got {shortened(color)}."
        raise TypeError(msg)
    for column in (color, f"{key}_{color}"):
        if column in adata.var:
            return color, adata.var[column].set_axis(adata.var_names.astype(str))
    hint = " Call sr.tl.network_stats first." if color == "module" else ""
    msg = (
        f"color={color!r} is not a column of adata.var, nor is {f'{key}_{color}'!r}; it has "
        f"{listed(adata.var.columns)}.{hint}"
    )
    raise KeyError(msg)


def _groups(values: pd.Series) -> tuple[list[str], list[tuple[str, str]]]:
    """Return a colour for each of the largest groups, grey for the others."""
    names = values.dropna().astype(str)
    sizes = names.value_counts()
    # Of equal size, by name: the order of the genes must not choose the colours.
    order = sizes.sort_index().sort_values(ascending=False, kind="stable").index.tolist()
    chosen = sorted(order[:MOST], key=lambda name: (not name.isdigit(), len(name), name))
    colour = dict(zip(chosen, COLOURS, strict=False))
    colours = [MISSING if pd.isna(value) else colour.get(str(value), MISSING) for value in values]
    legend = [(name, colour[name]) for name in chosen]
    rest = [f"{len(order) - MOST} others"] if len(order) > MOST else []
    rest += ["none"] if values.isna().any() else []
    return colours, legend + ([(" or ".join(rest), MISSING)] if rest else [])


def _scale(values: np.ndarray) -> tuple[list[str], list[tuple[str, str]]]:
    """Return colours of numbers: around 0 if there are both signs."""
    import matplotlib as mpl
    from matplotlib.colors import to_hex

    there = values[np.isfinite(values)]
    low, high = (float(there.min()), float(there.max())) if len(there) else (0.0, 1.0)
    signed = low < 0 < high
    if signed:
        low, high = -max(-low, high), max(-low, high)
    table = mpl.colormaps["RdBu_r" if signed else "viridis"]
    span = high - low or 1.0
    paint = lambda value: to_hex(table((value - low) / span))
    colours = [paint(value) if np.isfinite(value) else MISSING for value in values]
    ends = [high, (low + high) / 2, low] if high > low else [high]
    legend = [(f"{value:.3g}", paint(value)) for value in ends]
    return colours, legend + ([("none", MISSING)] if len(there) < len(values) else [])
