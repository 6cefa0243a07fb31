"""sr.pl.regulon, sr.pl.adjacency and sr.pl.gene_embedding."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba

import scregnet as sr


def _points(ax):
    shown = {one.get_label(): one for one in ax.collections}
    return {label: one for label, one in shown.items() if label.startswith(("known", "new"))}


def test_a_regulon_shows_probability_sign_and_null(lifted_adata):
    net = sr.get.grn(lifted_adata, sources="GATA1", top_n=30)
    ax = sr.pl.regulon(lifted_adata, source="GATA1", show=False)
    assert [text.get_text() for text in ax.get_yticklabels()] == net["target"].tolist()
    n = (lifted_adata.varp["grn"].tocsr()[0].toarray() > 0).sum()
    assert ax.get_title() == f"GATA1: 30 of {n} targets"
    told = {}
    for label, points in _points(ax).items():
        for x, y in points.get_offsets():
            told[int(y)] = (label, x)
    for row, link in enumerate(net.itertuples()):
        sign = {True: "activates", False: "represses"}.get(link.sign > 0)
        sign = "sign not known" if np.isnan(link.sign) else sign
        label, x = told[row]
        assert label == f"{'known' if link.in_prior else 'new'}, {sign}"
        assert x == pytest.approx(link.weight)
    (ticks,) = (line for line in ax.lines if line.get_label() == "null model")
    np.testing.assert_allclose(ticks.get_xdata(), net["null"])
    right = np.clip(1.1 * max(net["weight"].max(), net["null"].max()), 0, 1)
    assert ax.get_xlim() == pytest.approx((-0.02 * right, 1.02 * right))


def test_a_regulon_by_lift_of_new_links(lifted_adata):
    net = sr.get.grn(lifted_adata, sources="SPI1", by="lift", new_only=True, top_n=7)
    args = {"source": "SPI1", "by": "lift", "new_only": True, "top_n": 7, "show": False}
    ax = sr.pl.regulon(lifted_adata, palette={"new": "magenta"}, **args)
    assert [text.get_text() for text in ax.get_yticklabels()] == net["target"].tolist()
    assert sum(len(one.get_offsets()) for one in _points(ax).values()) == 7
    assert all(label.startswith("new") for label in _points(ax))
    for points in _points(ax).values():
        np.testing.assert_allclose(points.get_edgecolors()[0], to_rgba("magenta"))
    # The length of a line is the lift of its link, and ticks name probabilities.
    at = {int(y): x for points in _points(ax).values() for x, y in points.get_offsets()}
    (null,) = (line for line in ax.lines if line.get_label() == "null model")
    lengths = [at[row] - x for row, x in enumerate(null.get_xdata())]
    np.testing.assert_allclose(lengths, net["lift"], rtol=1e-4)
    shown = [
        (tick, float(text.get_text()))
        for tick, text in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
    ]
    assert all(tick == pytest.approx(np.log(p / (1 - p))) for tick, p in shown)
    assert len(shown) >= 2


def test_lines_are_as_long_as_lifts_of_rare_links(lifted_adata):
    # As in a network of a whole genome, where the null model gives less than a ten-thousandth.
    lifted_adata.varp["grn_null"].data **= 12
    net = sr.get.grn(lifted_adata, sources="SPI1", by="lift", top_n=7)
    assert net["null"].min() < 1e-5
    ax = sr.pl.regulon(lifted_adata, source="SPI1", by="lift", top_n=7, show=False)
    at = {int(y): x for points in _points(ax).values() for x, y in points.get_offsets()}
    (null,) = (line for line in ax.lines if line.get_label() == "null model")
    lengths = [at[row] - x for row, x in enumerate(null.get_xdata())]
    np.testing.assert_allclose(lengths, net["lift"], rtol=1e-4)
    assert 2 <= len(ax.get_xticks()) <= 9


def test_the_regulon_of_the_largest_tf_is_drawn_by_default(fitted_adata):
    total = np.asarray(fitted_adata.varp["grn"].sum(axis=1)).ravel()
    ax = sr.pl.regulon(fitted_adata, show=False)
    assert ax.get_title().startswith(f"{fitted_adata.var_names[total.argmax()]}: 30 of")


def test_a_regulon_that_cannot_be_drawn(fitted_adata):
    with pytest.raises(KeyError, match="Did you mean 'GATA1'"):
        sr.pl.regulon(fitted_adata, source="gata1")
    with pytest.raises(ValueError, match="no link .* from source='GATA1' passes"):
        sr.pl.regulon(fitted_adata, source="GATA1", threshold=1.0)
    with pytest.raises(ValueError, match="top_n must be at least 1"):
        sr.pl.regulon(fitted_adata, top_n=0)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("by", ["probability", "lift"])
def test_a_heat_map_holds_the_values_and_known_edges(lifted_adata, by):
    ax = sr.pl.adjacency(lifted_adata, by=by, n_sources=5, n_targets=20, show=False)
    rows = [text.get_text() for text in ax.get_yticklabels()]
    columns = [text.get_text() for text in ax.get_xticklabels()]
    assert (len(rows), len(columns)) == (5, 20)
    net = sr.get.grn(lifted_adata).set_index(["source", "target"])
    values = np.ma.filled(ax.images[0].get_array(), np.nan)
    known = {(int(y), int(x)) for x, y in ax.collections[0].get_offsets()}
    for i, source in enumerate(rows):
        for j, target in enumerate(columns):
            if (source, target) not in net.index:
                assert np.isnan(values[i, j])
                continue
            link = net.loc[(source, target)]
            assert values[i, j] == pytest.approx(link["lift" if by == "lift" else "weight"])
            assert ((i, j) in known) == link["in_prior"]
    low, high = ax.images[0].get_clim()
    assert (low, high) == (0, 1) if by == "probability" else low == -high


def test_a_heat_map_puts_like_next_to_like(fitted_adata):
    matrix = fitted_adata.varp["grn"].tolil()
    matrix[:] = 0
    # Two kinds of TFs, in turn.
    for row in range(8):
        matrix[row, 10 + 10 * (row % 2) : 20 + 10 * (row % 2)] = 0.9
        matrix[row, 20 - 10 * (row % 2) : 30 - 10 * (row % 2)] = 0.1
    fitted_adata.varp["grn"] = matrix.tocsr()
    del fitted_adata.uns["grn"]["pairs"]["probability"]
    values = sr.pl.adjacency(fitted_adata, show=False).images[0].get_array()
    assert np.abs(np.diff(values, axis=0)).max(axis=1).round(1).tolist().count(0.8) == 1
    assert np.abs(np.diff(values, axis=1)).max(axis=0).round(1).tolist().count(0.8) == 1


def test_vectors_of_genes_are_coloured_by_training_edges(fitted_adata):
    ax = sr.pl.gene_embedding(fitted_adata, labels=3, show=False)
    pairs = fitted_adata.uns["grn"]["pairs"]
    edges = pairs[(pairs["label"] == 1) & (pairs["split"] == "train")]
    known = edges["target"].value_counts().reindex(fitted_adata.var_names[:-1]).fillna(0)
    shown = np.concatenate([points.get_array() for points in ax.collections])
    assert sorted(shown) == sorted(known)
    hubs = edges["source"].value_counts()
    assert {text.get_text() for text in ax.texts} <= set(hubs[hubs >= hubs.iloc[2]].index)
    # The fixture's vectors know popularity; shuffled ones do not.
    told = float(ax.get_title().rsplit(" ", 1)[1])
    rng = np.random.default_rng(0)
    fitted_adata.varm["svd"] = rng.normal(size=(60, 6))
    title = sr.pl.gene_embedding(fitted_adata, show=False).get_title()
    assert told > 0.4 > abs(float(title.rsplit(" ", 1)[1]))


def test_vectors_that_cannot_be_drawn(fitted_adata):
    with pytest.raises(KeyError, match="embedding='scgpt' is not in adata.varm; it has 'svd'"):
        sr.pl.gene_embedding(fitted_adata, embedding="scgpt")
    del fitted_adata.uns["svd"]
    with pytest.raises(KeyError, match="call sr.tl.embed"):
        sr.pl.gene_embedding(fitted_adata)
    fitted_adata.varm["svd"][2:] = 0
    with pytest.raises(ValueError, match="only 2 genes have a vector"):
        sr.pl.gene_embedding(fitted_adata, embedding="svd")
    assert plt.get_fignums() == []
