"""Which links sr.pl.grn draws: a mixture without a filter, what the filter says with one."""

from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr
from scregnet.pl._selection import N_KNOWN, N_NEW, N_TFS, mixture


def _network(links):
    """Return a network of links (source, target, probability, null or None, known)."""
    frame = pd.DataFrame(links, columns=["source", "target", "weight", "null", "known"])
    genes = sorted({*frame["source"], *frame["target"]})
    adata = ad.AnnData(np.ones((2, len(genes)), dtype=np.float32), var=pd.DataFrame(index=genes))
    place = tuple(adata.var_names.get_indexer(frame[name]) for name in ("source", "target"))
    for name, column in (("grn", "weight"), ("grn_null", "null")):
        if frame[column].notna().all():
            values = frame[column].to_numpy(np.float32)
            adata.varp[name] = sp.csr_matrix((values, place), shape=(len(genes),) * 2)
    known = frame[frame["known"]]
    adata.uns["grn"] = {
        "varp_key": "grn",
        "params": {"method": "joint"},
        "metrics": pd.DataFrame(),
        "pairs": known[["source", "target"]].assign(label=1, split="train"),
        "left_out": known[["source", "target"]].iloc[:0],
        "model": {"genes": genes},
    }
    return adata


def _drawn(adata):
    links = mixture(adata, "grn", None).links
    return set(links["source"] + links["target"])


def test_best_known_links_by_probability_and_best_new_ones_by_lift():
    known = [("A", f"k{i}", 0.9 - 0.1 * i, 0.5, True) for i in range(5)]
    # The lower the probability, the higher the lift.
    new = [("A", f"n{i}", 0.8 - 0.05 * i, 0.6 - 0.1 * i, False) for i in range(6)]
    expected_known = {"Ak0", "Ak1", "Ak2"}
    assert _drawn(_network(known + new)) == expected_known | {f"An{i}" for i in range(1, 6)}
    # Without the null model, by probability.
    without = [(*link[:3], None, link[4]) for link in known + new]
    assert _drawn(_network(without)) == expected_known | {f"An{i}" for i in range(5)}


def test_improbable_links_with_a_high_lift_are_left_out():
    # 60 known edges and 60 probable new links; ten improbable ones have by far the highest lifts.
    links = [(tf, f"k{i}", 0.9, 0.9, True) for tf in "ABC" for i in range(20)]
    links += [(tf, f"n{i}", 0.5 + 0.01 * i, 0.4, False) for tf in "ABC" for i in range(20)]
    links += [("A", f"x{i}", 0.02, 0.0001, False) for i in range(10)]
    drawn = _drawn(_network(links))
    assert not any("x" in link for link in drawn)
    assert {f"An{i}" for i in range(15, 20)} <= drawn


def test_tfs_are_those_with_the_highest_lifts_and_a_known_edge():
    links = []
    for i, tf in enumerate("ABCDEFGH"):
        links.append((tf, f"k{i}", 0.9, 0.9, True))
        links.append((tf, f"n{i}", 0.5, 0.45 - 0.05 * i, False))
    # Z has the highest lift and no known edge.
    links.append(("Z", "n", 0.5, 0.01, False))
    sources = {link[0] for link in _drawn(_network(links))}
    assert sources == set("CDEFGH")
    assert len(sources) == N_TFS
    # With fewer other TFs, Z is drawn too.
    few = [link for link in links if link[0] in "ABZ"]
    assert {link[0] for link in _drawn(_network(few))} == set("ABZ")


def test_no_more_than_a_few_links_of_each_tf(lifted_adata):
    chosen = mixture(lifted_adata, "grn", None)
    links = chosen.links
    counts = links.groupby(["source", "in_prior"]).size().unstack()
    assert 1 < links["source"].nunique() <= N_TFS
    assert counts[True].max() == N_KNOWN
    assert counts[False].max() == N_NEW
    assert chosen.n_found == lifted_adata.varp["grn"].nnz
    net = sr.get.grn(lifted_adata).set_index(["source", "target"])
    found = links.set_index(["source", "target"])
    pd.testing.assert_frame_equal(found, net.loc[found.index])


def test_only_known_only_new_or_no_links():
    known = [("A", "b", 0.9, 0.5, True), ("A", "c", 0.8, 0.5, True)]
    new = [("A", "b", 0.9, 0.5, False), ("B", "c", 0.8, 0.5, False)]
    assert _drawn(_network(known)) == {"Ab", "Ac"}
    assert _drawn(_network(new)) == {"Ab", "Bc"}
    empty = _network(known)
    empty.varp["grn"] = sp.csr_matrix(empty.varp["grn"].shape, dtype=np.float32)
    del empty.varp["grn_null"]
    with pytest.raises(ValueError, match=r"adata.varp\['grn'\] holds no links to draw"):
        sr.pl.grn(empty)


def test_what_is_left_out_is_said(lifted_adata, caplog):
    links = mixture(lifted_adata, "grn", None).links
    n, n_all, n_tfs = len(links), lifted_adata.varp["grn"].nnz, links["source"].nunique()
    with caplog.at_level(logging.INFO, logger="scregnet"):
        ax = sr.pl.grn(lifted_adata, show=False)
    assert f"drew {n} of {n_all} links; {n_all - n} hidden ({n_tfs} of 8 TFs" in caplog.text
    assert "up to 3 known links and 5 new ones by lift" in caplog.text
    title = ax.get_legend().get_title().get_text()
    assert title == f"{n} of {n_all} links\n{n_tfs} of 8 TFs"
    assert len(ax.patches) == n


def test_genes_by_other_names(lifted_adata):
    lifted_adata.var["symbol"] = [f"s{i}" for i in range(60)]
    names = dict(zip(lifted_adata.var_names, lifted_adata.var["symbol"], strict=True))
    plain = mixture(lifted_adata, "grn", None).links
    renamed = mixture(lifted_adata, "grn", "symbol").links
    assert renamed["source"].tolist() == plain["source"].map(names).tolist()
    ax = sr.pl.grn(lifted_adata, gene_symbols="symbol", show=False)
    assert {text.get_text() for text in ax.texts} == {*renamed["source"], *renamed["target"]}


@pytest.mark.parametrize(
    "filters",
    [
        {"by": "probability"},
        {"by": "lift"},
        {"threshold": 0.6},
        {"min_lift": 1.0},
        {"max_q": 0.05},
        {"top_n": 12},
        {"top_n_targets": 2},
        {"new_only": True},
        {"sources": ["GATA1", "MYB"]},
        {"targets": "GENE3"},
        {"by": "lift", "max_q": 0.3, "top_n": 9, "new_only": True},
    ],
)
def test_a_filter_does_what_it_says(lifted_adata, filters):
    # Without top_n, the first fifty.
    net = sr.get.grn(lifted_adata, **{"top_n": 50, **filters})
    ax = sr.pl.grn(lifted_adata, layout="circular", show=False, **filters)
    drawn = {patch.get_gid().split(":")[1] for patch in ax.patches}
    assert drawn == set(net["source"] + "->" + net["target"])


def test_top_n_none_draws_every_link(lifted_adata):
    ax = sr.pl.grn(lifted_adata, layout="circular", top_n=None, labels=False, show=False)
    (lines,) = (one for one in ax.collections if one.get_gid() == "links")
    assert len(lines.get_paths()) == lifted_adata.varp["grn"].nnz


def test_top_n_is_a_number_auto_or_none(lifted_adata):
    with pytest.raises(TypeError, match="top_n must be an integer, got 'all'"):
        sr.pl.grn(lifted_adata, top_n="all")
