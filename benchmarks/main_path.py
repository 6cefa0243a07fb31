"""The published model on BEELINE's ChIP-seq networks; the default method on PBMCs with CollecTRI.

Prints the tables of ``docs/results/main_path.md`` and writes its pictures::

    python benchmarks/main_path.py <folder with beeline/, embeddings/, counts/ and priors/>
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

import scregnet as sr

if TYPE_CHECKING:
    from anndata import AnnData

METHOD = "scregnet"
SEEDS = range(3)
PUBLISHED = {"hESC": (0.89, 0.62), "hHEP": (0.90, 0.84), "mDC": (0.81, 0.17)}
SPLITS = {"hESC": ["official"], "hHEP": ["official"], "mDC": ["sample1", "sample2", "sample3"]}
PICTURES = Path(__file__).parents[1] / "docs" / "results"


def beeline(data: Path, cell: str) -> pd.DataFrame:
    """Fit one cell type with every available embedding, split and seed."""
    adata = sr.datasets.beeline(cell, 500, path=data / "beeline")
    sr.tl.embed(adata, model="svd", counts=False)
    embeddings: dict[str, str | pd.DataFrame | None] = {"svd": "svd", "none": None}
    stored = data / "embeddings" / f"{cell}_TFs500_geneformer896.npz"
    if stored.exists():
        file = np.load(stored, allow_pickle=False)
        frame = pd.DataFrame(file["emb"], index=file["genes"])
        noise = np.random.default_rng(0).normal(
            frame.to_numpy().mean(), frame.to_numpy().std(), frame.shape
        )
        embeddings = {
            "Geneformer": frame,
            "random vectors": pd.DataFrame(noise, index=frame.index),
        } | embeddings
    rows = []
    for split in SPLITS[cell]:
        for name, embedding in embeddings.items():
            for seed in SEEDS:
                sr.tl.fit_grn(
                    adata,
                    method=METHOD,
                    split=adata.uns["splits"][split],
                    embedding=embedding,
                    n_folds=1,
                    random_state=seed,
                    show_progress_bar=False,
                )
                params = adata.uns["grn"]["params"]
                table = sr.get.metrics(adata).assign(
                    cell=cell,
                    data_split=split,
                    embedding=name,
                    seed=seed,
                    epoch=params["best_epoch"],
                )
                rows.append(table)
                if name == "Geneformer" and seed == 0:
                    sr.pl.metrics(adata, save=PICTURES / f"{cell}_metrics.png")
                    sr.pl.history(adata, save=PICTURES / f"{cell}_history.png")
    return pd.concat(rows)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean ± standard deviation over splits and seeds, one row per cell type and model."""
    # The page shows one of the two null models.
    shown = table["model"].isin(["degree", METHOD])
    table = table[shown & (table["split"] == "test") & (table["metric"] != "prevalence")].copy()
    null = table["model"] == "degree"
    # The null model uses no embedding and no seed: it is the same in every fit of a split.
    table = pd.concat([table[~null], table[null].drop_duplicates(["cell", "data_split", "metric"])])
    table["model"] = np.where(
        table["model"] == "degree", "degree (null model)", "scregnet, " + table["embedding"]
    )
    grouped = table.groupby(["cell", "model", "metric"])["value"].agg(["mean", "std"])
    text = grouped.apply(
        lambda r: f"{r['mean']:.3f}" + (f" ± {r['std']:.3f}" if r["std"] == r["std"] else ""),
        axis=1,
    )
    wide = text.unstack("metric")[
        ["auroc", "auprc", "epr", "per_tf_auroc", "per_tf_auprc"]
    ].reset_index()
    for cell, (auroc, auprc) in PUBLISHED.items():
        row = {
            "cell": cell,
            "model": "scregnet, Geneformer, as published",
            "auroc": f"{auroc:.2f}",
            "auprc": f"{auprc:.2f}",
        }
        wide = pd.concat([wide, pd.DataFrame([row])])
    return wide.fillna("").sort_values(["cell", "model"])


