"""The signs of a fitted network, and how well they are predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._logging import logger
from scregnet.links.signs.crossfit import MODELS, Held
from scregnet.links.signs.predict import LEAST_EVIDENCE, Signs

if TYPE_CHECKING:
    import scipy.sparse as sp

    from scregnet.links import LinkTask
    from scregnet.links.signs.known import KnownSigns

STREAM = 7
"""Of the random numbers: none that the method or the folds draw, so those stay as they are."""

COLUMNS = ["model", "held_out", "metric", "value"]


def network_signs(
    network: sp.csr_matrix,
    known: KnownSigns | None,
    task: LinkTask,
    genes: pd.Index,
    random_state: int | None,
    *,
    name: str,
) -> tuple[sp.csr_matrix, dict[str, Any]] | None:
    """Return the signs of the links of ``network`` and a record of them for ``uns``.

    ``None`` without known signs. The probabilities of ``network`` are not read.
    """
    if known is None or not len(known):
        return None
    seed = np.random.SeedSequence(random_state, spawn_key=(STREAM,))
    signs = Signs.fit(known, task.expression, np.random.default_rng(seed))
    matrix = signs.matrix(network)
    n_told = int(np.isfinite(matrix.data).sum())
    _log(name, signs, n_told, network.nnz)
    return matrix, _record(signs, genes, n_told)


def _log(name: str, signs: Signs, n_told: int, n_links: int) -> None:
    """Say how many signs are known, and what predicts others."""
    seen, unseen = (model or "nothing" for model in signs.chosen)
    others = f"others predicted by {seen} (TFs with known signs), {unseen} (other TFs)"
    if signs.chosen == (None, None):
        why = "too few" if signs.held is None else "nothing is ahead on held-out signs"
        others = f"no other sign is predicted ({why})"
    logger.info(
        "%s, signs: %d known, %d of them repress; %s; %d of %d links have a sign",
        name,
        len(signs.known),
        signs.known.n_repressing,
        others,
        n_told,
        n_links,
    )


def _record(signs: Signs, genes: pd.Index, n_told: int) -> dict[str, Any]:
    known = signs.known
    seen, unseen = (name or "none" for name in signs.chosen)
    return {
        "params": {
            "model": seen,
            "model_other_tfs": unseen,
            "n_edges": len(known),
            "n_repressing": known.n_repressing,
            "n_outside": int(known.outside[:, :2].sum()),
            "n_tfs": len(np.unique(known.sources)),
            "n_links": n_told,
        },
        "metrics": _metrics(signs),
        "pairs": _pairs(signs, genes),
    }


def _metrics(signs: Signs) -> pd.DataFrame:
    """Return how well held-out signs are predicted, by model and by what was held out."""
    rows = [
        (model, what, metric, value)
        for what, held in (("edges", signs.held), ("tfs", signs.held_tfs))
        if held is not None
        for model in MODELS
        if model in held.probabilities
        for metric, value in held_out_figures(held, model).items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def held_out_figures(held: Held, model: str) -> dict[str, float]:
    """Return the figures of one model; repression counts as much as activation."""
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    activates, evidence = held.known.activates, held.evidence(model)
    told = np.abs(evidence) >= LEAST_EVIDENCE
    gain, low, high = held.gain(model)
    both = len(np.unique(activates[told])) == 2
    return {
        "auroc": float(roc_auc_score(activates, evidence)),
        # Cut at the share that activates: at a probability of 1/2 nearly everything does.
        "balanced_accuracy": float(balanced_accuracy_score(activates, evidence > 0)),
        "share_told": float(told.mean()),
        "balanced_accuracy_told": (
            float(balanced_accuracy_score(activates[told], evidence[told] > 0)) if both else np.nan
        ),
        "log_loss": float(held.losses(model).mean()),
        "log_loss_gain": gain,
        "log_loss_gain_low": low,
        "log_loss_gain_high": high,
    }


def _pairs(signs: Signs, genes: pd.Index) -> pd.DataFrame:
    """Return the known signs, each with the probabilities of activating by fits without it."""
    known, names = signs.known, genes.to_numpy(str).astype(object)
    frame = pd.DataFrame(
        {
            "source": pd.Categorical(names[known.sources]),
            "target": pd.Categorical(names[known.targets]),
            "sign": np.where(known.activates, 1, -1).astype(np.int8),
        }
    )
    if signs.held is not None:
        for model in MODELS[:-1]:
            if model in signs.held.probabilities:
                frame[model] = signs.held.probabilities[model]
    return frame
