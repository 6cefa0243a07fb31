"""How far a training run has come, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class RunRecord:
    """How far a training run has come.

    ``epoch`` and ``step`` are the next ones. ``stale`` counts the epochs since the best one.
    ``loss_sum`` and ``n_masked`` belong to the epoch that is being trained. ``best_epoch`` is
    ``-1`` while no epoch is better than the start.
    """

    n_train: int
    n_validation: int
    baseline_loss: float
    initial_loss: float
    best_loss: float
    best_epoch: int = -1
    epoch: int = 0
    step: int = 0
    stale: int = 0
    loss_sum: float = 0.0
    n_masked: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    def end_epoch(self, validation_loss: float) -> None:
        """Note the losses of an epoch and turn to the next."""
        self.history.append(
            {
                "epoch": self.epoch,
                "train_loss": self.loss_sum / self.n_masked,
                "validation_loss": validation_loss,
            }
        )
        self.stale += 1
        if validation_loss < self.best_loss:
            self.best_loss, self.best_epoch, self.stale = validation_loss, self.epoch, 0
        self.epoch, self.step, self.loss_sum, self.n_masked = self.epoch + 1, 0, 0.0, 0
