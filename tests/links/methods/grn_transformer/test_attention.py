import numpy as np
import pytest
import torch
from scipy.special import softmax

from scregnet.links.methods.grn_transformer import attention
from scregnet.links.methods.grn_transformer.attention import CellAttention, GeneAttention

N_CELLS, N_GENES, DIM, HEADS = 3, 5, 6, 2
D = DIM // HEADS


def made(cls):
    torch.manual_seed(0)
    module = cls(DIM, HEADS).eval()
    p = {name: value.detach().double().numpy() for name, value in module.named_parameters()}
    x = torch.randn(N_CELLS, N_GENES, DIM)
    maps = {
        name: x.double().numpy() @ p[f"{name}.weight"].T + p[f"{name}.bias"]
        for name in ("query", "key", "value")
    }
    return module, p, x, maps


def taken(maps, p, shares, pairs):
    """What each token takes: the sum over its sequence, head by head."""
    found = np.zeros(maps["value"].shape)
    for here, others in pairs:
        for head in range(HEADS):
            part = slice(head * D, (head + 1) * D)
            for place, other in enumerate(others):
                share = shares[head, here[2], place]
                found[here[:2]][part] += share * maps["value"][other][part]
    return found @ p["out.weight"].T + p["out.bias"]


def test_attention_of_genes_is_what_loops_give():
    module, p, x, maps = made(GeneAttention)
    networks = torch.randn(4, N_GENES, N_GENES)
    logits = np.full((HEADS, N_GENES, N_GENES), -1e9)
    for i in range(N_GENES):
        for j in range(N_GENES):
            if i == j:
                continue
            products = np.zeros((HEADS, D))
            for cell in range(N_CELLS):
                for head in range(HEADS):
                    part = slice(head * D, (head + 1) * D)
                    query = maps["query"][cell, i, part] / np.sqrt(D * N_CELLS)
                    products[head] += query * maps["key"][cell, j, part]
            # What the tokens say, in the mean over heads, beside what each network says.
            tokens = p["weigh_tokens.weight"] @ products.mean(0) + p["weigh_tokens.bias"]
            said = networks[:, i, j].double().numpy()
            weights = softmax([tokens @ (p["weigh_network.weight"][:, 0] * one) for one in said])
            chosen = (weights * said).sum()
            logits[:, i, j] = products.sum(1) + p["multiple"][:, 0, 0] * chosen
    shares = softmax(logits, axis=-1)
    found, given = module(x, networks)
    np.testing.assert_allclose(given.detach().numpy(), shares, rtol=1e-4, atol=1e-6)
    pairs = [
        ((cell, i, i), [(cell, j) for j in range(N_GENES)])
        for cell in range(N_CELLS)
        for i in range(N_GENES)
    ]
    expected = taken(maps, p, shares, pairs)
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_attention_of_cells_is_what_loops_give():
    module, p, x, maps = made(CellAttention)
    logits = np.zeros((HEADS, N_CELLS, N_CELLS))
    for a in range(N_CELLS):
        for b in range(N_CELLS):
            for head in range(HEADS):
                part = slice(head * D, (head + 1) * D)
                product = (maps["query"][a, :, part] * maps["key"][b, :, part]).sum()
                logits[head, a, b] = product / np.sqrt(D * N_GENES)
    pairs = [
        ((a, gene, a), [(b, gene) for b in range(N_CELLS)])
        for a in range(N_CELLS)
        for gene in range(N_GENES)
    ]
    expected = taken(maps, p, softmax(logits, axis=-1), pairs)
    np.testing.assert_allclose(module(x).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cls", [GeneAttention, CellAttention])
def test_blocks_change_nothing(cls, monkeypatch):
    module, _, x, _ = made(cls)
    more = (torch.randn(4, N_GENES, N_GENES),) if cls is GeneAttention else ()
    whole = module.train()(x, *more)
    monkeypatch.setattr(attention, "BLOCK", 2)
    torch.testing.assert_close(module.eval()(x, *more), whole)
