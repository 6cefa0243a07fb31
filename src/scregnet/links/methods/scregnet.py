"""scRegNet: a frozen foundation-model embedding joined with a graph network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from scregnet._device import own_randomness, seed_torch
from scregnet._validate import check_choice, check_integer, check_interval
from scregnet.links.additive import AdditiveLinks
from scregnet.links.task import FitResult, LinkTask, Progress
from scregnet.links.training import OPTIMIZERS, Training, train

GNNS = ("gcn",)


@dataclass(frozen=True)
class ScRegNet:
    """scRegNet (Kommu et al., bioRxiv 2024.12.16.628715), its equations 4 to 7.

    1. A graph network passes messages along the training edges, made symmetric; its node features are each gene's standardised
       expression over all cells (equation 4). ReLU and dropout between layers, nothing after the last.
    2. The frozen embedding of the foundation model is put beside its output (equation 5).
    3. One multilayer perceptron, the same for both roles, sees every gene (leaky ReLU, dropout between layers).
    4. A linear layer on the concatenated pair gives two logits and a softmax (equation 6); training minimises the
       cross-entropy (equation 7).

    The softmax over two logits is the logistic function of their difference, and that difference is linear in the concatenated pair:
    the model is ``f(TF) + g(target)``. It can therefore express how popular a TF or a target is, but ranks the targets of all TFs alike. This follows from equation 6 and holds
    for the published code as well; the fitted state is these two numbers a gene.

    Differences from the published code: the epoch is chosen on validation pairs, not on test pairs, and dropout is off when scores are
    computed. The paper tunes its hyper-parameters for every data set on the test pairs; here one set of defaults serves all.
    """

    gnn: str = "gcn"
    gnn_dims: tuple[int, ...] = (128,)
    mlp_dims: tuple[int, ...] = (128,)
    dropout: float = 0.3
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    batch_size: int = 256
    max_epochs: int = 300
    patience: int = 30

    needs_expression: ClassVar[bool] = True
    uses_embedding: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choice("gnn", self.gnn, GNNS)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        for name in ("gnn_dims", "mlp_dims"):
            dims = tuple(getattr(self, name))
            for position, width in enumerate(dims):
                check_integer(f"{name}[{position}]", width, minimum=1)
            if not dims:
                msg = f"{name} must name at least one layer's width, got an empty sequence."
                raise ValueError(msg)
            object.__setattr__(self, name, dims)
        check_interval("dropout", self.dropout, 0, 1, closed="left")
        check_interval("learning_rate", self.learning_rate, 0, np.inf, closed="neither")
        check_interval("weight_decay", self.weight_decay, 0, np.inf, closed="left")
        for name in ("batch_size", "max_epochs", "patience"):
            check_integer(name, getattr(self, name), minimum=1)

    def fit(
        self, task: LinkTask, *, rng: np.random.Generator, device: torch.device, progress: Progress | None = None
    ) -> FitResult:
        """Train on the training pairs; validation pairs choose the epoch."""
        if task.expression is None:
            msg = "scregnet needs expression: it is the node feature of its graph network."
            raise ValueError(msg)
        seed = int(rng.integers(2**31))
        # Weight initialisation and dropout can draw from torch's global generators only.
        with own_randomness(device):
            seed_torch(seed, device)
            model = _Network(self, task).to(device)
            how = Training(
                self.optimizer, self.learning_rate, self.weight_decay, self.batch_size, self.max_epochs, self.patience
            )
            history, best_epoch = train(
                model,
                task.train,
                task.validation,
                how,
                generator=torch.Generator().manual_seed(seed),
                progress=progress,
            )
            model.eval()
            with torch.inference_mode():
                source_term, target_term = (term.cpu().numpy() for term in model.terms())
        return FitResult(AdditiveLinks(source_term, target_term), history, best_epoch)


class _Network(nn.Module):
    """Genes to representations to the two terms of a pair's logit."""

    propagated: torch.Tensor
    embedding: torch.Tensor
    edges: torch.Tensor

    def __init__(self, config: ScRegNet, task: LinkTask) -> None:
        from torch_geometric.nn import GCNConv
        from torch_geometric.nn.conv.gcn_conv import gcn_norm
        from torch_geometric.utils import to_undirected

        super().__init__()
        expression = torch.from_numpy(np.ascontiguousarray(task.expression, np.float32))
        embedding = np.zeros((task.n_genes, 0)) if task.embedding is None else task.embedding
        dims = (expression.shape[1], *config.gnn_dims)
        self.convolutions = nn.ModuleList(GCNConv(a, b, cached=True) for a, b in zip(dims, dims[1:], strict=False))
        self.dropout = nn.Dropout(config.dropout)
        layers: list[nn.Module] = []
        dims = (dims[-1] + embedding.shape[1], *config.mlp_dims)
        for a, b in zip(dims, dims[1:], strict=False):
            layers += [nn.Linear(a, b), nn.LeakyReLU(), nn.Dropout(config.dropout)]
        self.mlp = nn.Sequential(*layers)
        self.head = nn.Linear(2 * dims[-1], 2)

        edges = to_undirected(torch.from_numpy(task.message_graph), num_nodes=task.n_genes)
        normalised, weights = gcn_norm(edges, num_nodes=task.n_genes)
        # A(XW) = (AX)W, and AX never changes: the first layer's messages are passed once instead of in every batch.
        first: Any = self.convolutions[0]
        propagated = first.propagate(normalised, x=expression, edge_weight=weights)
        self.register_buffer("propagated", propagated, persistent=False)
        self.register_buffer("embedding", torch.from_numpy(np.array(embedding, np.float32)), persistent=False)
        self.register_buffer("edges", edges, persistent=False)

    def represent(self, genes: torch.Tensor) -> torch.Tensor:
        """Representation of the given genes, (len(genes), mlp_dims[-1])."""
        layers: list[Any] = list(self.convolutions)
        first, *others = layers
        # Deeper layers need their neighbours' representations; a single one needs the given genes only.
        h = first.lin(self.propagated if others else self.propagated[genes]) + first.bias
        for convolution in others:
            h = convolution(self.dropout(torch.relu(h)), self.edges)
        return self.mlp(torch.cat([self.embedding[genes], h[genes] if others else h], dim=1))

    def terms(self, genes: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """What each gene adds to a pair's logit as source and as target; the bias is in the latter. ``None``: all genes."""
        z = self.represent(torch.arange(len(self.embedding), device=self.embedding.device) if genes is None else genes)
        weight = self.head.weight[1] - self.head.weight[0]
        bias = self.head.bias[1] - self.head.bias[0]
        as_source, as_target = weight.chunk(2)
        return z @ as_source, z @ as_target + bias

    def forward(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Logit of each pair; every gene of the batch is represented once."""
        genes, position = torch.unique(torch.cat([sources, targets]), return_inverse=True)
        source_term, target_term = self.terms(genes)
        return source_term[position[: len(sources)]] + target_term[position[len(sources) :]]
