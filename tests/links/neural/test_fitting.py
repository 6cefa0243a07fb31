import dataclasses

import numpy as np
import pytest
import torch

from scregnet.links.forms.additive import AdditiveLinks
from scregnet.links.neural.fitting import embedding_tensor, fit_module, fit_whole, unit_rows
from scregnet.links.neural.options import Training

CPU = torch.device("cpu")


class Popularity(torch.nn.Module):
    """One number a gene and role."""

    def __init__(self, n_genes):
        super().__init__()
        self.terms = torch.nn.Parameter(0.1 * torch.randn(2, n_genes))

    def forward(self, sources, targets):
        return self.terms[0][sources] + self.terms[1][targets]

    def parts(self):
        return self.terms[0], self.terms[1]


def fit(task, seed=0, **options):
    training = Training("sgd", 0.5, 0.0, 32, 6, 6)
    return fit_module(
        lambda: Popularity(task.n_genes),
        AdditiveLinks,
        task,
        dataclasses.replace(training, **options.pop("training", {})),
        rng=np.random.default_rng(seed),
        device=CPU,
        **options,
    )


def test_the_links_are_the_parts_of_the_kept_epoch(task_and_split):
    task, _ = task_and_split
    result = fit(task)
    check = task.validation
    scores = result.links.score(check.sources, check.targets).astype(float)
    loss = np.mean(np.logaddexp(0, scores) - check.labels * scores)
    assert len(result.history) == 6
    assert loss == pytest.approx(result.history[result.best_epoch]["validation_loss"], rel=1e-5)


def test_initial_weights_follow_the_generator(task_and_split):
    task, _ = task_and_split
    first, again, other = (fit(task, seed).links.source_term for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_each_epoch_asks_for_its_pairs_and_may_take_them_at_once(task_and_split):
    task, _ = task_and_split
    drawn = []

    def resample():
        drawn.append(len(drawn))
        return task.train.take(np.arange(50))

    result = fit(task, resample=resample, training={"batch_size": None, "learning_rate": 1e-9})
    assert drawn == list(range(6))
    # With one step an epoch and next to no learning, the loss is that of the initial weights.
    pairs = task.train.take(np.arange(50))
    scores = result.links.score(pairs.sources, pairs.targets).astype(float)
    loss = np.mean(np.logaddexp(0, scores) - pairs.labels * scores)
    assert result.history[0]["train_loss"] == pytest.approx(loss, rel=1e-5)


def test_a_task_without_embedding_has_one_of_no_width(task_and_split):
    task, _ = task_and_split
    assert torch.equal(embedding_tensor(task), torch.from_numpy(task.embedding))
    bare = embedding_tensor(dataclasses.replace(task, embedding=None))
    assert (bare.shape, bare.dtype) == ((task.n_genes, 0), torch.float32)


def test_the_loss_may_be_another(task_and_split):
    task, _ = task_and_split
    result = fit(task, loss=torch.nn.functional.mse_loss)
    check = task.validation
    scores = result.links.score(check.sources, check.targets).astype(float)
    expected = np.mean((scores - check.labels) ** 2)
    found = result.history[result.best_epoch]["validation_loss"]
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_whole_module_may_be_kept(task_and_split):
    task, _ = task_and_split
    kept = []
    result = fit_whole(
        lambda: Popularity(task.n_genes),
        lambda module: kept.append(module) or "links",
        task,
        Training("sgd", 0.5, 0.0, 32, 2, 2),
        rng=np.random.default_rng(0),
        device=CPU,
    )
    assert result.links == "links"
    assert not kept[0].training
    same = fit(task, training={"max_epochs": 2, "patience": 2})
    np.testing.assert_array_equal(kept[0].terms[0].detach().numpy(), same.links.source_term)


def test_unit_rows_have_length_one_or_stay_zero(task_and_split):
    task, _ = task_and_split
    expression = task.expression.copy()
    expression[3] = 0
    rows = unit_rows(dataclasses.replace(task, expression=expression))
    lengths = np.linalg.norm(rows, axis=1)
    assert lengths[3] == 0
    np.testing.assert_allclose(np.delete(lengths, 3), 1, rtol=1e-5)
    assert expression[0, 0] == task.expression[0, 0]


class Counting(Popularity):
    """Says how many pairs it is given at a time."""

    def __init__(self, n_genes):
        super().__init__(n_genes)
        self.seen = []

    def forward(self, sources, targets):
        if self.training:
            self.seen.append(len(sources))
        return super().forward(sources, targets)


@pytest.mark.parametrize("block", [5, 32, 1000])
def test_a_step_may_go_through_its_pairs_in_blocks(task_and_split, block):
    task, _ = task_and_split
    modules = []

    def fitted(step_block):
        def make():
            modules.append(Counting(task.n_genes))
            if step_block is not None:
                modules[-1].step_block = step_block
            return modules[-1]

        training = Training("sgd", 0.5, 0.0, 32, 2, 2)
        return fit_whole(
            make, lambda _: "links", task, training, rng=np.random.default_rng(0), device=CPU
        )

    whole, parts = fitted(None), fitted(block)
    torch.testing.assert_close(modules[1].terms, modules[0].terms, atol=1e-6, rtol=0)
    for one, two in zip(whole.history, parts.history, strict=True):
        assert one == pytest.approx(two, rel=1e-5)
    assert max(modules[0].seen) == 32
    assert max(modules[1].seen) == min(block, 32)
    assert sum(modules[1].seen) == sum(modules[0].seen) == 2 * len(task.train)
