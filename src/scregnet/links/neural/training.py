"""The training loop: mini-batches of pairs, early stopping on validation pairs, the best state kept."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import nn

if TYPE_CHECKING:
    from scregnet.links.task import Pairs, Progress

FUSED = ("cpu", "cuda")

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    # One pass over all parameters, where torch has it; the steps are the same.
    "adam": lambda parameters, **how: torch.optim.Adam(
        parameters, fused=parameters[0].device.type in FUSED, **how
    ),
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


@dataclass(frozen=True)
class Training:
    """How to train: optimiser, batches and when to stop."""

    optimizer: str
    learning_rate: float
    weight_decay: float
    batch_size: int
    max_epochs: int
    patience: int


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
        """Sources, targets and labels in the given order, ``size`` pairs at a time."""
        return zip(
            *(values[order].split(size) for values in (self.sources, self.targets, self.labels)),
            strict=True,
        )


def train(
    model: nn.Module,
    train_pairs: Pairs,
    validation_pairs: Pairs,
    how: Training,
    *,
    generator: torch.Generator,
    progress: Progress | None = None,
    resample: Callable[[], Pairs] | None = None,
) -> tuple[list[dict[str, float]], int]:
    """Train ``model`` (called with sources and targets, returns logits) in place and leave it at its best epoch.

    The best epoch has the highest sum of validation AUROC and AUPRC, the two figures that the papers report; training stops after ``patience`` epochs
    without a better one. ``resample`` gives the pairs of an epoch, for methods that draw negatives anew; without it every epoch has all ``train_pairs``.

    Returns
    -------
    One history row an epoch, and the number of the epoch that was kept.

    Raises
    ------
    RuntimeError
        If the loss stops being finite, or every validation pair has the same score at the best epoch: a collapsed fit.
    """
    device = next(model.parameters()).device
    data, check = PairTensors(train_pairs, device), PairTensors(validation_pairs, device)
    optimizer = OPTIMIZERS[how.optimizer](
        list(model.parameters()), lr=how.learning_rate, weight_decay=how.weight_decay
    )
    loss_of = nn.BCEWithLogitsLoss()
    history: list[dict[str, float]] = []
    best, best_epoch, best_state = -math.inf, -1, copy.deepcopy(model.state_dict())
    for epoch in range(how.max_epochs):
        model.train()
        if resample is not None:
            data = PairTensors(resample(), device)
        order = torch.randperm(len(data), generator=generator).to(device)
        total = 0.0
        for sources, targets, labels in data.batches(order, how.batch_size):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(model(sources, targets), labels)
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(labels)
        row = {
            "epoch": epoch,
            "train_loss": total / len(data),
            **_look(model, check, validation_pairs.labels),
        }
        if not math.isfinite(row["train_loss"]) or not math.isfinite(row["validation_loss"]):
            msg = f"training diverged at epoch {epoch}: the loss is not finite. Lower learning_rate (now {how.learning_rate})."
            raise RuntimeError(msg)
        history.append(row)
        if progress is not None:
            progress(epoch, row)
        reached = row["validation_auroc"] + row["validation_auprc"]
        if reached > best:
            best, best_epoch, best_state = reached, epoch, copy.deepcopy(model.state_dict())
        if epoch - best_epoch >= how.patience:
            break
    model.load_state_dict(best_state)
    _refuse_constant(model, check)
    return history, best_epoch


@torch.no_grad()
def _refuse_constant(model: nn.Module, check: PairTensors) -> None:
    model.eval()
    logits = model(check.sources, check.targets)
    if float(logits.max() - logits.min()) < 1e-6:
        msg = "training collapsed: every validation pair has the same score. Lower learning_rate or dropout, or change random_state."
        raise RuntimeError(msg)


@torch.no_grad()
def _look(model: nn.Module, check: PairTensors, labels: np.ndarray) -> dict[str, float]:
    model.eval()
    logits = model(check.sources, check.targets)
    loss = nn.functional.binary_cross_entropy_with_logits(logits, check.labels)
    scores = logits.cpu().numpy()
    if not np.isfinite(scores).all():
        return {
            "validation_loss": math.nan,
            "validation_auroc": math.nan,
            "validation_auprc": math.nan,
        }
    return {
        "validation_loss": float(loss),
        "validation_auroc": float(roc_auc_score(labels, scores)),
        "validation_auprc": float(average_precision_score(labels, scores)),
    }
