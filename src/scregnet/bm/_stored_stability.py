"""Keep the stability of links next to the fitted network that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scregnet._anndata.access import check_writable, write
from scregnet._anndata.features import embedding_features
from scregnet._anndata.slots import check_genes, fitted, keys_by_group, network
from scregnet._anndata.uns import to_uns
from scregnet.links.pairs.codes import find_codes, pair_codes
from scregnet.tl._fit.task import unread

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from scregnet.links import LinkMethod
    from scregnet.tl._fit.task import FitOptions

OF_NO_MATTER = ("n_bootstrap", "threshold", "top_n_targets", "random_state")
"""Options of a fit that do not decide which links come first, or only by chance."""


def check_network(
    data: AnnData,
    key: str,
    name: str,
    method: LinkMethod,
    options: FitOptions,
    known: np.ndarray,
) -> None:
    """Raise unless ``key`` names a network that was fitted as the study refits it."""
    check_writable(data, copy=False)
    one = None in keys_by_group(data, key)
    entry = fitted(data, key) if one else {}
    params = entry.get("params", {})
    if not one or "groupby" in params:
        msg = (
            f"key_added={key!r} is of a fit with groupby=, and stability refits all cells. Leave "
            "key_added out, or call it on the cells of the group with a fit of their own."
        )
        raise ValueError(msg)
    # Also raises if the links are gone.
    check_genes(data, key)
    if params["method"] != name:
        msg = (
            f"key_added={key!r} was fitted with method={params['method']!r}, and stability refits "
            f"method={name!r}: give the same one, or another key_added."
        )
        raise ValueError(msg)
    asked = to_uns({**options.params(), **vars(method)})
    if method.uses_embedding:
        # "auto" stands for the one that is there.
        asked |= {"embedding": embedding_features(data, options.embedding)[1]["embedding"]}
    asked |= unread(method)
    found = {**params, **params["method_params"]}
    other = [
        f"{option}={found.get(option)!r}, not {value!r}"
        for option, value in asked.items()
        if option not in OF_NO_MATTER and not _same(found.get(option), value)
    ]
    if other:
        msg = (
            f"key_added={key!r} was fitted otherwise than stability refits: {'; '.join(other)}. "
            "Give the arguments of that fit, or another key_added."
        )
        raise ValueError(msg)
    if not np.array_equal(_edges(data, entry), known):
        msg = (
            f"key_added={key!r} was fitted with other known edges: give stability the prior and "
            "the split of that fit, or another key_added."
        )
        raise ValueError(msg)


def _same(one: Any, other: Any) -> bool:
    """Whether two values of ``uns`` are equal; a file may have changed a list into an array."""
    return np.array_equal(np.asarray(one, object), np.asarray(other, object))


def _edges(data: AnnData, entry: Any) -> np.ndarray:
    """Return the codes of the known edges of a fitted network, ascending."""
    pairs = entry["pairs"]
    frames = (pairs[pairs["label"] == 1], entry["left_out"])
    source, target = (
        np.concatenate([data.var_names.get_indexer(edges[end].astype(str)) for edges in frames])
        for end in ("source", "target")
    )
    return np.unique(pair_codes(source, target, data.n_vars))


def write_stability(
    data: AnnData,
    key: str,
    tops: Sequence[np.ndarray],
    known: np.ndarray,
    table: pd.DataFrame,
    params: dict[str, Any],
) -> None:
    """Write the share of refits that have a link among their first new ones, for every link.

    ``tops`` are the codes of the first new links of each refit. Known edges get NaN: they are never
    new.
    """
    entry, links = fitted(data, key), network(data, key)
    seen, times = np.unique(np.concatenate(tops), return_counts=True)
    sources = np.repeat(np.arange(data.n_vars), np.diff(links.indptr))
    codes = pair_codes(sources, links.indices, data.n_vars)
    place = find_codes(seen, codes)
    share = np.where(place >= 0, times[place] / len(tops), 0).astype(np.float32)
    share[find_codes(known, codes) >= 0] = np.nan
    about = {"params": {**params, "n_fits": len(tops)}, "table": table}
    write(
        data,
        varp={
            f"{entry['varp_key']}_stability": sp.csr_matrix(
                (share, links.indices, links.indptr), shape=links.shape, copy=True
            )
        },
        uns={key: {**entry, "stability": about}},
    )
