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
    "image_dim": 10,
    "dense_dims": (12, 5),
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


def test_neighbours_are_those_of_the_highest_covariance(coupled):
    task, _ = coupled
    spread = np.random.default_rng(0).uniform(0.2, 3, 44).astype(np.float32)
    own = task.expression.std(axis=1)
    standardised = (task.expression - task.expression.mean(1, keepdims=True)) / own[:, None]
    summary = np.stack([0 * spread, spread, 0 * spread], axis=1)
    given = dataclasses.replace(task, expression=standardised, summary=summary)

    def expected(strength):
        return np.argsort(-strength, axis=1)[:, :2]

    correlation = np.corrcoef(task.expression)
    found = DeepDrim(**SMALL).module(given).neighbours.numpy()
    np.testing.assert_array_equal(found, expected(correlation * spread * spread[:, None]))
    without = DeepDrim(**SMALL).module(task).neighbours.numpy()
    np.testing.assert_array_equal(without, expected(np.cov(task.expression)))
    found = DeepDrim(**SMALL, neighbours="correlation").module(given).neighbours.numpy()
    np.testing.assert_array_equal(found, expected(correlation - 2 * np.eye(44)))


def test_a_logit_is_dense_layers_over_all_images_of_the_pair(coupled):
    """The published order: images one after the other, features joined, then dense layers."""
    task, _ = coupled
    torch.manual_seed(0)
    module = DeepDrim(**SMALL).module(task).eval()
    scored, source, target = module.scored, 2, 30
    near = module.neighbours.tolist()
    relu = torch.relu

    def read(tower, one, other):
        """A loop over blocks; no ReLU after the last layer."""
        drawn = images(scored.bins, np.array([one]), np.array([other]), 8)
        x = torch.from_numpy(drawn)[:, None]
        convs = [layer for layer in tower.blocks if isinstance(layer, torch.nn.Conv2d)]
        for first, second in zip(convs[::2], convs[1::2], strict=True):
            x = torch.nn.functional.max_pool2d(relu(second(relu(first(x)))), 2)
        return tower.dense(x.flatten())

    features = [read(scored.tower, source, target), read(module.tower, source, source)]
    features += [read(module.tower, source, other) for other in near[source]]
    features += [read(module.tower, target, target)]
    features += [read(module.tower, other, target) for other in near[target]]
    assert any((one < 0).any() for one in features)
    layers = (scored.joined, module.as_source, module.as_target)
    weight = torch.cat([layer.weight for layer in layers], dim=1)
    x = weight @ torch.cat(features) + scored.joined.bias
    second, last = (layer for layer in scored.head if isinstance(layer, torch.nn.Linear))
    expected = last(relu(second(relu(x))))
    found = module(torch.tensor([source, 1]), torch.tensor([target, 9]))
    torch.testing.assert_close(found[:1], expected)


def test_the_published_widths_and_first_weights():
    rng = np.random.default_rng(0)
    pairs = Pairs(np.array([0, 1]), np.array([2, 3]), np.array([True, False]))
    task = LinkTask(12, pairs, pairs, rng.normal(size=(12, 30)).astype(np.float32))
    torch.manual_seed(0)
    module = DeepDrim().module(task)
    scored = module.scored
    linear = [layer for layer in scored.head if isinstance(layer, torch.nn.Linear)]
    assert [(a.in_features, a.out_features) for a in linear] == [(512, 128), (128, 1)]
    join = (scored.joined, module.as_source, module.as_target)
    assert [part.in_features for part in join] == [512, 11 * 512, 11 * 512]
    # Glorot: uniform within the root of 6 over the inputs and outputs of the whole layer.
    for part in join:
        assert part.weight.abs().max().item() == pytest.approx((6 / (24 * 512)) ** 0.5, rel=1e-3)
    assert linear[0].weight.abs().max().item() == pytest.approx((6 / 640) ** 0.5, rel=1e-3)
    conv = module.tower.blocks[2]
    assert conv.weight.abs().max().item() == pytest.approx((6 / (9 * 64)) ** 0.5, rel=1e-2)
    assert all((layer.bias == 0).all() for layer in (conv, scored.joined, *linear))
    # One before the joined layer, and one before each layer that follows.
    assert scored.dropout.p == 0.5
    assert [a.p for a in scored.head if hasattr(a, "p")] == [0.5, 0.5]


def test_dropout_of_neighbours_is_drawn_once_a_gene(coupled):
    task, _ = coupled
    torch.manual_seed(0)
    module = DeepDrim(**SMALL | {"conv_dropout": 0.0}).module(task).train()
    drawn = []
    module.scored.dropout.register_forward_hook(lambda *seen: drawn.append(seen[2]))
    module(torch.tensor([0, 0, 1]), torch.tensor([7, 8, 8]))
    # Images of two TFs, of two targets, and those of three pairs.
    assert [tuple(x.shape) for x in drawn] == [(2, 30), (2, 30), (3, 10)]
    for x in drawn:
        assert 0.2 < (x == 0).float().mean() < 0.8
    assert not torch.equal(drawn[0][0] == 0, drawn[0][1] == 0)


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


def test_a_saved_network_has_all_layers(coupled):
    task, test = coupled
    links = fit(task, max_epochs=2).links
    state = links.state()
    assert state["dense_dims"].tolist() == [12, 5]
    assert state["dense_dim"] == 10
    scores = type(links).from_state(state).score(test.sources, test.targets)
    np.testing.assert_array_equal(scores, links.score(test.sources, test.targets))
    for changed, message in (
        ({"dense_dims": np.array([12, 6])}, "weight_head"),
        ({"dense_dims": np.array([], np.int64)}, "must name 1 to 100 layers, found 0"),
        ({"dense_dims": np.array([9, 5])}, "source_terms"),
        ({"weight_head.5.bias": np.array([np.nan], np.float32)}, r"weight_head\.5\.bias"),
    ):
        with pytest.raises(ValueError, match=message):
            type(links).from_state(state | changed)


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
        ({"neighbours": "rank"}, "neighbours='rank' is not known"),
        ({"image_dim": 0}, "image_dim must be at least 1, got 0"),
        ({"dense_dims": ()}, "dense_dims must name at least one layer's width"),
    ],
)
def test_wrong_hyper_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        DeepDrim(**parameters)
