"""Sums of boosted trees for millions of rows: to the last bit what LightGBM gives, in a fraction of the time.

LightGBM walks every tree row by row, and at each node the processor has to guess which way. Here all nodes of a tree are compared with a block of rows, and each that
is passed on the right strikes the leaves on its left off a list of bits; the leaf that is reached is the first that is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# Bits of a list of leaves.
MOST_LEAVES = 32
# A word whose 32 runs of five bits all differ: times a power of two, its leading bits tell which power.
SEQUENCE = 0x077CB531


@dataclass(frozen=True, eq=False)
class TreeTable:
    """Boosted models of numbers without gaps; the nodes of a tree in a row of each array.

    ``features``, ``thresholds``: what is compared with what; ``left`` the leaves on the left of the node as bits; ``values`` of the leaves, each at the place that
    :data:`SEQUENCE` gives it. ``n_models`` models are averaged.
    """

    features: np.ndarray
    thresholds: np.ndarray
    left: np.ndarray
    values: np.ndarray
    n_models: int

    @classmethod
    def of(cls, boosters: list[Any]) -> TreeTable | None:
        """The table of LightGBM's models, or ``None`` if a tree of theirs has too many leaves."""
        trees = [tree for booster in boosters for tree in booster.dump_model()["tree_info"]]
        n_leaves = max((tree["num_leaves"] for tree in trees), default=1)
        if n_leaves > MOST_LEAVES:
            return None
        shape = len(trees), max(n_leaves - 1, 1)
        # Where a tree has fewer nodes: nothing is above infinity.
        thresholds = np.full(shape, np.inf, np.float32)
        features, left = np.zeros(shape, np.int32), np.zeros(shape, np.uint32)
        values = np.zeros((len(trees), MOST_LEAVES))
        for number, tree in enumerate(trees):
            nodes: list[tuple[int, float, int]] = []
            leaves: list[float] = []
            _walk(tree["tree_structure"], nodes, leaves)
            for place, (feature, threshold, bits) in enumerate(nodes):
                features[number, place], left[number, place] = feature, bits
                thresholds[number, place] = _rounded_down(threshold)
            for leaf, value in enumerate(leaves):
                values[number, ((SEQUENCE << leaf) & 0xFFFFFFFF) >> 27] = value
        return cls(features, thresholds, left, values, len(boosters))

    def mean(self, rows: np.ndarray) -> np.ndarray:
        """Mean over the models of the sum of their trees for each row, float64."""
        from scregnet.links.methods.joint.compiled import tree_sums

        parts = (
            np.split(array, self.n_models)
            for array in (self.features, self.thresholds, self.left, self.values)
        )
        return np.mean(
            [tree_sums(rows, *model, np.uint32(SEQUENCE)) for model in zip(*parts, strict=True)],
            axis=0,
        )


def _walk(node: dict[str, Any], nodes: list[tuple[int, float, int]], leaves: list[float]) -> None:
    if "left_child" not in node:
        leaves.append(node["leaf_value"])
        return
    first = len(leaves)
    _walk(node["left_child"], nodes, leaves)
    nodes.append((node["split_feature"], node["threshold"], (1 << len(leaves)) - (1 << first)))
    _walk(node["right_child"], nodes, leaves)


def _rounded_down(threshold: float) -> np.float32:
    """The largest float32 that is not above: a float32 is above the one as it is above the other."""
    with np.errstate(over="ignore"):
        near = np.float32(threshold)
    return np.nextafter(near, np.float32(-np.inf)) if float(near) > threshold else near
