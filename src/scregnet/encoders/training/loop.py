"""Masked training of token models on the user's own cells: the loop that all models share.

All random draws depend only on the seed, the epoch and the step. So a run that was stopped
continues as if it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scregnet._device import autocast, own_randomness, resolve_device, seed_torch, torch_threads
from scregnet._logging import logger
from scregnet._progress import bars_shown
from scregnet.encoders.training.memory import room, total_on
from scregnet.encoders.training.record import RunRecord

if TYPE_CHECKING:
    from scregnet.encoders.training.protocol import MaskedBatch, MaskedModel
    from scregnet.encoders.training.run import RunFolder

# Each purpose has a generator of its own, so that a further draw for one changes no other.
_SPLIT, _ORDER, _MASK, _DROPOUT, _VALIDATION = range(5)
# Cells are sorted by length within so many steps. More would mean less padding, but also batches
# that are less random.
_WINDOW = 32
# Gradients are scaled down to this norm, as is usual for transformers.
_MAX_NORM = 1.0


@dataclass(frozen=True)
class TrainOptions:
    """How to train.

    ``batch_size`` cells are in the device's memory at once; ``accumulate`` batches make one step.
    """

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

    @property
    def step_size(self) -> int:
        """Cells of one step."""
        return self.batch_size * self.accumulate


def train(model: MaskedModel, options: TrainOptions, run: RunFolder) -> RunRecord:
    """Train until the validation loss has not fallen for ``patience`` epochs.

    The model ends with the weights of the best epoch.

    Parameters
    ----------
    model
        The model.
    options
        How to train.
    run
        The folder of the run. A run that is there is continued.

    Raises
    ------
    RuntimeError
        If the loss is no longer finite.
    ValueError
        If there are too few cells.
    """
    trainer = Trainer(model, options, run.seed)
    with torch_threads(), own_randomness(trainer.device):
        record = run.load(model, trainer.optimizer, trainer.named)
        if record is None:
            record = trainer.start()
            run.keep_best(model, record)
        with _bar(options, trainer.n_steps, record) as bar:
            while record.epoch < options.max_epochs and record.stale < options.patience:
                _train_epoch(trainer, record, run, bar)
                record.end_epoch(trainer.validation_loss())
                if record.stale == 0:
                    run.keep_best(model, record)
                loss = record.history[-1]["validation_loss"]
                bar.set_postfix({"validation loss": f"{loss:.4f}"}, refresh=False)
                run.save(model, trainer.optimizer, trainer.named, record)
        run.load_best(model, record)
        model.network.to("cpu").eval()
    if record.best_epoch < 0:
        logger.warning(
            "training did not lower the validation loss (%.4f): the weights are the initial ones",
            record.best_loss,
        )
    return record


def _train_epoch(trainer: Trainer, record: RunRecord, run: RunFolder, bar: Any) -> None:
    """Take the steps of an epoch that are left, and save checkpoints on the way."""
    order = trainer.order(record.epoch)
    trainer.model.network.train()
    # Read at checkpoints and at the end only: reading makes the host wait for the device.
    total = total_on(trainer.device, record.loss_sum)
    while record.step < trainer.n_steps:
        batch = trainer.batch(order, record.epoch, record.step)
        total += trainer.step(batch, record.epoch * trainer.n_steps + record.step)
        record.n_masked += batch.n_masked
        record.step += 1
        bar.update()
        # The end of an epoch has a checkpoint of its own, after validation.
        due = record.step % trainer.options.checkpoint_steps == 0
        if due and record.step < trainer.n_steps:
            record.loss_sum = _finite(total, trainer.options, record)
            run.save(trainer.model, trainer.optimizer, trainer.named, record)
    record.loss_sum = _finite(total, trainer.options, record)


class Trainer:
    """A model with its optimiser and its training and validation cells.

    Parameters
    ----------
    model
        The model. It is moved to the device.
    options
        How to train.
    seed
        Seed of all draws.

    Raises
    ------
    ValueError
        If there are too few cells.
    """

    def __init__(self, model: MaskedModel, options: TrainOptions, seed: int) -> None:
        self.model = model
        self.options = options
        self.seed = seed
        self.device = resolve_device(options.device)
        _, self._half = autocast(options.precision, self.device)
        self.training, self.validation = _split(
            len(model.lengths), options.validation_fraction, seed
        )
        self.n_steps = math.ceil(len(self.training) / options.step_size)
        model.network.to(self.device)
        model.room = room(self.device)
        self.named = {
            name: tensor
            for name, tensor in model.network.named_parameters()
            if tensor.requires_grad
        }
        self.optimizer: torch.optim.Optimizer = _optimizer(
            list(self.named.values()), options, self.device
        )

    def start(self) -> RunRecord:
        """Return the record of a run before its first step: the losses of null model and model."""
        null = self.model.frequencies(self.training)
        batches = list(self.validation_batches())
        baseline = sum(null(batch) for batch in batches) / sum(batch.n_masked for batch in batches)
        initial = self.validation_loss()
        return RunRecord(
            n_train=len(self.training),
            n_validation=len(self.validation),
            baseline_loss=baseline,
            initial_loss=initial,
            best_loss=initial,
        )

    def order(self, epoch: int) -> np.ndarray:
        """Return the training cells in the order of an epoch."""
        size = self.options.step_size
        return _order(self.training, self.model.lengths, size, self.seed, epoch)

    def batch(self, order: np.ndarray, epoch: int, step: int) -> MaskedBatch:
        """Return the cells of a step with some positions hidden."""
        size = self.options.step_size
        cells = order[step * size : (step + 1) * size]
        return self.model.masked(cells, _generator(self.seed, _MASK, epoch, step))

    def step(self, batch: MaskedBatch, done: int) -> torch.Tensor:
        """Take one step after ``done`` others; return the loss summed over the hidden positions.

        It stays on the device.
        """
        n_steps = self.n_steps * self.options.max_epochs
        share = _schedule(done, n_steps, self.options.warmup_fraction)
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.learning_rate * share
        self.optimizer.zero_grad(set_to_none=True)
        total = total_on(self.device)
        for number, part in enumerate(batch.parts(self.options.batch_size)):
            if part.n_masked == 0:
                continue
            drawn = _generator(self.seed, _DROPOUT, done, number).integers(2**62)
            seed_torch(int(drawn), self.device)
            with self._half():
                loss = self.model.loss(part, self.device)
            # Divided by the positions of the whole step: then the gradient does not depend on how
            # the step is divided into batches.
            (loss / batch.n_masked).backward()
            total += loss.detach()
        torch.nn.utils.clip_grad_norm_(self.model.network.parameters(), _MAX_NORM)
        self.optimizer.step()
        return total

    def validation_loss(self) -> float:
        """Return the loss per hidden position of the validation cells."""
        self.model.network.eval()
        total, n_masked = total_on(self.device), 0
        with torch.inference_mode():
            for batch in self.validation_batches():
                for part in batch.parts(self.options.batch_size):
                    with self._half():
                        total += self.model.loss(part, self.device)
                n_masked += batch.n_masked
        return float(total) / n_masked

    def validation_batches(self) -> Iterator[MaskedBatch]:
        """Yield the validation cells, the same positions hidden every time."""
        size, cells = self.options.step_size, self.validation
        # Longest first: cells of like length need little padding.
        ordered = cells[np.argsort(-self.model.lengths[cells], kind="stable")]
        for number, start in enumerate(range(0, len(ordered), size)):
            rng = _generator(self.seed, _VALIDATION, number)
            yield self.model.masked(ordered[start : start + size], rng)


def _finite(total: torch.Tensor, options: TrainOptions, record: RunRecord) -> float:
    """Return the loss of the steps of an epoch so far; wait for the device."""
    value = float(total)
    if not math.isfinite(value):
        msg = (
            f"the training loss is no longer finite, at step {record.step} of epoch "
            f"{record.epoch} or before: lower learning_rate (now {options.learning_rate})."
        )
        raise RuntimeError(msg)
    return value


def _optimizer(
    tensors: list[torch.Tensor], options: TrainOptions, device: torch.device
) -> torch.optim.Optimizer:
    # Biases and norms are not decayed, as is usual for transformers.
    matrices = [tensor for tensor in tensors if tensor.ndim > 1]
    others = [tensor for tensor in tensors if tensor.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": options.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    # One pass over the weights. On a GPU it would keep the counter of steps there.
    fused = device.type == "cpu"
    return torch.optim.AdamW(groups, lr=options.learning_rate, fused=fused or None)


def _generator(seed: int, *purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, *purpose])


def _split(n_cells: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions of training and validation cells."""
    n_validation = round(n_cells * fraction)
    if n_validation < 1 or n_validation >= n_cells:
        msg = (
            f"too few cells: {n_cells} have genes of the vocabulary. "
            f"validation_fraction={fraction} leaves {n_validation} for validation and "
            f"{n_cells - n_validation} for training; both need at least one."
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
    # Steps in random order, else each window would begin with its longest cells.
    n_full = len(drawn) // size
    full = drawn[: n_full * size].reshape(n_full, size)[rng.permutation(n_full)]
    return np.concatenate([full.ravel(), drawn[n_full * size :]])


def _schedule(step: int, n_steps: int, warmup_fraction: float) -> float:
    """Return the share of the highest learning rate: a linear rise, then a linear fall to zero."""
    warmup = warmup_fraction * n_steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return (n_steps - step) / max(n_steps - warmup, 1)


def _bar(options: TrainOptions, n_steps: int, record: RunRecord) -> Any:
    from tqdm.auto import tqdm

    return tqdm(
        total=n_steps * options.max_epochs,
        initial=record.epoch * n_steps + record.step,
        desc="training",
        unit="step",
        disable=not bars_shown(show=options.progress),
    )
