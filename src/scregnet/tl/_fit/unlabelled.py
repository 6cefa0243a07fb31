"""Networks from expression alone: nothing is known, so nothing is calibrated or judged."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from scregnet._genes.split import KEY, LabelledPairs, is_split
from scregnet._logging import logger
from scregnet._progress import stage
from scregnet._validate import check_interval
from scregnet.links import Pairs, Split
from scregnet.links.ensemble import fit_members
from scregnet.links.forms.regulator_scores import RegulatorScores
from scregnet.links.forms.saved import state_digest
from scregnet.tl._fit.estimate import announce_time
from scregnet.tl._fit.fit import HISTORY_COLUMNS, threads
from scregnet.tl._fit.network import Calibrated, all_links, candidate_tfs
from scregnet.tl._fit.verdict import METRIC_COLUMNS

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet._anndata.groups import CellGroup
    from scregnet.links import LinkMethod, LinkTask
    from scregnet.tl._fit.inputs import Inputs


def reads_cells_alone(data: AnnData, method: LinkMethod, prior: Any, split: Any) -> bool:
    """Return whether a fit has no known network and a method that needs none."""
    if method.needs_labels or prior is not None or split is not None:
        return False
    return "prior" not in data.varp and not is_split(data.uns.get(KEY))


def no_pairs() -> LabelledPairs:
    """Return labelled pairs of which there are none."""
    none = np.zeros(0, np.int32)
    empty = Pairs(none, none, np.zeros(0, bool))
    return LabelledPairs(Split(empty, empty, empty), (none, none), None, {})


def check_alone(threshold: float | None, label_frequency: float) -> None:
    """Raise where an argument needs a known network or does not fit scores."""
    if threshold is not None:
        check_interval("threshold", threshold, 0, np.inf, closed="left")
    if label_frequency != 1:
        msg = (
            f"label_frequency={label_frequency!r} is about a known network, and there is none: "
            "pass prior=, or leave label_frequency=1."
        )
        raise ValueError(msg)


def score_networks(
    inputs: Inputs,
    name: str,
    groups: list[CellGroup],
    groupby: str | None,
    threshold: float | None,
    device: Any,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Fit the method to each group of cells.

    Return what ``varp`` and ``uns`` get of all groups, and the parameters that they share.
    """
    data, method, options = inputs.data, inputs.method, inputs.options
    announce_time(inputs, None, n_groups=len(groups), device=device)
    candidates = candidate_tfs(data, inputs.labelled)
    if len(candidates) == data.n_vars:
        logger.info(
            "%s: no gene is marked as a TF (sr.pp.tfs marks them): all %d are candidates",
            *(name, data.n_vars),
        )
    common = {
        "method": name,
        "method_params": dict(vars(method)),
        **options.params(),
        "threshold": threshold,
        "values": "score",
        "n_genes": data.n_vars,
        "n_candidate_tfs": len(candidates),
        "best_epoch": -1,
        "scregnet_version": version("scregnet"),
    }
    varp, uns = {}, {}
    for group in groups:
        with stage(f"fit of {name}", 0), group.named_in_errors():
            task, record = inputs.task(group)
            links = _fitted(method, task, options.n_models, options.random_state, device)
        network = all_links(
            Calibrated(links, _as_they_are),
            None,
            candidates,
            data.n_vars,
            # A score of 0 says nothing for a link.
            threshold=max(threshold or 0, float(np.finfo(np.float32).tiny)),
            top_n_targets=options.targets_to_write(len(candidates), data.n_vars),
        )
        varp[group.key] = network.probabilities
        of_group = {} if groupby is None else {"groupby": groupby, "group": group.name}
        params = {**common, **record, **of_group}
        uns[group.key] = {
            "varp_key": group.key,
            "params": params,
            **_results(name, links, data.var_names),
        }
        logger.info(
            "%s: scores of %d links; without a known network none is judged or calibrated",
            *(group.key, network.probabilities.nnz),
        )
    return varp, uns, common


def _fitted(
    method: LinkMethod, task: LinkTask, n_models: int, random_state: int | None, device: Any
) -> RegulatorScores:
    """Fit once, or ``n_models`` times with different seeds and take the mean of the scores."""
    with threads(method):
        members = fit_members(method, task, n_models, random_state=random_state, device=device)
    links = [cast("RegulatorScores", member.links) for member in members]
    return links[0] if len(links) == 1 else RegulatorScores.mean(links)


def _as_they_are(scores: np.ndarray) -> np.ndarray:
    return scores


def _results(name: str, links: RegulatorScores, genes: pd.Index) -> dict[str, Any]:
    """Return what ``uns`` keeps beside the parameters; no pair has a label."""
    pairs = pd.DataFrame({"source": [], "target": []}, dtype=object)
    parts = pd.Categorical([], categories=["train", "validation", "test"])
    text = {"model", "split", "metric", "best_null"}
    kinds = {column: object if column in text else np.float64 for column in METRIC_COLUMNS}
    state = links.state()
    return {
        "metrics": pd.DataFrame({column: [] for column in METRIC_COLUMNS}).astype(kinds),
        "history": pd.DataFrame({column: [] for column in HISTORY_COLUMNS}, dtype=np.float64),
        "pairs": pairs.assign(label=np.zeros(0, np.int8), split=parts),
        "left_out": pairs,
        "model": {
            "method": name,
            "n_models": 1,
            "n_folds": 1,
            "genes": genes.to_numpy(str).astype(object),
            "state": state,
            "digest": state_digest(state),
        },
    }
