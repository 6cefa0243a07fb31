"""Performer layers, whose attention takes time and memory linear in the length.

scBERT and scFoundation's decoder use them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from scregnet.encoders.layers.watching import show

EPSILON = 1e-4
"""Added to every feature after the exponential."""
CPU_POSITIONS, DEVICE_POSITIONS = 256, 16_384
"""Positions whose features are computed at once: few fit a CPU's cache, many keep a GPU busy."""

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
    """Draw random features: blocks of orthogonal rows, with the lengths of Gaussian vectors.

    Parameters
    ----------
    n_features, head_dim
        Rows and columns. Rows beyond a multiple of ``head_dim`` come from one more block.
    generator
        Source of randomness.
    """
    n_blocks = -(-n_features // head_dim)
    directions = [
        torch.linalg.qr(torch.randn(head_dim, head_dim, generator=generator))[0].T
        for _ in range(n_blocks)
    ]
    lengths = torch.randn(n_features, head_dim, generator=generator).norm(dim=1, keepdim=True)
    return torch.cat(directions)[:n_features] * lengths


def published_name(name: str) -> str:
    """Return the published name of a tensor of :class:`Performer`, without the model's prefix.

    Examples
    --------
    >>> from scregnet.encoders.layers.performer import published_name
    >>> published_name("layers.2.attention.query.weight")
    'net.layers.2.0.fn.to_q.weight'
    """
    _, index, part = name.split(".", 2)
    own = next(own for own in _PUBLISHED if part == own or part.startswith(own + "."))
    return f"net.layers.{index}.{_PUBLISHED[own]}{part.removeprefix(own)}"


class FavorAttention(nn.Module):
    r"""Softmax attention through positive random features (FAVOR+).

    :cite:t:`choromanski2021performer`. With features :math:`W` (n_features × head_dim) and
    :math:`s = d^{-1/4}`, a query :math:`q` has
    :math:`\phi_Q = \exp(s q W^\top - s^2 \lVert q \rVert^2 / 2 - \max) + 10^{-4}`, with the maximum
    over the features of the row. Keys have the same :math:`\phi_K`, with the maximum over all keys,
    heads and features of the cell. Row :math:`i` of the attention is
    :math:`A_{ij} = \phi_{Q,i} \cdot \phi_{K,j} / \sum_l \phi_{Q,i} \cdot \phi_{K,l}`; it is never
    formed. The factor :math:`m^{-1/2}` of both features cancels and is left out.

    The published code takes the maximum of keys over a batch of cells. The result for a cell then
    depends on its batch, because the constant keeps the maximum from cancelling.

    Parameters
    ----------
    dimension
        Width of the layer.
    n_heads, head_dim
        Number of heads and width of each; their product need not be ``dimension``.
    n_features
        Number of random features.
    bias
        Whether queries, keys and values have a bias; the output always has one.
    """

    features: torch.Tensor

    def __init__(
        self, dimension: int, n_heads: int, head_dim: int, n_features: int, *, bias: bool = False
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(dimension, n_heads * head_dim, bias=bias)
        self.key = nn.Linear(dimension, n_heads * head_dim, bias=bias)
        self.value = nn.Linear(dimension, n_heads * head_dim, bias=bias)
        self.output = nn.Linear(n_heads * head_dim, dimension)
        self.register_buffer("features", torch.zeros(n_features, head_dim))

    def forward(
        self, x: torch.Tensor, *, received: bool = False, queried: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attend.

        Parameters
        ----------
        x
            Cells × positions × dimension, without padding.
        received
            Whether to return how much attention each position receives, which takes one more pass
            over the keys.
        queried
            The positions that attend, cells × some × dimension; ``None`` takes ``x``.

        Returns
        -------
        The result, shaped like ``queried``; and, with ``received=True``, cells × positions: the
        column sums of the attention matrix, averaged over heads.
        """
        queries, keys, values = (
            self._heads(part(rows))
            for part, rows in (
                (self.query, x if queried is None else queried),
                (self.key, x),
                (self.value, x),
            )
        )
        show(queries, keys, features=self.features)
        # Half precision has neither the range of the exponentials nor the digits of the constant.
        with torch.autocast(x.device.type, enabled=False):
            attended, columns = _attend(
                queries.float(),
                keys.float(),
                values.float(),
                self.features.float(),
                received=received,
            )
        flat = attended.transpose(1, 2).flatten(2)
        return self.output(flat.to(x.dtype)), columns

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        """Cells × heads × positions × head_dim."""
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)


def _attend(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    features: torch.Tensor,
    *,
    received: bool,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Attention of queries, keys and values (cells × heads × positions × head_dim) in parts."""
    scaled = features * queries.shape[-1] ** -0.25
    # s²/2, the factor of the squared norm.
    half = 0.5 * queries.shape[-1] ** -0.5

    def exponentials(
        rows: torch.Tensor, highest: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features without the constant, relative to the rows' maximum or that of all keys."""
        projected = rows @ scaled.T
        own = projected.detach()
        maximum = (
            own.amax(-1, keepdim=True)
            if highest is None
            else torch.maximum(highest, own.amax(dim=(1, 2, 3), keepdim=True))
        )
        return projected.sub_(half * rows.square().sum(-1, keepdim=True) + maximum).exp_(), maximum

    # A column of ones makes the denominators one more column of the same products. The constant is
    # added to every exponential, so it is kept apart and enters each sum once.
    values = torch.cat([values, torch.ones_like(values[..., :1])], dim=-1)
    maximum = torch.full_like(keys[:, :1, :1, :1], -torch.inf).detach()
    context = values.new_zeros(*keys.shape[:2], len(features), values.shape[-1])
    for rows, vectors in zip(_parts(keys), _parts(values), strict=True):
        former = maximum
        part, maximum = exponentials(rows, former)
        # The sum so far is relative to a lower maximum: rescale it.
        context = context * (former - maximum).exp() + part.transpose(-1, -2) @ vectors
    context = context + EPSILON * values.sum(2, keepdim=True)

    attended = []
    # Σ_i φ_Q,i / denominator_i; its products with φ_K are the column sums of the attention.
    asked = torch.zeros_like(context[..., :1])
    constant = EPSILON * context.sum(2, keepdim=True)
    for rows in _parts(queries):
        part, _ = exponentials(rows, None)
        product = part @ context + constant
        scale = 1 / product[..., -1:]
        attended.append(product[..., :-1] * scale)
        if received:
            asked = asked + part.transpose(-1, -2) @ scale + EPSILON * scale.sum(2, keepdim=True)
    columns = None
    if received:
        shares = [(exponentials(rows, maximum)[0] @ asked)[..., 0] for rows in _parts(keys)]
        columns = (torch.cat(shares, dim=-1) + EPSILON * asked.sum(2)).mean(1)
    return torch.cat(attended, dim=2), columns


def _parts(x: torch.Tensor, dim: int = 2) -> Iterator[torch.Tensor]:
    """Split positions so that features of one part fit; the result does not depend on the size."""
    return iter(x.split(CPU_POSITIONS if x.device.type == "cpu" else DEVICE_POSITIONS, dim=dim))


class PerformerLayer(nn.Module):
    """Attention, then two dense layers with exact GELU, both with pre-LayerNorm and residual."""

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

    def forward(
        self, x: torch.Tensor, *, received: bool = False, asked: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the output and, with ``received=True``, the attention that positions receive.

        With ``asked`` (cells × some, positions) the output has these positions alone.
        """
        normed = self.attention_norm(x)
        queried = None
        if asked is not None:
            index = asked[..., None].expand(-1, -1, x.shape[-1])
            x, queried = x.gather(1, index), normed.gather(1, index)
        attended, columns = self.attention(normed, received=received, queried=queried)
        x = x + attended
        # In parts: the inner width times all positions would take much memory.
        if not torch.is_grad_enabled():
            for rows in _parts(x, dim=1):
                rows += self.inner(self.inner_norm(rows))
            return x, columns
        return x + torch.cat(
            [self.inner(rows) for rows in _parts(self.inner_norm(x), dim=1)], dim=1
        ), columns


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

    Attributes
    ----------
    spares_memory
        In training, keep the inputs of layers alone, and compute the rest a second time.
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
        self.spares_memory = False
        self.layers = nn.ModuleList(
            PerformerLayer(
                dimension, n_heads, head_dim, n_features, inner_dimension=inner_dimension, bias=bias
            )
            for _ in range(n_layers)
        )

    def forward(
        self, x: torch.Tensor, *, received: bool = False, asked: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Run all layers on ``x`` (cells × positions × dimension).

        With ``asked`` (cells × some, positions) the output has these positions alone, and the last
        layer computes no others.

        Returns
        -------
        The output, shaped like ``x``; and, with ``received=True``, cells × positions: the attention
        that each position receives from all positions, averaged over layers and heads.
        """
        sums = None
        for layer in self.layers:
            told: dict[str, Any] = {
                "received": received,
                "asked": asked if layer is self.layers[-1] else None,
            }
            if self.spares_memory and torch.is_grad_enabled():
                x, columns = checkpoint(layer, x, **told, use_reentrant=False)
            else:
                x, columns = layer(x, **told)
            if columns is not None:
                sums = columns if sums is None else sums + columns
        return x, None if sums is None else sums / len(self.layers)
