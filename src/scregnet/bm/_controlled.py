"""The fits of controls: what is fitted, and what is kept of a fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._logging import logger
from scregnet.bm._kept.digest import digest_of_cells, of_fit
from scregnet.bm._kept.plain import plain
from scregnet.bm._kept.store import Store, file_name
from scregnet.bm._new_links import first_new, known_codes
from scregnet.metrics import lift
from scregnet.tl._fit.network import candidate_tfs
from scregnet.tl._fit.verdict import Figure

if TYPE_CHECKING:
    import scipy.sparse as sp

    from scregnet._genes.split import LabelledPairs
    from scregnet.bm._studies import Study
    from scregnet.links import LinkMethod, LinkTask
    from scregnet.tl._fit.fit import Fit
    from scregnet.tl._fit.folds import Folds
    from scregnet.tl._fit.task import FitOptions

PERMUTE_STREAM = 7
"""Number of the random stream that permutes genes; split, fits, folds and cells have others."""


@dataclass(frozen=True, eq=False)
class Version:
    """One row of the table: what is fitted, and how."""

    name: str
    method_name: str
    method: LinkMethod
    options: FitOptions
    change: Callable[[LinkTask], LinkTask] | None = None


@dataclass(frozen=True, eq=False)
class Result:
    """What is kept of a fit."""

    figures: dict[str, Figure]
    top: np.ndarray
    """Codes of the first new links."""

    top_lift: np.ndarray | None
    """The same by lift; ``None`` for a null model."""

    def record(self) -> dict[str, Any]:
        """Return it as plain lists and numbers."""
        figures = [
            {**vars(one), "replicates": None if one.replicates is None else one.replicates.tolist()}
            for one in self.figures.values()
        ]
        top_lift = None if self.top_lift is None else self.top_lift.tolist()
        return {"figures": figures, "top": self.top.tolist(), "top_lift": top_lift}


def read_result(record: Mapping[str, Any]) -> Result:
    """Return what was kept of a fit; raise for a record that is not whole."""
    figures = {}
    for one in record["figures"]:
        drawn = one["replicates"]
        figures[one["metric"]] = Figure(
            one["split"],
            one["metric"],
            value=float(one["value"]),
            low=float(one["low"]),
            high=float(one["high"]),
            replicates=None if drawn is None else np.asarray(drawn, np.float64),
        )
    top, top_lift = (
        None if record[name] is None else np.asarray(record[name], np.int64)
        for name in ("top", "top_lift")
    )
    if top is None or not figures:
        msg = "a record of a control has figures and links."
        raise ValueError(msg)
    return Result(figures, top, top_lift)


def permuted_genes(task: LinkTask, random_state: int | None) -> LinkTask:
    """Return the task with the expression and the embedding of each gene given to another one."""
    seed = np.random.SeedSequence(random_state, spawn_key=(PERMUTE_STREAM,))
    order = np.random.default_rng(seed).permutation(task.n_genes)
    # One cycle through all genes: none keeps its own features, as chance would let one do.
    giver = np.empty_like(order)
    giver[order] = np.roll(order, 1)
    return replace(
        task,
        expression=None if task.expression is None else task.expression[giver],
        embedding=None if task.embedding is None else task.embedding[giver],
        summary=None if task.summary is None else task.summary[giver],
    )


@dataclass(frozen=True, eq=False)
class ControlFits:
    """Fits of the versions to the same pairs. ``store`` keeps what comes of each."""

    study: Study
    labelled: LabelledPairs
    candidates: np.ndarray
    known: np.ndarray
    """Codes of the known edges."""

    folds: Folds | None
    n_top: int
    store: Store[Result]
    shared: list[str]
    """Texts of what all versions hang on; none if nothing is kept."""

    nulls: list[tuple[float, sp.csr_matrix]] = field(default_factory=list)
    """Networks of the null models that were fitted, and their loss on the validation pairs."""

    @classmethod
    def of(
        cls, full: Version, study: Study, labelled: LabelledPairs, n_top: int, store: Store[Result]
    ) -> ControlFits:
        """Read what the versions share; ``full`` is the whole method."""
        data = study.data
        candidates = candidate_tfs(data, labelled)
        shared = []
        if store.folder is not None:
            of_all = (plain(candidates), str(n_top), repr(full.method))
            shared = [digest_of_cells(data).hexdigest(), *of_all]
        known = known_codes(labelled, data.n_vars)
        folds = _folds(labelled, full.options, full.method)
        return cls(study, labelled, candidates, known, folds, n_top, store, shared)

    def result(self, version: Version) -> Result | None:
        """Fit a version, unless it was kept; ``None`` if it diverges or collapses."""
        # Null models take no time, and the lift of the others needs their networks.
        keeps = bool(self.shared) and not version.method.is_null
        key = self._key(version) if keeps else ""
        kept = self.store.read(key) if keeps else None
        if kept is not None:
            logger.info("%s is there already", version.name)
            return kept
        fit = self.study.fit(
            version.name,
            version.method_name,
            version.method,
            self.labelled,
            version.options,
            nulls={},
            folds=self.folds,
            change=version.change,
        )
        if fit is None:
            return None
        found = self._result(fit, is_null=version.method.is_null)
        if keeps:
            self.store.write(key, found.record())
        return found

    def _key(self, version: Version) -> str:
        name, options = version.method_name, version.options
        texts = of_fit(name, version.method, self.labelled, options, self.study.data)
        return file_name((name, version.name), [*self.shared, version.name, *texts])

    def _result(self, fit: Fit, *, is_null: bool) -> Result:
        network = fit.network(self.candidates, self.study.data.n_vars)[0]
        top, top_lift = first_new(network, self.known, self.n_top), None
        if is_null:
            self.nulls.append((fit.verdict.calibration.loss, network))
        elif self.nulls:
            # The one that fits the validation pairs better, as in a fit.
            _, null = min(self.nulls, key=lambda pair: pair[0])
            network.data = lift(network.data, null.data)
            # Of TFs without a known edge, the null models know nothing but the target: a target
            # that they miss would fill the list with such TFs.
            top_lift = first_new(network, self.known, self.n_top, known_tfs=True)
        return Result(_figures(fit), top, top_lift)


def _folds(labelled: LabelledPairs, options: FitOptions, method: LinkMethod) -> Folds | None:
    """Draw the folds that all versions share."""
    if options.n_folds == 1:
        return None
    from scregnet.tl._fit.folds import Folds

    return Folds.draw(labelled, options, method)


def _figures(fit: Fit) -> dict[str, Figure]:
    """Return the figures of the delivered links: out of fold where there are folds."""
    if fit.folds is None:
        return fit.verdict.of_part("test")
    return fit.fold_verdicts[fit.method].of_part("folds")
