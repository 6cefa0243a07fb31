"""The training loop: mini-batches of pairs, early stopping on validation pairs."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import nn

if TYPE_CHECKING:
    from scregnet.links.neural.options import Training
    from scregnet.links.task import Pairs, Progress

SAME_SCORE = 1e-6
"""Logits within this range count as equal: some ten times the rounding error of float32 near 1."""

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Mean loss of scores and labels, both float32 of shape (n,)."""

OptimizerMaker = Callable[..., torch.optim.Optimizer]
"""Makes an optimiser of parameters, a learning rate and a weight decay."""

LOGISTIC: Loss = nn.functional.binary_cross_entropy_with_logits
"""Cross-entropy of labels, where scores are logits."""


def _fused(kind: Callable[..., torch.optim.Optimizer], **fixed: Any) -> OptimizerMaker:
    """Return a maker of optimisers that go over the parameters once, where torch has it."""

    def make(parameters: list[nn.Parameter], **options: Any) -> torch.optim.Optimizer:
        fused = parameters[0].device.type in ("cpu", "cuda")
        return kind(parameters, fused=fused, **fixed, **options)

    return make


OPTIMIZER_CLASSES: dict[str, OptimizerMaker] = {
    "adam": _fused(torch.optim.Adam),
    "rmsprop": torch.optim.RMSprop,
    "sgd": _fused(torch.optim.SGD),
    "nesterov": _fused(torch.optim.SGD, momentum=0.9, nesterov=True),
}


class PairTensors:
    """Pairs as tensors on one device."""

    def __init__(self, pairs: Pairs, device: torch.device) -> None:
        self.sources = torch.as_tensor(pairs.sources, dtype=torch.int64, device=device)
        self.targets = torch.as_tensor(pairs.targets, dtype=torch.int64, device=device)
        self.labels = torch.as_tensor(pairs.labels, dtype=torch.float32, device=device)

    def __len__(self) -> int:
        return len(self.labels)

    def batches(
        self, order: torch.Tensor, size: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Give sources, targets and labels in the given order, ``size`` pairs at a time."""
        # The pairs lie on the device already: no loader, no copy per pair.
        return zip(
            *(values[order].split(size) for values in (self.sources, self.targets, self.labels)),
            strict=True,
        )


def train(
    module: nn.Module,
    train_pairs: Pairs,
    validation_pairs: Pairs,
    training: Training,
    *,
    generator: torch.Generator,
    progress: Progress | None = None,
    resample: Callable[[], Pairs] | None = None,
    loss: Loss = LOGISTIC,
) -> tuple[list[dict[str, float]], int]:
    """Train a module in place and leave it at its best epoch.

    The module is called with sources and targets and returns logits. The best epoch has the
    highest sum of validation AUROC and AUPRC, the two figures that the papers report.

    Parameters
    ----------
    module
        The module, on the device where to compute. If it has a ``step_block``, a step adds up the
        gradients of so many pairs at a time: the same step to rounding, in less memory.
    train_pairs
        Pairs to fit.
    validation_pairs
        Pairs that choose the epoch.
    training
        How to train. It stops after ``patience`` epochs without a better one.
    generator
        Source of the order of pairs.
    progress
        Called after each epoch.
    resample
        Gives the pairs of an epoch in place of ``train_pairs``.
    loss
        Of scores and labels; what is minimised, and what the history shows.

    Returns
    -------
    One history row an epoch, and the number of the epoch that was kept.

    Raises
    ------
    RuntimeError
        The loss stops being finite, or all validation pairs have the same score at the best epoch.
    """
    device = next(module.parameters()).device
    data, check = PairTensors(train_pairs, device), PairTensors(validation_pairs, device)
    optimizer = OPTIMIZER_CLASSES[training.optimizer](
        list(module.parameters()), lr=training.learning_rate, weight_decay=training.weight_decay
    )
    decay = training.learning_rate_decay
    history: list[dict[str, float]] = []
    best, best_epoch, best_state = -math.inf, -1, copy.deepcopy(module.state_dict())
    for epoch in range(training.max_epochs):
        if resample is not None:
            data = PairTensors(resample(), device)
        size = training.batch_size or len(data)
        reached_loss = _one_epoch(module, data, optimizer, size, generator, loss, decay)
        row = {"epoch": epoch, "train_loss": reached_loss, **_figures(module, check, loss)}
        _refuse_divergence(row, training.learning_rate)
        history.append(row)
        if progress is not None:
            progress(epoch, row)
        reached = row["validation_auroc"] + row["validation_auprc"]
        if reached > best:
            best, best_epoch, best_state = reached, epoch, copy.deepcopy(module.state_dict())
        if epoch - best_epoch >= training.patience:
            break
    module.load_state_dict(best_state)
    _refuse_collapse(module, check)
    return history, best_epoch


def _one_epoch(
    module: nn.Module,
    data: PairTensors,
    optimizer: torch.optim.Optimizer,
    batch_size: int,
    generator: torch.Generator,
    loss_of: Loss,
    decay: float,
) -> float:
    """Pass once over the pairs in random order; return the mean loss of a pair."""
    module.train()
    # Drawn on the CPU, so that the order does not depend on the device.
    order = torch.randperm(len(data), generator=generator).to(data.labels.device)
    total = 0.0
    for batch in data.batches(order, batch_size):
        optimizer.zero_grad(set_to_none=True)
        block, size = getattr(module, "step_block", batch_size), len(batch[2])
        for sources, targets, labels in zip(*(part.split(block) for part in batch), strict=True):
            loss = loss_of(module(sources, targets), labels)
            (loss * (len(labels) / size)).backward()
            total += float(loss.detach()) * len(labels)
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] *= decay
    return total / len(data)


@torch.no_grad()
def _figures(module: nn.Module, check: PairTensors, loss_of: Loss) -> dict[str, float]:
    """Return loss, AUROC and AUPRC on the validation pairs; NaN if a score is not finite."""
    module.eval()
    logits = module(check.sources, check.targets)
    loss = loss_of(logits, check.labels)
    scores, labels = logits.cpu().numpy(), check.labels.cpu().numpy()
    names = ("validation_loss", "validation_auroc", "validation_auprc")
    if not np.isfinite(scores).all():
        return dict.fromkeys(names, math.nan)
    figures = loss, roc_auc_score(labels, scores), average_precision_score(labels, scores)
    return dict(zip(names, map(float, figures), strict=True))


def _refuse_divergence(row: dict[str, float], learning_rate: float) -> None:
    if math.isfinite(row["train_loss"]) and math.isfinite(row["validation_loss"]):
        return
    msg = (
        f"training diverged at epoch {row['epoch']}: the loss is not finite. "
        f"Lower learning_rate (now {learning_rate})."
    )
    raise RuntimeError(msg)


@torch.no_grad()
def _refuse_collapse(module: nn.Module, check: PairTensors) -> None:
    module.eval()
    logits = module(check.sources, check.targets)
    if float(logits.max() - logits.min()) < SAME_SCORE:
        msg = (
            "training collapsed: every validation pair has the same score. "
            "Lower learning_rate or dropout, or change random_state; where no gene varies, "
            "expression cannot tell pairs apart."
        )
        raise RuntimeError(msg)
