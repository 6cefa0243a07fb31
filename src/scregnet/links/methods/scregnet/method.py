"""scRegNet: a frozen foundation-model embedding joined with a graph network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from scregnet._device import own_randomness, seed_torch
from scregnet._validate import check_choice, check_integer, check_interval
from scregnet.links.forms.additive import AdditiveLinks
from scregnet.links.neural.dropout import Dropout
from scregnet.links.neural.fusion import FUSIONS, CrossAttentionFusion
from scregnet.links.neural.gnns import GNNS, REDUCTIONS, GraphNetwork
from scregnet.links.neural.training import OPTIMIZERS, Training, train
from scregnet.links.search.spaces import Choice, Given, Layers, Range
from scregnet.links.task import FitResult, LinkMethod, LinkTask, Progress


@dataclass(frozen=True)
class ScRegNet(LinkMethod):
    """scRegNet (Kommu et al., bioRxiv 2024.12.16.628715), its equations 4 to 7.

    1. A graph network passes messages along the training edges, made symmetric; its node features are each gene's standardised
       expression over all cells (equation 4). ReLU and dropout between layers, nothing after the last. ``gnn=None`` is the paper's ablation: the
       embedding alone, no graph and no expression.
    2. The frozen embedding of the foundation model is put beside its output (equation 5). A task without embedding is the paper's other ablation:
       the graph network alone. ``fusion="cross_attention"`` is what the paper names as future work: the two inform one another first
       (:class:`~scregnet.links.neural.fusion.CrossAttentionFusion`).
    3. One multilayer perceptron, the same for both roles, sees every gene (leaky ReLU, dropout between layers).
    4. A linear layer on the concatenated pair gives two logits and a softmax (equation 6); training minimises the
       cross-entropy (equation 7).

    The softmax over two logits is the logistic function of their difference, and that difference is linear in the concatenated pair:
    the model is ``f(TF) + g(target)``. It can therefore express how popular a TF or a target is, but ranks the targets of all TFs alike, whatever the graph network
    and the fusion. This follows from equation 6 and holds for the published code as well; the fitted state is these two numbers a gene.

    Differences from the published code: the epoch is chosen on validation pairs, not on test pairs, and dropout is off when scores are
    computed. The paper tunes its hyper-parameters for every data set on the test pairs; here one set of defaults serves all.

    Parameters
    ----------
    gnn
        ``"gcn"``, ``"graphsage"``, ``"gat"``, or ``None`` for no graph network.
    gnn_dims
        Width of each layer of the graph network; for ``"gat"`` of each head.
    gat_heads
        Heads of a layer of ``"gat"``: one number for all layers, or one a layer.
    gat_reduction
        Heads of a layer side by side (``"concat"``) or averaged (``"mean"``).
    gat_negative_slope
        Slope of the leaky ReLU in the attention of ``"gat"``.
    fusion
        How embedding and graph network are joined: ``"concat"`` or ``"cross_attention"``.
    fusion_dim, fusion_tokens, fusion_heads, fusion_layers
        Of the cross-attention: width of its result, tokens that each side is divided into, heads, rounds.
    mlp_dims
        Width of each layer of the perceptron.
    dropout
        Dropout between the layers of both, and on what a side takes from the other in the cross-attention.
    optimizer
        ``"adam"``, ``"rmsprop"`` or ``"sgd"``.
    learning_rate, weight_decay, batch_size
        Of the optimiser; a batch is this many pairs.
    max_epochs, patience
        Training ends after ``max_epochs``, or ``patience`` epochs without a better one on validation pairs.
    """

    gnn: str | None = "gcn"
    gnn_dims: tuple[int, ...] = (128,)
    gat_heads: int | tuple[int, ...] = 2
    gat_reduction: str = "concat"
    gat_negative_slope: float = 0.2
    fusion: str = "concat"
    fusion_dim: int = 128
    fusion_tokens: int = 4
    fusion_heads: int = 2
    fusion_layers: int = 1
    mlp_dims: tuple[int, ...] = (128,)
    dropout: float = 0.3
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    batch_size: int = 256
    max_epochs: int = 300
    patience: int = 30

    summary: ClassVar[str] = (
        "frozen embedding and graph network, pair classifier (Kommu et al. 2025)"
    )
    fitted: ClassVar[type[AdditiveLinks]] = AdditiveLinks
    needs_expression: ClassVar[bool] = True
    uses_embedding: ClassVar[bool] = True
    uses_torch: ClassVar[bool] = True
    # The space of the authors' own search (their public repository, read on 2026-11-20). A
    # hyper-parameter must follow those that it depends on.
    search_space: ClassVar[Mapping[str, Any]] = {
        "learning_rate": Range(1e-5, 1e-2, log=True),
        "weight_decay": Range(1e-7, 1e-4, log=True),
        "dropout": Range(0.1, 0.8),
        "batch_size": Range(32, 256),
        "optimizer": Choice(("adam", "rmsprop", "sgd")),
        "gnn_dims": Given("gnn", ("gcn", "graphsage", "gat"), Layers(4, 256, depth=(1, 6))),
        "mlp_dims": Layers(4, 256, depth=(1, 6)),
        "gat_heads": Given("gnn", ("gat",), Layers(1, 8, depth="gnn_dims")),
        "gat_reduction": Given("gnn", ("gat",), Choice(("concat", "mean"))),
        "gat_negative_slope": Given("gnn", ("gat",), Range(0.01, 0.5)),
    }
    ablations: ClassVar[Mapping[str, Mapping[str, Any]]] = {"no graph network": {"gnn": None}}

    def __post_init__(self) -> None:
        if self.gnn is not None:
            check_choice("gnn", self.gnn, GNNS)
        check_choice("gat_reduction", self.gat_reduction, REDUCTIONS)
        check_choice("fusion", self.fusion, FUSIONS)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        for name in ("gnn_dims", "mlp_dims"):
            dims = _integers(name, getattr(self, name))
            if not dims and (name == "mlp_dims" or self.gnn is not None):
                instead = "" if name == "mlp_dims" else " For no graph network pass gnn=None."
                msg = (
                    f"{name} must name at least one layer's width, got an empty sequence.{instead}"
                )
                raise ValueError(msg)
            object.__setattr__(self, name, dims)
        self._check_heads()
        check_interval("gat_negative_slope", self.gat_negative_slope, 0, 1, closed="left")
        check_interval("dropout", self.dropout, 0, 1, closed="left")
        check_interval("learning_rate", self.learning_rate, 0, np.inf, closed="neither")
        check_interval("weight_decay", self.weight_decay, 0, np.inf, closed="left")
        for name in (
            "fusion_dim",
            "fusion_heads",
            "fusion_layers",
            "batch_size",
            "max_epochs",
            "patience",
        ):
            check_integer(name, getattr(self, name), minimum=1)
        check_integer("fusion_tokens", self.fusion_tokens, minimum=2)
        if self.fusion == "cross_attention" and self.gnn is None:
            msg = "fusion='cross_attention' joins the embedding with a graph network, but gnn=None; choose a gnn, or fusion='concat'."
            raise ValueError(msg)

    def _check_heads(self) -> None:
        if not isinstance(self.gat_heads, Iterable):
            check_integer("gat_heads", self.gat_heads, minimum=1)
            object.__setattr__(self, "gat_heads", int(self.gat_heads))
            return
        heads = _integers("gat_heads", self.gat_heads)
        if self.gnn == "gat" and len(heads) != len(self.gnn_dims):
            msg = f"gat_heads names {len(heads)} layers but gnn_dims names {len(self.gnn_dims)}; give one number for all, or one a layer."
            raise ValueError(msg)
        object.__setattr__(self, "gat_heads", heads)

    @property
    def heads(self) -> tuple[int, ...]:
        """Heads of each layer of a GAT."""
        return (
            (self.gat_heads,) * len(self.gnn_dims)
            if isinstance(self.gat_heads, int)
            else self.gat_heads
        )

    def fit(
        self,
        task: LinkTask,
        *,
        rng: np.random.Generator,
        device: torch.device,
        progress: Progress | None = None,
    ) -> FitResult:
        """Train on the training pairs; validation pairs choose the epoch."""
        self._check_features(task)
        seed = int(rng.integers(2**31))
        # Weight initialisation and dropout can draw from torch's global generators only.
        with own_randomness(device):
            seed_torch(seed, device)
            model = _Network(self, task).to(device)
            how = Training(
                self.optimizer,
                self.learning_rate,
                self.weight_decay,
                self.batch_size,
                self.max_epochs,
                self.patience,
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

    def _check_features(self, task: LinkTask) -> None:
        if self.gnn is not None and task.expression is None:
            msg = "scregnet needs expression: it is the node feature of its graph network."
            raise ValueError(msg)
        if task.embedding is None and self.gnn is None:
            msg = "scregnet has nothing to learn from: gnn=None leaves the embedding alone, and there is none. Pass embedding=, or choose a gnn."
            raise ValueError(msg)
        if task.embedding is None and self.fusion == "cross_attention":
            msg = "fusion='cross_attention' joins an embedding with the graph network, and there is none; pass embedding=, or fusion='concat'."
            raise ValueError(msg)


def _integers(name: str, values: Iterable[int]) -> tuple[int, ...]:
    if not isinstance(values, Iterable) or isinstance(values, str):
        msg = f"{name} must be a sequence of integers, one a layer, got {values!r}."
        raise TypeError(msg)
    numbers = tuple(values)
    for position, value in enumerate(numbers):
        check_integer(f"{name}[{position}]", value, minimum=1)
    return numbers


class _Network(nn.Module):
    """Genes to representations to the two terms of a pair's logit."""

    embedding: torch.Tensor

    def __init__(self, config: ScRegNet, task: LinkTask) -> None:
        super().__init__()
        self.graph: GraphNetwork | None = None
        if config.gnn is not None and task.expression is not None:
            self.graph = GraphNetwork(
                config.gnn,
                task.expression,
                task.message_graph,
                config.gnn_dims,
                dropout=config.dropout,
                heads=config.heads,
                reduction=config.gat_reduction,
                negative_slope=config.gat_negative_slope,
            )
        embedding = np.zeros((task.n_genes, 0)) if task.embedding is None else task.embedding
        self.register_buffer(
            "embedding", torch.from_numpy(np.array(embedding, np.float32)), persistent=False
        )
        width = embedding.shape[1] + (0 if self.graph is None else self.graph.out_dim)
        self.fusion: CrossAttentionFusion | None = None
        if config.fusion == "cross_attention" and self.graph is not None:
            self.fusion = CrossAttentionFusion(
                embedding.shape[1],
                self.graph.out_dim,
                config.fusion_dim,
                n_tokens=config.fusion_tokens,
                heads=config.fusion_heads,
                n_layers=config.fusion_layers,
                dropout=config.dropout,
            )
            width = config.fusion_dim
        layers: list[nn.Module] = []
        dims = (width, *config.mlp_dims)
        for a, b in zip(dims, dims[1:], strict=False):
            layers += [nn.Linear(a, b), nn.LeakyReLU(), Dropout(config.dropout)]
        self.mlp = nn.Sequential(*layers)
        self.head = nn.Linear(2 * dims[-1], 2)

    def represent(self, genes: torch.Tensor) -> torch.Tensor:
        """Representation of the given genes, (len(genes), mlp_dims[-1])."""
        joint = self.embedding.index_select(0, genes)
        if self.graph is not None:
            known = self.graph(genes)
            joint = (
                torch.cat([joint, known], dim=1)
                if self.fusion is None
                else self.fusion(joint, known)
            )
        return self.mlp(joint)

    def terms(self, genes: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """What each gene adds to a pair's logit as source and as target; the bias is in the latter. ``None``: all genes."""
        z = self.represent(
            torch.arange(len(self.embedding), device=self.embedding.device)
            if genes is None
            else genes
        )
        weight = self.head.weight[1] - self.head.weight[0]
        bias = self.head.bias[1] - self.head.bias[0]
        as_source, as_target = weight.chunk(2)
        return z @ as_source, z @ as_target + bias

    def forward(self, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Logit of each pair; every gene of the batch is represented once."""
        genes, position = torch.unique(torch.cat([sources, targets]), return_inverse=True)
        source_term, target_term = self.terms(genes)
        return source_term[position[: len(sources)]] + target_term[position[len(sources) :]]
