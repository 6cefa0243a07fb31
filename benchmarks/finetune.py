"""Does training on your own cells help: the loss of the models, and the links found with them.

Simulated data, no weights needed. Prints the tables of ``docs/results/finetune.md``, in about half
an hour on one core::

    python benchmarks/finetune.py runs
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import scregnet as sr
from scregnet._anndata.access import blocks
from scregnet.encoders import CellBlock, CellStream
from scregnet.encoders.geneformer.training import GeneformerTraining
from scregnet.encoders.training.loop import Trainer, TrainOptions
from scregnet.encoders.training.models import plan
from scregnet.encoders.training.protocol import IGNORED, MaskedBatch, MaskedModel

if TYPE_CHECKING:
    from anndata import AnnData

SEEDS = range(3)
SIZES = {"n_layers": 2, "hidden_size": 64, "n_heads": 4}
HOW = {
    "geneformer": {"max_epochs": 60, "patience": 8, "learning_rate": 3e-3},
    "scbert": {"max_epochs": 20, "patience": 8, "learning_rate": 1e-3},
}
METHOD = "scregnet"
METRICS = ["auroc", "auprc", "epr", "per_tf_auroc", "per_tf_auprc"]


def untrained(adata: AnnData, model: str) -> MaskedModel:
    """Build the model with the weights from which training with seed 0 starts."""
    cells = CellStream(
        [CellBlock(b, np.zeros(b.shape[0], dtype=np.int64)) for _, b in blocks(adata, None)],
        adata.n_obs,
    )
    genes = adata.var_names.to_numpy(dtype=object).astype(str)
    made = plan(model, None, **SIZES).build(cells, genes, 0)
    made.read(cells, genes)
    return made


def rank_null(model: GeneformerTraining, n_bins: int = 10) -> float:
    """Compute the loss of the null model "frequency by rank" on the same hidden positions.

    It knows how frequent each gene is in each tenth of the ranks of a cell.
    """
    # Of the options, those that choose the held-out cells and their batches are sr.tl.finetune's.
    options = TrainOptions(1, 1, 16, 1, 1e-3, 0.0, 0.0, 0.1, 1, device="cpu")
    trainer = Trainer(model, options, seed=0)

    def tenths(batch: MaskedBatch) -> np.ndarray:
        return np.arange(batch.mask.shape[1]) * n_bins // batch.mask.sum(axis=1, keepdims=True)

    counts = np.full((n_bins, model.network.config.vocab_size), 0.1)
    counts[:, :2] = 0
    for cells in np.array_split(trainer.training, 20):
        batch = model.masked(cells, np.random.default_rng(0))
        model_input = np.where(batch.labels != IGNORED, batch.labels, batch.inputs)
        np.add.at(counts, (tenths(batch)[batch.mask], model_input[batch.mask]), 1)
    log_share = np.log(np.where(counts > 0, counts / counts.sum(axis=1, keepdims=True), 1))
    total, n = 0.0, 0
    for batch in trainer.validation_batches():
        asked = batch.labels != IGNORED
        total -= log_share[tenths(batch)[asked], batch.labels[asked]].sum()
        n += batch.n_masked
    return total / n


def train(adata: AnnData, model: str, folder: Path) -> dict[str, object]:
    """Train a model, embed with it before and after, and return its losses."""
    start = untrained(adata, model)
    (folder / f"{model}_untrained").mkdir(parents=True, exist_ok=True)
    start.write(folder / f"{model}_untrained")
    sr.tl.finetune(
        adata,
        model,
        output=folder / model,
        **SIZES,
        **HOW[model],
        device="cpu",
        show_progress_bar=False,
    )
    for name in (f"{model}_untrained", model):
        sr.tl.embed(
            adata,
            model=model,
            weights=folder / name,
            key_added=name,
            device="cpu",
            show_progress_bar=False,
        )
    params = adata.uns[f"finetune_{model}"]["params"]
    return {
        "model": model,
        "before training": params["initial_loss"],
        "frequency": params["baseline_loss"],
        "frequency by rank": rank_null(start) if isinstance(start, GeneformerTraining) else np.nan,
        "trained": params["best_loss"],
        "best epoch": params["best_epoch"],
    }


def links(adata: AnnData) -> pd.DataFrame:
    """Fit with every embedding and seed, and return the test metrics; each seed draws a split."""
    embeddings = ["none", "svd", *(f"{model}{end}" for model in HOW for end in ("_untrained", ""))]
    rows = []
    for seed in SEEDS:
        sr.pp.split(adata, adata.uns["network"], random_state=seed)
        for name in embeddings:
            sr.tl.fit_grn(
                adata,
                adata.uns["network"],
                method=METHOD,
                split="split",
                embedding=None if name == "none" else name,
                n_folds=1,
                random_state=seed,
                device="cpu",
                show_progress_bar=False,
            )
            table = sr.get.metrics(adata).query("split == 'test'")
            rows.append(table[table["model"] == METHOD].assign(embedding=name, seed=seed))
        # The null model uses no embedding, so one fit per seed has its metrics.
        null = table[table["model"] == "degree"]
        rows.append(null.assign(embedding="(null model: degree)", seed=seed))
    return pd.concat(rows)


def to_markdown(frame: pd.DataFrame) -> str:
    """Format a frame as a Markdown table."""
    rows = [
        list(frame.columns),
        ["---"] * frame.shape[1],
        *[[str(v) for v in row] for row in frame.to_numpy()],
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="where the trained models go; finished runs in it are used again"
    )
    folder = parser.parse_args().folder
    adata = sr.datasets.simulated()
    sr.tl.embed(adata, model="svd", show_progress_bar=False)
    figures = pd.DataFrame([train(adata, model, folder) for model in HOW])
    print(to_markdown(figures.round(3)), "\n", flush=True)
    table = links(adata)
    table = table[table["metric"].isin(METRICS)]
    grouped = table.groupby(["embedding", "metric"])["value"].agg(["mean", "std"])
    text = grouped.apply(lambda r: f"{r['mean']:.3f} ± {r['std']:.3f}", axis=1)
    print(to_markdown(text.unstack("metric")[METRICS].reset_index()))


if __name__ == "__main__":
    main()
