"""Read evidence layers that :func:`scregnet.pp.evidence` wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scregnet._anndata.access import flags, unmasked
from scregnet._anndata.uns import check_key
from scregnet._validate import listed, name_list
from scregnet.links.evidence import EvidenceLayer

if TYPE_CHECKING:
    from anndata import AnnData


def is_layer(entry: object) -> bool:
    """Return whether an entry of ``uns`` is the report of an evidence layer."""
    return isinstance(entry, Mapping) and entry.get("kind") == "evidence"


def check_layer_slots(adata: AnnData, key: str, argument: str = "key") -> None:
    """Raise unless ``key`` is free, or holds an evidence layer, which is replaced."""
    check_key(key)
    entry = adata.uns.get(key)
    if is_layer(entry):
        return
    taken = [slot for slot in ("uns", "varm", "varp") if key in getattr(adata, slot)]
    if taken:
        msg = (
            f"{argument}={key!r} is taken: adata.{taken[0]}[{key!r}] is not an evidence layer. "
            "Choose another key, or delete it."
        )
        raise ValueError(msg)


def check_no_layer(adata: AnnData, key: str) -> None:
    """Raise if ``key`` is the name of a layer: a network of that name would overwrite it."""
    if is_layer(adata.uns.get(key)):
        msg = f"key_added={key!r} is the name of an evidence layer; choose another one."
        raise ValueError(msg)


def layer_names(evidence: str | Sequence[str] | None) -> list[str]:
    """Return the argument as a list of keys, each once."""
    if evidence is None:
        return []
    names = name_list("evidence", evidence)
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        msg = (
            "evidence must be keys that sr.pp.evidence wrote, or None, "
            f"got {type(wrong[0]).__name__}."
        )
        raise TypeError(msg)
    if len(set(names)) < len(names):
        msg = f"evidence names a layer twice: {listed(names)}."
        raise ValueError(msg)
    return names


def evidence_layers(
    adata: AnnData, evidence: str | Sequence[str] | None
) -> tuple[tuple[EvidenceLayer, ...], dict[str, Any]]:
    """Return the layers of the given keys, and what ``params`` keeps of them.

    Raises
    ------
    KeyError
        A key is no evidence layer, or one of its slots is gone.
    ValueError
        A slot holds what no layer holds.
    """
    layers = tuple(_read(adata, name) for name in layer_names(evidence))
    if not layers:
        return (), {}
    covered = {layer.name: int(layer.covered.sum()) for layer in layers}
    return layers, {"n_genes_covered": covered}


def _read(adata: AnnData, key: str) -> EvidenceLayer:
    report = adata.uns.get(key)
    if not is_layer(report):
        there = [name for name, entry in adata.uns.items() if is_layer(entry)]
        has = f"adata has {listed(there)}" if there else "adata has none"
        msg = (
            f"evidence={key!r} is not an evidence layer; {has}. "
            f"Call sr.pp.evidence(adata, net, key={key!r}) first."
        )
        raise KeyError(msg)
    columns = {name: f"{key}_{name}" for name in ("covered", "popularity", "n_experiments")}
    gone = [f"adata.var[{name!r}]" for name in columns.values() if name not in adata.var]
    gone += [f"adata.{s}[{key!r}]" for s in ("varm", "varp") if key not in getattr(adata, s)]
    if gone:
        msg = (
            f"evidence={key!r}: {listed(gone)} of the layer is gone "
            "(anndata.concat drops it unless merge= is given). Call sr.pp.evidence again."
        )
        raise KeyError(msg)
    covered = flags(adata, columns["covered"], "")
    profile = np.asarray(unmasked(adata.varm[key], f"adata.varm[{key!r}]"), np.float32)
    popularity = adata.var[columns["popularity"]].to_numpy(np.float32)
    tracks = sp.csr_matrix(adata.varp[key], dtype=np.float32)
    popularity = np.where(covered, popularity, np.float32(0))
    finite = all(np.isfinite(values).all() for values in (profile, popularity, tracks.data))
    if profile.ndim != 2 or not finite or (tracks.data < 0).any() or (popularity < 0).any():
        msg = (
            f"evidence={key!r}: its slots must be finite, and popularity and tracks not negative. "
            "They were changed after sr.pp.evidence wrote them: call it again."
        )
        raise ValueError(msg)
    has_track = adata.var[columns["n_experiments"]].to_numpy() > 0
    n_tfs = max(int(report.get("n_tfs", 1)), int(has_track.sum()), 1)
    return EvidenceLayer(key, profile, popularity, covered, tracks, has_track, n_tfs)
