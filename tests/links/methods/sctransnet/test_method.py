import tracemalloc

import numpy as np
import pytest
import torch

from scregnet.links import LinkTask, Pairs, get_method
from scregnet.links.forms.bilinear import BLOCK, BilinearLinks
from scregnet.links.methods.sctransnet.method import ScTransNet
from scregnet.links.methods.sctransnet.network import ScTransNetModule

CPU = torch.device("cpu")
SMALL = {"graph_dims": (8, 6), "channel_dims": (8, 5), "type_dim": 3}


def fit(task, seed=0, **parameters):
    method = ScTransNet(**{**SMALL, "max_epochs": 3, **parameters})
    return method.fit(task, rng=np.random.default_rng(seed), device=CPU)


def bare(task):
    return LinkTask(task.n_genes, task.train, task.validation, task.expression)


def test_the_output_is_two_channels_and_their_product(task_and_split):
    task, _ = task_and_split
    torch.manual_seed(0)
    network = ScTransNet(**SMALL).module(task).eval()
    with torch.no_grad():
        network.bias.fill_(0.7)
    joint = np.concatenate([task.embedding, network.graph().detach().numpy()], axis=1).astype(float)
    p = {name: value.detach().double().numpy() for name, value in network.named_parameters()}

    def channel(name, rows):
        hidden = rows @ p[f"{name}.0.weight"].T + p[f"{name}.0.bias"]
        return (
            np.where(hidden > 0, hidden, 0.01 * hidden) @ p[f"{name}.3.weight"].T
            + p[f"{name}.3.bias"]
        )

    sources, targets = np.array([0, 3, 7, 0]), np.array([5, 1, 59, 20])
    expected = (channel("as_source", joint[sources]) * channel("as_target", joint[targets])).sum(
        axis=1
    ) + 0.7
    found = network(torch.tensor(sources), torch.tensor(targets)).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    left, right = (part.detach().numpy() for part in network.parts())
    np.testing.assert_allclose(
        BilinearLinks(left, right).score(sources, targets), expected, rtol=1e-4, atol=1e-5
    )


def test_few_and_many_pairs_of_the_same_genes_have_the_same_logits(task_and_split):
    task, _ = task_and_split
    network = ScTransNet(**SMALL).module(task).eval()
    sources, targets = (
        torch.from_numpy(x) for x in np.divmod(np.arange(480), 60)
    )  # all: one product
    some = torch.arange(0, 480, 61)  # 8 pairs of 8 TFs and 8 targets: pair by pair
    assert len(some) ** 2 > 4 * len(some)
    torch.testing.assert_close(
        network(sources[some], targets[some]), network(sources, targets)[some]
    )


def test_the_channels_are_not_the_same(task_and_split):
    task, _ = task_and_split
    links = fit(task).links
    there = links.score(np.array([0, 1, 2]), np.array([3, 4, 5]))
    back = links.score(np.array([3, 4, 5]), np.array([0, 1, 2]))
    assert np.abs(there - back).min() > 1e-6


def test_tfs_rank_targets_differently(task_and_split):
    task, _ = task_and_split
    links = fit(task, max_epochs=30).links
    scores = [links.score(np.full(60, tf), np.arange(60)) for tf in (0, 4)]
    spread = np.ptp(scores[0] - scores[1])
    assert spread > 0.05  # an additive score would have the same difference for every target


def test_defaults_are_the_papers():
    method = ScTransNet()
    assert method.graph_dims == (256, 128)
    assert (method.learning_rate, method.max_epochs) == (0.003, 100)
    assert method.fusion == "concat"


def test_a_default_epoch_is_one_step(task_and_split, monkeypatch):
    task, _ = task_and_split
    sizes = []
    forward = ScTransNetModule.forward

    def counted(self, sources, targets):
        if self.training:
            sizes.append(len(sources))
        return forward(self, sources, targets)

    monkeypatch.setattr(ScTransNetModule, "forward", counted)
    fit(task)
    assert sizes == [len(task.train)] * 3
    sizes.clear()
    fit(task, batch_size=200, max_epochs=1)
    assert sizes == [200, len(task.train) - 200]


@pytest.mark.parametrize("density", ["tf", "network"])
def test_training_pairs_are_hard_negatives_of_the_training_part(
    task_and_split, monkeypatch, density
):
    task, split = task_and_split
    seen = []
    forward = ScTransNetModule.forward

    def watched(self, sources, targets):
        if self.training:
            seen.append(set((sources * task.n_genes + targets).tolist()))
        return forward(self, sources, targets)

    monkeypatch.setattr(ScTransNetModule, "forward", watched)
    fit(task, negative_density=density)
    allowed = set((task.train.sources.astype(int) * task.n_genes + task.train.targets).tolist())
    assert set().union(*seen) <= allowed
    assert seen[0] != seen[1]
    for part in (split.validation, split.test):
        assert not set().union(*seen) & set(
            (part.sources.astype(int) * task.n_genes + part.targets).tolist()
        )


def test_validation_labels_change_nothing_but_the_epoch(task_and_split):
    task, _ = task_and_split
    other = Pairs(task.validation.sources, task.validation.targets, ~task.validation.labels)
    turned = LinkTask(task.n_genes, task.train, other, task.expression, task.embedding)
    # With one epoch there is nothing to choose.
    first, second = (fit(one, max_epochs=1).links.state() for one in (task, turned))
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])


