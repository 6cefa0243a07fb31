"""sr.tl.network_stats on graphs whose figures are known."""

from __future__ import annotations

import itertools

import anndata as ad
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr
from scregnet.tl._graph.loops import feed_forward

NO_PAIRS = pd.DataFrame({"source": [], "target": [], "label": [], "split": []})


def of_links(links, genes):
    """An object whose network has these links (source, target, weight)."""
    place = {gene: number for number, gene in enumerate(genes)}
    sources, targets, weights = zip(*links, strict=True)
    matrix = sp.csr_matrix(
        (
            np.array(weights, np.float32),
            ([place[gene] for gene in sources], [place[gene] for gene in targets]),
        ),
        shape=(len(genes), len(genes)),
    )
    adata = ad.AnnData(np.ones((2, len(genes)), np.float32), var=pd.DataFrame(index=list(genes)))
    adata.varp["grn"] = matrix
    adata.uns["grn"] = {
        "varp_key": "grn",
        "params": {"method": "degree"},
        "metrics": pd.DataFrame(),
        "pairs": NO_PAIRS,
        "left_out": NO_PAIRS,
        "model": {"genes": np.array(list(genes), dtype=object)},
    }
    return adata


LOOP = [("X", "Y", 0.9), ("X", "Z", 0.8), ("Y", "Z", 0.7), ("X", "X", 0.6), ("Y", "W", 0.2)]


