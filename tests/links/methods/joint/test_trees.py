"""Our sums of trees against LightGBM's predictions, and what is refused from a file."""

import lightgbm as lgb
import numpy as np
import pytest

from scregnet.links.methods.joint.method import BOOSTING
from scregnet.links.methods.joint.trees import Trees

N_FEATURES = 6


def grown(n_leaves=7, n_trees=30, least=5, **how):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(900, N_FEATURES)).astype(np.float32)
    # Values on both sides of zero, many times the same, and at zero.
    rows[:, 4], rows[:, 5] = np.round(rows[:, 4]), rows[:, 5] > 0
    outcomes = rows[:, 0] * rows[:, 1] + rows[:, 4] + rng.normal(size=len(rows)) > 0
    few = {"num_leaves": n_leaves, "min_data_in_leaf": least, "lambda_l2": 0.0, "num_threads": 1}
    return lgb.train(BOOSTING | few | how, lgb.Dataset(rows, outcomes), n_trees), rows


def predicted(model, rows):
    return model.predict(rows, raw_score=True, num_threads=1)


@pytest.mark.parametrize("n_leaves", [2, 7, 32, 100])
def test_sums_are_those_of_lightgbm(n_leaves):
    model, rows = grown(n_leaves)
    trees = Trees.of(model)
    assert trees.n_leaves.max() == n_leaves
    # Training rows come as close to the thresholds as any; larger ones reach further.
    for some in (rows, 3 * rows, np.zeros((1, N_FEATURES), np.float32), rows[:0], rows[:257]):
        np.testing.assert_allclose(trees.sums(some), predicted(model, some), rtol=0, atol=1e-6)
    assert np.ptp(trees.sums(rows)) > 1


@pytest.mark.parametrize("same", [[0], [1, 4, 5], range(N_FEATURES)])
def test_features_that_are_the_same_in_all_rows(same):
    model, rows = grown(n_leaves=20)
    for seen in rows[:3]:
        fixed = rows.copy()
        fixed[:, same] = seen[same]
        found = Trees.of(model).sums(np.asfortranarray(fixed))
        np.testing.assert_allclose(found, predicted(model, fixed), rtol=0, atol=1e-6)


def test_models_joined_are_their_sum():
    models = [grown(n_leaves, n_trees)[0] for n_leaves, n_trees in ((3, 4), (7, 2))]
    rows = grown()[1]
    joined = Trees.joined([Trees.of(model) for model in models])
    wanted = sum(predicted(model, rows) for model in models)
    np.testing.assert_allclose(joined.sums(rows), wanted, rtol=0, atol=1e-6)


def test_values_at_a_threshold_and_next_to_it():
    model, rows = grown()
    trees = Trees.of(model)
    # The first cut of each tree, at its threshold and at the float32 numbers next to it.
    first = np.cumsum(trees.n_leaves - 1)[:-1]
    for feature, threshold in zip(trees.features[first], trees.thresholds[first], strict=True):
        near = np.float32(threshold)
        at = np.repeat(rows[:3], 3, axis=0)
        at[:, feature] = np.tile(
            [near, np.nextafter(near, np.float32(9)), np.nextafter(near, np.float32(-9))], 3
        )
        np.testing.assert_allclose(trees.sums(at), predicted(model, at), rtol=0, atol=1e-6)
    assert trees.thresholds.dtype == np.float64
    assert (trees.thresholds != trees.thresholds.astype(np.float32)).any()


def test_zeros_and_missing_values_are_what_they_are_to_lightgbm():
    model, rows = grown()
    trees = Trees.of(model)
    dump = model.dump_model()["tree_info"]
    assert {node["missing_type"] for tree in dump for node in cuts(tree["tree_structure"])} == {
        "None"
    }
    zero = rows.copy()
    zero[:, 0] = 0
    wanted = predicted(model, zero)
    # Without missing values, LightGBM takes NaN for zero, and so it does with the tiniest numbers.
    for value in (-0.0, 1e-36, -1e-36, np.nan):
        odd = rows.copy()
        odd[:, 0] = value
        np.testing.assert_allclose(predicted(model, odd), wanted, rtol=0, atol=1e-12)
        np.testing.assert_allclose(trees.sums(odd), wanted, rtol=0, atol=1e-6)
    for value in (np.inf, -np.inf):
        odd = rows.copy()
        odd[:, 0] = value
        np.testing.assert_allclose(trees.sums(odd), predicted(model, odd), rtol=0, atol=1e-6)


def cuts(node):
    if "split_index" in node:
        yield node
        yield from cuts(node["left_child"])
        yield from cuts(node["right_child"])


def test_trees_without_a_cut():
    model, rows = grown(least=800)
    trees = Trees.of(model)
    assert (trees.n_leaves == 1).all()
    assert trees.children.shape == (0, 2)
    np.testing.assert_allclose(trees.sums(rows), predicted(model, rows), rtol=0, atol=1e-6)
    again = Trees.from_state(trees.state(), N_FEATURES)
    np.testing.assert_array_equal(again.sums(rows), trees.sums(rows))


