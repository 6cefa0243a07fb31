import dataclasses

import numpy as np
import pytest
import torch

from scregnet import metrics
from scregnet.links import LinkTask, Pairs, get_method
from scregnet.links.methods.deepdrim.method import DeepDrim
from scregnet.links.methods.images.histograms import images

CPU = torch.device("cpu")
SMALL = {
    "n_neighbours": 2,
    "n_bins": 8,
    "conv_dims": (6,),
    "dense_dim": 12,
    "batch_size": 32,
    "optimizer": "adam",
    "learning_rate": 0.005,
    "max_epochs": 10,
}


def fit(task, **parameters):
    method = get_method("deepdrim", **SMALL | parameters)
    return method.fit(task, rng=np.random.default_rng(0), device=CPU)


@pytest.fixture(scope="module")
def coupled():
    """Targets follow one of four TFs."""
    rng = np.random.default_rng(0)
    n_tfs, n_genes = 4, 44
    expression = rng.normal(size=(n_genes, 120))
    own = rng.integers(0, n_tfs, n_genes)
    expression[n_tfs:] = expression[own[n_tfs:]] + 0.7 * expression[n_tfs:]
    sources, targets = (a.ravel() for a in np.mgrid[:n_tfs, n_tfs:n_genes])
    pairs = Pairs(sources, targets, own[targets] == sources)
    part = targets % 4
    task = LinkTask(
        n_genes, pairs.take(part > 1), pairs.take(part == 1), expression.astype(np.float32)
    )
    return task, pairs.take(part == 0)


def test_the_images_of_a_gene_are_itself_and_its_neighbours(coupled):
    task, _ = coupled
    module = DeepDrim(**SMALL).module(task)
    module.neighbours[:2] = torch.tensor([[5, 7], [9, 4]])
    sources, targets = module.pairs_of(torch.tensor([0, 1]), as_source=True)
    assert sources.tolist() == [0, 0, 0, 1, 1, 1]
    assert targets.tolist() == [0, 5, 7, 1, 9, 4]
    sources, targets = module.pairs_of(torch.tensor([1]), as_source=False)
    assert sources.tolist() == [1, 9, 4]
    assert targets.tolist() == [1, 1, 1]


def test_a_logit_is_one_dense_layer_over_all_images_of_the_pair(coupled):
    """The published order: images one after the other, features joined, then dense layers."""
    task, _ = coupled
    torch.manual_seed(0)
    module = DeepDrim(**SMALL).module(task).eval()
    scored, source, target = module.scored, 2, 30
    near = module.neighbours.tolist()

    def read(tower, pairs):
        drawn = images(scored.bins, *np.array(pairs).T, 8)
        return tower(torch.from_numpy(drawn)).flatten()

    features = [
        read(scored.tower, [(source, target)]),
        read(module.tower, [(source, source), *((source, other) for other in near[source])]),
        read(module.tower, [(target, target), *((other, target) for other in near[target])]),
    ]
    layers = (scored.joined, module.as_source, module.as_target)
    weight = torch.cat([layer.weight for layer in layers], dim=1)
    expected = scored.head(weight @ torch.cat(features) + scored.joined.bias)
    found = module(torch.tensor([source, 1]), torch.tensor([target, 9]))
    torch.testing.assert_close(found[:1], expected)


def test_it_learns_who_follows_whom_and_keeps_what_it_learned(coupled):
    task, test = coupled
    result = fit(task)
    assert metrics.auroc(test.labels, result.links.score(test.sources, test.targets)) > 0.8
    check = task.validation
    scores = result.links.score(check.sources, check.targets).astype(float)
    loss = np.mean(np.logaddexp(0, scores) - check.labels * scores)
    # What is kept reads no neighbours; it gives what the trained network gave.
    assert loss == pytest.approx(result.history[result.best_epoch]["validation_loss"], rel=1e-4)
    assert result.links.state()["source_terms"].shape == (44, 12)


def test_neighbours_are_part_of_the_score(coupled):
    task, test = coupled
    links = fit(task, max_epochs=2).links
    with_them = links.score(test.sources, test.targets)
    state = links.state()
    state["target_terms"] = np.zeros_like(state["target_terms"])
    without = type(links).from_state(state).score(test.sources, test.targets)
    assert np.abs(with_them - without).max() > 1e-3


def test_expression_is_needed(coupled):
    task, _ = coupled
    with pytest.raises(ValueError, match="deepdrim needs expression: it draws joint histograms"):
        fit(dataclasses.replace(task, expression=None))


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"n_neighbours": 0}, "n_neighbours must be at least 1, got 0"),
        ({"n_bins": 8, "conv_dims": (4, 4)}, "n_bins=8 is too small for 2 blocks"),
        ({"dropout": 1.0}, "dropout must"),
    ],
)
def test_wrong_hyper_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        DeepDrim(**parameters)
