import decoupler as dc
import numpy as np
import pytest

import scregnet as sr


def test_it_is_decoupler_on_the_top_targets(fitted):
    sr.tl.tf_activity(fitted, top_n_targets=20)
    net = (
        sr.get.grn(fitted)
        .groupby("source", observed=True)
        .head(20)
        .astype({"source": str, "target": str, "weight": float})
    )
    totals = np.asarray(fitted.X.sum(axis=1))
    expected = fitted.copy()
    expected.X = np.log1p(fitted.X.toarray() / totals * 1e4).astype(np.float32)
    dc.mt.ulm(expected, net[["source", "target", "weight"]])
    scores = fitted.obsm["score_ulm"]
    assert list(scores.index) == list(fitted.obs_names)
    np.testing.assert_allclose(
        scores, expected.obsm["score_ulm"][scores.columns], rtol=1e-3, atol=1e-3
    )
    assert fitted.obsm["padj_ulm"].shape == scores.shape


def test_empty_cells_keep_their_rows(fitted):
    dense = fitted.X.toarray()
    dense[5] = 0
    fitted.X = dense
    sr.tl.tf_activity(fitted)
    scores = fitted.obsm["score_ulm"]
    assert len(scores) == fitted.n_obs
    assert scores.iloc[5].isna().all()
    assert scores.drop(index=fitted.obs_names[5]).notna().all(axis=None)


def test_what_is_wrong_is_said(fitted):
    with pytest.raises(
        ValueError,
        match="no TF has tmin=5 targets that pass threshold=1.0 .*; the largest regulon has 0",
    ):
        sr.tl.tf_activity(fitted, threshold=1.0)
    with pytest.raises(ValueError, match="method='ulmm' is not known"):
        sr.tl.tf_activity(fitted, method="ulmm")
    assert "score_ulm" not in fitted.obsm
    with pytest.raises(KeyError, match="call sr.tl.fit_grn"):
        sr.tl.tf_activity(fitted, key="other")
