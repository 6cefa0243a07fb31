"""Performer layers: attention in time and memory linear in the length, as scBERT and scFoundation's decoder have it.

Choromanski et al. 2021, Rethinking attention with Performers, arXiv:2009.14794 (FAVOR+, positive softmax features).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

EPSILON = 1e-4
"""Added to every feature after the exponential."""
POSITIONS = 2048
"""Positions whose features are in memory at once; bounds memory and does not change the result."""

# Own name of a layer's part: its name in the published state dicts.
_PUBLISHED = {
    "attention_norm": "0.norm",
    "attention.features": "0.fn.fast_attention.projection_matrix",
    "attention.query": "0.fn.to_q",
    "attention.key": "0.fn.to_k",
    "attention.value": "0.fn.to_v",
    "attention.output": "0.fn.to_out",
    "inner_norm": "1.norm",
    "inner.0": "1.fn.fn.w1",
    "inner.2": "1.fn.fn.w2",
}


def draw_features(n_features: int, head_dim: int, generator: torch.Generator) -> torch.Tensor:
    """Draw random features: blocks of orthogonal directions, each row as long as a row of Gaussian numbers.

    Parameters
    ----------
    n_features, head_dim
        Rows and columns; rows beyond a multiple of ``head_dim`` come from one more block.
    generator
        Source of randomness.
    """
    n_blocks = -(-n_features // head_dim)
    directions = [torch.linalg.qr(torch.randn(head_dim, head_dim, generator=generator))[0].T for _ in range(n_blocks)]
    lengths = torch.randn(n_features, head_dim, generator=generator).norm(dim=1, keepdim=True)
    return torch.cat(directions)[:n_features] * lengths


def published_name(name: str) -> str:
    """Return the name that a tensor of :class:`Performer` has in published state dicts, without the model's own prefix.

    Examples
    --------
    >>> from scregnet.encoders.performer import published_name
    >>> published_name("layers.2.attention.query.weight")
    'net.layers.2.0.fn.to_q.weight'
    """
    _, index, part = name.split(".", 2)
    own = next(own for own in _PUBLISHED if part == own or part.startswith(own + "."))
    return f"net.layers.{index}.{_PUBLISHED[own]}{part.removeprefix(own)}"


class FavorAttention(nn.Module):
    r"""Softmax attention through positive random features.

    With :math:`W` the features (n_features × head_dim) and :math:`s = d^{-1/4}`, a query row has
    :math:`\phi_Q = \exp(s q W^\top - s^2 \lVert q \rVert^2 / 2 - \max) + 10^{-4}`, the maximum running over the row's features; a key
    row the same with the maximum over all keys, heads and features **of its cell**: taken over a batch of cells, as the published
    code does, a cell's result would depend on its neighbours, because the constant keeps the maximum from cancelling.
    Row :math:`i` of the attention is :math:`A_{ij} = \phi_{Q,i} \cdot \phi_{K,j} / \sum_l \phi_{Q,i} \cdot \phi_{K,l}`; it is never formed.
    (The factor :math:`m^{-1/2}` of both kinds of features cancels and is left out.)

    Parameters
    ----------
    dimension
        Width of the layer.
    n_heads, head_dim
        Number of heads and width of each; their product need not be ``dimension``.
    n_features
        Number of random features.
    bias
        Whether the projections to queries, keys and values have a bias; the one back always has.
    """

    features: torch.Tensor

    def __init__(self, dimension: int, n_heads: int, head_dim: int, n_features: int, *, bias: bool = False) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(dimension, n_heads * head_dim, bias=bias)
        self.key = nn.Linear(dimension, n_heads * head_dim, bias=bias)
        self.value = nn.Linear(dimension, n_heads * head_dim, bias=bias)
        self.output = nn.Linear(n_heads * head_dim, dimension)
        self.register_buffer("features", torch.zeros(n_features, head_dim))

    def forward(self, x: torch.Tensor, *, received: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attend.

        Parameters
        ----------
        x
            Cells × positions × dimension; all positions are real (there is no padding).
        received
            Whether to return how much attention each position receives.

        Returns
        -------
        The result, shaped like ``x``; and, with ``received=True``, cells × positions: the column sums of the attention matrix, averaged
        over heads. They cost one more pass over the keys, O(positions × features).
        """
        queries, keys, values = (self._heads(part(x)) for part in (self.query, self.key, self.value))
        # Reduced precision has neither the range for the exponentials nor the digits for the constant beside them.
        with torch.autocast(x.device.type, enabled=False):
            attended, columns = _attend(
                queries.float(), keys.float(), values.float(), self.features.float(), received=received
            )
        flat = attended.transpose(1, 2).flatten(2)
        return self.output(flat.to(x.dtype)), columns

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        """Cells × heads × positions × head_dim."""
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)


