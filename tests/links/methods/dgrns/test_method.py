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
    "n_windows": 8,
    "window_share": 0.2,
    "recurrent_dim": 8,
    "conv_dims": (6,),
    "dense_dim": 12,
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


def test_correlations_are_those_of_numpy(delayed):
    task, _ = delayed
    module = Dgrns(**SMALL).module(task)
    (found,) = module.correlations(torch.tensor([1]), torch.tensor([20])).numpy()
    for row in range(8):
        for column in range(8):
            source, target = (
                task.expression[gene, module.cells[window]]
                for gene, window in ((1, row), (20, column))
            )
            expected = np.corrcoef(source, target)[0, 1]
            assert found[row, column] == pytest.approx(expected, abs=2e-3)  # half precision


def test_a_window_that_does_not_vary_correlates_with_nothing(delayed):
    task, _ = delayed
    expression = task.expression.copy()
    expression[1] = 0.3
    module = Dgrns(**SMALL).module(dataclasses.replace(task, expression=expression))
    found = module.correlations(torch.tensor([1]), torch.tensor([20]))
    assert torch.count_nonzero(found) == 0


def test_it_learns_who_follows_whom(delayed):
    task, test = delayed
    scores = fit(task).links.score(test.sources, test.targets)
    assert metrics.auroc(test.labels, scores) > 0.8


def test_scores_depend_on_the_direction(delayed):
    task, test = delayed
    links = fit(task, max_epochs=2).links
    there = links.score(test.sources, test.targets)
    assert not np.allclose(there, links.score(test.targets, test.sources), atol=1e-3)


def test_the_order_of_cells_matters_only_if_it_is_given(delayed):
    task, test = delayed
    turned = np.random.default_rng(1).permutation(100)
    other = dataclasses.replace(task, expression=task.expression[:, turned])

    def score(task, order):
        links = fit(task, cell_order=order, max_epochs=1).links
        return links.score(test.sources, test.targets)

    one, two = score(task, "component"), score(other, "component")
    np.testing.assert_allclose(one, two, atol=1e-4)
    assert not np.allclose(score(task, "given"), score(other, "given"), atol=1e-4)


def test_expression_is_needed(delayed):
    task, _ = delayed
    with pytest.raises(ValueError, match="dgrns needs expression: it correlates windows of it"):
        fit(dataclasses.replace(task, expression=None))


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"cell_order": "pseudotime"}, "cell_order='pseudotime' is not known; valid values: 'comp"),
        ({"n_windows": 8, "conv_dims": (4, 4)}, "n_windows=8 is too small for 2 blocks"),
        ({"window_share": 0.0}, r"window_share must lie in \(0, 1\]"),
        ({"recurrent_dim": 0}, "recurrent_dim must be at least 1, got 0"),
    ],
)
def test_wrong_hyper_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        Dgrns(**parameters)
