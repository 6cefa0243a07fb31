"""sr.get.graph."""

from __future__ import annotations

import io

import networkx as nx
import numpy as np

import scregnet as sr


def test_edges_are_those_of_the_frame(fitted_adata):
    net = sr.get.grn(fitted_adata, threshold=0.4)
    graph = sr.get.graph(fitted_adata, threshold=0.4)
    assert type(graph) is nx.DiGraph
    assert graph.number_of_edges() == len(net)
    for row in net.itertuples():
        edge = graph.edges[row.source, row.target]
        assert edge == {
            "weight": row.weight,
            "q": row.q,
            "in_prior": row.in_prior,
            "split": row.split,
        }


def test_edges_carry_what_the_fit_wrote(lifted_adata):
    net = sr.get.grn(lifted_adata, by="lift", min_lift=0.2, max_q=0.4, top_n=15)
    graph = sr.get.graph(lifted_adata, by="lift", min_lift=0.2, max_q=0.4, top_n=15)
    assert graph.number_of_edges() == len(net) == 15
    for row in net.itertuples():
        edge = graph.edges[row.source, row.target]
        assert list(edge) == net.columns[2:].tolist()
        for name in ("null", "lift", "sd", "q"):
            assert type(edge[name]) is float
            assert edge[name] == getattr(row, name)
        assert edge["sign"] == row.sign or (np.isnan(edge["sign"]) and np.isnan(row.sign))


def test_a_tf_that_is_only_a_target_is_marked(fitted_adata):
    graph = sr.get.graph(fitted_adata, sources="GATA1")
    assert {node for node, is_tf in graph.nodes(data="is_tf") if is_tf} == set(
        fitted_adata.var_names[:8]
    )
    assert graph.out_degree("MYB") == 0


def test_filters_are_those_of_the_frame(fitted_adata):
    filters = {
        "sources": ["SPI1", "TAL1"],
        "targets": list(fitted_adata.var_names[:40]),
        "top_n": 9,
        "new_only": True,
    }
    net = sr.get.grn(fitted_adata, **filters)
    assert set(sr.get.graph(fitted_adata, **filters).edges) == set(
        zip(net["source"], net["target"], strict=True)
    )


def test_networkx_can_write_it(fitted_adata):
    buffer = io.BytesIO()
    nx.write_graphml(sr.get.graph(fitted_adata, top_n=10), buffer)
    buffer.seek(0)
    again = nx.read_graphml(buffer)
    assert set(again.edges) == set(sr.get.graph(fitted_adata, top_n=10).edges)
