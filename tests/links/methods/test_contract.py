"""One contract for every registered method, and for the least that a method can be."""

import subprocess
import sys
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import pytest
import torch

from scregnet import metrics
from scregnet.links import (
    LINK_METHODS,
    FitResult,
    LinkMethod,
    LinkTask,
    Pairs,
    get_method,
    load_fitted,
    method_class,
)
from scregnet.links.forms.additive import AdditiveLinks

# Small settings for any field of this name. A new method is tested without a row here.
SMALL = {
    "max_epochs": 8,
    "learning_rate": 0.01,
    "gnn_dims": (8,),
    "mlp_dims": (8,),
    "graph_dims": (8, 8),
    "channel_dims": (8, 8),
    "attention_dims": (8, 8),
    "n_bins": 8,
    "conv_dims": (4,),
    "dense_dim": 8,
    "image_dim": 8,
    "dense_dims": (8, 4),
    "n_neighbours": 2,
    "axial_dim": 8,
    "axial_layers": 2,
    "n_epochs": 2,
    "n_cells": 8,
    "recurrent_dim": 6,
    "n_lags": 8,
    "n_trees": 20,
    "max_trees": 30,
    "n_estimators": 10,
    "n_forest_trees": 10,
}


@dataclass(frozen=True)
class TargetRate(LinkMethod):
    """The least that a method can be: how often a gene is a target."""

    fitted: ClassVar[type[AdditiveLinks]] = AdditiveLinks
    summary: ClassVar[str] = "rate of each target"

    def fit(self, task, *, rng, device, progress=None):
        edges = np.bincount(task.train.targets, task.train.labels, task.n_genes)
        return FitResult(AdditiveLinks(np.zeros(task.n_genes, np.float32), np.float32(edges)))


@pytest.fixture(params=[*sorted(LINK_METHODS), "target_rate"])
def cls(request):
    return TargetRate if request.param == "target_rate" else method_class(request.param)


def fit(cls, task, seed=0):
    known = {field.name for field in fields(cls)}
    method = cls(**{name: value for name, value in SMALL.items() if name in known})
    device = torch.device("cpu") if cls.uses_torch else None
    return method.fit(task, rng=np.random.default_rng(seed), device=device)


def all_pairs(task):
    sources, targets = np.divmod(np.arange(8 * task.n_genes), task.n_genes)
    return sources, targets


def test_scores_are_finite_float32_and_tell_pairs_apart(cls, task_and_split):
    task, split = task_and_split
    links = fit(cls, task).links
    scores = links.score(split.test.sources, split.test.targets)
    assert scores.dtype == np.float32
    assert scores.shape == (len(split.test),)
    assert np.isfinite(links.score(*all_pairs(task))).all()
    assert np.ptp(scores) > 0


def test_no_pairs_have_no_scores(cls, task_and_split):
    none = np.zeros(0, np.int32)
    assert fit(cls, task_and_split[0]).links.score(none, none).shape == (0,)


def test_a_seed_fixes_the_result(cls, task_and_split):
    task, _ = task_and_split
    first, second = (fit(cls, task).links.score(*all_pairs(task)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_users_random_numbers_are_left_alone(cls, task_and_split):
    task, _ = task_and_split
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    fit(cls, task)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_state_is_plain_arrays_and_makes_an_equal_object(cls, task_and_split):
    task, _ = task_and_split
    links = fit(cls, task).links
    state = links.state()
    assert all(
        isinstance(value, np.ndarray) and value.dtype.kind in "fiub" for value in state.values()
    )
    again = cls.fitted.from_state(state)
    np.testing.assert_array_equal(again.score(*all_pairs(task)), links.score(*all_pairs(task)))


@pytest.mark.parametrize("name", sorted(LINK_METHODS))
def test_a_state_is_read_by_the_name_of_its_method(name, task_and_split):
    task, _ = task_and_split
    links = fit(method_class(name), task).links
    assert type(load_fitted(name, links.state())) is type(links)


def test_a_null_model_sees_no_features(cls, task_and_split):
    task, _ = task_and_split
    if not cls.is_null:
        pytest.skip("not a null model")
    bare = LinkTask(task.n_genes, task.train, task.validation)
    np.testing.assert_array_equal(
        fit(cls, bare).links.score(*all_pairs(task)), fit(cls, task).links.score(*all_pairs(task))
    )


def test_history_rows_and_the_kept_epoch_belong_together(cls, task_and_split):
    task, split = task_and_split
    result = fit(cls, task)
    if result.best_epoch == -1:
        assert result.history == []
        return
    assert [row["epoch"] for row in result.history] == list(range(len(result.history)))
    kept = result.history[result.best_epoch]
    scores = result.links.score(split.validation.sources, split.validation.targets)
    # The state that is returned is that of the kept epoch, not of the last.
    for name in ("auroc", "auprc"):
        if f"validation_{name}" in kept:
            found = getattr(metrics, name)(split.validation.labels, scores)
            assert found == pytest.approx(kept[f"validation_{name}"], abs=1e-6)


@pytest.mark.parametrize("name", ["scregnet", "sctransnet"])
def test_both_networks_keep_the_epoch_that_ranks_best(name, task_and_split):
    result = fit(method_class(name), task_and_split[0])
    reached = [row["validation_auroc"] + row["validation_auprc"] for row in result.history]
    assert result.best_epoch == np.argmax(reached)


LIGHT = {"degree": {}, "label_factors": {}, "joint": {"n_trees": 5, "n_forest_trees": 5}}


def test_light_methods_import_nothing_heavy_before_a_fit_and_never_torch():
    program = f"""
import sys
import numpy as np
from scregnet.links import LinkTask, Pairs, get_method

methods = [get_method(name, **settings) for name, settings in {LIGHT}.items()]
heavy = {{"lightgbm", "numba", "sklearn", "torch"}} & set(sys.modules)
assert not heavy, f"a method's class imports {{heavy}}"

rng = np.random.default_rng(0)
sources, targets = np.divmod(np.arange(6 * 40), 40)
pairs = Pairs(sources, targets, rng.random(240) < 0.4)
part = rng.random(240) < 0.7
arrays = (rng.normal(size=(40, n)).astype(np.float32) for n in (12, 5, 3))
task = LinkTask(40, pairs.take(part), pairs.take(~part), *arrays)
for method in methods:
    method.fit(task, rng=rng, device=None).links.score(sources, targets)
    assert "torch" not in sys.modules, f"{{method}} imports torch"
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not any(method_class(name).uses_torch for name in LIGHT)


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
