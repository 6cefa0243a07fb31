"""The main path on simulated data, as `make demo` runs it: a table on the console, two pictures in demo_output/."""

from __future__ import annotations

import logging
from pathlib import Path

import matplotlib as mpl
import pandas as pd

import scregnet as sr
from scregnet.links import null_models


def main() -> None:
    """Simulate counts from a known network, learn a part of that network, predict the part that was held out."""
    mpl.use("Agg")
    # "Building the font cache" on matplotlib's first run is nothing that a reader of this output has to know.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    folder = Path("demo_output")
    folder.mkdir(exist_ok=True)

    adata = sr.datasets.simulated()
    truth = adata.uns["network"]
    print(
        f"Simulated: {adata.n_obs} cells x {adata.n_vars} genes, {len(truth)} edges of {truth['source'].nunique()} TFs."
    )

    sr.pp.prior(adata, truth)
    sr.tl.embed(adata, model="svd")
    sr.tl.fit_grn(adata, embedding="svd", show_progress_bar=False)
    sr.tl.fit_grn(
        adata, method="scregnet", embedding="svd", key_added="scregnet", show_progress_bar=False
    )

    # Both fits have the same pairs and report the same null models.
    metrics = pd.concat([sr.get.metrics(adata), sr.get.metrics(adata, key="scregnet")])
    test = metrics[metrics["split"] == "test"].drop_duplicates(["model", "metric"])
    table = test.pivot_table(index="model", columns="metric", values="value", sort=False)
    print(
        f"\nLinks that no model has seen in training (null models: {' and '.join(null_models())}):\n"
    )
    print(table.round(3).rename_axis(index=None, columns=None).to_string())
    print(
        "\nauroc and auprc pool all pairs: knowing how many targets a TF has is enough for a good figure."
        "\nper_tf_*: the same within each TF; a TF's number of targets alone gets 0.5 in per_tf_auroc."
        "\nA method that is not ahead of the null models has learned nothing beyond them: no cell was needed for that."
    )

    sr.pl.grn(adata, top_n=50, save=folder / "network.png")
    sr.pl.metrics(adata, save=folder / "metrics.png")
    print(f"\nPictures: {folder / 'network.png'}, {folder / 'metrics.png'}")


if __name__ == "__main__":
    main()
