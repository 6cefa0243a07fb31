"""A fitted AnnData, made by hand: heavy-tailed degrees, probabilities that follow the labels."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

TFS = ["GATA1", "SPI1", "TAL1", "KLF1", "CEBPA", "RUNX1", "IRF8", "MYB"]


def build_fitted(
    *,
    n_genes: int = 60,
    n_cells: int = 30,
    seed: int = 0,
    method: str = "scregnet",
    key: str = "grn",
    null: bool = False,
):
    """Return a fitted AnnData; the first TFs have most targets, a few targets most regulators.

    ``null`` adds what a fit writes next to the network: the null model's probabilities, standard
    deviations, and signs of which some are unknown.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(seed)
    n_tfs = len(TFS)
    genes = TFS + [f"GENE{i}" for i in range(n_genes - n_tfs)]
    tf_pull = np.linspace(1.2, -2.2, n_tfs)[:, None]
    gene_pull = rng.gumbel(size=n_genes)[None, :]
    logit = tf_pull + gene_pull - 1.2
    truth = rng.random((n_tfs, n_genes)) < 1 / (1 + np.exp(-logit))
    truth[np.arange(n_tfs), np.arange(n_tfs)] = False

    squash = lambda x: (1 / (1 + np.exp(-x))).astype(np.float32)
    probability = squash(3.2 * truth - 2 + 0.7 * logit + rng.normal(0, 1, truth.shape))
    degree = squash(logit + rng.normal(0, 0.2, truth.shape))

    off_diagonal = np.array([(i, j) for i in range(n_tfs) for j in range(n_genes) if i != j])
    labelled = off_diagonal[
        np.sort(rng.choice(len(off_diagonal), int(0.8 * len(off_diagonal)), replace=False))
    ]
    rows, columns = labelled.T
    pairs = pd.DataFrame(
        {
            "source": np.array(genes)[rows],
            "target": np.array(genes)[columns],
            "label": truth[rows, columns].astype(np.int8),
            "split": pd.Categorical(
                rng.choice(["train", "validation", "test"], len(rows), p=[0.6, 0.1, 0.3]),
                categories=["train", "validation", "test"],
            ),
            "probability": probability[rows, columns],
            "probability_degree": degree[rows, columns],
        }
    )
    if method == "degree":
        pairs = pairs.drop(columns="probability_degree")
    metrics = []
    models = {method: "probability"} | (
        {} if method == "degree" else {"degree": "probability_degree"}
    )
    for model, column in models.items():
        for split in ("validation", "test"):
            part = pairs[pairs["split"] == split]
            metrics += [
                (model, split, "auroc", roc_auc_score(part["label"], part[column])),
                (model, split, "auprc", average_precision_score(part["label"], part[column])),
                (model, split, "prevalence", part["label"].mean()),
            ]
    epochs = np.arange(40)
    history = pd.DataFrame(
        {
            "epoch": epochs,
            "train_loss": 0.25 + 0.45 * np.exp(-epochs / 8),
            "validation_loss": 0.35
            + 0.35 * np.exp(-epochs / 6)
            + 0.00012 * np.maximum(epochs - 20, 0) ** 2,
            "validation_auroc": 0.9
            - 0.35 * np.exp(-epochs / 6)
            - 0.0001 * np.maximum(epochs - 20, 0) ** 2,
            "validation_auprc": 0.65
            - 0.4 * np.exp(-epochs / 6)
            - 0.0001 * np.maximum(epochs - 20, 0) ** 2,
        }
    )

    square = np.zeros((n_genes, n_genes), dtype=np.float32)
    square[:n_tfs] = probability
    np.fill_diagonal(square, 0)
    counts = rng.poisson(1.5, (n_cells, n_genes)).astype(np.float32)
    adata = ad.AnnData(
        sp.csr_matrix(counts),
        obs=pd.DataFrame(index=[f"cell{i}" for i in range(n_cells)]),
        var=pd.DataFrame({"is_tf": np.arange(n_genes) < n_tfs}, index=genes),
    )
    adata.varp[key] = sp.csr_matrix(square)
    # Vectors that know how popular a gene is, and little else. The last gene has none.
    adata.varm["svd"] = np.random.default_rng(9).normal(size=(n_genes, 6)).astype(np.float32)
    adata.varm["svd"][:, 0] += 3 * gene_pull[0]
    adata.varm["svd"][-1] = 0
    adata.uns["svd"] = {"varm_key": "svd"}
    adata.uns[key] = {
        "varp_key": key,
        "params": {
            "method": method,
            "best_epoch": -1 if method == "degree" else 23,
            "label_frequency": 1.0,
            "random_state": seed,
        },
        "metrics": pd.DataFrame(metrics, columns=["model", "split", "metric", "value"]).assign(
            low=np.nan,
            high=np.nan,
            best_null=pd.Categorical([np.nan] * len(metrics), categories=["degree"]),
            difference=np.nan,
            difference_low=np.nan,
            difference_high=np.nan,
        ),
        "history": history.iloc[:0] if method == "degree" else history,
        "pairs": pairs,
        "left_out": pairs.loc[:, ["source", "target"]].iloc[:0],
        "model": {"genes": np.array(genes, dtype=object)},
    }
    if null:
        adata.uns[key]["params"]["null"] = "degree"
        sign = np.clip(rng.normal(0.3, 0.8, truth.shape), -1, 1)
        sign[rng.random(truth.shape) < 0.2] = np.nan
        values = {"null": degree, "sd": 0.1 * degree, "sign": sign}
        for name, block in values.items():
            adata.varp[f"{key}_{name}"] = like(adata.varp[key], block)
    return adata


def like(network, block):
    """Return values of a block of rows as CSR, at the places of the links of a network."""
    values = network.copy()
    rows = np.repeat(np.arange(network.shape[0]), np.diff(network.indptr))
    values.data = np.asarray(block, dtype=np.float32)[rows, network.indices]
    return values


def build_grouped(groups=("B", "CD4+/T")):
    """Return an AnnData as fit_grn leaves it with ``groupby``: one network per group."""
    adata = build_fitted(key="grn_B", seed=0)
    other = build_fitted(key="grn_CD4+_T", seed=1)
    adata.varp["grn_CD4+_T"] = other.varp["grn_CD4+_T"]
    adata.uns["grn_CD4+_T"] = other.uns["grn_CD4+_T"]
    adata.uns["grn_CD4+_T"]["params"]["best_epoch"] = 30
    adata.uns["grn"] = {
        "groupby": "cell_type",
        "groups": np.array(groups, dtype=object),
        "keys": np.array(["grn_B", "grn_CD4+_T"], dtype=object),
        "params": {},
    }
    return adata
