import numpy as np
import torch
from scipy.special import erf, softmax

from scregnet.links.methods.grn_transformer.axial import AxialLayer


def normalised(x, p, name):
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    return x * p[f"{name}.weight"] + p[f"{name}.bias"]


def attend(token, others, p, name, heads):
    """What one token takes from a list of others, head by head."""
    dim = len(token)
    query = p[f"{name}.query.weight"] @ normalised(token, p, f"{name}.norm")
    query = query + p[f"{name}.query.bias"]
    keys, values = [], []
    for other in others:
        both = p[f"{name}.key_value.weight"] @ normalised(other, p, f"{name}.norm")
        both = both + p[f"{name}.key_value.bias"]
        keys.append(both[:dim])
        values.append(both[dim:])
    found = np.zeros(dim)
    for part in np.split(np.arange(dim), heads):
        scores = np.array([query[part] @ key[part] for key in keys]) / np.sqrt(len(part))
        for share, value in zip(softmax(scores), values, strict=True):
            found[part] += share * value[part]
    return p[f"{name}.out.weight"] @ found + p[f"{name}.out.bias"]


def perceptron(token, p):
    h = normalised(token, p, "perceptron.0")
    h = p["perceptron.1.weight"] @ h + p["perceptron.1.bias"]
    h = h * 0.5 * (1 + erf(h / np.sqrt(2)))
    return p["perceptron.3.weight"] @ h + p["perceptron.3.bias"]


def test_a_layer_is_what_a_loop_over_cells_and_genes_gives():
    torch.manual_seed(0)
    layer = AxialLayer(6, 2, 0.5).eval()
    p = {name: value.detach().double().numpy() for name, value in layer.named_parameters()}
    x, panel = torch.randn(3, 5, 6), torch.randn(3, 4, 6)
    after_genes = np.zeros(x.shape)
    for cell in range(3):
        for gene in range(5):
            token, others = x[cell, gene].double().numpy(), panel[cell].double().numpy()
            after_genes[cell, gene] = token + attend(token, others, p, "over_genes", 2)
    expected = np.zeros(x.shape)
    for cell in range(3):
        for gene in range(5):
            token = after_genes[cell, gene]
            token = token + attend(token, after_genes[:, gene], p, "over_cells", 2)
            expected[cell, gene] = token + perceptron(token, p)
    np.testing.assert_allclose(layer(x, panel).detach().numpy(), expected, rtol=1e-3, atol=1e-4)
