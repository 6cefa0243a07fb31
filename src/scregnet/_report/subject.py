"""What a report is about: the data, and the networks of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from scregnet import get
from scregnet._anndata.slots import holds_scores
from scregnet.bm._audit_split import audited
from scregnet.get._names import shown_names

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

# All labelled pairs, out of fold, say more than the test pairs; data sets of a transfer come last.
SPLITS = ("folds", "test", "validation")


@dataclass(frozen=True, eq=False)
class Member:
    """One fitted network: of all cells (``group`` is ``None``), or of one group."""

    adata: AnnData
    group: str | None
    key: str
    entry: Mapping[str, Any]
    gene_symbols: str | None

    @property
    def params(self) -> Mapping[str, Any]:
        return self.entry["params"]

    @property
    def method(self) -> str:
        return str(self.params["method"])

    @property
    def has_scores(self) -> bool:
        """Whether it was made without labels, so that it holds scores and no probabilities."""
        return holds_scores(self.entry)

    @property
    def has_pairs(self) -> bool:
        """Whether there are labelled pairs to judge on."""
        return not self.has_scores and len(self.entry["pairs"]) > 0

    @cached_property
    def metrics(self) -> pd.DataFrame | None:
        """The frame of :func:`scregnet.get.metrics`; ``None`` where there are no labels."""
        if self.has_scores or len(self.entry["metrics"]) == 0:
            return None
        return get.metrics(self.adata, key=self.key)

    @cached_property
    def split(self) -> str | None:
        """The pairs that the report judges on: out of fold, else those of the test."""
        if self.metrics is None:
            return None
        there = self.metrics["split"].astype(str).unique().tolist()
        return next((name for name in SPLITS if name in there), there[0])

    @cached_property
    def figures(self) -> pd.DataFrame:
        """Figures of the method on the pairs that the report judges on, by metric."""
        return self._figures_of(self.method)

    def value(self, model: object, metric: str) -> float | None:
        """Return the figure of a model on these pairs; ``None`` where there is none."""
        found = self._figures_of(str(model))["value"].to_dict()
        return float(found[metric]) if metric in found else None

    def _figures_of(self, model: str) -> pd.DataFrame:
        table = get.metrics(self.adata, key=self.key, split=self.split)
        return table[table["model"].astype(str) == model].set_index("metric")

    @cached_property
    def links(self) -> pd.DataFrame:
        """All links, most probable first: the frame of :func:`scregnet.get.grn`."""
        return get.grn(self.adata, key=self.key, gene_symbols=self.gene_symbols)

    @cached_property
    def audit(self) -> tuple[pd.DataFrame | None, str]:
        """The frame of :func:`scregnet.bm.audit_split`; or ``None``, and why there is none."""
        try:
            found = audited(
                self.adata, self.entry["pairs"], None, null_models=False, random_state=0
            )
        except ValueError as error:
            return None, str(error)
        # Pairs of genes that were dropped since the fit are no fault of the split.
        return found[found["check"] != "gene_not_in_data"], ""

    @property
    def is_out_of_fold(self) -> bool:
        return "out_of_fold" in self.entry["pairs"]


@dataclass(frozen=True, eq=False)
class Subject:
    """What all sections read, and none of them changes."""

    adata: AnnData
    key: str
    members: list[Member]
    gene_symbols: str | None
    groupby: str | None
    n_links: int
    controls: pd.DataFrame | None

    @property
    def first(self) -> Member:
        """The only network, or that of the first group: all share labels and parameters."""
        return self.members[0]

    @cached_property
    def shown(self) -> pd.Index:
        """One name for each gene, in the order of ``adata.var_names``."""
        return shown_names(self.adata, self.gene_symbols)

    @property
    def is_grouped(self) -> bool:
        return self.first.group is not None

    @property
    def params(self) -> Mapping[str, Any]:
        return self.first.params

    @property
    def named(self) -> str:
        """Argument that names the network in a call, empty for the usual name."""
        return "" if self.key == "grn" else f", key={self.key!r}"
