import anndata as ad
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
    dropped = sr.tl.fit_grn(
        fitted, net, "degree", n_folds=1, top_n_targets=1, key_added="top", copy=True
    )
    every = sr.tl.fit_grn(fitted, net, "degree", n_folds=1, key_added="top", copy=True)
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


def test_unknown_genes_are_nan_and_named(fitted, caplog):
    pairs = [("TF001", "G0001"), ("TF001", "XYZ"), ("ABC", "XYZ"), ("TF002", "G0003")]
    expected = sr.get.score_links(fitted, [pairs[0], pairs[3]])["probability"].tolist()
    assert caplog.messages == []
    scored = sr.get.score_links(fitted, pairs)
    assert caplog.messages == [
        "pairs: 1 genes of its column 'source' were not among those that 'grn' was fitted to: "
        "'ABC'; 1 genes of its column 'target' were not among those that 'grn' was fitted to: "
        "'XYZ'. The probability of 2 pairs is NaN."
    ]
    assert scored["probability"].isna().tolist() == [False, True, True, False]
    assert scored["probability"].dropna().tolist() == expected
    assert scored["probability"].dtype == np.float32
    with pytest.raises(KeyError, match="'source' were not .*'ABC'; 1 genes of its column 'target'"):
        sr.get.score_links(fitted, pairs[1:3])
    none = sr.get.score_links(fitted, [])
    assert none.columns.tolist() == ["source", "target", "probability"]
    assert len(none) == 0


def test_unknown_symbols_are_nan_and_named(fitted, caplog):
    fitted.var["symbol"] = fitted.var_names.str.lower()
    fitted.var.loc["G0002", "symbol"] = "g0003"
    expected = sr.get.score_links(fitted, [("TF001", "G0001")])["probability"].tolist()
    pairs = [("tf001", "g0001"), ("tf001", "g0003"), ("nope", "g0001")]
    scored = sr.get.score_links(fitted, pairs, gene_symbols="symbol")
    assert scored["probability"].isna().tolist() == [False, True, True]
    assert scored["probability"].tolist()[:1] == expected
    (message,) = caplog.messages
    assert "column 'source' are not in adata.var['symbol']: 'nope'" in message
    assert "'target' are the names of several genes in adata.var['symbol']: 'g0003'" in message
    assert scored["target"].tolist() == ["g0001", "g0003", "g0001"]


@pytest.mark.parametrize("n_models", [1, 2])
def test_folds_say_which_pairs_are_out_of_fold(adata, net, n_models):
    frame = (
        sr.pp.split(adata, net, copy=True).uns["split"]["pairs"].sample(frac=0.6, random_state=0)
    )
    frame = frame.astype({"source": str, "target": str})
    quiet = {"n_bootstrap": 0, "n_models": n_models}
    sr.tl.fit_grn(adata, split=frame, method="degree", n_folds=2, **quiet)
    labelled = adata.uns["grn"]["pairs"]
    strangers = pd.DataFrame({"source": ["G0001", "XYZ"], "target": ["G0002", "G0002"]})
    scored = sr.get.score_links(adata, pd.concat([labelled, strangers]))
    assert scored["is_out_of_fold"].dtype == bool
    assert scored["is_out_of_fold"].tolist() == [True] * len(labelled) + [False] * 2
    own = scored.head(len(labelled))
    np.testing.assert_allclose(own["probability"], labelled["out_of_fold"], rtol=1e-6)
    # Those of the labelled pairs themselves are kept.
    assert own["out_of_fold"].tolist() == labelled["out_of_fold"].tolist()
    assert scored["probability"].isna().tolist() == [False] * (len(labelled) + 1) + [True]
    assert ("probability_sd" in scored) == (n_models == 2)
    sr.tl.fit_grn(adata, split=frame, method="degree", n_folds=1, **quiet)
    assert "is_out_of_fold" not in sr.get.score_links(adata, strangers.head(1))


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


@pytest.mark.parametrize("n_folds", [1, 2])
def test_a_state_that_changed_is_refused_and_one_without_a_digest_is_read(
    adata, net, n_folds, tmp_path
):
    sr.tl.fit_grn(adata, net, "degree", n_folds=n_folds, n_bootstrap=0)
    pairs = net.head(5)[["source", "target"]]
    expected = sr.get.score_links(adata, pairs)
    adata.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(sr.get.score_links(again, pairs), expected)
    model = again.uns["grn"]["model"]
    name = next(name for name, value in model["state"].items() if np.size(value) > 1)
    model["state"][name] = np.array(model["state"][name])
    model["state"][name].flat[0] += 1
    with pytest.raises(ValueError, match="have changed since it was fitted"):
        sr.get.score_links(again, pairs)
    del model["digest"]
    assert np.isfinite(sr.get.score_links(again, pairs)["probability"]).all()
