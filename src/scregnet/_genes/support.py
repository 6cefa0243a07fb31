"""Edges of a known network without support in an evidence layer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._anndata.evidence import evidence_layers, is_layer
from scregnet._genes.set_aside import joined, pairs_named
from scregnet._logging import logger
from scregnet._validate import check_choice, check_name, listed, shortened

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet._genes.network import Network

UNSUPPORTED = ("set_aside", "drop", "mark")
"""What becomes of edges without support."""


def check_support(adata: AnnData, support: str | None, unsupported: str) -> None:
    """Raise unless ``support`` is ``None`` or an evidence layer, and the choice is known."""
    check_choice("unsupported", unsupported, UNSUPPORTED)
    check_name("support", support)
    if support is None or is_layer(adata.uns.get(support)):
        return
    there = [name for name, entry in adata.uns.items() if is_layer(entry)]
    msg = (
        f"support={shortened(support)} is not an evidence layer; adata has {listed(there)}. Call "
        "sr.pp.chromatin or sr.pp.evidence first."
    )
    raise KeyError(msg)


def with_support(
    network: Network, adata: AnnData, support: str, unsupported: str
) -> tuple[Network, dict[str, Any]]:
    """Return a network without the edges that a layer speaks against, and what ``uns`` keeps.

    A layer speaks against an edge if it knows TF and target and has 0. Where it does not know one
    of them, the edge stays.

    Raises
    ------
    ValueError
        No edge is left.
    """
    (layer,), _ = evidence_layers(adata, support)
    sources, targets = network.sources, network.targets
    known = layer.has_track[sources] & layer.covered[targets]
    found = np.asarray(layer.tracks[sources, targets]).ravel() > 0
    without = known & ~found
    n_left = int((~without).sum())
    logger.info(
        "prior: of %d edges, %d have support in %r, %d have none (%s) and of %d it knows nothing",
        *(len(without), int((known & found).sum()), support, int(without.sum())),
        *(unsupported, int((~known).sum())),
    )
    if not n_left and unsupported != "mark":
        msg = (
            f"support={support!r}: none of the {len(without):,} edges of the prior has support. "
            "Keep them with unsupported='mark', or use another layer."
        )
        raise ValueError(msg)
    listed_edges = pairs_named((sources[without], targets[without]), adata.var_names)
    report: dict[str, Any] = {
        "support": {
            "layer": support,
            "unsupported": unsupported,
            "n_supported": int((known & found).sum()),
            "n_without_support": int(without.sum()),
            "n_unknown": int((~known).sum()),
            "without_support": listed_edges.assign(weight=network.weights[without]),
        }
    }
    if unsupported == "mark":
        return network, report
    aside = network.set_aside
    if unsupported == "set_aside":
        aside = joined((sources[without], targets[without]), aside)
    kept = {name: getattr(network, name)[~without] for name in ("sources", "targets", "weights")}
    return replace(network, **kept, set_aside=aside), report
