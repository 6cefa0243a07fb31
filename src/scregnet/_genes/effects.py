"""Effects of perturbed TFs on genes: the tidy frame that all functions share."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from scregnet._validate import check_choice, listed

Kind = Literal["loss", "gain"]
# What a rise of the target says of the link: without its TF, a repressed gene rises.
_SIGN_OF_A_RISE = {"loss": -1, "gain": 1}

COLUMNS = ("source", "target", "effect", "p", "q", "affected", "sign")
"""Columns of the frame. A row is a pair that was tested."""


def check_kind(kind: object) -> None:
    """Raise unless ``kind`` says how TFs were perturbed."""
    check_choice("kind", kind, _SIGN_OF_A_RISE)


def effects_frame(
    source: Any,
    target: Any,
    *,
    affected: np.ndarray,
    kind: Kind,
    effect: np.ndarray | None = None,
    p: np.ndarray | None = None,
    q: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return tested pairs as a frame with :data:`COLUMNS`, without those of a TF with itself.

    What is not known is NaN, and a sign that is not known is 0. Only an affected pair has a sign.
    """
    gaps = np.full(len(source), np.nan)
    change = gaps if effect is None else np.asarray(effect, np.float64)
    rise = np.nan_to_num(np.sign(change)) * affected
    frame = pd.DataFrame(
        {
            "source": pd.Categorical(source),
            "target": pd.Categorical(target),
            "effect": change,
            "p": gaps if p is None else p,
            "q": gaps if q is None else q,
            "affected": np.asarray(affected, bool),
            "sign": (_SIGN_OF_A_RISE[kind] * rise).astype(np.int8),
        }
    )
    # That a TF changes when it is perturbed says nothing of a link.
    sources, targets = frame["source"].cat, frame["target"].cat
    itself = targets.categories.get_indexer(sources.categories)[sources.codes] == targets.codes
    return frame[~itself].reset_index(drop=True)


def false_discovery_rates(p: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the p-values adjusted by Benjamini and Hochberg within each group."""
    from scipy.stats import false_discovery_control

    adjusted = np.empty(len(p), np.float64)
    for rows in pd.Series(groups).groupby(groups, observed=True).indices.values():
        adjusted[rows] = false_discovery_control(p[rows])
    return adjusted


def check_effects(perturbations: object) -> pd.DataFrame:
    """Return ``perturbations`` if it is such a frame with a pair that is affected, else raise."""
    cure = "Pass what sr.datasets.perturbation or sr.bm.effects_from_perturbseq returns."
    if not isinstance(perturbations, pd.DataFrame):
        msg = f"perturbations must be a frame, got {type(perturbations).__name__}. {cure}"
        raise TypeError(msg)
    missing = [column for column in COLUMNS if column not in perturbations]
    if missing:
        msg = (
            f"perturbations lacks the columns {listed(missing)}; "
            f"it has {listed(perturbations.columns)}. {cure}"
        )
        raise ValueError(msg)
    if not perturbations["affected"].astype(bool).any():
        msg = f"perturbations has {len(perturbations):,} tested pairs, and none is affected."
        raise ValueError(msg)
    twice = perturbations.duplicated(["source", "target"])
    if twice.any():
        first = perturbations[twice].iloc[0]
        msg = (
            f"perturbations has {int(twice.sum()):,} pairs twice, such as {first['source']} → "
            f"{first['target']}. Keep one of each."
        )
        raise ValueError(msg)
    return perturbations


def check_all_affected(frame: pd.DataFrame, argument: str) -> None:
    """Raise for a frame of tested pairs, of which some did not change, where edges are meant."""
    if not set(COLUMNS) <= set(frame):
        return
    # Of a file, they are texts.
    affected = frame["affected"].astype(str).str.lower().isin(("true", "1"))
    if not affected.all():
        msg = (
            f"{argument} is a frame of effects: its rows are the pairs that were tested, and "
            f"{int(affected.sum()):,} of {len(frame):,} are affected. Pass these: "
            "effects[effects['affected']]."
        )
        raise ValueError(msg)
