"""Fit a torch module to a task: the steps that the neural methods share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scregnet._device import own_randomness, seed_torch
from scregnet.links.neural.training import LOGISTIC, Loss, train
from scregnet.links.task import FitResult, FittedLinks, LinkTask, Pairs, Progress

if TYPE_CHECKING:
    from scregnet.links.neural.options import Training


def embedding_tensor(task: LinkTask) -> torch.Tensor:
    """Return the embedding as float32, (n_genes, width); width 0 if the task has none."""
    embedding = np.zeros((task.n_genes, 0)) if task.embedding is None else task.embedding
    # A copy: torch warns about arrays that are read-only.
    return torch.from_numpy(np.array(embedding, np.float32))


def expression_tensor(task: LinkTask) -> torch.Tensor:
    """Return the expression as float32, (n_genes, n_features)."""
    # A copy: torch warns about arrays that are read-only.
    return torch.from_numpy(np.array(task.expression, np.float32))


def unit_rows(task: LinkTask) -> np.ndarray:
    """Return the expression, each gene's of length 1; genes that do not vary keep zeros."""
    values = np.array(task.expression, np.float32)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    values /= np.where(lengths > 0, lengths, 1)
    return values


def fit_module(
    make: Callable[[], Any],
    links: Callable[[np.ndarray, np.ndarray], FittedLinks],
    task: LinkTask,
    training: Training,
    *,
    rng: np.random.Generator,
    device: torch.device,
    progress: Progress | None = None,
    resample: Callable[[], Pairs] | None = None,
    loss: Loss = LOGISTIC,
) -> FitResult:
    """Make a module, train it, and keep what it says of every gene.

    Its ``parts()`` gives two tensors with a row per gene, one for the gene as source and one as
    target; ``links`` makes the fitted links from these two as arrays. The rest is as in
    :func:`fit_whole`.
    """

    def keep(module: Any) -> FittedLinks:
        as_source, as_target = (part.cpu().numpy() for part in module.parts())
        return links(as_source, as_target)

    return fit_whole(
        make,
        keep,
        task,
        training,
        rng=rng,
        device=device,
        progress=progress,
        resample=resample,
        loss=loss,
    )


def fit_whole(
    make: Callable[[], Any],
    keep: Callable[[Any], FittedLinks],
    task: LinkTask,
    training: Training,
    *,
    rng: np.random.Generator,
    device: torch.device,
    progress: Progress | None = None,
    resample: Callable[[], Pairs] | None = None,
    loss: Loss = LOGISTIC,
) -> FitResult:
    """Make a module, train it, and keep what is needed of it.

    Parameters
    ----------
    make
        Makes the untrained module.
    keep
        Makes the fitted links of the trained module.
    task
        Its training pairs are fitted, its validation pairs choose the epoch.
    training
        How to train.
    rng
        Source of randomness.
    device
        Where to compute.
    progress
        Called after each epoch.
    resample
        Gives the training pairs of an epoch; ``None`` takes all of ``task.train``.
    loss
        Of scores and labels.
    """
    seed = int(rng.integers(2**31))
    # Initial weights and dropout draw from torch's global generators, which are the user's.
    with own_randomness(device):
        seed_torch(seed, device)
        module = make().to(device)
        history, best_epoch = train(
            module,
            task.train,
            task.validation,
            training,
            generator=torch.Generator().manual_seed(seed),
            progress=progress,
            resample=resample,
            loss=loss,
        )
        module.eval()
        with torch.inference_mode():
            fitted = keep(module)
    return FitResult(fitted, history, best_epoch)
