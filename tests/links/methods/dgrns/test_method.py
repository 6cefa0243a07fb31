import dataclasses

import numpy as np
import pytest
import torch

from scregnet import metrics
from scregnet.links import LinkTask, Pairs, get_method
from scregnet.links.methods.dgrns.method import Dgrns

CPU = torch.device("cpu")
SMALL = {
    "cell_order": "given",
    "n_lags": 12,
    "gap": 3,
    "recurrent_dim": 16,
    "conv_dims": (6,),
    "dense_dims": (24, 8),
    "optimizer": "adam",
    "batch_size": 32,
    "learning_rate": 0.005,
    "max_epochs": 20,
}


def fit(task, **parameters):
    method = get_method("dgrns", **SMALL | parameters)
    return method.fit(task, rng=np.random.default_rng(0), device=CPU)


@pytest.fixture(scope="module")
def delayed():
    """Targets follow one of four TFs, ten cells later."""
    rng = np.random.default_rng(0)
    n_tfs, n_genes, n_cells, delay = 4, 52, 100, 10
    course = np.cumsum(rng.normal(size=(n_tfs, n_cells + delay)), axis=1)
    own = rng.integers(0, n_tfs, n_genes)
    expression = np.empty((n_genes, n_cells))
    expression[:n_tfs] = course[:, delay:]
    expression[n_tfs:] = course[own[n_tfs:], :-delay] + rng.normal(size=(n_genes - n_tfs, n_cells))
    expression -= expression.mean(axis=1, keepdims=True)
    expression /= expression.std(axis=1, keepdims=True)
    sources, targets = (a.ravel() for a in np.mgrid[:n_tfs, n_tfs:n_genes])
    pairs = Pairs(sources, targets, own[targets] == sources)
    part = targets % 4
    task = LinkTask(
        n_genes, pairs.take(part > 1), pairs.take(part == 1), expression.astype(np.float32)
    )
    return task, pairs.take(part == 0)


def test_the_published_network(delayed):
    expression = np.random.default_rng(0).normal(size=(3, 889)).astype(np.float32)
    module = Dgrns().module(dataclasses.replace(delayed[0], n_genes=3, expression=expression))
    assert module.windows == (5, 64, 259)
    assert (module.recurrent.input_size, module.recurrent.hidden_size) == (64, 128)
    # 64 × 128 outputs; a pixel is lost at each edge, and the pooling halves both sides.
    assert module.tower.dense.in_features == 32 * 31 * 63
    shapes = [tuple(value.shape) for value in module.tower.blocks.state_dict().values()]
    assert shapes == [(32, 1, 3, 3), (32,), (32, 32, 3, 3), (32,)]
    assert [layer.out_features for layer in module.head[1:]] == [128, 1]
    dropped = [layer.p for layer in module.modules() if type(layer).__name__ == "Dropout"]
    assert sorted(dropped) == [0.2, 0.25, 0.5]


def test_weights_start_as_published(delayed):
    weights = dict(Dgrns(**SMALL).module(delayed[0]).named_parameters())
    assert all(not value.any() for value in weights.values() if value.ndim == 1)
    recurrent = weights["recurrent.weight_hh_l0"]
    torch.testing.assert_close((recurrent.T @ recurrent).detach(), torch.eye(16), atol=1e-5, rtol=0)
    limit = (6 / (24 + 8)) ** 0.5
    assert 0.9 * limit < float(weights["head.1.weight"].detach().abs().max()) <= limit


def test_training_is_as_published_but_for_the_pairs_of_a_step():
    method = Dgrns()
    # With the published 1,024 it stays at the mean of the labels of a BEELINE set.
    assert (method.optimizer, method.learning_rate, method.batch_size) == ("nesterov", 0.02, 64)
    assert method.max_epochs == method.patience == 50


def test_it_learns_who_follows_whom(delayed):
    task, test = delayed
    scores = fit(task).links.score(test.sources, test.targets)
    assert metrics.auroc(test.labels, scores) > 0.8


def test_half_precision_learns_as_well(delayed):
    task, test = delayed
    links = fit(task, precision="bfloat16").links
    scores = links.score(test.sources, test.targets)
    assert metrics.auroc(test.labels, scores) > 0.8
    again = type(links).from_state(links.state())
    np.testing.assert_array_equal(again.score(test.sources, test.targets), scores)


def test_scores_depend_on_the_direction(delayed):
    task, test = delayed
    links = fit(task, max_epochs=2).links
    there = links.score(test.sources, test.targets)
    assert not np.allclose(there, links.score(test.targets, test.sources), atol=1e-3)


def test_the_order_of_cells_matters_only_if_it_is_given(delayed):
    task, test = delayed
    turned = np.random.default_rng(1).permutation(100)
    time = np.arange(100) / 99
    task = dataclasses.replace(task, pseudotime=time)
    other = dataclasses.replace(
        task, expression=task.expression[:, turned], pseudotime=time[turned]
    )

    def score(task, order):
        links = fit(task, cell_order=order, max_epochs=1).links
        return links.score(test.sources, test.targets)

    one, two = score(task, "component"), score(other, "component")
    np.testing.assert_allclose(one, two, atol=1e-4)
    given = score(task, "given")
    assert not np.allclose(given, score(other, "given"), atol=1e-4)
    for each in (task, other):
        np.testing.assert_array_equal(score(each, "pseudotime"), given)


def test_pseudotime_is_needed_for_its_order_only():
    assert Dgrns(cell_order="pseudotime").needs_pseudotime
    assert not Dgrns(cell_order="given").needs_pseudotime
    assert not Dgrns.needs_pseudotime
    assert dataclasses.replace(Dgrns(), cell_order="pseudotime").needs_pseudotime


def test_few_cells_have_fewer_lags_or_too_few(delayed):
    task, _ = delayed
    few = dataclasses.replace(task, expression=task.expression[:, :9])
    assert Dgrns(**SMALL).module(few).windows == (1, 4, 3)
    few = dataclasses.replace(task, expression=task.expression[:, :5])
    with pytest.raises(
        ValueError, match=r"dgrns needs more cells: 5 \(columns.*2 lags, too few for 1 blocks"
    ):
        fit(few)


def test_expression_is_needed(delayed):
    task, _ = delayed
    with pytest.raises(ValueError, match="dgrns needs expression: it correlates windows of it"):
        fit(dataclasses.replace(task, expression=None))


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"cell_order": "time"}, "cell_order='time' is not known; valid values: 'comp"),
        ({"n_lags": 8, "conv_dims": (4, 4)}, "n_lags=8 is too small for 2 blocks"),
        ({"recurrent_dim": 3}, "recurrent_dim must be at least 4, got 3"),
        ({"gap": 0}, "gap must be at least 1, got 0"),
        ({"least_share": 1.0}, r"least_share must lie in \[0, 1\)"),
        ({"dense_dims": (8,)}, r"dense_dims must name the widths of two layers, got \(8,\)"),
        ({"recurrent_dropout": 1.0}, r"recurrent_dropout must lie in \[0, 1\)"),
        ({"precision": "half"}, "precision='half' is not known"),
    ],
)
def test_wrong_hyper_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        Dgrns(**parameters)
