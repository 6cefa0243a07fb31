import numpy as np
import pandas as pd
import pytest

import scregnet as sr


def test_scores_are_those_of_the_fit(fitted):
    pairs = sr.get.grn(fitted, top_n=50)
    scored = sr.get.score_links(fitted, pairs)
    np.testing.assert_array_equal(scored["probability"], pairs["weight"])
    assert scored["probability"].dtype == np.float32
    assert list(scored.columns) == [*pairs.columns, "probability"]


def test_pairs_that_were_not_kept_are_scored(fitted, net):
    dropped = sr.tl.fit_grn(fitted, net, "degree", top_n_targets=1, key_added="top", copy=True)
    every = sr.tl.fit_grn(fitted, net, "degree", key_added="top", copy=True)
    pairs = sr.get.grn(every, key="top")
    np.testing.assert_array_equal(
        sr.get.score_links(dropped, pairs, key="top")["probability"], pairs["weight"]
    )


def test_genes_may_be_dropped_and_reordered(fitted):
    pairs = [("TF001", "G0001"), ("TF002", "TF001")]
    expected = sr.get.score_links(fitted, pairs)["probability"]
    shuffled = fitted[:, ::-1][:, :60].copy()
    np.testing.assert_array_equal(sr.get.score_links(shuffled, pairs)["probability"], expected)


def test_any_gene_can_be_a_source(fitted):
    scored = sr.get.score_links(
        fitted, pd.DataFrame({"source": ["G0001"], "target": ["G0002"]}, index=["kept"])
    )
    assert scored.index.tolist() == ["kept"]
    assert 0 < scored.loc["kept", "probability"] < 1


def test_what_is_wrong_is_said(fitted):
    with pytest.raises(
        KeyError,
        match="1 genes of its column 'target' were not among those that 'grn' was fitted to: 'XYZ'",
    ):
        sr.get.score_links(fitted, [("TF001", "XYZ")])
    with pytest.raises(ValueError, match="pairs lacks the columns 'source'"):
        sr.get.score_links(fitted, pd.DataFrame({"TF": ["TF001"], "target": ["G0001"]}))
    del fitted.uns["grn"]
    with pytest.raises(KeyError, match=r"call sr.tl.fit_grn\(adata, prior\) first"):
        sr.get.score_links(fitted, [("TF001", "G0001")])


def test_a_group_is_named_and_symbols_are_looked_up(adata, net):
    sr.tl.fit_grn(adata, net, "degree", groupby="cell_type", min_cells=1, n_folds=1, n_bootstrap=0)
    first = str(adata.uns["grn"]["groups"][0])
    pairs = net.head(20)[["source", "target"]]
    expected = sr.get.score_links(adata, pairs, key=f"grn_{first}")
    pd.testing.assert_frame_equal(sr.get.score_links(adata, pairs, group=first), expected)
    with pytest.raises(ValueError, match="name one with group="):
        sr.get.score_links(adata, pairs)
    adata.var["symbol"] = adata.var_names.str.lower()
    lower = pairs.assign(source=pairs["source"].str.lower(), target=pairs["target"].str.lower())
    found = sr.get.score_links(adata, lower, group=first, gene_symbols="symbol")
    assert found["probability"].tolist() == expected["probability"].tolist()
    assert found["source"].tolist() == lower["source"].tolist()
    with pytest.raises(KeyError, match=r"1 genes of its column 'source' are not in adata.var"):
        sr.get.score_links(adata, [("nope", "tf001")], group=first, gene_symbols="symbol")
