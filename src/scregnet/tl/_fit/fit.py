"""A method fitted to labelled pairs, and what of it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from scregnet._logging import logger
from scregnet._progress import stage
from scregnet._threads import one_thread_each
from scregnet.links import method_class, null_models
from scregnet.links.forms.saved import state_digest
from scregnet.tl._fit.network import Calibrated, Network, all_links
from scregnet.tl._fit.task import AUTO
from scregnet.tl._fit.verdict import LAYER, METRIC_COLUMNS, Verdict, judge, metric_rows

if TYPE_CHECKING:
    from scregnet._genes.split import LabelledPairs
    from scregnet.links import EnsembleLinks, FitResult, FittedLinks, LinkMethod, LinkTask
    from scregnet.links.task import Progress
    from scregnet.tl._fit.task import FitOptions

PART_NAMES = {"test": "on test pairs", "folds": "out of fold"}
HISTORY_COLUMNS = ["epoch", "train_loss", "validation_loss", "validation_auroc", "validation_auprc"]


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted method and all verdicts on the same pairs."""

    method: str
    members: list[FitResult]
    verdicts: dict[str, Verdict]
    """By model; the method comes first, the null models follow."""

    labelled: LabelledPairs
    options: FitOptions
    folds: np.ndarray | None = None
    """The fold of each labelled pair in each repeat."""

    fold_verdicts: dict[str, Verdict] = field(default_factory=dict)
    """By model, if ``n_folds`` is above 1: on all labelled pairs, out of fold."""

    @property
    def verdict(self) -> Verdict:
        """The verdict on the method itself."""
        return self.verdicts[self.method]

    def metrics(self) -> pd.DataFrame:
        """Return the figures of all models, and the method's differences to the null models."""
        rows = [
            *metric_rows(self.verdicts, self.method),
            *metric_rows(self.fold_verdicts, self.method),
        ]
        table = pd.DataFrame(rows, columns=METRIC_COLUMNS)
        # Missing names need a categorical: h5ad has no other form for them.
        layers = [name for name in self.verdicts if name.startswith(LAYER)]
        names = pd.Categorical(table["best_null"], categories=[*null_models(), *layers])
        return table.assign(best_null=names)

    def behind(self) -> str | None:
        """Say by how much the method is not ahead of the null models per TF; None if it is."""
        part = "test" if self.folds is None else "folds"
        table = self.metrics()
        chosen = (table["model"] == self.method) & (table["split"] == part)
        row = table[chosen].set_index("metric").loc["per_tf_auroc"]
        has_interval = not np.isnan(row["difference_low"])
        least = row["difference_low"] if has_interval else row["difference"]
        # Also where there is no difference: of a null model, or without a metric per TF.
        if not least <= 0:
            return None
        figures = (
            f"per_tf_auroc {row['value']:.3f} {PART_NAMES[part]}, {row['best_null']!r} has "
            f"{row['value'] - row['difference']:.3f}, difference {row['difference']:.3f}"
        )
        if not has_interval:
            return figures
        ends = f"{row['difference_low']:.3f} to {row['difference_high']:.3f}"
        return f"{figures} (95 % interval {ends})"

    def pairs(self, genes: pd.Index) -> pd.DataFrame:
        """Return the labelled pairs with each model's probability."""
        frame = self.labelled.frame(genes)
        for name, found in self.verdicts.items():
            column = "probability" if name == self.method else f"probability_{name}"
            frame[column] = found.probabilities
            if name == self.method and found.deviations is not None:
                frame["probability_sd"] = found.deviations
        # Of a large closed world they are with its bits.
        if self.folds is not None and self.labelled.kept is None:
            for number, fold in enumerate(self.folds.T):
                frame[f"fold_{number + 1}"] = fold.astype(np.min_scalar_type(-1 - fold.max()))
        for name, found in self.fold_verdicts.items():
            column = "out_of_fold" if name == self.method else f"out_of_fold_{name}"
            frame[column] = found.probabilities
        return frame

    def network(self, candidates: np.ndarray, n_genes: int) -> Network:
        """Return the probabilities of all links of the candidates, and those of the null model."""
        null = self.null
        return all_links(
            self._delivered(self.method),
            None if null is None else self._delivered(null),
            candidates,
            n_genes,
            # Folds of a single model differ in their labels; that is no deviation between fits.
            with_deviations=self.options.n_models > 1,
            threshold=self.options.threshold,
            top_n_targets=self.options.targets_to_write(len(candidates), n_genes),
            always=self.labelled.edges() if self.options.top_n_targets == AUTO else None,
        )

    @property
    def null(self) -> str | None:
        """Name of the null model that fits the validation pairs better; ``None`` for a null model.

        Test pairs choose nothing.
        """
        losses = {
            name: found.calibration.loss
            for name, found in self.verdicts.items()
            if name in null_models() and name != self.method
        }
        if method_class(self.method).is_null or not losses:
            return None
        return min(losses, key=lambda name: losses[name])

    def _delivered(self, model: str) -> Calibrated:
        found = self._judged(model)
        return Calibrated(found.links, found.calibration)

    def _judged(self, model: str) -> Verdict:
        return (self.fold_verdicts or self.verdicts)[model]

    def to_uns(self, genes: pd.Index) -> dict[str, Any]:
        """Return what ``uns`` keeps of the fit, apart from its parameters."""
        found = self._judged(self.method)
        # The method's own links, which unlike those of a layer alone can be kept.
        state = cast("FittedLinks", found.links).state()
        return {
            "metrics": self.metrics(),
            "history": _history([member.history for member in self.members]),
            "pairs": self.pairs(genes),
            **self.labelled.world_to_uns(genes, self.folds, self.options.fold_count),
            "left_out": self.labelled.left_out_frame(genes),
            "model": {
                "method": self.method,
                "n_models": self.options.n_models,
                "n_folds": self.options.fold_count,
                "genes": genes.to_numpy(str).astype(object),
                "slope": found.calibration.slope,
                "intercept": found.calibration.intercept,
                "state": state,
                "digest": state_digest(state),
            },
        }

    def best_epoch(self) -> int | list[int]:
        """Return the epoch that was kept, one number for each member of an ensemble."""
        best = [member.best_epoch for member in self.members]
        return best[0] if len(best) == 1 else best

    def log(self, name: str) -> None:
        """Say how the models do on the test pairs."""
        table = self.metrics()
        test = table[table["split"] == "test"].set_index(["model", "metric"])["value"]
        shown = [
            f"{model} AUROC {test[model, 'auroc']:.3f}, AUPRC {test[model, 'auprc']:.3f}, "
            f"per TF {test[model, 'per_tf_auroc']:.3f}"
            for model in self.verdicts
        ]
        logger.info("%s, test pairs: %s", name, "; ".join(shown))