def pbmc(data: Path) -> None:
    """Fit PBMC counts with CollecTRI, a network that lists only what is known."""
    adata = pbmc_counts(data)
    sr.pp.prior(adata, pd.read_csv(data / "priors" / "collectri.csv", keep_default_na=False))
    sr.tl.embed(adata, model="svd")
    # The default method, with folds.
    sr.tl.fit_grn(adata, show_progress_bar=False)
    report = adata.uns["prior"]
    edges = f"{report['n_edges_matched']} of {report['n_edges_given']} edges"
    print(f"\nprior: {edges}, {report['n_tfs_matched']} TFs")
    for split in ("test", "folds"):
        table = sr.get.metrics(adata, split=split, wide=True)
        print(f"\n{split}:\n\n{to_markdown(table.rename_axis('model').reset_index())}")
    gains = sr.get.metrics(adata, split="folds").dropna(subset="difference")
    columns = ["metric", "best_null", "difference", "difference_low", "difference_high"]
    print(f"\nahead of the better null model:\n\n{to_markdown(gains[columns])}")
    print_links(adata)
    sr.pl.grn(adata, save=PICTURES / "pbmc_network.png")
    sr.pl.metrics(adata, save=PICTURES / "pbmc_metrics.png")


def pbmc_counts(data: Path) -> AnnData:
    """Read the counts of the cells and genes that scanpy ships as ``pbmc68k_reduced``."""
    import scanpy as sc

    reduced = sc.datasets.pbmc68k_reduced()
    counts = sp.load_npz(data / "counts" / "10x_pbmc68k_reduced_counts.npz")
    return sc.AnnData(
        sp.csr_matrix(counts).astype(np.float32),
        obs=reduced.obs[["bulk_labels"]].copy(),
        var=pd.DataFrame(index=reduced.var_names),
    )


def print_links(adata: AnnData) -> None:
    """Print how many links are probable, how many of the first are known, and the best new ones."""
    links = sr.get.grn(adata)
    for threshold in (0.5, 0.25, 0.1):
        net = links[links["weight"] >= threshold]
        n_new = (~net["in_prior"]).sum()
        print(f"\nlinks of probability >= {threshold}: {len(net)}, not in the prior: {n_new}")
    by_null = links.sort_values("null", ascending=False, kind="stable")
    first = pd.DataFrame(
        {
            "first links": [20, 50, 100, 200],
            "q": [links["q"].iloc[n - 1] for n in (20, 50, 100, 200)],
            "new": [1 - links["in_prior"].head(n).mean() for n in (20, 50, 100, 200)],
            "new, null model": [1 - by_null["in_prior"].head(n).mean() for n in (20, 50, 100, 200)],
        }
    )
    print(f"\n{to_markdown(first)}")
    both = [frame[~frame["in_prior"]].head(100) for frame in (links, by_null)]
    n_shared = len(both[0].merge(both[1], on=["source", "target"]))
    print(f"\nnew links in both the method's and the null model's first 100: {n_shared}")
    regulators = links.head(50)["source"].value_counts().to_dict()
    print(f"\nregulators of the 50 most probable links: {regulators}")
    for options in ({"threshold": 0.1}, {"threshold": 0.05, "sources": "SPI1"}):
        best = sr.get.grn(adata, by="lift", new_only=True, top_n=12, **options)
        columns = ["source", "target", "weight", "null", "lift", "q"]
        print(f"\nnew links by lift, {options}:\n\n{to_markdown(best[columns])}")


def to_markdown(frame: pd.DataFrame) -> str:
    """Format a frame as a Markdown table."""
    rows = [
        list(map(str, frame.columns)),
        ["---"] * frame.shape[1],
        *[[as_text(v) for v in row] for row in frame.astype(object).to_numpy()],
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def as_text(value: object) -> str:
    """Format a number with three decimals, anything else as it is."""
    return f"{value:.3f}" if isinstance(value, (float, np.floating)) else str(value)


def main() -> None:
    """Run both parts, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data", type=Path, help="folder with beeline/, embeddings/, counts/ and priors/"
    )
    parser.add_argument("--part", choices=("beeline", "pbmc"), help="run one part only")
    options = parser.parse_args()
    if options.part != "pbmc":
        tables = [beeline(options.data, cell) for cell in PUBLISHED]
        print(to_markdown(summary(pd.concat(tables))))
    if options.part != "beeline":
        pbmc(options.data)


if __name__ == "__main__":
    main()
