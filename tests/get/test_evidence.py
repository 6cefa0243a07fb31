import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from scregnet._genes import split, world

LINK = ("TF001", "G0003")


@pytest.fixture(scope="module")
def data():
    adata = sr.datasets.simulated(n_obs=150, n_vars=70, n_cell_types=2)
    adata.var["symbol"] = ["s" + name for name in adata.var_names]
    sr.pp.split(adata, adata.uns["network"], kind="targets", key_added="by_target")
    few = {"n_trees": 10, "n_forest_trees": 10, "n_bootstrap": 0}
    sr.tl.fit_grn(adata, adata.uns["network"], n_folds=2, **few)
    sr.tl.fit_grn(adata, split="by_target", n_folds=1, n_models=2, key_added="forest", **few)
    for method in ("degree", "pearson"):
        sr.tl.fit_grn(
            adata, adata.uns["network"], method, n_folds=1, n_bootstrap=0, key_added=method
        )
    return adata


@pytest.mark.parametrize("key", ["grn", "forest", "degree", "pearson"])
def test_terms_add_up_to_the_probability(data, key):
    links = sr.get.grn(data, key=key)
    found = sr.get.evidence(data, links=links, key=key)
    assert found[["source", "target"]].equals(links[["source", "target"]])
    np.testing.assert_allclose(found["probability"], links["weight"], atol=2e-6)
    terms = found.iloc[:, 4:]
    np.testing.assert_allclose(terms.sum(axis=1), found["logit"], rtol=1e-12)
    np.testing.assert_allclose(
        found["logit"], np.log(found["probability"] / (1 - found["probability"])), atol=1e-3
    )
    # Every kind of term says something of some link.
    assert (terms.drop(columns="score", errors="ignore").abs().max() > 0).all()


def test_the_forest_speaks_where_a_target_has_no_labels(data):
    pairs = data.uns["forest"]["pairs"]
    labelled = pairs.loc[pairs["split"] == "train", "target"].astype(str).unique()
    found = sr.get.evidence(data, links=sr.get.grn(data, key="forest"), key="forest")
    without = ~found["target"].isin(labelled)
    assert without.any()
    assert (found.loc[~without, "forest"] == 0).all()
    assert (found.loc[without, "forest"] != 0).any()


def test_the_degree_is_all_that_the_degree_model_knows(data):
    found = sr.get.evidence(data, links=sr.get.grn(data, key="degree"), key="degree")
    assert list(found.columns[4:]) == ["baseline", "tf_popularity", "target_popularity"]
    # One fit: one number for each TF, and one for each target.
    assert found.groupby("source")["tf_popularity"].nunique().max() == 1
    assert found.groupby("target")["target_popularity"].nunique().max() == 1


def test_one_link(data):
    why = sr.get.evidence(data, *LINK, groupby="cell_type", n_similar=3)
    row = sr.get.grn(data, sources=LINK[0], targets=LINK[1]).iloc[0]
    many = sr.get.evidence(data, links=pd.DataFrame([LINK], columns=["source", "target"])).iloc[0]
    assert (why.source, why.target) == LINK
    assert why.parts["part"].tolist() == many.index[4:].tolist()
    np.testing.assert_allclose(why.parts["logit"], many.iloc[4:].astype(float))
    np.testing.assert_allclose(why.summary["logit"], why.parts["logit"].sum())
    for name, column in {"probability": "weight", "null": "null", "lift": "lift", "q": "q"}.items():
        np.testing.assert_allclose(why.summary[name], row[column], rtol=1e-5)
    assert why.summary["in_prior"] == row["in_prior"]
    assert why.summary["split"] == row["split"]
    assert why.summary["is_written"]
    net = data.uns["network"]
    known = ((net["source"] == LINK[0]) & (net["target"] == LINK[1])).any()
    assert why.summary["n_targets"] == (net["source"] == LINK[0]).sum() - known
    assert why.summary["n_regulators"] == (net["target"] == LINK[1]).sum() - known


def test_similar_genes_have_labels_and_fall(data):
    why = sr.get.evidence(data, *LINK, n_similar=3)
    pairs = data.uns["grn"]["pairs"].astype({"source": str, "target": str})
    for table, column, fixed in (
        (why.similar_targets, "gene", {"source": LINK[0]}),
        (why.similar_tfs, "tf", {"target": LINK[1]}),
    ):
        assert len(table) == 3
        assert table["similarity"].is_monotonic_decreasing
        assert table["similarity"].abs().max() <= 1 + 1e-6
        assert not set(table[column]) & set(LINK)
        other = "target" if column == "gene" else "source"
        for _, row in table.iterrows():
            asked = pairs[
                (pairs[other] == row[column]) & (pairs[next(iter(fixed))] == [*fixed.values()][0])
            ]
            assert asked["label"].tolist() == [row["label"]]
            assert asked["split"].tolist() == [row["split"]]
    # The links of the degree model know no similarity.
    assert len(sr.get.evidence(data, *LINK, key="degree").similar_targets) == 0