def _attend(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, features: torch.Tensor, *, received: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    scaled = features * queries.shape[-1] ** -0.25
    half = 0.5 * queries.shape[-1] ** -0.5
    n_features = len(features)

    def norm(rows: torch.Tensor) -> torch.Tensor:
        return half * rows.square().sum(-1, keepdim=True)

    # The constant is added to every exponential, so it is kept apart and enters each sum once. The exponentials of a part of the keys
    # are relative to the highest exponent so far, and brought to the maximum of all keys as the sums go on.
    maximum = torch.full_like(keys[:, :1, :1, :1], -torch.inf).detach()
    total = queries.new_zeros(*keys.shape[:2], n_features, 1)
    context = queries.new_zeros(*keys.shape[:2], n_features, values.shape[-1])
    for rows, vectors in zip(_parts(keys), _parts(values), strict=True):
        projected = rows @ scaled.T
        higher = torch.maximum(maximum, projected.detach().amax(dim=(1, 2, 3), keepdim=True))
        exponentials = projected.sub_(norm(rows) + higher).exp_().transpose(-1, -2)
        fade = (maximum - higher).exp()
        total = total * fade + exponentials.sum(-1, keepdim=True)
        context = context * fade + exponentials @ vectors
        maximum = higher
    total = total + EPSILON * keys.shape[2]
    context = context + EPSILON * values.sum(2, keepdim=True)

    attended = []
    asked = torch.zeros_like(total)
    for rows in _parts(queries):
        projected = rows @ scaled.T
        peak = projected.detach().amax(-1, keepdim=True)
        exponentials = projected.sub_(norm(rows) + peak).exp_()
        scale = 1 / (exponentials @ total + EPSILON * total.sum(2, keepdim=True))
        attended.append((exponentials @ context + EPSILON * context.sum(2, keepdim=True)) * scale)
        if received:
            asked = asked + exponentials.transpose(-1, -2) @ scale + EPSILON * scale.sum(2, keepdim=True)
    columns = None
    if received:
        constant = EPSILON * asked.sum(2)
        columns = torch.cat(
            [
                (((rows @ scaled.T).sub_(norm(rows) + maximum).exp_() @ asked)[..., 0] + constant).mean(1)
                for rows in _parts(keys)
            ],
            dim=-1,
        )
    return torch.cat(attended, dim=2), columns


def _parts(x: torch.Tensor) -> Iterator[torch.Tensor]:
    return iter(x.split(POSITIONS, dim=2))


class PerformerLayer(nn.Module):
    """Attention, then two dense layers with exact GELU; each on the normalised input and added to it (pre-LayerNorm)."""

    def __init__(
        self,
        dimension: int,
        n_heads: int,
        head_dim: int,
        n_features: int,
        *,
        inner_dimension: int,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dimension)
        self.attention = FavorAttention(dimension, n_heads, head_dim, n_features, bias=bias)
        self.inner_norm = nn.LayerNorm(dimension)
        self.inner = nn.Sequential(
            nn.Linear(dimension, inner_dimension), nn.GELU(), nn.Linear(inner_dimension, dimension)
        )

    def forward(self, x: torch.Tensor, *, received: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the layer's output and, with ``received=True``, the attention that each position receives."""
        attended, columns = self.attention(self.attention_norm(x), received=received)
        x = x + attended
        return x + torch.cat([self.inner(rows) for rows in self.inner_norm(x).split(POSITIONS, dim=1)], dim=1), columns


class Performer(nn.Module):
    """A stack of :class:`PerformerLayer`, without a final LayerNorm.

    Parameters
    ----------
    dimension
        Width of the layers.
    n_layers
        Number of layers.
    n_heads, head_dim, n_features, bias
        See :class:`FavorAttention`.
    inner_dimension
        Width between the two dense layers of each layer.
    """

    def __init__(
        self,
        dimension: int,
        n_layers: int,
        n_heads: int,
        head_dim: int,
        n_features: int,
        *,
        inner_dimension: int,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            PerformerLayer(dimension, n_heads, head_dim, n_features, inner_dimension=inner_dimension, bias=bias)
            for _ in range(n_layers)
        )

    def forward(self, x: torch.Tensor, *, received: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Run all layers on ``x`` (cells × positions × dimension).

        Returns
        -------
        The output, shaped like ``x``; and, with ``received=True``, cells × positions: how much attention each position receives from all
        positions, averaged over layers and heads.
        """
        sums = None
        for layer in self.layers:
            x, columns = layer(x, received=received)
            if columns is not None:
                sums = columns if sums is None else sums + columns
        return x, None if sums is None else sums / len(self.layers)
