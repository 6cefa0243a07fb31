"""Against LightGBM itself."""

import lightgbm as lgb
import numpy as np
import pytest

from scregnet.links.methods.joint.trees import TreeTable


def grown(n_leaves, n_trees=30, n_models=2, least=5, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(900, 6)).astype(np.float32)
    # Values that stand on both sides of zero, many times the same, and at zero.
    rows[:, 4], rows[:, 5] = np.round(rows[:, 4]), rows[:, 5] > 0
    outcomes = rows[:, 0] * rows[:, 1] + rows[:, 4] + rng.normal(size=len(rows)) > 0
    how = {
        "objective": "binary",
        "num_leaves": n_leaves,
        "min_data_in_leaf": least,
        "verbose": -1,
        "num_threads": 1,
    }
    models = [
        lgb.train(
            how | {"seed": n, "bagging_fraction": 0.7, "bagging_freq": 1},
            lgb.Dataset(rows, outcomes),
            n_trees,
        )
        for n in range(n_models)
    ]
    return models, rows


def predicted(models, rows):
    return np.mean([model.predict(rows, raw_score=True, num_threads=1) for model in models], axis=0)


@pytest.mark.parametrize("n_leaves", [2, 7, 32])
def test_sums_are_those_of_lightgbm(n_leaves):
    models, rows = grown(n_leaves)
    table = TreeTable.of(models)
    # Rows of the training stand on the thresholds' sides as closely as any; new ones reach further.
    for some in (rows, 3 * rows, np.zeros((1, 6), np.float32), rows[:0]):
        np.testing.assert_array_equal(table.mean(some), predicted(models, some))
    assert np.ptp(table.mean(rows)) > 1


def test_values_at_a_threshold_and_next_to_it():
    models, rows = grown(7)
    table = TreeTable.of(models)
    for tree in models[0].dump_model()["tree_info"][:10]:
        node = tree["tree_structure"]
        at = np.repeat(rows[:3], 3, axis=0)
        near = np.float32(node["threshold"])
        at[:, node["split_feature"]] = np.tile(
            [near, np.nextafter(near, np.float32(9)), np.nextafter(near, np.float32(-9))], 3
        )
        np.testing.assert_array_equal(table.mean(at), predicted(models, at))


def test_trees_without_a_split():
    models, rows = grown(7, least=800)
    assert models[0].dump_model()["tree_info"][0]["num_leaves"] == 1
    np.testing.assert_array_equal(TreeTable.of(models).mean(rows), predicted(models, rows))


def test_no_table_of_large_trees():
    models, _ = grown(33, n_trees=2)
    assert models[0].dump_model()["tree_info"][0]["num_leaves"] == 33
    assert TreeTable.of(models) is None
