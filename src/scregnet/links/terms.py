"""What the logit of a pair is made of: terms that add up to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet.links.calibration import PlattCalibration
from scregnet.links.ensemble import EnsembleLinks
from scregnet.links.folded import FoldedLinks

if TYPE_CHECKING:
    from scregnet.links.task import FittedLinks

MEANINGS = {
    "baseline": "all pairs: how many are edges",
    "tf_popularity": "the TF has many or few known targets",
    "target_popularity": "the target has many or few known regulators",
    "similar_popularity": "genes like the target have many or few known regulators",
    "preferences": "the TF, and TFs of similar expression, regulate genes like the target",
    "shared_targets": "TFs that share targets with the TF regulate the target",
    "similar_tfs": "TFs that share targets with the TF regulate genes like the target",
    "evidence": "evidence layers",
    "factors": "groups of TFs and targets in the known network",
    "trees": "boosted trees, which correct the other terms",
    "forest": "forest of genes, for targets without labels",
    "score": "the score of the method, which has no terms",
}
"""Names of the terms, and what each says, in the order in which they are shown."""


def terms_of(
    links: FittedLinks | EnsembleLinks | FoldedLinks,
    sources: np.ndarray,
    targets: np.ndarray,
    calibration: PlattCalibration,
) -> dict[str, np.ndarray]:
    """Return the terms of the calibrated logits of pairs, float64.

    Several fits are averaged as their scores are: each term is calibrated by the slope of its fit,
    and the intercepts are part of ``"baseline"``. Links without terms have the one ``"score"``.
    """
    if isinstance(links, (EnsembleLinks, FoldedLinks)):
        members, own = links.members, links.calibrations
        uses = links.used(sources, targets)
    else:
        members, own = (links,), (PlattCalibration(1.0, 0.0),)
        uses = [np.arange(len(sources))]
    found: dict[str, np.ndarray] = {"baseline": np.zeros(len(sources))}
    number = np.zeros(len(sources))
    for member, scaled, use in zip(members, own, uses, strict=True):
        found["baseline"][use] += scaled.intercept
        for name, term in _terms(member, sources[use], targets[use]).items():
            found.setdefault(name, np.zeros(len(sources)))[use] += scaled.slope * term
        number[use] += 1
    terms = {name: calibration.slope * found[name] / number for name in MEANINGS if name in found}
    terms["baseline"] = terms["baseline"] + calibration.intercept
    return terms


def _terms(links: FittedLinks, sources: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
    if hasattr(links, "terms"):
        return links.terms(sources, targets)
    return {"score": links.score(sources, targets).astype(np.float64)}
