"""Forms of other tools."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scregnet as sr


@pytest.fixture(scope="module")
def fitted():
    adata = sr.datasets.simulated(n_obs=150, n_vars=60)
    sr.tl.fit_grn(adata, adata.uns["network"], method="degree", n_folds=1)
    return adata


def test_beeline_reads_ranked_edges(fitted, tmp_path):
    wanted = sr.get.grn(fitted, top_n=30)
    path = tmp_path / "rankedEdges.csv"
    sr.io.to_beeline(fitted, top_n=30).to_csv(path, sep="\t", index=False)
    found = pd.read_csv(path, sep="\t")
    assert found["Gene1"].tolist() == wanted["source"].tolist()
    assert found["Gene2"].tolist() == wanted["target"].tolist()
    np.testing.assert_allclose(found["EdgeWeight"], wanted["weight"], rtol=1e-6)


def test_gretapy_reads_a_frame(fitted):
    found = sr.io.to_gretapy(fitted)
    assert list(found) == ["source", "target", "score"]
    assert len(found) == fitted.varp["grn"].nnz
    assert found["score"].is_monotonic_decreasing


def test_generrnib_reads_a_file_of_texts(fitted, tmp_path):
    made = sr.io.to_generrnib(fitted, "op", top_n=40)
    made.write_h5ad(tmp_path / "prediction.h5ad")
    read = ad.read_h5ad(tmp_path / "prediction.h5ad")
    prediction = read.uns["prediction"]
    assert list(prediction) == ["source", "target", "weight"]
    assert all(isinstance(weight, str) for weight in prediction["weight"])
    assert (read.uns["dataset_id"], read.uns["method_id"]) == ("op", "scregnet_degree")
    wanted = sr.get.grn(fitted, top_n=40)
    assert prediction["target"].tolist() == wanted["target"].tolist()
    np.testing.assert_array_equal(prediction["weight"].astype(np.float32), wanted["weight"])
    with pytest.raises(ValueError, match="top_n=50001 is above the 50,000 links"):
        sr.io.to_generrnib(fitted, "op", top_n=50_001)
    # Links of other TFs take no place among the first ones.
    few = wanted["source"].unique()[-2:].tolist()
    found = sr.io.to_generrnib(fitted, "op", sources=few, top_n=30).uns["prediction"]
    assert found["target"].tolist() == sr.get.grn(fitted, sources=few, top_n=30)["target"].tolist()
    assert len(found) == 30


def test_scores_of_a_network_from_expression_alone():
    adata = sr.datasets.simulated(n_obs=150, n_vars=60)
    sr.tl.fit_grn(adata, method="pearson")
    found = sr.io.to_beeline(adata, top_n=5)
    np.testing.assert_array_equal(found["EdgeWeight"], sr.get.grn(adata, top_n=5)["score"])
