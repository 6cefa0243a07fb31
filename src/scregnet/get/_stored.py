"""The stored links of a fitted network: positions of genes, and what the slots hold of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._anndata.slots import (
    check_genes,
    check_probabilities,
    fitted,
    holds_scores,
    link_values,
    network,
)
from scregnet._genes.frames import PARTS
from scregnet._genes.names import places_of
from scregnet._genes.world import NamedWorld, read_world
from scregnet.links import null_models
from scregnet.links.pairs.codes import find_codes, pair_codes
from scregnet.metrics import lift
from scregnet.metrics._q_values import FalseShare

if TYPE_CHECKING:
    from anndata import AnnData

_PARTS_OR_NONE = (*PARTS, "none")


class StoredNetwork:
    """A fitted network in ``adata``. Slots are read when they are asked for."""

    def __init__(self, adata: AnnData, key: str) -> None:
        self._adata, self.key = adata, key
        self.results: Mapping[str, Any] = fitted(adata, key)
        check_genes(adata, key)
        self.names: pd.Index = adata.var_names
        self.matrix = network(adata, key)

    def values(self, name: str) -> np.ndarray | None:
        """Return one value per stored link, such as ``"null"`` or ``"sign"``; or ``None``."""
        return link_values(self._adata, self.key, name)

    @property
    def has_scores(self) -> bool:
        """Whether it was fitted without labels and holds scores in place of probabilities."""
        return holds_scores(self.results)

    @cached_property
    def null(self) -> np.ndarray | None:
        return self.values("null")

    @cached_property
    def world(self) -> NamedWorld | None:
        """All labelled pairs, where ``uns`` keeps a closed world as bits."""
        return read_world(self.results)

    @cached_property
    def false_share(self) -> FalseShare:
        """Of all stored links: a filter must not change the q of a link."""
        return FalseShare.of(self.matrix.data)

    def need_null(self, argument: str) -> None:
        """Raise, and say what to do, if there are no probabilities of a null model."""
        if self.null is not None:
            return
        check_probabilities(self._adata, self.key, argument)
        slot, method = f"{self.results['varp_key']}_null", self.results["params"].get("method")
        if method in null_models():
            hint = (
                f"The network is that of {method!r}, itself a null model: use by='probability' "
                "and leave min_lift out."
            )
        else:
            hint = (
                "Call sr.tl.fit_grn again, or use by='probability' and leave min_lift out "
                "(anndata.concat drops varp unless merge= is given)."
            )
        msg = (
            f"{argument} needs adata.varp[{slot!r}], the probabilities of a null model, which is "
            f"not there. {hint}"
        )
        raise ValueError(msg)

    @cached_property
    def _rank(self) -> np.ndarray:
        """Place of each gene by name.

        In the order of names, a stable sort by probability alone breaks ties by name.
        """
        rank = np.empty(len(self.names), dtype=np.int64)
        rank[np.argsort(self.names.to_numpy())] = np.arange(len(self.names))
        return rank

    def links_from(self, limit: np.float32) -> Links:
        """Return all links of at least this probability, ordered by ``adata.var_names``."""
        matrix = self.matrix
        place = np.flatnonzero(matrix.data >= limit)
        rows = np.searchsorted(matrix.indptr, place, side="right") - 1
        columns = matrix.indices[place]
        order = np.lexsort((self._rank[columns], self._rank[rows]))
        return Links(self, rows[order], columns[order], place[order])

    def links(self, rows: np.ndarray, columns: np.ndarray | None = None) -> Links:
        """Return the links of some rows and columns, ordered by ``adata.var_names``."""
        if columns is None:
            columns = np.arange(len(self.names))
        rank = self._rank
        rows = rows[np.argsort(rank[rows])]
        columns = columns[np.argsort(rank[columns])]
        # The places of links instead of their values: one selection serves all slots.
        matrix = self.matrix
        place = np.arange(matrix.nnz, dtype=np.int32 if matrix.nnz < 2**31 else np.int64)
        places = sp.csr_matrix((place, matrix.indices, matrix.indptr), shape=matrix.shape)
        part = places[rows][:, columns]
        part.sort_indices()
        repeated = np.repeat(rows, np.diff(part.indptr))
        return Links(self, repeated, columns[part.indices], part.data)


@dataclass(frozen=True, eq=False)
class Links:
    """Some links of a network: positions of their genes, and their places among all links."""

    network: StoredNetwork
    rows: np.ndarray
    columns: np.ndarray
    place: np.ndarray

    def __len__(self) -> int:
        return len(self.place)

    def take(self, index: np.ndarray) -> Links:
        """Return the links of an index or mask, in its order."""
        return Links(self.network, self.rows[index], self.columns[index], self.place[index])

    @cached_property
    def weights(self) -> np.ndarray:
        return self.network.matrix.data[self.place]

    @cached_property
    def lift(self) -> np.ndarray:
        """Needs the slot of the null model: :meth:`StoredNetwork.need_null`."""
        return lift(self.weights, self._values("null"))

    def order_values(self, by: str) -> np.ndarray:
        """Return what orders the links: their lift or their probability."""
        return self.lift if by == "lift" else self.weights

    def in_prior(self) -> np.ndarray:
        """Return the mask of the known edges."""
        return self._labels()[0]

    def frame(self, shown: pd.Index) -> pd.DataFrame:
        """Return the frame of :func:`scregnet.get.grn`, genes by the names that are shown."""
        columns: dict[str, Any] = {
            "source": shown.take(self.rows),
            "target": shown.take(self.columns),
            "weight": self.weights,
        }
        # Said by its name too; decoupler and networkx read the weight, and take 1 without one.
        if self.network.has_scores:
            columns["score"] = self.weights
        if self.network.null is not None:
            columns |= {"null": self._values("null"), "lift": self.lift}
        for name in ("sd", "sign", "stability"):
            if (values := self._values(name)) is not None:
                columns[name] = values
        if not self.network.has_scores:
            columns["q"] = self.network.false_share.at(self.weights)
        columns["in_prior"], columns["split"] = self._labels()
        return pd.DataFrame(columns)

    def _values(self, name: str) -> Any:
        values = self.network.null if name == "null" else self.network.values(name)
        return None if values is None else values[self.place]

    def _labels(self) -> tuple[np.ndarray, pd.Categorical[str]]:
        """Return for each link whether it is a known edge, and its split."""
        results = self.network.results
        pairs = results["pairs"]
        in_prior = np.zeros(len(self), dtype=bool)
        split = np.full(len(self), _PARTS_OR_NONE.index("none"), dtype=np.int8)
        known, pair = self._match(pairs)
        in_prior[known] = pairs["label"].to_numpy()[pair] == 1
        split[known] = pd.Categorical(pairs["split"], categories=list(_PARTS_OR_NONE)).codes[pair]
        world = self.network.world
        if world is not None:
            # The frame has some of the pairs alone.
            in_prior, split = world.of_links(self.rows, self.columns, self.network.names)
        # Known edges that are in no part of the split have no label.
        in_prior[self._match(results["left_out"])[0]] = True
        return in_prior, pd.Categorical.from_codes(split, categories=pd.Index(_PARTS_OR_NONE))

    def _match(self, pairs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return the mask of the links that are in a frame of pairs, and the rows of those."""
        names = self.network.names
        wanted = pair_codes(self.rows, self.columns, len(names))
        # Genes of labelled pairs may have been dropped from adata after the fit.
        sources, targets = (places_of(pairs[end], names) for end in ("source", "target"))
        present = np.flatnonzero((sources >= 0) & (targets >= 0))
        codes = pair_codes(sources[present], targets[present], len(names))
        order = np.argsort(codes, kind="stable")
        place = find_codes(codes[order], wanted)
        known = place >= 0
        return known, present[order[place[known]]]
