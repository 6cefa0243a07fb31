"""The reader of DREAM4."""

import numpy as np
import pandas as pd
import pytest

import scregnet as sr


@pytest.fixture
def folder(tmp_path):
    names = ["wt", "G1(-/-)", "G2(+/-)", "TS_3delt_50"]
    frame = pd.DataFrame(np.arange(12).reshape(3, 4) / 12, ["G1", "G2", "G3"], names)
    gold = pd.DataFrame(0, ["G1", "G2", "G3"], ["G1", "G2", "G3"])
    gold.loc["G3", "G1"] = 1
    for name, table in (("expression", frame), ("gold_standard", gold)):
        table.to_csv(tmp_path / f"{name}.tsv.gz", sep="\t")
    (pd.Series(["G1", "G2"])).to_csv(
        tmp_path / "tf_names.tsv.gz", sep="\t", header=False, index=False
    )
    return tmp_path


def test_rows_of_the_gold_standard_are_targets(folder):
    adata = sr.datasets.dream4(folder)
    assert adata.uns["network"].values.tolist() == [["G1", "G3"]]
    assert adata.shape == (4, 3)
    assert adata["G1(-/-)", "G3"].X[0, 0] == np.float32(9 / 12)
    assert adata.var["is_tf"].tolist() == [True, True, False]
    assert adata.obs["kind"].tolist() == ["wild type", "knock-out", "knock-down", "time series"]
    assert adata.obs["perturbation"].tolist() == ["control", "G1", "G2", "control"]
    assert adata.obs["series"].tolist() == [-1, -1, -1, 3]
    assert adata.obs["time"].tolist()[3] == 50.0


def test_missing_and_contradicting_files_raise(folder):
    gold = pd.DataFrame(0, ["G1", "G9"], ["G1"])
    gold.to_csv(folder / "gold_standard.tsv.gz", sep="\t")
    with pytest.raises(ValueError, match="about different genes"):
        sr.datasets.dream4(folder)
    (folder / "tf_names.tsv.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks 'tf_names.tsv.gz'"):
        sr.datasets.dream4(folder)


def test_knock_outs_agree_with_the_edges(shared):
    adata = sr.datasets.dream4(shared / "data" / "gold" / "dream4")
    assert adata.shape == (421, 100)
    network = adata.uns["network"]
    assert len(network) == 176
    # A regulator's knock-out moves its targets, which tells the direction of the table.
    outs = adata[adata.obs["kind"] == "knock-out"]
    values = outs.X.astype(float)
    moved = np.abs(values - adata["wt"].X) / values.std(axis=0)
    row = pd.Index(outs.obs["perturbation"])
    edge = np.zeros_like(moved, bool)
    edge[row.get_indexer(network["source"]), adata.var_names.get_indexer(network["target"])] = True
    assert sr.metrics.auroc(edge.ravel(), moved.ravel()) > 0.85
    # The folder is a data set of the runner.
    table = sr.bm.run(shared / "data" / "gold" / "dream4", ["pearson"], seeds=1)
    assert (table["error"] == "").all()
    value = table.set_index(["method", "metric"])["value"]
    # No label is needed to find these edges, and degrees alone do not find them.
    assert value["pearson", "per_tf_auroc"] > 0.75