def test_messages_are_training_edges_and_types_are_read_from_training_pairs(task_and_split):
    task, split = task_and_split
    graph = ScTransNet(**SMALL).module(task).graph.graph
    pairs = set(zip(graph.sender.tolist(), graph.receiver.tolist(), strict=True))
    positives = task.train.take(task.train.labels)
    known = set(zip(positives.sources.tolist(), positives.targets.tolist(), strict=True))
    assert pairs == known | {(b, a) for a, b in known} | {
        (gene, gene) for gene in range(task.n_genes)
    }
    held_out = split.validation.take(split.validation.labels)
    for edge in zip(held_out.sources.tolist(), held_out.targets.tolist(), strict=True):
        assert edge not in pairs or edge[::-1] in known
    assert (graph.node_type[8:] == 0).all()
    assert (graph.node_type[torch.from_numpy(np.unique(task.train.sources)).long()] > 0).all()


def test_the_seed_fixes_the_fit_and_another_seed_changes_it(task_and_split):
    task, _ = task_and_split
    first, again, other = (fit(task, seed).links.state()["target_vectors"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_state_scores_without_torch(task_and_split):
    task, _ = task_and_split
    state = fit(task).links.state()
    assert {name: (values.dtype, values.shape) for name, values in state.items()} == {
        "source_vectors": (np.dtype(np.float32), (60, 6)),
        "target_vectors": (np.dtype(np.float32), (60, 6)),
    }
    assert (state["source_vectors"][:, -1] == 1).all()
    assert np.ptp(state["target_vectors"][:, -1]) == 0


def test_scoring_many_pairs_takes_memory_of_a_block_only():
    rng = np.random.default_rng(0)
    left, right = (rng.normal(size=(2000, 65)).astype(np.float32) for _ in range(2))
    links = BilinearLinks(left, right)
    sources, targets = (rng.integers(0, 2000, 10 * BLOCK + 7) for _ in range(2))
    tracemalloc.start()
    scores = links.score(sources, targets)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (
        peak < 4 * len(sources) + 2.5 * BLOCK * 65 * 4
    )  # the scores, and two vectors per pair of one block
    at = np.array([0, BLOCK - 1, BLOCK, len(sources) - 1])
    np.testing.assert_allclose(
        scores[at], (left[sources[at]] * right[targets[at]]).sum(1), rtol=1e-4, atol=1e-4
    )
    assert links.score(sources[:0], targets[:0]).shape == (0,)


def test_ablations_of_the_paper(task_and_split):
    task, _ = task_and_split
    whole, no_graph, no_embedding = fit(task), fit(task, graph_dims=()), fit(bare(task))
    vectors = [result.links.target_vectors for result in (whole, no_graph, no_embedding)]
    assert all(np.isfinite(x).all() for x in vectors)
    # Without graph network, neither known edges nor expression reach a representation.
    shuffled = LinkTask(
        task.n_genes, task.train, task.validation, task.expression[::-1].copy(), task.embedding
    )
    np.testing.assert_array_equal(fit(shuffled, graph_dims=()).links.target_vectors, vectors[1])
    assert np.abs(fit(shuffled).links.target_vectors - vectors[0]).max() > 1e-3


def test_cross_attention_joins_both(task_and_split):
    task, _ = task_and_split
    result = fit(task, fusion="cross_attention", fusion_dim=8, fusion_tokens=2)
    assert np.isfinite(result.links.target_vectors).all()
    plain = fit(task).links.target_vectors
    assert np.abs(result.links.target_vectors - plain).max() > 1e-3


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"graph_dims": ()}, "nothing to learn from: graph_dims=.. leaves the embedding alone"),
        (
            {"fusion": "cross_attention"},
            "joins an embedding with the graph network, and there is none",
        ),
    ],
)
def test_a_missing_embedding_is_named(task_and_split, parameters, message):
    task, _ = task_and_split
    with pytest.raises(ValueError, match=message):
        fit(bare(task), **parameters)


@pytest.mark.parametrize(
    "parameters, error, message",
    [
        (
            {"negative_density": "edge"},
            ValueError,
            "negative_density='edge' is not known; valid values: 'tf', 'network'",
        ),
        ({"fusion": "sum"}, ValueError, "fusion='sum' is not known"),
        ({"optimizer": "lion"}, ValueError, "optimizer='lion' is not known"),
        (
            {"graph_dims": 256},
            TypeError,
            "graph_dims must be a sequence of integers, one a layer, got 256",
        ),
        ({"graph_dims": (256, 0)}, ValueError, r"graph_dims\[1\] must be at least 1, got 0"),
        ({"channel_dims": ()}, ValueError, "channel_dims must name at least one"),
        (
            {"fusion": "cross_attention", "graph_dims": ()},
            ValueError,
            "but graph_dims=.. leaves that out",
        ),
        ({"dropout": 1.0}, ValueError, r"dropout must lie in \[0, 1\)"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"learning_rate": 0}, ValueError, "learning_rate must lie in"),
        ({"patience": 2.5}, TypeError, "patience must be an integer"),
    ],
)
def test_hyper_parameters_are_checked(parameters, error, message):
    with pytest.raises(error, match=message):
        get_method("sctransnet", **parameters)


def test_a_diverging_fit_is_an_error(task_and_split):
    task, _ = task_and_split
    with pytest.raises(RuntimeError, match="not finite. Lower learning_rate"):
        fit(task, optimizer="sgd", learning_rate=1e25, max_epochs=50)
