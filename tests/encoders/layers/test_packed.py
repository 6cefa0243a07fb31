from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import softmax

from scregnet.encoders import create
from scregnet.encoders.layers.packed import packed_attention
from scregnet.encoders.protocol import TokenBatch

HEADS, WIDTH = 3, 4


@pytest.mark.parametrize("lengths", [(7, 5, 5, 5, 1), (4,), (3, 3), (1, 1, 1)])
def test_every_cell_attends_to_itself_alone(lengths):
    generator = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, 1, HEADS, sum(lengths), WIDTH, generator=generator)
    out, weights = packed_attention(
        torch.nn.Identity(), query, key, value, None, lengths=lengths, scaling=0.3
    )
    assert weights is None
    assert out.shape == (1, sum(lengths), HEADS, WIDTH)
    start = 0
    for length in lengths:
        q, k, v = (tensor[0, :, start : start + length] for tensor in (query, key, value))
        expected = softmax(0.3 * q @ k.mT, dim=-1) @ v
        torch.testing.assert_close(out[0, start : start + length].transpose(0, 1), expected)
        start += length


def test_padded_cells_keep_their_mask():
    query, key, value = torch.randn(
        3, 2, HEADS, 5, WIDTH, generator=torch.Generator().manual_seed(1)
    )
    mask = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])[:, None, None]
    out, _ = packed_attention(
        torch.nn.Identity(), query, key, value, mask.expand(2, 1, 5, 5), scaling=0.5
    )
    expected = softmax(0.5 * query[1, :, :, :] @ key[1, :, :2].mT, dim=-1) @ value[1, :, :2]
    torch.testing.assert_close(out[1].transpose(0, 1), expected)


@pytest.mark.parametrize("lengths", [(9, 9, 6, 2), (5, 5, 5), (1,)])
def test_the_same_vectors_as_with_padding(folders, family, lengths):
    rng = np.random.default_rng(2)
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    ids = np.where(mask, rng.integers(4, 40, mask.shape), 0)
    batch = TokenBatch(np.arange(len(lengths)), ids, np.where(mask, ids - 4, -1), mask)
    with torch.inference_mode():
        packed = create("geneformer", weights=folders[family]).encode(batch)
        padded = create("geneformer", weights=folders[family], attention="eager").encode(batch)
    torch.testing.assert_close(packed.hidden[mask], padded.hidden[mask], atol=3e-6, rtol=0)
    torch.testing.assert_close(packed.slots, padded.slots)
    assert not packed.hidden[~mask].any()


def test_half_precision_is_near(folders):
    rng = np.random.default_rng(3)
    mask = np.arange(30) < np.array([30, 30, 17])[:, None]
    batch = TokenBatch(
        np.arange(3), np.where(mask, rng.integers(4, 40, mask.shape), 0), np.zeros(mask.shape), mask
    )
    encoder = create("geneformer", weights=folders["V1"])
    with torch.inference_mode():
        full = encoder.encode(batch).hidden[mask]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = encoder.encode(batch).hidden[mask]
    assert 1e-4 < (half - full).abs().max() < 0.1
    assert torch.nn.functional.cosine_similarity(half.float(), full).min() > 0.999


@pytest.mark.gpu
def test_on_a_gpu(folders, family):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    rng = np.random.default_rng(4)
    mask = np.arange(50) < np.array([50, 50, 31, 8])[:, None]
    batch = TokenBatch(
        np.arange(4), np.where(mask, rng.integers(4, 40, mask.shape), 0), np.zeros(mask.shape), mask
    )
    encoder = create("geneformer", weights=folders[family])
    with torch.inference_mode():
        here = encoder.encode(batch).hidden[mask]
        encoder.to(torch.device("cuda"))
        torch.testing.assert_close(
            encoder.encode(batch).hidden.cpu()[mask], here, atol=1e-3, rtol=1e-3
        )
        with torch.autocast("cuda", dtype=torch.bfloat16):
            half = encoder.encode(batch).hidden.cpu()[mask]
    assert torch.nn.functional.cosine_similarity(half.float(), here).min() > 0.999