def test_trees_that_send_missing_values_their_own_way_are_refused():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(900, 2)).astype(np.float32)
    rows[::3, 0] = np.nan
    how = BOOSTING | {"use_missing": True, "num_threads": 1}
    model = lgb.train(how, lgb.Dataset(rows, np.isnan(rows[:, 0])), 3)
    with pytest.raises(ValueError, match="without missing values, found .* missing_type='NaN'"):
        Trees.of(model)


def test_a_state_is_plain_arrays_and_makes_an_equal_object():
    model, rows = grown()
    trees = Trees.of(model)
    state = trees.state("bag_")
    assert {name: value.dtype.str for name, value in state.items()} == {
        "bag_n_leaves": "<i4",
        "bag_features": "<i4",
        "bag_thresholds": "<f8",
        "bag_children": "<i4",
        "bag_values": "<f8",
    }
    again = Trees.from_state(state, N_FEATURES, "bag_")
    np.testing.assert_array_equal(again.sums(rows), trees.sums(rows))


@pytest.fixture(scope="module")
def state():
    """Three trees of four leaves."""
    return Trees.of(grown(n_leaves=4, n_trees=3)[0]).state()


class TestWhatIsRefused:
    def changed(self, state, name, place, value):
        array = state[name].copy()
        array[place] = value
        return state | {name: array}

    def test_the_state_itself_is_taken(self, state):
        assert state["n_leaves"].tolist() == [4, 4, 4]
        assert len(Trees.from_state(state, N_FEATURES).values) == 12

    @pytest.mark.parametrize(
        "name, place, value, why",
        [
            ("n_leaves", 1, 0, "'n_leaves' .* must lie between 1 and"),
            ("n_leaves", 1, 2**31 - 1, "'features' .* must have the shape"),
            ("features", 2, N_FEATURES, "'features' .* must lie between 0 and 5, found"),
            ("features", 2, -1, "'features' .* must lie between 0 and 5, found -1"),
            ("thresholds", 0, np.nan, "'thresholds' .* not finite"),
            ("thresholds", 0, np.inf, "'thresholds' .* not finite"),
            ("values", 5, np.nan, "'values' .* not finite"),
            # Three cuts, 0 to 2, and four leaves, -1 to -4.
            ("children", (4, 0), 3, "'children' .* names a cut that its tree does not have"),
            ("children", (0, 0), 2**31 - 1, "names a cut that its tree does not have"),
            ("children", (4, 0), 1, "'children' .* has a cycle"),
            ("children", (4, 0), 0, "'children' .* has a cycle"),
            ("children", (5, 0), -5, "'children' .* must lie between -4 and"),
            ("children", (5, 0), -(2**31), "'children' .* must lie between -4 and"),
        ],
    )
    def test_an_entry_out_of_range(self, state, name, place, value, why):
        with pytest.raises(ValueError, match=why):
            Trees.from_state(self.changed(state, name, place, value), N_FEATURES)

    def test_a_leaf_of_another_tree(self, state):
        # The largest tree has four leaves, this one three.
        small = {
            "n_leaves": np.array([4, 3], np.int32),
            "features": np.zeros(5, np.int32),
            "thresholds": np.zeros(5),
            "children": np.array([[1, 2], [-1, -2], [-3, -4], [1, -1], [-2, -3]], np.int32),
            "values": np.arange(7.0),
        }
        assert Trees.from_state(small, 1).sums(np.ones((1, 1), np.float32)) == [3 + 4]
        with pytest.raises(ValueError, match="names a leaf that its tree does not have"):
            Trees.from_state(self.changed(small, "children", (4, 1), -4), 1)

    @pytest.mark.parametrize("side", [0, 1])
    def test_a_node_with_two_parents(self, state, side):
        children = state["children"].copy()
        children[2] = children[2, side]
        with pytest.raises(ValueError, match="'children' .* has a node with two parents"):
            Trees.from_state(state | {"children": children}, N_FEATURES)

    @pytest.mark.parametrize("name", ["n_leaves", "features", "thresholds", "children", "values"])
    def test_a_truncated_array_one_that_is_missing_and_one_of_another_kind(self, state, name):
        with pytest.raises(ValueError, match="must have the shape"):
            Trees.from_state(state | {name: state[name][:-1]}, N_FEATURES)
        with pytest.raises(ValueError, match=f"has no array '{name}'"):
            Trees.from_state({key: state[key] for key in state if key != name}, N_FEATURES)
        with pytest.raises(ValueError, match=f"'{name}' .* must hold (integers|floats), found"):
            Trees.from_state(state | {name: state[name].astype(bool)}, N_FEATURES)
