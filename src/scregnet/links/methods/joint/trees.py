"""Boosted trees as plain arrays: copied from LightGBM, checked when read back, summed here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from scregnet.links.forms.saved import State, read_floats, read_integers, refuse


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees of one boosted model; their cuts and leaves one tree after the other.

    A tree of ``n`` leaves has ``n - 1`` cuts. A cut sends a row to its right child if the row's
    feature is above the threshold, else to its left child.
    """

    n_leaves: np.ndarray
    """Leaves of each tree, int32."""

    features: np.ndarray
    """Feature of each cut, int32."""

    thresholds: np.ndarray
    """Threshold of each cut, float64."""

    children: np.ndarray
    """Left and right child of each cut, int32 of shape (n_cuts, 2).

    A cut of the same tree by its number, or ``-1 - leaf`` for a leaf. A child's number is larger
    than its parent's.
    """

    values: np.ndarray
    """Value of each leaf, float64."""

    @classmethod
    def of(cls, booster: Any) -> Trees:
        """Copy the trees of a LightGBM model that was trained with ``use_missing=False``."""
        trees = [_arrays(tree) for tree in booster.dump_model()["tree_info"]]
        n_leaves = np.array([len(values) for *_, values in trees], np.int32)
        features, thresholds, children, values = (
            np.concatenate(arrays) for arrays in zip(*trees, strict=True)
        )
        return cls(n_leaves, features, thresholds, children, values)

    @classmethod
    def joined(cls, models: Sequence[Trees]) -> Trees:
        """Return the trees of several models as one."""
        return cls(*(np.concatenate([getattr(one, f.name) for one in models]) for f in fields(cls)))

    def sums(self, rows: np.ndarray) -> np.ndarray:
        """Return the sum of the trees for each row of features, float64.

        Rows in Fortran's order are not copied.
        """
        from scregnet.links.methods.joint.compiled import tree_sums

        return tree_sums(
            np.ascontiguousarray(rows.T, np.float32),
            self.n_leaves,
            self.features,
            self._float32_thresholds,
            self.children,
            self.values.astype(np.float32),
        )

    @cached_property
    def _float32_thresholds(self) -> np.ndarray:
        """The largest float32 that is not above each threshold.

        A float32 feature is above one exactly if it is above the other. The loop is several times
        as fast with float32 on both sides, because it then handles more rows at a time.
        """
        with np.errstate(over="ignore"):
            near = self.thresholds.astype(np.float32)
        below = np.nextafter(near, np.float32(-np.inf))
        return np.where(near.astype(np.float64) > self.thresholds, below, near)

    def state(self, prefix: str = "") -> dict[str, np.ndarray]:
        """The arrays, their names after the prefix."""
        return {f"{prefix}{f.name}": getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_state(cls, state: State, n_features: int, prefix: str = "") -> Trees:
        """The inverse of :meth:`state`; raise ``ValueError`` unless every row reaches a leaf.

        ``n_features`` is the number of columns that the rows have.
        """
        # Sizes are added up as int64: a file may name more leaves than an int32 can count.
        most = np.iinfo(np.int32).max
        n_leaves = read_integers(state, f"{prefix}n_leaves", (None,), low=1, high=most)
        n_cuts = int((n_leaves - 1).sum(dtype=np.int64))
        features = read_integers(state, f"{prefix}features", (n_cuts,), high=n_features - 1)
        thresholds = read_floats(state, f"{prefix}thresholds", (n_cuts,), np.float64)
        children = read_integers(
            state, f"{prefix}children", (n_cuts, 2), low=-int(n_leaves.max(initial=1)), high=most
        )
        values = read_floats(
            state, f"{prefix}values", (int(n_leaves.sum(dtype=np.int64)),), np.float64
        )
        _check_children(f"{prefix}children", n_leaves, children)
        return cls(n_leaves, features, thresholds, children, values)


def _arrays(tree: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return features, thresholds, children and leaf values of a tree of LightGBM's dump.

    LightGBM numbers cuts in the order in which it makes them, so parents come before children.
    """
    n_leaves = tree["num_leaves"]
    features, thresholds = np.zeros(n_leaves - 1, np.int32), np.zeros(n_leaves - 1)
    children, values = np.zeros((n_leaves - 1, 2), np.int32), np.zeros(n_leaves)
    for node in _nodes(tree["tree_structure"]):
        if "split_index" not in node:
            values[_leaf(node)] = node["leaf_value"]
            continue
        if (node["decision_type"], node["missing_type"]) != ("<=", "None"):
            msg = (
                "boosted trees must cut numbers without missing values, found the cut "
                f"{node['decision_type']!r} with missing_type={node['missing_type']!r}."
            )
            raise ValueError(msg)
        cut = node["split_index"]
        features[cut], thresholds[cut] = node["split_feature"], node["threshold"]
        children[cut] = [
            child["split_index"] if "split_index" in child else -1 - _leaf(child)
            for child in (node["left_child"], node["right_child"])
        ]
    return features, thresholds, children, values


def _nodes(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the cuts and leaves below a node, itself included."""
    # A list in place of recursion: a tree may be as deep as it has leaves.
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [node[side] for side in ("left_child", "right_child") if side in node]


def _leaf(node: dict[str, Any]) -> int:
    # The only leaf of a tree without cuts has no number.
    return node.get("leaf_index", 0)


def _check_children(name: str, n_leaves: np.ndarray, children: np.ndarray) -> None:
    """Raise ``ValueError`` unless the children of each tree are its other cuts and its leaves.

    With parents before children and every node the child of exactly one cut, there is no cycle, no
    unreachable node, and one way to each leaf.
    """
    n_cuts = n_leaves.astype(np.int64) - 1
    # Number of each cut and of its tree.
    first = np.cumsum(n_cuts) - n_cuts
    cut = np.arange(len(children)) - np.repeat(first, n_cuts)
    end = np.repeat(n_cuts, n_cuts)[:, None]
    is_cut = children >= 0
    if (is_cut & (children >= end)).any():
        refuse(name, "names a cut that its tree does not have")
    if (is_cut & (children <= cut[:, None])).any():
        refuse(name, "has a cycle: a child must come after its parent")
    if (~is_cut & (-1 - children > end)).any():
        refuse(name, "names a leaf that its tree does not have")
    # Each node but the root is a child once. Numbers of a tree: leaves below, cuts above zero.
    tree = np.repeat(np.arange(len(n_cuts)), n_cuts)[:, None]
    places = np.stack([np.broadcast_to(tree, children.shape), children], axis=-1).reshape(-1, 2)
    if len(np.unique(places, axis=0)) != children.size:
        refuse(name, "has a node with two parents")