def fit_links(
    name: str,
    method: LinkMethod,
    task: LinkTask,
    labelled: LabelledPairs,
    options: FitOptions,
    nulls: dict[str, Verdict],
    *,
    device: Any = None,
    progress: Callable[[int], Progress | None] | None = None,
) -> Fit:
    """Fit a method once, or ``n_models`` times with different seeds, and judge it.

    ``progress`` gives the callback for the member of a number.
    """
    if options.n_models == 1:
        rng = np.random.default_rng(options.random_state)
        callback = None if progress is None else progress(0)
        with threads(method), stage(f"fit of {name}", 0):
            members = [method.fit(task, rng=rng, device=device, progress=callback)]
        links: FittedLinks | EnsembleLinks = members[0].links
    else:
        from scregnet.links.ensemble import fit_members, join

        with threads(method):
            members = fit_members(
                method,
                task,
                options.n_models,
                random_state=options.random_state,
                device=device,
                progress=progress,
            )
        links = join(members, task, label_frequency=options.label_frequency)
    verdicts = {name: judge(links, labelled.parts, options, kept=labelled.kept), **nulls}
    return Fit(name, members, verdicts, labelled, options)


def threads(method: LinkMethod) -> Any:
    """Bound the threads of a fit; torch's only for methods that use it."""
    if not method.uses_torch:
        return one_thread_each()
    from scregnet._device import torch_threads

    return torch_threads(default=None if method.many_threads else 1)


def _history(histories: list[list[dict[str, float]]]) -> pd.DataFrame:
    """Return one row an epoch, and a column ``model`` where there are several members."""
    frame = pd.DataFrame([row for rows in histories for row in rows], columns=HISTORY_COLUMNS)
    frame = frame.astype({"epoch": np.int64, **dict.fromkeys(HISTORY_COLUMNS[1:], np.float64)})
    if len(histories) > 1:
        number = np.repeat(np.arange(len(histories)), [len(rows) for rows in histories])
        frame.insert(0, "model", number)
    return frame
