"""One contract for every registered method."""

import numpy as np
import pytest
import torch

from scregnet import metrics
from scregnet.links import LINK_METHODS, LinkTask, Pairs, get_method, load_fitted

QUICK = {
    "scregnet": {"gnn_dims": (16,), "mlp_dims": (16,), "max_epochs": 8, "learning_rate": 0.01},
    "sctransnet": {"graph_dims": (16, 8), "channel_dims": (16, 8), "max_epochs": 40},
}


def fit(name, task, seed=0):
    method = get_method(name, **QUICK.get(name, {}))
    return method.fit(task, rng=np.random.default_rng(seed), device=torch.device("cpu"))


def all_pairs(task):
    sources, targets = np.divmod(np.arange(8 * task.n_genes), task.n_genes)
    return sources, targets


@pytest.fixture(params=sorted(LINK_METHODS))
def name(request):
    return request.param


def test_scores_are_finite_float32_and_better_than_chance(name, task_and_split):
    task, split = task_and_split
    result = fit(name, task)
    scores = result.links.score(split.test.sources, split.test.targets)
    assert scores.dtype == np.float32
    assert scores.shape == (len(split.test),)
    assert metrics.auroc(split.test.labels, scores) > 0.65


def test_a_seed_fixes_the_result(name, task_and_split):
    task, _ = task_and_split
    first, second = (fit(name, task).links.score(*all_pairs(task)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_users_random_numbers_are_left_alone(name, task_and_split):
    task, _ = task_and_split
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    fit(name, task)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_state_is_plain_arrays_and_makes_an_equal_object(name, task_and_split):
    task, _ = task_and_split
    links = fit(name, task).links
    state = links.state()
    assert all(
        isinstance(value, np.ndarray) and value.dtype.kind in "fiub" for value in state.values()
    )
    again = load_fitted(name, state)
    np.testing.assert_array_equal(again.score(*all_pairs(task)), links.score(*all_pairs(task)))


def test_a_null_model_sees_no_features(name, task_and_split):
    task, _ = task_and_split
    bare = LinkTask(task.n_genes, task.train, task.validation)
    if get_method(name).is_null:
        np.testing.assert_array_equal(
            fit(name, bare).links.score(*all_pairs(task)),
            fit(name, task).links.score(*all_pairs(task)),
        )
    elif get_method(name).needs_expression:
        with pytest.raises(ValueError, match="needs expression"):
            fit(name, bare)


def test_history_rows_and_the_kept_epoch_belong_together(name, task_and_split):
    task, split = task_and_split
    result = fit(name, task)
    if result.best_epoch == -1:
        assert result.history == []
        return
    assert [row["epoch"] for row in result.history] == list(range(len(result.history)))
    kept = result.history[result.best_epoch]
    scores = result.links.score(split.validation.sources, split.validation.targets)
    # The state that is returned is that of the kept epoch, not of the last.
    assert metrics.auroc(split.validation.labels, scores) == pytest.approx(
        kept["validation_auroc"], abs=1e-6
    )
    assert metrics.auprc(split.validation.labels, scores) == pytest.approx(
        kept["validation_auprc"], abs=1e-6
    )
    best = max(row["validation_auroc"] + row["validation_auprc"] for row in result.history)
    assert kept["validation_auroc"] + kept["validation_auprc"] == best


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(
        ValueError, match="method='scregnt' is not known.*'scregnet'.*Did you mean 'scregnet'"
    ):
        get_method("scregnt")
    with pytest.raises(
        TypeError, match="'drop' is not a parameter of method='scregnet'.*Did you mean 'dropout'"
    ):
        get_method("scregnet", drop=0.1)


def test_pairs_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="differ in length: 2, 1, 2"):
        Pairs(np.zeros(2, int), np.zeros(1, int), np.zeros(2, bool))
