"""Masked training of token models on the user's own cells: the loop that all models share.

Everything that is drawn is a function of the seed, the epoch and the step, so a run that was killed goes on as if it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scregnet._device import autocast, own_randomness, resolve_device, seed_torch, torch_threads
from scregnet._logging import logger
from scregnet.encoders.training.record import RunRecord

if TYPE_CHECKING:
    from scregnet.encoders.training.protocol import MaskedBatch, MaskedModel
    from scregnet.encoders.training.run import RunFolder

# What a random generator is for: kept apart, so that one more draw of a kind changes no other.
_SPLIT, _ORDER, _MASK, _DROPOUT, _VALIDATION = range(5)
# Steps within which cells are sorted by length, so that a batch holds cells of like length.
_WINDOW = 32


@dataclass(frozen=True)
class TrainOptions:
    """How to train; ``batch_size`` cells are in the device's memory at once, ``accumulate`` batches make one step."""

    max_epochs: int
    patience: int
    batch_size: int
    accumulate: int
    learning_rate: float
    weight_decay: float
    warmup_fraction: float
    validation_fraction: float
    checkpoint_steps: int
    precision: str = "auto"
    device: str | None = None
    progress: bool = False


def train(model: MaskedModel, options: TrainOptions, run: RunFolder) -> RunRecord:
    """Train until the validation loss has not fallen for ``patience`` epochs; the best epoch's weights stay.

    Parameters
    ----------
    model
        The model.
    options
        How to train.
    run
        The folder of the run; a run that is there is continued.

    Raises
    ------
    RuntimeError
        If the loss is no longer finite.
    ValueError
        If there are too few cells.
    """
    device = resolve_device(options.device)
    _, half = autocast(options.precision, device)
    training, validation = _split(len(model.lengths), options.validation_fraction, run.seed)
    size = options.batch_size * options.accumulate
    n_steps = math.ceil(len(training) / size)
    model.network.to(device)
    named = {
        name: tensor for name, tensor in model.network.named_parameters() if tensor.requires_grad
    }
    # Biases and norms are not shrunk, as is usual for transformers.
    groups = [
        {
            "params": [tensor for tensor in named.values() if tensor.ndim > 1],
            "weight_decay": options.weight_decay,
        },
        {"params": [tensor for tensor in named.values() if tensor.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=options.learning_rate)

    def validate() -> float:
        return _mean_loss(model, validation, size, options.batch_size, run.seed, device, half)

    with torch_threads(), own_randomness(device):
        progress = run.load(model, optimizer, named)
        if progress is None:
            null = model.frequencies(training)
            batches = list(_validation_batches(model, validation, size, run.seed))
            baseline = sum(null(batch) for batch in batches) / sum(
                batch.n_masked for batch in batches
            )
            initial = validate()
            progress = RunRecord(
                n_train=len(training),
                n_validation=len(validation),
                baseline_loss=baseline,
                initial_loss=initial,
                best_loss=initial,
            )
            run.keep_best(model, progress)
        with _bar(options, n_steps, progress) as bar:
            while progress.epoch < options.max_epochs and progress.stale < options.patience:
                order = _order(training, model.lengths, size, run.seed, progress.epoch)
                model.network.train()
                while progress.step < n_steps:
                    cells = order[progress.step * size : (progress.step + 1) * size]
                    batch = model.masked(
                        cells, _generator(run.seed, _MASK, progress.epoch, progress.step)
                    )
                    done = progress.epoch * n_steps + progress.step
                    for group in optimizer.param_groups:
                        group["lr"] = options.learning_rate * _schedule(
                            done, n_steps * options.max_epochs, options.warmup_fraction
                        )
                    progress.loss_sum += _step(
                        model, optimizer, batch, options, run.seed, done, device, half
                    )
                    progress.n_masked += batch.n_masked
                    progress.step += 1
                    bar.update()
                    if progress.step % options.checkpoint_steps == 0 and progress.step < n_steps:
                        run.save(model, optimizer, named, progress)
                progress.end_epoch(validate())
                if progress.stale == 0:
                    run.keep_best(model, progress)
                bar.set_postfix(
                    {"validation loss": f"{progress.history[-1]['validation_loss']:.4f}"},
                    refresh=False,
                )
                run.save(model, optimizer, named, progress)
        run.load_best(model, progress)
        model.network.to("cpu").eval()
    if progress.best_epoch < 0:
        logger.warning(
            "training did not lower the validation loss (%.4f): the weights are those it started from",
            progress.best_loss,
        )
    return progress


def _step(
    model: MaskedModel,
    optimizer: torch.optim.Optimizer,
    batch: MaskedBatch,
    options: TrainOptions,
    seed: int,
    done: int,
    device: torch.device,
    half: Callable[[], AbstractContextManager],
) -> float:
    """Take one step; return the summed loss."""
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for number, part in enumerate(batch.parts(options.batch_size)):
        if part.n_masked == 0:
            continue
        seed_torch(int(_generator(seed, _DROPOUT, done, number).integers(2**62)), device)
        with half():
            loss = model.loss(part, device)
        # Over the positions of the whole step: how it is divided into batches does not change the gradient.
        (loss / batch.n_masked).backward()
        total += float(loss.detach())
    if not math.isfinite(total):
        msg = f"the training loss is no longer finite at step {done}: lower learning_rate (now {options.learning_rate})."
        raise RuntimeError(msg)
    torch.nn.utils.clip_grad_norm_(model.network.parameters(), 1.0)
    optimizer.step()
    return total


def _mean_loss(
    model: MaskedModel,
    cells: np.ndarray,
    size: int,
    batch_size: int,
    seed: int,
    device: torch.device,
    half: Callable[[], AbstractContextManager],
) -> float:
    """Loss per hidden position, hidden at the same places every time."""
    model.network.eval()
    total, n_masked = 0.0, 0
    with torch.inference_mode():
        for batch in _validation_batches(model, cells, size, seed):
            for part in batch.parts(batch_size):
                with half():
                    total += float(model.loss(part, device))
            n_masked += batch.n_masked
    return total / n_masked


def _validation_batches(
    model: MaskedModel, cells: np.ndarray, size: int, seed: int
) -> Iterator[MaskedBatch]:
    ordered = cells[np.argsort(-model.lengths[cells], kind="stable")]
    for number, start in enumerate(range(0, len(ordered), size)):
        yield model.masked(ordered[start : start + size], _generator(seed, _VALIDATION, number))


def _generator(seed: int, *purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, *purpose])


def _split(n_cells: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions of training and validation cells."""
    n_validation = round(n_cells * fraction)
    if n_validation < 1 or n_validation >= n_cells:
        msg = (
            f"too few cells: {n_cells} have genes of the vocabulary, of which validation_fraction={fraction} leaves "
            f"{n_validation} for validation and {n_cells - n_validation} for training; both need at least one."
        )
        raise ValueError(msg)
    drawn = _generator(seed, _SPLIT).permutation(n_cells)
    return np.sort(drawn[n_validation:]), np.sort(drawn[:n_validation])


def _order(cells: np.ndarray, lengths: np.ndarray, size: int, seed: int, epoch: int) -> np.ndarray:
    """Shuffle cells so that those of one step are of like length; the last step may be short."""
    rng = _generator(seed, _ORDER, epoch)
    drawn = rng.permutation(cells)
    windows = [
        drawn[start : start + _WINDOW * size] for start in range(0, len(drawn), _WINDOW * size)
    ]
    drawn = np.concatenate(
        [window[np.argsort(-lengths[window], kind="stable")] for window in windows]
    )
    n_full = len(drawn) // size
    full = drawn[: n_full * size].reshape(n_full, size)[rng.permutation(n_full)]
    return np.concatenate([full.ravel(), drawn[n_full * size :]])


def _schedule(step: int, n_steps: int, warmup_fraction: float) -> float:
    """Rise linearly over the warm-up, then fall linearly towards zero."""
    warmup = warmup_fraction * n_steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return (n_steps - step) / max(n_steps - warmup, 1)


def _bar(options: TrainOptions, n_steps: int, progress: RunRecord) -> Any:
    from tqdm.auto import tqdm

    return tqdm(
        total=n_steps * options.max_epochs,
        initial=progress.epoch * n_steps + progress.step,
        desc="training",
        unit="step",
        disable=not options.progress,
    )
