from __future__ import annotations

import numpy as np
import pytest
import torch

from scregnet.encoders.pooling import StreamingPooler
from scregnet.encoders.protocol import Encoded

N_CELLS, LENGTH, WIDTH, N_SLOTS, N_GROUPS = 17, 6, 5, 9, 3


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    slots = np.array([rng.permutation(N_SLOTS - 1)[:LENGTH] for _ in range(N_CELLS)])
    slots[rng.random(slots.shape) < 0.25] = -1
    hidden = rng.normal(size=(N_CELLS, LENGTH, WIDTH)).astype(np.float32)
    weights = rng.uniform(0.1, 2, size=(N_CELLS, LENGTH)).astype(np.float32)
    groups = rng.integers(0, N_GROUPS - 1, N_CELLS)
    return hidden, slots, weights, groups


def pool(cells, order, batch_size, pooling):
    hidden, slots, weights, groups = cells
    pooler = StreamingPooler(N_GROUPS, N_SLOTS, WIDTH, pooling=pooling)
    for start in range(0, len(order), batch_size):
        take = order[start : start + batch_size]
        pooler.add(
            Encoded(*map(torch.as_tensor, (hidden[take], slots[take], weights[take]))), groups[take]
        )
    return pooler


@pytest.mark.parametrize("pooling", ["mean", "attentive"])
def test_pooling_is_the_weighted_mean_over_cells_that_hold_the_gene(cells, pooling):
    hidden, slots, weights, groups = cells
    pooler = pool(cells, np.arange(N_CELLS), 4, pooling)
    pooled, seen = pooler.result()
    assert pooled.dtype == np.float32
    for group in range(N_GROUPS):
        for slot in range(N_SLOTS):
            at = (slots == slot) & (groups == group)[:, None]
            assert seen[group, slot] == at.sum()
            w = weights[at] if pooling == "attentive" else np.ones(at.sum())
            expected = (
                (w[:, None] * hidden[at].astype(float)).sum(0) / w.sum()
                if at.any()
                else np.zeros(WIDTH)
            )
            np.testing.assert_allclose(pooled[group, slot], expected, rtol=1e-6, atol=1e-7)
    assert not seen[:, N_SLOTS - 1].any()
    np.testing.assert_array_equal(pooler.n_cells, np.bincount(groups, minlength=N_GROUPS))


@pytest.mark.parametrize("pooling", ["mean", "attentive"])
def test_neither_batch_size_nor_order_shows(cells, pooling):
    first, _ = pool(cells, np.arange(N_CELLS), N_CELLS, pooling).result()
    for batch_size in (1, 2, 5):
        other, _ = pool(
            cells, np.random.default_rng(batch_size).permutation(N_CELLS), batch_size, pooling
        ).result()
        np.testing.assert_array_equal(first, other)


def test_many_cells_lose_no_precision():
    pooler = StreamingPooler(1, 1, 1)
    values = torch.full((1000, 1, 1), 0.1)
    for _ in range(200):
        pooler.add(
            Encoded(values, torch.zeros(1000, 1, dtype=torch.int64)), np.zeros(1000, dtype=int)
        )
    assert pooler.result()[0].item() == np.float32(0.1)


def test_attentive_pooling_needs_weights():
    pooler = StreamingPooler(1, 1, 1, pooling="attentive")
    with pytest.raises(ValueError, match="does not give"):
        pooler.add(
            Encoded(torch.zeros(1, 1, 1), torch.zeros(1, 1, dtype=torch.int64)),
            np.zeros(1, dtype=int),
        )


def test_unknown_pooling():
    with pytest.raises(ValueError, match="mean, mean_all, attentive"):
        StreamingPooler(1, 1, 1, pooling="median")
