"""Train a foundation model on the user's own cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scregnet._anndata.access import blocks, check_names, resolve, write
from scregnet._anndata.uns import check_key
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._settings import settings
from scregnet._validate import check_choice, check_integer, check_interval
from scregnet.encoders import CellBlock, CellStream
from scregnet.tl._gene_ids import genes_of

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


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
    """Train a foundation model on the cells at hand, as it was pre-trained: on genes that are hidden from it.

    The result is a folder that :func:`scregnet.tl.embed` reads: ``sr.tl.embed(adata, model=model, weights=output)``. Training starts from
    published weights, or from random ones at a chosen size, which needs no download; the vocabulary is then that of the data.

    ``"geneformer"`` :cite:p:`theodoris2023geneformer`: 15 %% of a cell's genes are to be predicted from the others and their ranks; of these 80 %% are
    hidden, 10 %% replaced by a random gene and 10 %% left as they are. ``"scbert"`` :cite:p:`yang2022scbert`: of 15 %% of the genes whose expression bin is
    above zero the bin is to be predicted from the bins of all genes; of these bins 90 %% are hidden and 10 %% left as they are.

    With random weights, Geneformer's median of a gene is that over all cells that have it; scBERT's vectors that tell genes apart are
    random and trained, where the published model has gene2vec, and counts are scaled to 10,000 per cell times the share of 16,906 genes that the data
    have, so that bins mean the same in a small panel.

    Part of the cells is held out. The loss on them, always with the same positions hidden, decides when training stops and which epoch is
    kept; beside it stands the loss of a null model that knows only how frequent each answer is in the training cells, on the same positions. A run
    that was stopped goes on when it is called again with the same arguments, and ends in the same weights as one that was not (bit for bit
    on a CPU with the same number of threads).

    Parameters
    ----------
    %(adata)s
    model
        ``"geneformer"`` or ``"scbert"``. With weights also ``"name:variant"``, as in :func:`scregnet.tl.embed`.
    output
        Folder for the trained model: new, empty, or that of the same run, which is then continued. It holds ``config.json``,
        ``model.safetensors`` and the dictionaries in the published layout (scBERT: ``model.safetensors``, ``gene_order.txt`` and
        ``scbert_config.json``), and ``finetune.json``, the record of the run; checkpoints lie in ``finetune_checkpoint/`` until the run is finished.
    weights
        Where to start: a folder with the model's files, ``"hub"`` for the published weights, or ``None`` for random weights.
    %(layer)s
    counts
        ``True`` demands raw counts. ``False`` takes any non-negative values as they are, as in :func:`scregnet.tl.embed`.
    gene_ids
        Column of ``adata.var`` with the ids that the model knows genes by; ``None`` takes ``adata.var_names``.
    orthologues
        Human genes of another organism's, as in :func:`scregnet.tl.embed`. Random weights need none: their vocabulary is that of the data.
    n_layers, hidden_size, n_heads
        Size of a network with random weights; ``None`` takes 4 layers, 128 wide, 4 heads.
    max_epochs
        Passes over the training cells at most; the learning rate falls to zero over so many.
    patience
        Stop after this many epochs without a lower validation loss.
    batch_size
        Cells that the model reads at once.
    gradient_accumulation_steps
        Batches that make one step of the optimiser: more of them and a smaller ``batch_size`` need less memory for the same steps.
    learning_rate
        Highest learning rate of AdamW; ``None`` takes 1e-3 for random weights and 5e-5 for others.
    weight_decay
        Weight decay of AdamW, for all but biases and norms.
    warmup_fraction
        Share of all steps over which the learning rate rises from zero; it falls linearly afterwards.
    validation_fraction
        Share of the cells held out.
    precision
        ``"float32"``, ``"bfloat16"`` (mixed precision, CUDA only), or ``"auto"``: bfloat16 where CUDA computes it natively.
    checkpoint_steps
        Write a checkpoint every so many steps, beside the one after every epoch.
    %(key_added)s Here ``f"finetune_{model}"``.
    %(device)s
    %(random_state)s
    %(progress)s
    %(copy)s
    %(mod)s

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. Sets the following field, with ``key`` for ``key_added``:

    - ``adata.uns[key]``: dict with ``weights`` (the folder), ``history`` (a frame: ``epoch``, ``train_loss``, ``validation_loss``; nats per
      hidden position) and ``params`` (arguments, ``n_train``, ``n_validation``, ``initial_loss`` before training, ``baseline_loss`` of the null model,
      ``best_loss``, ``best_epoch``, which is ``-1`` if training did not help, versions).

    Raises
    ------
    ValueError
        If values are not counts where counts are needed, the model is unknown or knows none of the genes, there are too few cells, an
        argument is out of range, or ``output`` holds a run with other arguments or cells.
    FileExistsError
        If ``output`` holds anything else.
    FileNotFoundError
        If the weights are not there.
    RuntimeError
        If the training diverges.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(60, 40)
    >>> sr.tl.finetune(adata, output="own_geneformer", n_layers=1, hidden_size=16, max_epochs=2)
    >>> sr.tl.embed(adata, model="geneformer", weights="own_geneformer")
    >>> adata.varm["geneformer"].shape
    (40, 16)
    """
    check_integer("max_epochs", max_epochs, minimum=1)
    check_integer("patience", patience, minimum=1)
    check_integer("batch_size", batch_size, minimum=1)
    check_integer("gradient_accumulation_steps", gradient_accumulation_steps, minimum=1)
    check_integer("checkpoint_steps", checkpoint_steps, minimum=1)
    if random_state is not None:
        check_integer("random_state", random_state, minimum=0)
    check_interval("weight_decay", weight_decay, 0, 1)
    check_interval("warmup_fraction", warmup_fraction, 0, 1)
    check_interval("validation_fraction", validation_fraction, 0, 1, closed="neither")
    check_choice("precision", precision, ("auto", "float32", "bfloat16"))
    source = resolve(adata, mod)
    check_names(source)

    from scregnet.encoders.training.models import plan

    start = plan(model, weights, n_layers=n_layers, hidden_size=hidden_size, n_heads=n_heads)
    name = model.partition(":")[0]
    key = f"finetune_{name}" if key_added is None else key_added
    check_key(key)
    if learning_rate is None:
        learning_rate = 1e-3 if start.weights is None else 5e-5
    check_interval("learning_rate", learning_rate, 0, 1, closed="neither")
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

    from scregnet.encoders.training.loop import TrainOptions, train
    from scregnet.encoders.training.run import RunFolder

    folder = Path(output).expanduser()
    params = {
        "model": name,
        **start.record,
        **schedule,
        "gradient_accumulation_steps": gradient_accumulation_steps,
    }
    run = RunFolder(folder, params, random_state)
    genes, ids = genes_of(source, gene_ids, orthologues)
    cells = CellStream(_Cells(source, layer, counts), source.n_obs, counts=counts)
    training = start.build(cells, genes, run.seed)
    run.begin(training.digest())
    progress = run.progress
    if progress is None or not run.finished:
        options = TrainOptions(
            **schedule,
            accumulate=gradient_accumulation_steps,
            checkpoint_steps=checkpoint_steps,
            device=device,
            progress=settings.progress_bar if show_progress_bar is None else show_progress_bar,
        )
        progress = train(training, options, run)
        run.finish(training, progress)
    else:
        logger.info("finetune: the run in %s is finished; nothing was trained", folder)
    logger.info(
        "finetune: validation loss %.4f (%.4f before training, %.4f of the null model)",
        *(progress.best_loss, progress.initial_loss, progress.baseline_loss),
    )

    record = {
        "weights": str(folder.resolve()),
        "params": {
            **run.params,
            "layer": layer,
            "counts": counts,
            **ids,
            "n_train": progress.n_train,
            "n_validation": progress.n_validation,
            "baseline_loss": progress.baseline_loss,
            "initial_loss": progress.initial_loss,
            "best_loss": progress.best_loss,
            "best_epoch": progress.best_epoch,
            "versions": {name: version(name) for name in ("scregnet", "torch", "transformers")},
        },
        "history": pd.DataFrame(
            progress.history, columns=["epoch", "train_loss", "validation_loss"]
        ),
    }
    changed = adata.copy() if copy else adata
    write(resolve(changed, mod), uns={key: record})
    return changed if copy else None


@dataclass(frozen=True)
class _Cells:
    """All cells as blocks."""

    adata: AnnData
    layer: str | None
    counts: bool

    def __iter__(self) -> Iterator[CellBlock]:
        for positions, block in blocks(
            self.adata, self.layer, expect="counts" if self.counts else "any"
        ):
            if (block.data < 0).any():
                where = "adata.X" if self.layer is None else f"adata.layers[{self.layer!r}]"
                msg = f"{where} holds negative values (lowest {block.data.min():.4g}), as scaled data do. Name another matrix with layer=."
                raise ValueError(msg)
            yield CellBlock(block, np.zeros(len(positions), dtype=np.int64))
