"""Train a foundation model on the user's own cells."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, check_writable, resolve, write
from scregnet._anndata.uns import check_key
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._progress import bar_asked
from scregnet._validate import (
    check_choice,
    check_flags,
    check_integer,
    check_interval,
    seed_of,
    shortened,
)
from scregnet.encoders import CellStream
from scregnet.encoders.aliases import AliasTable
from scregnet.tl._encoding.cells import Cells
from scregnet.tl._encoding.genes import genes_of, with_aliases

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scregnet.encoders.training.loop import TrainOptions
    from scregnet.encoders.training.protocol import MaskedModel
    from scregnet.encoders.training.record import RunRecord
    from scregnet.encoders.training.run import RunFolder

# Highest learning rates: a network with random weights, and one that was trained before.
_RATE_RANDOM, _RATE_TRAINED = 1e-3, 5e-5


@doc
def finetune(
    adata: AnnData | MuData,
    model: str = "geneformer",
    *,
    output: str | Path,
    weights: str | Path | None = None,
    layer: str | None = None,
    counts: bool = True,
    gene_ids: str | None = None,
    orthologues: pd.DataFrame | Mapping[str, Any] | Literal["upper"] | None = None,
    aliases: pd.DataFrame | Mapping[str, Any] | str | Path | None = None,
    n_layers: int | None = None,
    hidden_size: int | None = None,
    n_heads: int | None = None,
    max_epochs: int = 30,
    patience: int = 5,
    batch_size: int = 16,
    gradient_accumulation_steps: int = 1,
    learning_rate: float | None = None,
    weight_decay: float = 0.001,
    warmup_fraction: float = 0.1,
    validation_fraction: float = 0.1,
    precision: str = "auto",
    checkpoint_steps: int = 500,
    key_added: str | None = None,
    device: str | None = None,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    copy: bool = False,
    mod: str = "rna",
) -> AnnData | MuData | None:
    """Train a foundation model on your cells, as it was pre-trained: on hidden genes.

    ``sr.tl.embed(adata, model=model, weights=output)`` reads the result. A run that was stopped
    continues when the same call is made again. See :doc:`/models`.

    Parameters
    ----------
    %(adata)s
    model
        ``"geneformer"`` or ``"scbert"``; with ``weights`` also ``"name:variant"``.
    output
        Folder for the trained model: new, empty, or that of the same run.
    weights
        Where to start: a folder, ``"hub"`` (the published weights), or ``None`` (random weights).
    %(cells)s
    aliases
        Other names of genes that the model with ``weights`` does not know, as in ``sr.tl.embed``.
    n_layers, hidden_size, n_heads
        Size of a network with random weights; ``None`` takes 4 layers, 128 wide, 4 heads.
    max_epochs, patience
        Most epochs, and how many without a lower validation loss end the training.
    batch_size, gradient_accumulation_steps
        Cells that are in memory at once, and batches per step of the optimiser.
    learning_rate, weight_decay, warmup_fraction
        Of AdamW: highest rate (``None`` takes 1e-3 for random weights, else 5e-5), decay, and share
        of the steps over which the rate rises; afterwards it falls to zero.
    validation_fraction, checkpoint_steps
        Share of the cells held out, and steps between two checkpoints.
    %(precision)s
    %(key_added)s Here ``f"finetune_{model}"``.
    %(run)s

    Returns
    -------
    ``None``, or a changed copy if ``copy=True``. Sets ``uns[key_added]``: ``weights`` (the folder),
    ``history`` (loss by epoch, in nats per hidden position) and ``params``.

    Raises
    ------
    ValueError
        If an argument, the counts or the genes do not fit, or ``output`` holds another run.
    FileExistsError
        If ``output`` is a file, or a folder with other files.
    OSError
        If a file cannot be written.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(60, 40)
    >>> sr.tl.finetune(adata, output="own", n_layers=1, hidden_size=16, max_epochs=2)
    """
    # None takes the seed of a run that is there.
    seed = None if random_state is None else seed_of(random_state)
    schedule: dict[str, Any] = {
        "max_epochs": max_epochs,
        "patience": patience,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "warmup_fraction": warmup_fraction,
        "validation_fraction": validation_fraction,
        "precision": precision,
    }
    _check_schedule(schedule, gradient_accumulation_steps, checkpoint_steps)
    # Numbers of NumPy cannot be kept as JSON.
    schedule = {name: _plain(value) for name, value in schedule.items()}
    sizes = {"n_layers": n_layers, "hidden_size": hidden_size, "n_heads": n_heads}
    check_flags(counts=counts)
    _check_output(output)
    source = resolve(adata, mod)
    check_names(source)
    check_writable(source, copy=copy)

    # They load torch.
    from scregnet._device import plain_torch
    from scregnet.encoders.training.loop import TrainOptions
    from scregnet.encoders.training.models import plan
    from scregnet.encoders.training.run import RunFolder

    start = plan(model, weights, **{size: _plain(value) for size, value in sizes.items()})
    if weights is None and aliases is not None:
        msg = "aliases= has no meaning with weights=None: the vocabulary is then that of the data."
        raise ValueError(msg)
    name = start.entry.name
    key = f"finetune_{name}" if key_added is None else key_added
    check_key(key)
    if learning_rate is None:
        schedule["learning_rate"] = _RATE_RANDOM if start.weights is None else _RATE_TRAINED
    params = {
        "model": name,
        **start.record,
        **schedule,
        "gradient_accumulation_steps": _plain(gradient_accumulation_steps),
    }
    run = RunFolder(Path(output).expanduser(), params, seed)
    genes, ids = genes_of(source, gene_ids, orthologues)
    other_names = None if aliases is None else AliasTable.read(aliases)
    every, one_group = np.arange(source.n_obs), np.zeros(source.n_obs, dtype=np.int64)
    cells = Cells(source, layer, counts, every, one_group)
    stream = CellStream(cells, source.n_obs, counts=counts)
    options = TrainOptions(
        **schedule,
        accumulate=gradient_accumulation_steps,
        checkpoint_steps=checkpoint_steps,
        device=device,
        progress=bar_asked(show=show_progress_bar),
    )
    with plain_torch():
        training = start.build(stream, genes, run.seed)
        genes, more = with_aliases(name, training, genes, other_names)
        training.read(stream, genes, scratch=_there(run.folder))
        reached = _train(training, options, run)

    changed = adata.copy() if copy else adata
    record = _record(run, reached, {"layer": layer, "counts": counts, **ids, **more})
    write(resolve(changed, mod), uns={key: record})
    return changed if copy else None


def _check_schedule(schedule: Mapping[str, Any], accumulate: int, checkpoint_steps: int) -> None:
    """Raise unless numbers are in range; ``learning_rate`` may be ``None``."""
    for name in ("max_epochs", "patience", "batch_size"):
        check_integer(name, schedule[name], minimum=1)
    check_integer("gradient_accumulation_steps", accumulate, minimum=1)
    check_integer("checkpoint_steps", checkpoint_steps, minimum=1)
    check_interval("weight_decay", schedule["weight_decay"], 0, 1)
    check_interval("warmup_fraction", schedule["warmup_fraction"], 0, 1)
    check_interval("validation_fraction", schedule["validation_fraction"], 0, 1, closed="neither")
    if schedule["learning_rate"] is not None:
        check_interval("learning_rate", schedule["learning_rate"], 0, 1, closed="neither")
    check_choice("precision", schedule["precision"], ("auto", "float32", "bfloat16"))


def _check_output(output: object) -> None:
    # An empty path would be the folder where Python runs.
    if not isinstance(output, (str, PathLike)) or not str(output):
        msg = f"output must be the path of a folder, got {shortened(output)}."
        raise TypeError(msg)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _there(folder: Path) -> Path | None:
    """Return the folder, or the nearest one above it that is there."""
    return next((path for path in (folder, *folder.parents) if path.is_dir()), None)


def _train(training: MaskedModel, options: TrainOptions, run: RunFolder) -> RunRecord:
    """Train, or continue a run; a finished one is left as it is."""
    from scregnet.encoders.training.loop import train

    run.begin(training.digest())
    reached = run.progress
    if reached is None or not run.finished:
        reached = train(training, options, run)
        run.finish(training, reached)
    else:
        logger.info("finetune: the run in %s is finished; nothing was trained", run.folder)
    logger.info(
        "finetune: validation loss %.4f (%.4f before training, %.4f of the null model)",
        *(reached.best_loss, reached.initial_loss, reached.baseline_loss),
    )
    return reached


def _record(run: RunFolder, reached: RunRecord, more: dict[str, Any]) -> dict[str, Any]:
    """Return what goes into ``uns``."""
    params = {
        **run.params,
        **more,
        "n_train": reached.n_train,
        "n_validation": reached.n_validation,
        "baseline_loss": reached.baseline_loss,
        "initial_loss": reached.initial_loss,
        "best_loss": reached.best_loss,
        "best_epoch": reached.best_epoch,
        "versions": {name: version(name) for name in ("scregnet", "torch", "transformers")},
    }
    columns = ["epoch", "train_loss", "validation_loss"]
    history = pd.DataFrame(reached.history, columns=columns)
    return {"weights": str(run.folder.resolve()), "params": params, "history": history}
