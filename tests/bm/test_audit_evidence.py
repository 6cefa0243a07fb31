from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr


@pytest.fixture
def library(adata, net):
    """Experiments of two TFs: the labels themselves, a part of them, and another cell type's."""
    edges = net.astype(str).groupby("source")["target"].agg(list)
    first, second = edges[edges.map(len) >= 20].index[:2]
    free = [gene for gene in adata.var_names if gene not in set(edges[first])]
    sets = {
        f"{first}_own": edges[first],
        f"{second}_part": edges[second][:12],
        f"{first}_elsewhere": edges[first][:5] + free[:20],
        f"{first}_part": free[:15],
        "UNKNOWN_own": free[:15],
    }
    return first, second, sets


@pytest.fixture
def adata():
    return sr.datasets.simulated(n_obs=30, n_vars=200, n_tfs=10, mean_regulators=3, random_state=0)


@pytest.fixture
def net(adata):
    return adata.uns["network"]


def test_labels_are_found_and_their_contexts_are_suspect(adata, net, library, caplog):
    first, second, sets = library
    with caplog.at_level(logging.WARNING, logger="scregnet"):
        report = sr.bm.audit_evidence(adata, sets, net)
    found = report.set_index(["tf", "context"])["verdict"].to_dict()
    assert found == {
        (first, "own"): "fail",
        (second, "part"): "fail",
        (first, "part"): "warning",
        (first, "elsewhere"): "ok",
    }
    assert report["verdict"].tolist() == ["fail", "fail", "warning", "ok"]
    assert "2 of 4 experiments" in caplog.text
    assert "'own', 'part'" in caplog.text


def test_counts(adata, net, library):
    first, _, sets = library
    report = sr.bm.audit_evidence(adata, sets, net).set_index(["tf", "context"])
    row = report.loc[(first, "elsewhere")]
    n_edges = int((net["source"].astype(str) == first).sum())
    # Edges outside all sets are not covered, and every edge of the first TF is in one.
    assert (row["n_genes"], row["n_edges"], row["n_shared"]) == (25, n_edges, 5)
    assert row["share"] == pytest.approx(5 / 25)
    assert row["jaccard"] == pytest.approx(5 / (20 + n_edges))
    covered = len({gene for genes in sets.values() for gene in genes})
    assert row["expected"] == pytest.approx(n_edges / covered)


def test_what_was_left_out_is_not_audited(adata, net, library, caplog):
    _, _, sets = library
    with caplog.at_level(logging.INFO, logger="scregnet"):
        report = sr.bm.audit_evidence(adata, sets, net, exclude=["own", "part"])
    assert report["verdict"].tolist() == ["ok"]
    assert "none of 1 experiments looks like the labels" in caplog.text


def test_the_prior_of_the_data_is_the_default(adata, net, library):
    sr.pp.prior(adata, net)
    pd.testing.assert_frame_equal(
        sr.bm.audit_evidence(adata, library[2]), sr.bm.audit_evidence(adata, library[2], net)
    )


def test_no_tf_in_common(adata, net):
    with pytest.raises(ValueError, match="none of the TFs of net \\('NOBODY'\\) has known edges"):
        sr.bm.audit_evidence(adata, {"NOBODY_x": adata.var_names[:9]}, net)


@pytest.mark.shared
def test_on_a_chip_library(shared):
    """Experiments of HepG2 made part of the labels of hHEP; those of other cells did not."""
    data = sr.datasets.beeline("hHEP", 500, path=shared / "data/beeline")
    path = shared / "data/evidence/chip_library_encode_chea_859.npz"
    file = np.load(path, allow_pickle=False)
    shape = len(file["tf"]), len(file["genes"])
    found = np.ones(len(file["indices"]), np.float32)
    library = ad.AnnData(
        sp.csr_matrix((found, file["indices"].astype(np.int32), file["indptr"]), shape),
        pd.DataFrame(
            {"tf": file["tf"], "cell": file["cell"]}, index=[str(i) for i in range(shape[0])]
        ),
        pd.DataFrame(index=file["genes"]),
    )
    report = sr.bm.audit_evidence(data, library, data.uns["network"], context="cell")
    failed = report[report["verdict"] == "fail"]
    assert set(failed["context"]) == {"HEPG2"}
    assert len(failed) > 10
    honest = report[~report["context"].str.contains("HEPG2|LIVER|HEPAT|H4IIE|CACO2")]
    assert len(honest) > 100
    assert (honest["verdict"] == "ok").all()
