"""Saved form of what is kept of evidence layers: their columns of pairs, as checked arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from scregnet.links.evidence import PairColumns
from scregnet.links.forms.saved import (
    State,
    check_ascending,
    read_bools,
    read_floats,
    read_integers,
    refuse,
)


def columns_state(columns: Sequence[PairColumns]) -> dict[str, np.ndarray]:
    """Plain arrays, named ``layer_<number>_<name>``."""
    state: dict[str, np.ndarray] = {}
    for number, layer in enumerate(columns):
        arrays = {
            "popularity": layer.popularity,
            "covered": layer.covered,
            "indptr": layer.tracks.indptr,
            "indices": layer.tracks.indices,
            "data": layer.tracks.data,
            "has_track": layer.has_track,
            "n_tfs": np.array(layer.n_tfs),
        }
        state |= {f"layer_{number}_{name}": value for name, value in arrays.items()}
    return state


def columns_from_state(state: State, n_genes: int, prefix: str) -> tuple[PairColumns, ...]:
    """The inverse of :func:`columns_state`; raise ``ValueError`` if arrays do not fit together."""
    first = f"{prefix}layer_"
    n = sum(name.startswith(first) and name.endswith("_n_tfs") for name in state)
    return tuple(_from_state(state, f"{first}{number}_", n_genes) for number in range(n))


def _from_state(state: State, prefix: str, n_genes: int) -> PairColumns:
    data = read_floats(state, f"{prefix}data", (None,))
    indices = read_integers(state, f"{prefix}indices", data.shape, high=n_genes - 1)
    indptr = read_integers(state, f"{prefix}indptr", (n_genes + 1,), high=len(data))
    check_ascending(f"{prefix}indptr", indptr)
    if indptr[0] != 0 or indptr[-1] != len(data):
        refuse(f"{prefix}indptr", f"must run from 0 to {len(data)}")
    return PairColumns(
        read_floats(state, f"{prefix}popularity", (n_genes,)),
        read_bools(state, f"{prefix}covered", (n_genes,)),
        sp.csr_matrix((data, indices, indptr), (n_genes, n_genes)),
        read_bools(state, f"{prefix}has_track", (n_genes,)),
        int(read_integers(state, f"{prefix}n_tfs", (), low=1, high=2**31 - 1)),
    )
