from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scregnet as sr


@pytest.fixture(scope="module")
def _fitted():
    adata = sr.datasets.simulated(60, 60, n_tfs=6, random_state=1)
    sr.tl.fit_grn(adata, adata.uns["network"], method="degree", n_folds=2, n_bootstrap=0)
    return adata


@pytest.fixture
def adata(_fitted):
    return _fitted.copy()


def made(adata):
    """Effects of TF001 on six genes, and signs of its links."""
    links = sr.get.grn(adata, sources="TF001").set_index("target")
    targets = links.index[:6].tolist()
    effects = pd.DataFrame(
        {
            "source": "TF001",
            "target": targets,
            "effect": [-1.0, -1.0, 1.0, -1.0, 0.5, -1.0],
            "q": [0.01, 0.01, 0.01, 0.01, 0.5, 0.01],
        }
    )
    sign = adata.varp["grn"].copy()
    sign.data = np.full(sign.nnz, np.nan, np.float32)
    row = adata.var_names.get_loc("TF001")
    for target, value in zip(targets, [1, -1, -0.9, 0.2, 1, np.nan], strict=True):
        at = sign.indptr[row] + np.flatnonzero(sign[row].indices == adata.var_names.get_loc(target))
        sign.data[at] = value
    adata.varp["grn_sign"] = sign
    return targets, sr.datasets.perturbation(effects)


def test_rules(adata):
    targets, effects = made(adata)
    graded = sr.bm.grade_links(adata, effects)
    assert set(graded["source"]) == {"TF001"}
    assert len(graded) == 59
    found = graded.set_index("target")
    assert found.loc[targets, "grade"].tolist() == [
        "validated",
        "contradicted",
        "validated",
        "partial",
        "weak",
        "partial",
    ]
    assert (found.drop(index=targets)["grade"] == "untestable").all()
    assert found.loc[targets, "effect_sign"].tolist() == [1, 1, -1, 1, 0, 1]
    np.testing.assert_allclose(found.loc[targets, "effect_q"], [0.01] * 4 + [0.5, 0.01])
    np.testing.assert_allclose(found["expected"], 5 / 6)
    # A weak sign counts where it is asked for.
    every = sr.bm.grade_links(adata, effects, min_sign=0.1).set_index("target")
    assert every.loc[targets[3], "grade"] == "validated"


def test_without_signs_nothing_is_validated(adata):
    _, effects = made(adata)
    del adata.varp["grn_sign"]
    counts = sr.bm.grade_links(adata, effects)["grade"].value_counts()
    assert counts.to_dict() == {
        "untestable": 53,
        "partial": 5,
        "weak": 1,
        "validated": 0,
        "contradicted": 0,
    }


def test_links_are_those_of_get_grn(adata):
    _, effects = made(adata)
    how = {"top_n_targets": 10, "new_only": True, "threshold": 0.01}
    graded = sr.bm.grade_links(adata, effects, **how)
    links = sr.get.grn(adata, sources="TF001", **how)
    pd.testing.assert_frame_equal(graded[links.columns], links)


def test_other_names(adata):
    _, effects = made(adata)
    adata.var["symbol"] = adata.var_names.str.lower()
    low = effects.assign(
        source=effects["source"].astype(str).str.lower(),
        target=effects["target"].astype(str).str.lower(),
    )
    found = sr.bm.grade_links(adata, low, gene_symbols="symbol")
    assert set(found["source"]) == {"tf001"}
    assert found["grade"].tolist() == sr.bm.grade_links(adata, effects)["grade"].tolist()


def test_wrong_arguments(adata):
    _, effects = made(adata)
    with pytest.raises(ValueError, match="min_sign must lie in"):
        sr.bm.grade_links(adata, effects, min_sign=2)
    with pytest.raises(TypeError, match="perturbations must be a frame"):
        sr.bm.grade_links(adata, None)
    with pytest.raises(ValueError, match="none of its TFs"):
        sr.bm.grade_links(adata, effects.assign(source="GATA1"))
