"""The main path on simulated data, as `make demo` runs it."""

from __future__ import annotations

import logging
from pathlib import Path

import matplotlib as mpl
import pandas as pd

import scregnet as sr
from scregnet.links import null_models


def main() -> None:
    """Simulate counts from a known network, fit two methods, print their metrics, draw."""
    mpl.use("Agg")
    # On its first run, matplotlib logs that it builds a font cache, which no reader needs to know.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    folder = Path("demo_output")
    folder.mkdir(exist_ok=True)

    adata = sr.datasets.simulated(500, 250)
    network = adata.uns["network"]
    print(f"Simulated: {adata.n_obs} cells x {adata.n_vars} genes.")
    print(f"Known network: {len(network)} edges of {network['source'].nunique()} TFs.")

    sr.pp.prior(adata, network)
    sr.tl.embed(adata, model="svd")
    # One split for both fits: the same pairs train, validate and test.
    sr.pp.split(adata)
    options = {"split": "split", "embedding": "svd", "show_progress_bar": False}
    sr.tl.fit_grn(adata, **options)
    # Only its figures are wanted, so it needs no probabilities out of fold.
    # It logs a warning, because it is not ahead of the null models within TFs.
    sr.tl.fit_grn(adata, method="scregnet", n_folds=1, key_added="scregnet", **options)

    # Both fits report the same null models, so one copy of them is enough.
    keys = ("grn", "scregnet")
    table = pd.concat([sr.get.metrics(adata, key=key, split="test", wide=True) for key in keys])
    table = table[~table.index.duplicated()]
    nulls = " and ".join(null_models())
    print(f"\nTest pairs, which no model has seen (null models: {nulls}):\n")
    print(table.round(3).to_string())
    print(
        "\nauroc and auprc: over all pairs. Knowing how many targets a TF has scores well here."
        "\nper_tf_*: within each TF. The number of targets alone scores 0.5 in per_tf_auroc."
        "\nA method that does not beat the null models has learned nothing from the cells."
    )

    sr.pl.grn(adata, save=folder / "network.png")
    sr.pl.metrics(adata, save=folder / "metrics.png")
    print(f"\nPictures: {folder / 'network.png'}, {folder / 'metrics.png'}")


if __name__ == "__main__":
    main()
