"""Names that a fit stored, next to those that the genes have now."""

from __future__ import annotations

import numpy as np
import pytest

import scregnet as sr

READERS = {
    "get.grn": sr.get.grn,
    "get.regulons": sr.get.regulons,
    "get.graph": sr.get.graph,
    "pl.grn": lambda adata: sr.pl.grn(adata, show=False),
    "tl.tf_activity": lambda adata: sr.tl.tf_activity(adata, tmin=1),
}


@pytest.fixture
def small(adata, net):
    sr.tl.fit_grn(adata, net, method="degree", n_bootstrap=0, n_folds=1)
    return adata


@pytest.mark.parametrize("reader", READERS)
def test_changed_names_are_refused(small, reader):
    small.var_names = [f"ENSG{i:03d}" for i in range(small.n_vars)]
    before = set(small.obsm)
    with pytest.raises(ValueError, match="var_names changed since 'grn' was fitted: 80 of 80"):
        READERS[reader](small)
    assert set(small.obsm) == before


@pytest.mark.parametrize("reader", READERS)
def test_names_that_changed_places_are_refused(small, reader):
    names = small.var_names.to_numpy(copy=True)
    small.var_names = np.roll(names, 7)
    with pytest.raises(ValueError, match="Names were exchanged between genes"):
        READERS[reader](small)


def test_one_new_name_is_refused(small):
    names = small.var_names.to_numpy(dtype=object, copy=True)
    names[3] = "other"
    small.var_names = names
    with pytest.raises(ValueError, match="1 of 80 names are not among the 80 genes.*'other'"):
        sr.get.grn(small)


def test_some_genes_in_another_order_have_the_same_links(small):
    whole = sr.get.grn(small).set_index(["source", "target"])
    order = np.random.default_rng(0).permutation(small.n_vars)[:50]
    part = sr.get.grn(small[:, order].copy()).set_index(["source", "target"])
    assert 0 < len(part) < len(whole)
    same = whole.loc[part.index]
    np.testing.assert_array_equal(part["in_prior"], same["in_prior"])
    np.testing.assert_array_equal(part["weight"], same["weight"])
    assert part["in_prior"].sum() > 0


def test_stability_does_not_mark_links_under_other_names(small, net):
    names = small.var_names.to_numpy(copy=True)
    small.var_names = np.roll(names, 7)
    with pytest.raises(ValueError, match="Names were exchanged|known edges"):
        sr.bm.stability(small, net, method="degree", key_added="grn", perturbations=["fit"])
