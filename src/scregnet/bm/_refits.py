"""Refits of a method that write nothing, and what is kept of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scregnet._logging import logger
from scregnet._validate import noted, with_notes
from scregnet.bm._new_links import first_new, overlap, rank_correlation
from scregnet.metrics import lift
from scregnet.tl._fit.fit import Fit, fit_links
from scregnet.tl._fit.task import make_task
from scregnet.tl._fit.verdict import Verdict, judge_nulls

if TYPE_CHECKING:
    import scipy.sparse as sp
    from anndata import AnnData

    from scregnet._genes.split import LabelledPairs
    from scregnet.bm._kept.store import Store
    from scregnet.bm._perturbations import Given
    from scregnet.links import LinkMethod
    from scregnet.tl._fit.folds import Folds
    from scregnet.tl._fit.task import FitOptions


class Network(NamedTuple):
    """Probability or lift of all links of a fit, and the codes of its first new ones."""

    values: sp.csr_matrix
    top: np.ndarray


class Refit(NamedTuple):
    """What comes of one repeat."""

    overlap: float
    rank_correlation: float
    tops: list[np.ndarray]
    """Codes of the first new links of each of its fits; none if one failed."""


@dataclass(frozen=True, eq=False)
class Refits:
    """Fits of one method that write nothing. ``store`` keeps what comes of each repeat."""

    data: AnnData
    name: str
    method: LinkMethod
    options: FitOptions
    by: str
    tfs: np.ndarray
    """Positions of the TFs whose links are scored, in every fit."""

    known: np.ndarray
    """Codes of the edges of the whole prior: they are known in every fit."""

    top_n: int
    device: Any
    store: Store[Refit]
    failures: list[RuntimeError] = field(default_factory=list)

    def folds(self, labelled: LabelledPairs, random_state: int) -> Folds | None:
        """Draw the folds as a fit with this seed does."""
        if self.options.n_folds == 1:
            return None
        from scregnet.tl._fit.folds import Folds

        return Folds.draw(labelled, replace(self.options, random_state=random_state), self.method)

    def fit(self, given: Given) -> Network:
        """Fit, and score all links."""
        network = self._fit(given).network(self.tfs, self.data.n_vars)
        values = network.probabilities
        if network.null is not None:
            values.data = lift(values.data, network.null.data)
        return Network(values, first_new(values, self.known, self.top_n))

    def repeat(self, title: str, key: str, versions: list[Given], full: Network) -> Refit:
        """Fit each version and compare, unless the record ``key`` is there.

        NaN if a fit diverges or collapses, which is not kept. ``title`` is for people.
        """
        kept = self.store.read(key)
        if kept is not None:
            logger.info("%s is there already", title)
            return kept
        try:
            with noted(f"in the fit {title!r}"):
                networks = [self.fit(given) for given in versions]
        except RuntimeError as error:
            logger.warning("%s. Its figures are NaN.", with_notes(error))
            self.failures.append(error)
            return Refit(np.nan, np.nan, [])
        # Halves are compared with each other: the full fit has seen the cells of both.
        one, other = networks if len(networks) == 2 else (full, networks[0])
        found = Refit(
            overlap(one.top, other.top),
            rank_correlation(one.values, other.values),
            [network.top for network in networks],
        )
        tops = [top.tolist() for top in found.tops]
        self.store.write(key, {**found._asdict(), "tops": tops})
        return found

    def check(self, n_runs: int) -> None:
        """Raise the last failure if every run failed."""
        if len(self.failures) == n_runs:
            raise self.failures[-1]

    def _fit(self, given: Given) -> Fit:
        """Fit what is delivered: the folds if there are any, else the one fit."""
        labelled, folds, n_genes = given.labelled, given.folds, self.data.n_vars
        options = replace(self.options, random_state=given.random_state)
        nulls: dict[str, Verdict] = {}
        if self.by == "lift":
            nulls = judge_nulls(labelled.parts, n_genes, options, but=self.name)
        task, _ = make_task(self.data, self.method, labelled, options, rows=given.rows)
        if folds is None:
            return fit_links(
                self.name, self.method, task, labelled, options, nulls, device=self.device
            )
        from scregnet.tl._fit.folds import fit_folds, judge_folds, judge_null_folds

        # The one fit, which is evaluated, is left out: it delivers nothing.
        links = fit_folds(self.method, task, folds, options, self.device)
        verdicts = {
            self.name: judge_folds(links, folds, options),
            **judge_null_folds(nulls, n_genes, folds, options),
        }
        return Fit(self.name, [], nulls, labelled, options, folds.folds, verdicts)


def read_refit(record: dict[str, Any]) -> Refit:
    """Return what was kept of a repeat; raise for a record that is not whole."""
    tops = [np.asarray(top, np.int64) for top in record["tops"]]
    if not tops or any(top.ndim != 1 for top in tops):
        msg = "a record of a refit has lists of codes."
        raise ValueError(msg)
    return Refit(float(record["overlap"]), float(record["rank_correlation"]), tops)
