"""The figures of links that sr.get.grn adds to the probability: null, lift, sd, sign and q."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr

COLUMNS = [
    *("source", "target", "weight", "null", "lift", "sd", "sign"),
    *("q", "in_prior", "split"),
]
READERS = [sr.get.grn, sr.get.graph, sr.get.regulons, sr.pl.grn]


def _tiny(**slots):
    """Return three links A→B, A→C and B→C with probabilities 0.8, 0.5 and 0.2."""
    names, rows, columns = ["A", "B", "C"], [0, 0, 1], [1, 2, 2]
    adata = ad.AnnData(np.ones((2, 3), dtype=np.float32), var=pd.DataFrame(index=names))
    slots = {"": [0.8, 0.5, 0.2]} | {f"_{name}": values for name, values in slots.items()}
    for name, values in slots.items():
        data = np.asarray(values, dtype=np.float32)
        adata.varp[f"grn{name}"] = sp.csr_matrix((data, (rows, columns)), shape=(3, 3))
    empty = pd.DataFrame({"source": [], "target": [], "label": [], "split": []})
    adata.uns["grn"] = {
        "varp_key": "grn",
        "params": {"method": "joint"},
        "metrics": pd.DataFrame(),
        "pairs": empty,
        "left_out": empty[["source", "target"]],
        "model": {"genes": names},
    }
    return adata


def _names(net):
    return (net["source"] + net["target"]).tolist()


def test_columns_by_hand():
    adata = _tiny(null=[0.8, 0.2, 0.5], sd=[0.1, 0.2, 0.3], sign=[1, -0.5, np.nan])
    net = sr.get.grn(adata)
    assert list(net.columns) == COLUMNS
    assert _names(net) == ["AB", "AC", "BC"]
    assert net["null"].tolist() == pytest.approx([0.8, 0.2, 0.5])
    assert net["lift"].tolist() == pytest.approx([0, np.log(4), -np.log(4)], abs=1e-6)
    assert net["sd"].tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert net["sign"].tolist()[:2] == [1, -0.5]
    assert np.isnan(net["sign"].iloc[2])
    # Means of 0.2; of 0.2 and 0.5; of 0.2, 0.5 and 0.8.
    assert net["q"].tolist() == pytest.approx([0.2, 0.35, 0.5])
    for column in ("weight", "null", "lift", "sd", "sign", "q"):
        assert net[column].dtype == np.float32


def test_columns_are_there_where_their_slot_is():
    assert list(sr.get.grn(_tiny(sd=[0.1, 0.2, 0.3])).columns) == [
        *("source", "target", "weight", "sd", "q", "in_prior", "split")
    ]
    assert "sign" in sr.get.grn(_tiny(sign=[1, 1, 1]))
    assert "null" not in sr.get.grn(_tiny(sign=[1, 1, 1]))


def test_order_and_cuts_by_lift():
    adata = _tiny(null=[0.8, 0.2, 0.01])
    # Lifts: 0, log(4) = 1.39 and log(99 / 4) = 3.2.
    assert _names(sr.get.grn(adata, by="lift")) == ["BC", "AC", "AB"]
    assert _names(sr.get.grn(adata, by="lift", top_n=2)) == ["BC", "AC"]
    assert _names(sr.get.grn(adata, by="lift", top_n_targets=1)) == ["BC", "AC"]
    assert _names(sr.get.grn(adata, top_n_targets=1)) == ["AB", "BC"]
    assert _names(sr.get.grn(adata, min_lift=1.3)) == ["AC", "BC"]
    assert _names(sr.get.grn(adata, min_lift=1.3, top_n=1)) == ["AC"]
    assert _names(sr.get.grn(adata, by="lift", threshold=0.3)) == ["AC", "AB"]
    # A limit is compared in the precision of the column: a link that just reaches it stays.
    least = float(sr.get.grn(adata)["lift"].iloc[1])
    assert _names(sr.get.grn(adata, min_lift=least)) == ["AC", "BC"]


def test_ties_in_lift_are_broken_by_name():
    adata = _tiny(null=[0.8, 0.5, 0.2])
    assert _names(sr.get.grn(adata, by="lift")) == ["AB", "AC", "BC"]
    assert _names(sr.get.grn(adata, by="lift", top_n=1)) == ["AB"]


def test_max_q():
    adata = _tiny()
    assert _names(sr.get.grn(adata, max_q=0.1)) == []
    assert _names(sr.get.grn(adata, max_q=0.2)) == ["AB"]
    assert _names(sr.get.grn(adata, max_q=0.4)) == ["AB", "AC"]
    assert _names(sr.get.grn(adata, max_q=1)) == ["AB", "AC", "BC"]


def test_certain_links_have_finite_lifts():
    adata = _tiny(null=[1.0, 1.0, 1e-9])
    adata.varp["grn"].data[:] = [1.0, 0.5, 1.0]
    values = sr.get.grn(adata)["lift"]
    assert np.isfinite(values).all()
    assert values.tolist() == pytest.approx([0, 31.885, -15.942], abs=1e-3)


def test_q_is_that_of_the_whole_stored_network(lifted_adata):
    whole = sr.get.grn(lifted_adata)
    np.testing.assert_array_equal(
        whole["q"], sr.metrics.q_values(lifted_adata.varp["grn"].data[_order(lifted_adata)])
    )
    assert (np.diff(whole["q"]) >= 0).all()
    whole = whole.set_index(["source", "target"])["q"]
    filters = [
        {"sources": "MYB"},
        {"targets": ["GENE3", "SPI1"]},
        {"by": "lift", "top_n": 30},
        {"threshold": 0.4, "new_only": True},
        {"min_lift": 0.5, "top_n_targets": 2},
        {"max_q": 0.3},
    ]
    for chosen in filters:
        net = sr.get.grn(lifted_adata, **chosen).set_index(["source", "target"])["q"]
        assert 0 < len(net) < len(whole)
        np.testing.assert_array_equal(net, whole[net.index])


def _order(adata):
    return np.argsort(-adata.varp["grn"].data, kind="stable")


def test_filters_are_those_of_the_columns(lifted_adata):
    net = sr.get.grn(lifted_adata)
    expected = net[(net["lift"] >= 0.7) & (net["q"] <= 0.25)].reset_index(drop=True)
    assert 5 < len(expected) < len(net)
    pd.testing.assert_frame_equal(sr.get.grn(lifted_adata, min_lift=0.7, max_q=0.25), expected)
    ordered = net.sort_values("lift", ascending=False, kind="stable")
    found = sr.get.grn(lifted_adata, by="lift")
    np.testing.assert_array_equal(found["lift"], ordered["lift"])
    first = ordered.groupby("source", sort=False).head(3)
    cut = sr.get.grn(lifted_adata, by="lift", top_n_targets=3)
    assert set(_names(cut)) == set(_names(first))


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@pytest.mark.parametrize("filters", [{"by": "lift"}, {"min_lift": 1.0}])
def test_lift_without_a_null_model_says_what_to_do(fitted_adata, read, filters):
    given = "by='lift'" if "by" in filters else "min_lift"
    with pytest.raises(
        ValueError,
        match=rf"{given} needs adata.varp\['grn_null'\].* Call sr.tl.fit_grn again, or use by=",
    ):
        read(fitted_adata, **filters)
    fitted_adata.uns["grn"]["params"]["method"] = "degree"
    with pytest.raises(ValueError, match="network is that of 'degree', itself a null model"):
        read(fitted_adata, **filters)


def test_slots_of_another_network_are_refused(lifted_adata):
    null = lifted_adata.varp["grn_null"].copy()
    null[0, 1] = 0
    null.eliminate_zeros()
    lifted_adata.varp["grn_null"] = null
    with pytest.raises(
        ValueError, match=r"adata.varp\['grn_null'\] holds other links \(471\) than"
    ):
        sr.get.grn(lifted_adata)


def test_values_stay_with_their_links_after_genes_are_reordered(lifted_adata):
    net = sr.get.grn(lifted_adata).set_index(["source", "target"])
    genes = lifted_adata.var_names[np.random.default_rng(0).permutation(60)[:40]]
    for part in (lifted_adata[:, genes], lifted_adata[:, genes].copy()):
        found = sr.get.grn(part).set_index(["source", "target"])
        assert len(found) > 100
        for name in ("weight", "null", "lift", "sd", "sign"):
            np.testing.assert_array_equal(found[name], net.loc[found.index, name])


def test_columns_that_are_not_sorted_are_left_as_they_are(lifted_adata):
    net = sr.get.grn(lifted_adata)
    for name in ("grn", "grn_null"):
        matrix = lifted_adata.varp[name]
        # Reverse the entries of the first row.
        end = matrix.indptr[1]
        matrix.indices[:end] = matrix.indices[:end][::-1].copy()
        matrix.data[:end] = matrix.data[:end][::-1].copy()
        matrix.has_sorted_indices = False
    before = lifted_adata.varp["grn"].indices.copy()
    pd.testing.assert_frame_equal(sr.get.grn(lifted_adata), net)
    np.testing.assert_array_equal(lifted_adata.varp["grn"].indices, before)


def test_same_after_a_round_trip(lifted_adata, tmp_path):
    lifted_adata.write_h5ad(tmp_path / "fitted.h5ad")
    again = ad.read_h5ad(tmp_path / "fitted.h5ad")
    pd.testing.assert_frame_equal(
        sr.get.grn(again, by="lift"), sr.get.grn(lifted_adata, by="lift"), check_column_type=False
    )


def test_groups_may_differ_in_what_they_have(grouped_adata):
    null = grouped_adata.varp["grn_B"].copy()
    null.data[:] = 0.5
    grouped_adata.varp["grn_B_null"] = null
    net = sr.get.grn(grouped_adata)
    assert set(net.columns[:6]) >= {"group", "source", "target", "weight", "null", "lift"}
    assert net.loc[net["group"] == "B", "lift"].notna().all()
    assert net.loc[net["group"] != "B", "lift"].isna().all()
    for group in ("B", "CD4+/T"):
        part = net[net["group"] == group]
        np.testing.assert_array_equal(part["q"], sr.metrics.q_values(part["weight"]))
