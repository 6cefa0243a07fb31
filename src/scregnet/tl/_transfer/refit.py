"""A fitted network applied to new cells: the same labels and settings, the new cells' features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.slots import check_probabilities, fitted
from scregnet._genes.frames import STANDS_FOR
from scregnet._genes.world import WORLD
from scregnet._logging import logger
from scregnet._validate import about, listed
from scregnet.links import method_class
from scregnet.tl._fit.task import FitOptions

if TYPE_CHECKING:
    from anndata import AnnData

PAIR = ["source", "target"]


def settings_of(data: AnnData, source: AnnData, key: str) -> dict[str, Any]:
    """Return the arguments with which :func:`scregnet.tl.fit_grn` fits ``source`` to other cells.

    Raises
    ------
    KeyError, ValueError
        ``source`` has no such network, or its labelled pairs cannot be found in the new cells.
    """
    with about("source"):
        entry = fitted(source, key)
        check_probabilities(source, key, "source_key")
    params = entry["params"]
    method = str(params["method"])
    if method in ("zsum", "fitted"):
        msg = (
            f"source_key={key!r} was made by sr.tl.transfer_grn, without labels; pass the evidence "
            "and networks that it was made from."
        )
        raise ValueError(msg)
    if str(params["embedding"]) == "frame":
        msg = (
            f"source_key={key!r} was fitted with an embedding given as a frame, which is not kept; "
            "put it into adata.varm of both and fit source again with embedding=<its key>."
        )
        raise ValueError(msg)
    known = {field.name for field in fields(FitOptions)}
    chosen = {name: _plain(value) for name, value in params.items() if name in known}
    if chosen["embedding"] == "none":
        chosen["embedding"] = None
    own = {field.name for field in fields(method_class(method))}  # type: ignore[arg-type]
    parameters = {
        name: _plain(value) for name, value in params["method_params"].items() if name in own
    }
    edges = _left_out(entry, data)
    pairs = _pairs(entry, data, key)
    return {"method": method, "split": pairs, "prior": edges, **chosen, **parameters}


def _pairs(entry: Mapping[str, Any], data: AnnData, key: str) -> pd.DataFrame:
    """Return the labelled pairs whose genes the new cells have; say how many are dropped."""
    stored = entry["pairs"]
    if WORLD in entry:
        logger.info(
            "transfer_grn: of the closed world of %r, its edges and the non-edges that are kept as "
            "a frame are used",
            key,
        )
    frame = stored[[name for name in (*PAIR, "label", "split", STANDS_FOR) if name in stored]]
    there = frame["source"].isin(data.var_names) & frame["target"].isin(data.var_names)
    if not there.any():
        msg = (
            f"source: none of the {len(frame):,} labelled pairs of {key!r} has both genes in "
            f"adata.var_names (genes like {listed(data.var_names[:3])}, pairs of genes like "
            f"{listed(frame['source'].unique()[:3])}). Both must use the same names."
        )
        raise ValueError(msg)
    if not there.all():
        logger.warning(
            "transfer_grn: %d of %d labelled pairs of %r have a gene that adata lacks; "
            "the others are used",
            *(int((~there).sum()), len(frame), key),
        )
    return frame[there].reset_index(drop=True)


def _left_out(entry: Mapping[str, Any], data: AnnData) -> pd.DataFrame:
    """Return all known edges of the new cells' genes; those in no part stay known."""
    pairs = entry["pairs"]
    frames = (pairs.loc[pairs["label"] == 1, PAIR], entry["left_out"][PAIR])
    known = pd.concat([frame.astype(str) for frame in frames], ignore_index=True)
    there = known["source"].isin(data.var_names) & known["target"].isin(data.var_names)
    return known[there].reset_index(drop=True)


def _plain(value: Any) -> Any:
    """Return a parameter as it was before ``uns`` kept it."""
    if isinstance(value, np.ndarray):
        return tuple(value.tolist()) if value.ndim else value.item()
    return value.item() if isinstance(value, np.generic) else value
