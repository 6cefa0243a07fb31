"""sr.get.regulons."""

from __future__ import annotations

import pytest

import scregnet as sr


def test_targets_by_tf(fitted_adata):
    net = sr.get.grn(fitted_adata, threshold=0.5)
    sets = sr.get.regulons(fitted_adata)
    assert list(sets) == net["source"].drop_duplicates().tolist()
    for tf, members in sets.items():
        assert members == net.loc[net["source"] == tf, "target"].tolist()


def test_numbers_of_targets(fitted_adata):
    every = sr.get.regulons(fitted_adata, threshold=None)
    first = sr.get.regulons(fitted_adata, threshold=None, top_n_targets=3)
    assert first == {tf: members[:3] for tf, members in every.items()}
    assert list(sr.get.regulons(fitted_adata, sources=["MYB"], threshold=None)) == ["MYB"]
    assert sr.get.regulons(fitted_adata, threshold=1.0) == {}
    assert sum(map(len, sr.get.regulons(fitted_adata, top_n=5).values())) == 5
    one = sr.get.regulons(fitted_adata, threshold=None, targets="GENE3")
    assert one
    assert all(members == ["GENE3"] for members in one.values())
    with pytest.raises(ValueError, match="top_n_targets"):
        sr.get.regulons(fitted_adata, top_n_targets=0)


def test_by_lift(lifted_adata):
    net = sr.get.grn(lifted_adata, by="lift", threshold=0.5)
    sets = sr.get.regulons(lifted_adata, by="lift")
    assert list(sets) == net["source"].drop_duplicates().tolist()
    for tf, members in sets.items():
        assert members == net.loc[net["source"] == tf, "target"].tolist()
    assert sets != sr.get.regulons(lifted_adata)
    few = sr.get.regulons(lifted_adata, threshold=None, max_q=0.2, min_lift=1.0)
    chosen = sr.get.grn(lifted_adata, max_q=0.2, min_lift=1.0)
    assert 0 < len(chosen) == sum(map(len, few.values()))