def test_one_loop():
    adata = of_links(LOOP, "XYZWV")
    sr.tl.network_stats(adata, n_hubs=1, n_random=5)
    var = adata.var
    # The weak link to W does not pass 0.5; V has none.
    assert var["grn_out_degree"].tolist() == [3, 1, 0, 0, 0]
    assert var["grn_in_degree"].tolist() == [1, 1, 2, 0, 0]
    np.testing.assert_allclose(var["grn_out_weight"], [2.3, 0.7, 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(var["grn_in_weight"], [0.6, 0.9, 1.5, 0, 0], rtol=1e-6)
    assert var["grn_hub"].tolist() == [True, False, False, False, False]
    assert var["grn_module"].isna().tolist() == [False] * 3 + [True] * 2
    assert var["grn_pagerank"].isna().tolist() == [False] * 3 + [True] * 2
    assert var["grn_pagerank"].iloc[:3].is_monotonic_decreasing
    stats = adata.uns["grn_stats"]
    summary = stats["summary"]
    assert [summary[name] for name in ("n_genes", "n_tfs", "n_links", "n_self_links")] == [
        *(3, 2, 4, 1)
    ]
    assert summary["density"] == 4 / (2 * 5)
    # Every graph with these degrees has the same loop: there is nothing to compare.
    loops = stats["feed_forward"]
    assert (loops["n"], loops["random_mean"], loops["p_more"]) == (1, 1.0, 1.0)
    assert np.isnan(loops["z"])
    assert stats["loops"].to_numpy().tolist() == [["X", "Y", 1]]
    assert stats["params"]["threshold"] == 0.5
    # Where a filter is given, 0.5 is none.
    sr.tl.network_stats(adata, top_n=5, n_random=0)
    assert adata.var["grn_out_degree"].sum() == 5
    assert adata.uns["grn_stats"]["feed_forward"] == {"n": 1, "n_random": 0}


def test_centralities_are_those_of_all_paths(fitted_adata):
    sr.tl.network_stats(fitted_adata, threshold=0.3)
    graph = sr.get.graph(fitted_adata, threshold=0.3)
    var = fitted_adata.var.loc[list(graph)]
    wanted = nx.betweenness_centrality(graph)
    np.testing.assert_allclose(var["grn_betweenness"], list(wanted.values()), atol=1e-12)
    assert var["grn_betweenness"].max() > 0
    assert var["grn_pagerank"].sum() == pytest.approx(1)
    assert var["grn_pagerank"].idxmax() in set(fitted_adata.var_names[:8])
    census = sum(
        graph.has_edge(x, y) and graph.has_edge(x, z) and graph.has_edge(y, z)
        for x, y, z in itertools.permutations(graph, 3)
    )
    stats = fitted_adata.uns["grn_stats"]
    assert stats["feed_forward"]["n"] == census > 0
    assert stats["loops"]["n_targets"].sum() == census


def dense_loops(n_tfs, n_genes, planted, rng):
    """Chains and random links; of some links between TFs, the ends share their targets."""
    links = {(x, y) for x, y in zip(range(n_tfs - 1), range(1, n_tfs), strict=True)}
    links |= {
        (int(s), int(t))
        for s, t in zip(
            rng.integers(n_tfs, size=120), rng.integers(n_tfs, n_genes, 120), strict=True
        )
    }
    for x in range(planted):
        links |= {(end, n_genes + 12 * x + z) for end in (x, x + 1) for z in range(12)}
    return np.array(sorted(links)).T


def test_planted_loops_are_found_and_others_are_not():
    sources, targets = dense_loops(12, 60, 5, np.random.default_rng(1))
    found = feed_forward(sources, targets, 99, np.random.default_rng(0))
    assert found["z"] > 5
    assert found["p_more"] == 0.01
    p = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        links = {
            (int(s), int(t))
            for s, t in zip(rng.integers(15, size=150), rng.integers(60, size=150), strict=True)
        }
        sources, targets = np.array(sorted(links)).T
        p.append(feed_forward(sources, targets, 39, rng)["p_more"])
    # Under the null, p is at most 0.1 about once in ten times.
    assert np.mean(np.array(p) <= 0.1) <= 0.25
    assert 0.35 <= np.mean(p) <= 0.65


def test_random_graphs_are_those_of_networkx():
    # Few links: networkx' exchanges are slow.
    rng = np.random.default_rng(5)
    pairs = zip(rng.integers(6, size=30), rng.integers(9, size=30), strict=True)
    links = {(int(s), int(t)) for s, t in pairs}
    sources, targets = np.array(sorted(links)).T
    apart = sources != targets
    ours = feed_forward(sources, targets, 400, np.random.default_rng(0))
    counts = []
    graph = nx.DiGraph(zip(sources[apart].tolist(), targets[apart].tolist(), strict=True))
    for seed in range(40):
        nx.directed_edge_swap(graph, nswap=30, max_tries=100_000, seed=seed)
        matrix = nx.to_numpy_array(graph)
        counts.append(((matrix @ matrix) * matrix).sum())
    gap = abs(np.mean(counts) - ours["random_mean"])
    assert gap < 4 * ours["random_sd"] / np.sqrt(40)


def two_blocks():
    names = [f"{block}{number}" for block in "AB" for number in range(10)]
    links = [
        (f"{block}{tf}", f"{block}{gene}", 0.9)
        for block in "AB"
        for tf in range(3)
        for gene in range(3, 10)
    ]
    return of_links([*links, ("A0", "B5", 0.6)], names)


@pytest.mark.parametrize("algorithm", ["louvain", "leiden"])
def test_modules_of_two_blocks(algorithm):
    if algorithm == "leiden":
        pytest.importorskip("igraph")
    adata = two_blocks()
    sr.tl.network_stats(adata, modules=algorithm, n_random=0)
    modules = adata.var["grn_module"].astype(str)
    assert modules.tolist() == ["0"] * 10 + ["1"] * 10
    table = adata.uns["grn_stats"]["modules"]
    assert table["n_genes"].tolist() == [10, 10]
    assert table["n_links"].tolist() == [21, 21]
    assert table["n_links_out"].tolist() == [1, 0]
    assert table["tfs"].tolist() == ["A0, A1, A2", "B0, B1, B2"]


def test_without_igraph(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "igraph", None)
    with pytest.raises(ImportError, match=r"pip install scregnet\[leiden\]"):
        sr.tl.network_stats(two_blocks(), modules="leiden")


def test_each_group_has_its_own(grouped_adata, tmp_path, same_frames):
    groups = [str(name) for name in grouped_adata.uns["grn"]["groups"]]
    sr.tl.network_stats(grouped_adata, threshold=0.3, n_random=3)
    for name, key in zip(groups, grouped_adata.uns["grn"]["keys"], strict=True):
        net = sr.get.grn(grouped_adata, group=name, threshold=0.3)
        assert grouped_adata.var[f"{key}_out_degree"].sum() == len(net)
        assert grouped_adata.uns[f"{key}_stats"]["summary"]["n_links"] == len(net)
    one = sr.tl.network_stats(
        grouped_adata, group=groups[0], threshold=0.3, n_random=3, key_added="x", copy=True
    )
    assert one.uns["x_stats"]["params"]["key"] == grouped_adata.uns["grn"]["keys"][0]
    one.write_h5ad(tmp_path / "one.h5ad")
    back = ad.read_h5ad(tmp_path / "one.h5ad")
    # pandas 3 reads texts from a file as such.
    pd.testing.assert_series_equal(
        back.var["x_module"].astype(object), one.var["x_module"].astype(object)
    )
    same_frames(
        back.uns["x_stats"]["modules"],
        one.uns["x_stats"]["modules"],
        check_index_type=False,
    )


def test_what_is_refused():
    adata = of_links(LOOP, "XYZWV")
    with pytest.raises(ValueError, match="no link of 'grn' passes the filters"):
        sr.tl.network_stats(adata, threshold=0.99)
    with pytest.raises(ValueError, match="modules='leden'"):
        sr.tl.network_stats(adata, modules="leden")
    adata.var["grn_hub"] = 1
    with pytest.raises(ValueError, match=r"adata.var\['grn_hub'\] is there and is not"):
        sr.tl.network_stats(adata)
    sr.tl.network_stats(adata, key_added="mine", n_random=1)
    # Its own are replaced.
    sr.tl.network_stats(adata, key_added="mine", n_random=1, top_n=2)
    assert adata.var["mine_out_degree"].sum() == 2
    adata.uns["grn"]["params"]["values"] = "score"
    with pytest.raises(ValueError, match="give top_n= or top_n_targets="):
        sr.tl.network_stats(adata, key_added="mine")
