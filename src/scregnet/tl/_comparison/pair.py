"""The comparison of one pair of groups, as frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet.tl._comparison.cells import Cells, NotComparable, drawn, units
from scregnet.tl._comparison.null import Observed, Tested, over_cells, over_donors, permutation_p
from scregnet.tl._comparison.statistic import fisher

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet.tl._comparison.networks import Networks

NO_LINK = "no link can be compared: {name} have no link of a TF and a target that at least \
min_detection={d} of the cells of both groups express. Give a smaller min_detection or threshold."


@dataclass(frozen=True, eq=False)
class Options:
    """How groups are compared: the arguments of :func:`scregnet.tl.compare_grns`."""

    layer: str | None
    min_detection: float
    min_donor_cells: int
    n_permutations: int
    fdr: float


@dataclass(frozen=True, eq=False)
class Pair:
    """Two groups of cells."""

    names: tuple[str, str]
    rows: tuple[np.ndarray, np.ndarray]
    donors: np.ndarray | None

    def compare(
        self, data: AnnData, networks: Networks, options: Options, rng: np.random.Generator
    ) -> dict[str, pd.DataFrame]:
        """Return frames of links, TFs, and the pair."""
        rows = (drawn(self.rows[0], rng), drawn(self.rows[1], rng))
        name = f"{self.names[0]!r} and {self.names[1]!r}"
        parts, paired = [list(rows)], False
        if self.donors is not None:
            parts, paired = units(
                self.rows, self.donors, min_cells=options.min_donor_cells, name=name
            )
            rows = (np.concatenate(parts[0]), np.concatenate(parts[1]))
        groups = [Cells.of(data, options.layer, own) for own in rows]

        def observe(genes: np.ndarray, tfs: np.ndarray, kept: np.ndarray) -> Observed:
            if self.donors is None:
                values = (groups[0].values[:, genes], groups[1].values[:, genes])
                return over_cells(values, tfs, kept, n_permutations=options.n_permutations, rng=rng)
            read = lambda own: Cells.of(data, options.layer, own).values[:, genes]
            made = [np.stack([fisher(read(own), tfs).z[kept] for own in side]) for side in parts]
            return over_donors(
                (made[0], made[1]), paired=paired, n_permutations=options.n_permutations, rng=rng
            )

        n_units = [len(part) for part in (parts if self.donors is not None else rows)]
        return self.frames(data, networks, options, groups, observe, n_units=n_units, paired=paired)

    def frames(
        self,
        data: AnnData,
        networks: Networks,
        options: Options,
        groups: list[Cells],
        observe: Callable[[np.ndarray, np.ndarray, np.ndarray], Observed],
        *,
        n_units: list[int],
        paired: bool,
    ) -> dict[str, pd.DataFrame]:
        """Return the frames of what ``observe`` finds of the genes and TFs it is given."""
        mask = _expressed(networks, groups, options.min_detection)
        if not mask.any():
            name = f"{self.names[0]!r} and {self.names[1]!r}"
            raise NotComparable(NO_LINK.format(name=name, d=options.min_detection))
        genes = np.union1d(networks.tfs[mask.any(axis=1)], np.flatnonzero(mask.any(axis=0)))
        kept = networks.mask[:, genes] & mask[:, genes]
        own_tfs = np.flatnonzero(kept.any(axis=1))
        tfs, kept = np.searchsorted(genes, networks.tfs[own_tfs]), kept[own_tfs]
        observed = observe(genes, tfs, kept)
        tf = np.repeat(own_tfs, kept.sum(axis=1))
        found = permutation_p(observed, tf, len(networks.tfs))
        links = self._links(data, networks, mask, observed, found)
        return {
            "links": links,
            "tfs": self._tfs(data, networks, links, groups, found, options.fdr),
            "pairs": self._pair(links, found, n_units, paired=paired, fdr=options.fdr),
        }

    def _links(
        self,
        data: AnnData,
        networks: Networks,
        mask: np.ndarray,
        observed: Observed,
        found: Tested,
    ) -> pd.DataFrame:
        """Return a row for each link, in the order of the TFs and genes."""
        source, target = np.nonzero(mask)
        genes = data.var_names.astype(str)
        columns = {
            "source": genes[networks.tfs[source]],
            "target": genes[target],
            "correlation_a": observed.correlation_a,
            "correlation_b": observed.correlation_b,
            "difference": observed.difference,
            "se": observed.se,
            "statistic": observed.statistic,
            "p": found.p,
            "q": benjamini_hochberg(found.p),
        }
        logits = networks.logits(mask) or {
            name: np.full(len(source), np.nan)
            for name in ("logit_a", "logit_b", "logit_difference", "logit_sd")
        }
        return self._named(columns | logits)

    def _tfs(
        self,
        data: AnnData,
        networks: Networks,
        links: pd.DataFrame,
        groups: list[Cells],
        found: Tested,
        fdr: float,
    ) -> pd.DataFrame:
        """Return a row for each TF that has links, also for those that cannot be compared."""
        names = data.var_names.astype(str)[networks.tfs]
        size = links["correlation_b"].abs() - links["correlation_a"].abs()
        significant = links["q"] <= fdr
        by_tf = lambda values: values.groupby(links["source"]).sum().reindex(names, fill_value=0)
        columns = {
            "tf": names,
            "detection_a": groups[0].detected[networks.tfs],
            "detection_b": groups[-1].detected[networks.tfs],
            "n_links": by_tf(pd.Series(1, links.index)).to_numpy(),
            "n_gained": by_tf((significant & (size > 0)).astype(int)).to_numpy(),
            "n_lost": by_tf((significant & (size <= 0)).astype(int)).to_numpy(),
            "strength": size.groupby(links["source"]).mean().reindex(names).to_numpy(),
            "statistic": found.tf_statistic,
            "p": found.tf_p,
            "q": benjamini_hochberg(found.tf_p),
        }
        return self._named(columns)

    def _pair(
        self, links: pd.DataFrame, found: Tested, n_units: list[int], *, paired: bool, fdr: float
    ) -> pd.DataFrame:
        return self._named(
            {
                "n_a": [n_units[0]],
                "n_b": [n_units[1]],
                "paired": [paired],
                "n_links": [len(links)],
                "n_changed": [int((links["q"] <= fdr).sum())],
                "statistic": [found.statistic],
                "p": [found.overall_p],
                "n_permutations": [found.n_permutations],
            }
        )

    def _named(self, columns: dict[str, Any]) -> pd.DataFrame:
        """Return a frame whose first columns name both groups."""
        frame = pd.DataFrame(columns)
        for place, column in enumerate(("group_a", "group_b")):
            frame.insert(place, column, np.full(len(frame), self.names[place], object))
        return frame


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Return q values; NaN where p is."""
    from scipy.stats import false_discovery_control

    q = np.full(len(p), np.nan)
    there = np.isfinite(p)
    if there.any():
        q[there] = false_discovery_control(p[there])
    return q


def _expressed(networks: Networks, groups: list[Cells], least: float) -> np.ndarray:
    """Return the links whose two genes enough cells of all groups express."""
    seen = np.min([group.detected for group in groups], axis=0) >= least
    for group in groups:
        # Without variation there is no correlation.
        seen &= group.values.any(axis=0)
    return networks.mask & seen & seen[networks.tfs][:, None]
