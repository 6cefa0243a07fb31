"""scBERT as a torch module, and its published files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from scregnet._device import own_randomness
from scregnet._validate import listed
from scregnet.encoders.layers.performer import (
    FavorAttention,
    Performer,
    draw_features,
    published_name,
)
from scregnet.encoders.weights.reading import check_state, read_state
from scregnet.encoders.weights.sizes import MOST_LAYERS

# Published names of the parts, and of the tensors that tell the sizes.
_PREFIX = {"token_embedding": "token_emb", "norm": "norm", "head": "to_out"}
_PROJECTION = "performer.net.layers.0.0.fn.fast_attention.projection_matrix"
_SIZES = (
    "token_emb.weight",
    "pos_emb.emb.weight",
    _PROJECTION,
    "performer.net.layers.0.0.fn.to_q.weight",
    "performer.net.layers.0.1.fn.fn.w1.weight",
)


@dataclass(frozen=True)
class ScBertSizes:
    """Sizes of the model; except for the number of genes, the defaults are the published ones.

    ``n_tokens`` counts the bins, with zero, and the mask token, which is the last.
    """

    n_genes: int
    dimension: int = 200
    n_layers: int = 6
    n_heads: int = 10
    head_dim: int = 64
    n_features: int = 266
    inner_dimension: int = 800
    n_tokens: int = 7


class ScBertNetwork(nn.Module):
    """One vector per gene of a cell, from the bins of all genes.

    It has embeddings of gene and bin, a Performer, and a head over bins. After the genes there is
    one extra position that always has token 0.

    Parameters
    ----------
    sizes
        The sizes.
    generator
        Draws the random features of the attention, and nothing else. Without it they are zero, to
        be read from a file.
    """

    positions: torch.Tensor
    has_head: bool = True
    """Whether ``head`` holds what was trained on expression bins."""

    def __init__(self, sizes: ScBertSizes, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.sizes = sizes
        self.token_embedding = nn.Embedding(sizes.n_tokens, sizes.dimension)
        # gene2vec in the published model; not trained.
        self.register_buffer("positions", torch.zeros(sizes.n_genes + 1, sizes.dimension))
        self.performer = Performer(
            sizes.dimension,
            sizes.n_layers,
            sizes.n_heads,
            sizes.head_dim,
            sizes.n_features,
            inner_dimension=sizes.inner_dimension,
        )
        self.norm = nn.LayerNorm(sizes.dimension)
        self.head = nn.Linear(sizes.dimension, sizes.n_tokens)
        if generator is not None:
            for part in self.performer.modules():
                if isinstance(part, FavorAttention):
                    part.features = draw_features(sizes.n_features, sizes.head_dim, generator)

    def forward(
        self, tokens: torch.Tensor, *, received: bool = False, asked: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the vectors of all positions after the final LayerNorm.

        Parameters
        ----------
        tokens
            Cells × (genes + 1), int64.
        received
            Whether to return the weights for attentive pooling.
        asked
            Positions whose vectors are wanted, cells × some; ``None`` takes all.

        Returns
        -------
        Cells × (genes + 1) × dimension, of which ``head`` makes logits; and, with
        ``received=True``, cells × (genes + 1): the share of a cell's attention that each position
        receives (column sums of the attention, averaged over layers and heads, over their sum).
        """
        embedded = self.token_embedding(tokens) + self.positions
        hidden, columns = self.performer(embedded, received=received, asked=asked)
        shares = None if columns is None else columns / columns.sum(1, keepdim=True)
        return self.norm(hidden), shares

    def published_state(self) -> dict[str, torch.Tensor]:
        """Return the tensors under their published names."""
        return {_published(name): value for name, value in self.state_dict().items()}

    def load_published(self, state: Mapping[str, torch.Tensor]) -> None:
        """Load tensors under their published names; without a head in them, the head stays."""
        own = self.state_dict()
        self.load_state_dict(
            {name: state.get(_published(name), value) for name, value in own.items()}
        )


def read_network(path: Path) -> ScBertNetwork:
    """Read the model from a file: a training checkpoint, or its tensors alone.

    The sizes are those of the tensors; a ``module.`` prefix is ignored. Another head than the
    published one (a classifier's) is dropped, and ``head`` then has no meaning.

    Raises
    ------
    ValueError
        If the file is damaged, or tensors are missing, unexpected or of another shape; the message
        lists them.
    """
    # calls_since_last_redraw counts steps of pre-training; it is no weight.
    state = {
        name: value
        for key, value in read_state(path, containers=("model_state_dict",)).items()
        if not (name := key.removeprefix("module.")).endswith("calls_since_last_redraw")
    }
    sizes = _sizes(path, state)
    # Shapes first, without memory: names of layers can ask for more than the file holds.
    with torch.device("meta"):
        expected = ScBertNetwork(sizes).published_state()
    has_head = all(f"to_out.{part}" in state for part in ("weight", "bias"))
    without = {
        name: value for name, value in state.items() if has_head or not name.startswith("to_out.")
    }
    check_state(
        path,
        without,
        {name: value for name, value in expected.items() if has_head or name[:7] != "to_out."},
    )
    # torch draws initial values from its global generator, which belongs to the user.
    with own_randomness():
        network = ScBertNetwork(sizes)
    network.load_published({name: value.float() for name, value in without.items()})
    network.has_head = has_head
    return network.eval()


def _published(name: str) -> str:
    """Published name of a tensor of :class:`ScBertNetwork`."""
    if name == "positions":
        return "pos_emb.emb.weight"
    first, _, rest = name.partition(".")
    return (
        f"performer.{published_name(rest)}" if first == "performer" else f"{_PREFIX[first]}.{rest}"
    )


def _sizes(path: Path, state: Mapping[str, torch.Tensor]) -> ScBertSizes:
    """Read the sizes off the tensors that determine them."""
    faulty = [name for name in _SIZES if name not in state or state[name].ndim != 2]
    if faulty:
        msg = (
            f"{path} is not an scBERT: it lacks matrices named {listed(faulty)}; "
            f"it has {listed(state)}."
        )
        raise ValueError(msg)
    n_tokens, dimension = state["token_emb.weight"].shape
    n_features, head_dim = state[_PROJECTION].shape
    layers = {name.split(".")[3] for name in state if name.startswith("performer.net.layers.")}
    # Width of all heads together.
    n_inner = state["performer.net.layers.0.0.fn.to_q.weight"].shape[0]
    if not (all(0 not in state[name].shape for name in _SIZES) and len(layers) <= MOST_LAYERS):
        msg = (
            f"{path} is not an scBERT: it has {len(layers):,} layers (at most {MOST_LAYERS:,}) "
            f"and matrices of {listed(tuple(state[name].shape) for name in _SIZES)}."
        )
        raise ValueError(msg)
    if n_inner % head_dim:
        msg = (
            f"{path} is not an scBERT: its queries have width {n_inner}, "
            f"no multiple of the {head_dim} columns of its projection_matrix."
        )
        raise ValueError(msg)
    return ScBertSizes(
        n_genes=len(state["pos_emb.emb.weight"]) - 1,
        dimension=dimension,
        n_layers=len(layers),
        n_heads=n_inner // head_dim,
        head_dim=head_dim,
        n_features=n_features,
        inner_dimension=len(state["performer.net.layers.0.1.fn.fn.w1.weight"]),
        n_tokens=n_tokens,
    )
