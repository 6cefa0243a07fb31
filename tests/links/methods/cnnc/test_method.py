import dataclasses

import numpy as np
import pytest
import torch

from scregnet import metrics
from scregnet.links import LinkTask, Pairs, get_method
from scregnet.links.methods.cnnc.method import Cnnc

CPU = torch.device("cpu")
SMALL = {
    "n_bins": 8,
    "conv_dims": (8,),
    "dense_dim": 16,
    "batch_size": 32,
    "optimizer": "adam",
    "learning_rate": 0.005,
    "max_epochs": 15,
}


def fit(task, **parameters):
    method = get_method("cnnc", **SMALL | parameters)
    return method.fit(task, rng=np.random.default_rng(0), device=CPU)


@pytest.fixture(scope="module")
def coupled():
    """Targets copy their TF's square: no correlation, but a joint histogram of its own."""
    rng = np.random.default_rng(0)
    n_tfs, n_genes = 6, 60
    expression = rng.normal(size=(n_genes, 150))
    own = rng.integers(0, n_tfs, n_genes)
    expression[n_tfs:] = expression[own[n_tfs:]] ** 2 + 0.3 * expression[n_tfs:]
    sources, targets = (a.ravel() for a in np.mgrid[:n_tfs, n_tfs:n_genes])
    pairs = Pairs(sources, targets, own[targets] == sources)
    part = targets % 4
    task = LinkTask(
        n_genes, pairs.take(part > 1), pairs.take(part == 1), expression.astype(np.float32)
    )
    return task, pairs.take(part == 0)


def test_it_reads_a_relation_that_no_correlation_shows(coupled):
    task, test = coupled
    pearson = np.corrcoef(task.expression)[test.sources, test.targets]
    assert metrics.auroc(test.labels, np.abs(pearson)) < 0.7
    links = fit(task).links
    assert metrics.auroc(test.labels, links.score(test.sources, test.targets)) > 0.9


def test_a_pair_scores_the_same_alone_and_among_many(coupled):
    task, test = coupled
    links = fit(task, max_epochs=1).links
    many = links.score(np.tile(test.sources, 5), np.tile(test.targets, 5))
    alone = links.score(test.sources[3:4], test.targets[3:4])
    np.testing.assert_allclose(many[3], alone[0], rtol=1e-5)
    assert len(many) > 256


def test_scores_depend_on_the_direction(coupled):
    task, test = coupled
    links = fit(task, max_epochs=2).links
    there = links.score(test.sources, test.targets)
    assert not np.allclose(there, links.score(test.targets, test.sources), atol=1e-3)


def test_scoring_draws_no_random_numbers(coupled):
    task, test = coupled
    links = fit(task, max_epochs=1).links
    again = type(links).from_state(links.state())
    before = torch.get_rng_state()
    again.score(test.sources, test.targets)
    assert torch.equal(torch.get_rng_state(), before)


def test_expression_is_needed(coupled):
    task, _ = coupled
    with pytest.raises(ValueError, match="cnnc needs expression: it draws the joint histogram"):
        fit(dataclasses.replace(task, expression=None))


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"n_bins": 3}, "n_bins must be at least 4, got 3"),
        ({"n_bins": 8, "conv_dims": (4, 4)}, "n_bins=8 is too small for 2 blocks"),
        ({"conv_dims": ()}, "conv_dims must name at least one layer's width"),
        ({"dense_dim": 0}, "dense_dim must be at least 1, got 0"),
    ],
)
def test_wrong_hyper_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        Cnnc(**parameters)


def test_training_is_as_published_but_for_the_pairs_of_a_step():
    method = Cnnc()
    # With the published 1,024 it stays at the mean of the labels of a BEELINE set.
    assert (method.optimizer, method.learning_rate, method.batch_size) == ("nesterov", 0.01, 64)
    assert (method.max_epochs, method.patience) == (200, 50)
