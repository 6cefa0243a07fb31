"""The script that makes a submission, on a small file in geneRNIB's layout."""

import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np

import scregnet as sr

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "generrnib.py"


def test_a_submission_from_its_input_layout(tmp_path):
    made = sr.datasets.simulated(n_obs=120, n_vars=60)
    total = np.asarray(made.X.sum(axis=1)).reshape(-1, 1)
    cells = ad.AnnData(obs=made.obs[[]].copy(), var=made.var[[]].copy())
    counts = made.X.toarray() if hasattr(made.X, "toarray") else made.X
    cells.layers["counts"] = counts
    cells.layers["lognorm"] = np.log1p(1e4 * counts / np.maximum(total, 1)).astype(np.float32)
    cells.obs["cell_type"] = "T"
    cells.write_h5ad(tmp_path / "op_rna.h5ad")
    tfs = sorted(set(made.uns["network"]["source"]))
    (tmp_path / "tf_all.csv").write_text("\n".join([*tfs, "NOT_THERE"]) + "\n")
    out = tmp_path / "prediction.h5ad"
    arguments = [tmp_path / "op_rna.h5ad", tmp_path / "tf_all.csv", out, "--dataset-id", "op"]
    subprocess.run(
        [sys.executable, SCRIPT, *arguments, "--method", "pearson"], check=True, capture_output=True
    )
    read = ad.read_h5ad(out)
    prediction = read.uns["prediction"]
    assert read.uns["method_id"] == "scregnet_pearson"
    assert set(prediction["source"]) <= set(tfs)
    weights = prediction["weight"].astype(float).to_numpy()
    assert 0 < len(weights) <= 50_000
    assert (np.diff(weights) <= 0).all()
    # The strongest link is the largest correlation of a TF.
    with np.errstate(invalid="ignore"):  # A gene that no cell expresses has no correlation.
        r = np.abs(np.corrcoef(cells.layers["lognorm"].T.astype(float)))
    np.fill_diagonal(r, 0)
    place = cells.var_names.get_indexer(prediction.iloc[0][["source", "target"]])
    np.testing.assert_allclose(
        r[place[0], place[1]], np.nanmax(r[cells.var_names.isin(tfs)]), rtol=1e-5
    )


def test_all_links_of_the_listed_tfs_though_the_network_has_more(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    from generrnib import submission

    made = sr.datasets.simulated(n_obs=120, n_vars=60)
    network = made.uns["network"]
    tfs = sorted(set(network["source"]))
    made.write_h5ad(tmp_path / "cells.h5ad")
    network.to_csv(tmp_path / "network.csv", index=False)
    (tmp_path / "tfs.csv").write_text("\n".join(tfs[:3]) + "\n")
    paths = tmp_path / "cells.h5ad", tmp_path / "tfs.csv"
    how = {"prior": tmp_path / "network.csv", "layer": None, "max_cells": None}
    found = submission(*paths, dataset_id="op", method="degree", **how).uns["prediction"]
    assert set(found["source"]) == set(tfs[:3])
    assert len(found) == 3 * 59