def test_expression_of_groups(data):
    why = sr.get.evidence(data, *LINK, groupby="cell_type")
    counts = np.asarray(data.X.todense() if hasattr(data.X, "todense") else data.X, float)
    values = np.log1p(counts / np.maximum(counts.sum(1, keepdims=True), 1) * 1e4)
    both = values[:, data.var_names.get_indexer(list(LINK))]
    assert why.expression["n_cells"].sum() == data.n_obs
    for _, row in why.expression.iterrows():
        own = both[(data.obs["cell_type"] == row["group"]).to_numpy()]
        np.testing.assert_allclose(
            row[["tf_mean", "target_mean"]].astype(float), own.mean(axis=0), rtol=1e-5
        )
        np.testing.assert_allclose(
            row[["tf_share", "target_share"]].astype(float), (own > 0).mean(axis=0)
        )
        if (own.std(axis=0) == 0).any():
            assert np.isnan(row["correlation"])
        else:
            np.testing.assert_allclose(row["correlation"], np.corrcoef(own.T)[0, 1], atol=1e-6)
        assert row["tf_expressed"] == ((own[:, 0] > 0).mean() >= 0.05)
    assert sr.get.evidence(data, *LINK).expression["group"].tolist() == ["all cells"]


def test_without_cells_the_expression_has_no_rows_and_the_same_types(data):
    known = data.uns["network"].iloc[0][["source", "target"]]
    whole = sr.get.evidence(data, *known, key="degree").expression
    found = sr.get.evidence(data[:0].copy(), *known, key="degree")
    assert len(found.expression) == 0
    assert found.expression.dtypes.drop("group").equals(whole.dtypes.drop("group"))
    sr.pl.evidence(found, show=False)


def test_a_tf_that_no_cell_expresses_is_flagged(data):
    silent = data.copy()
    silent.X = silent.X.multiply(silent.var_names != LINK[0]).tocsr()
    row = sr.get.evidence(silent, *LINK).expression.iloc[0]
    assert not row["tf_expressed"]
    assert np.isnan(row["correlation"])


def test_names_of_another_column(data):
    why = sr.get.evidence(data, "sTF001", "sG0003", gene_symbols="symbol")
    assert (why.source, why.target) == ("sTF001", "sG0003")
    assert why.similar_targets["gene"].str.startswith("s").all()
    np.testing.assert_allclose(
        why.parts["logit"], sr.get.evidence(data, *LINK).parts["logit"], rtol=1e-12
    )


def test_it_reads_as_a_page(data):
    why = sr.get.evidence(data, *LINK)
    assert str(why).startswith(f"TF001 → G0003: probability {why.summary['probability']:.3f}")
    for title in ("What the logit is made of", "Labelled genes of TF001", "Expression"):
        assert title in str(why)
        assert title in why._repr_html_()


def test_what_is_wrong_is_said(data):
    with pytest.raises(ValueError, match="target must be the name of a gene, got None"):
        sr.get.evidence(data, "TF001")
    with pytest.raises(TypeError, match="source must be the name of a gene, got 3"):
        sr.get.evidence(data, 3, "G0003")
    with pytest.raises(KeyError, match="target: 'absent' not in adata.var_names"):
        sr.get.evidence(data, "TF001", "absent")
    with pytest.raises(ValueError, match="links is given together with source"):
        sr.get.evidence(data, "TF001", links=data.uns["network"])
    with pytest.raises(TypeError, match="links must be a frame with source and target, got list"):
        sr.get.evidence(data, links=[LINK])
    with pytest.raises(ValueError, match="links lacks the columns 'target'"):
        sr.get.evidence(data, links=pd.DataFrame({"source": ["TF001"]}))
    with pytest.raises(KeyError, match="there"):
        sr.get.evidence(data, *LINK, groupby="there")


def test_similar_genes_are_found_among_all_pairs_of_a_closed_world(data, monkeypatch):
    """The frame that is kept of one lacks most non-edges."""
    given = data.uns["grn"]["pairs"]
    part = given[["source", "target", "label", "split"]].astype({"source": str, "target": str})
    few = {"n_trees": 0, "n_bootstrap": 0, "n_folds": 1}
    plain, bits = data.copy(), data.copy()
    sr.tl.fit_grn(plain, split=part, **few)
    monkeypatch.setattr(split, "MANY_PAIRS", 500)
    monkeypatch.setattr(world, "KEPT_OTHERS", 50)
    sr.tl.fit_grn(bits, split=part, **few)
    assert "world" in bits.uns["grn"]
    assert len(bits.uns["grn"]["pairs"]) < 0.7 * len(part)
    one, other = (sr.get.evidence(adata, *LINK, n_similar=200) for adata in (plain, bits))
    for name in ("similar_targets", "similar_tfs"):
        expected = getattr(one, name)
        assert not expected["label"].all()
        pd.testing.assert_frame_equal(getattr(other, name), expected)
