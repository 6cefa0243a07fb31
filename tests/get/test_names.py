"""Names of genes from a column of var, in every function that shows or takes them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from scregnet.get._names import shown_names


@pytest.fixture
def by_id(fitted_adata):
    """Genes with ids as ``var_names`` and their symbols in a column."""
    symbols = fitted_adata.var_names.to_numpy(dtype=object)
    ids = pd.Index([f"ENSG{i:03d}" for i in range(len(symbols))])
    to_id = dict(zip(symbols, ids, strict=True))
    pairs = fitted_adata.uns["grn"]["pairs"]
    for column in ("source", "target"):
        pairs[column] = pairs[column].map(to_id)
    fitted_adata.var["symbol"] = symbols
    fitted_adata.var_names = ids
    fitted_adata.uns["grn"]["model"]["genes"] = ids.to_numpy()
    return fitted_adata


def test_the_same_links_under_another_name(by_id):
    ids = sr.get.grn(by_id)
    symbols = sr.get.grn(by_id, gene_symbols="symbol")
    name = by_id.var["symbol"]
    for column in ("source", "target"):
        assert symbols[column].tolist() == name[ids[column]].tolist()
    pd.testing.assert_frame_equal(
        symbols.drop(columns=["source", "target"]), ids.drop(columns=["source", "target"])
    )


def test_names_to_look_up_are_those_that_are_shown(by_id):
    filters = {"gene_symbols": "symbol", "sources": ["SPI1", "GATA1"], "targets": "GENE3"}
    net = sr.get.grn(by_id, **filters)
    assert set(net["source"]) == {"SPI1", "GATA1"}
    assert set(net["target"]) == {"GENE3"}
    assert set(sr.get.graph(by_id, **filters)) == {"SPI1", "GATA1", "GENE3"}
    assert sr.get.regulons(by_id, threshold=None, **filters) == {
        source: ["GENE3"] for source in net["source"]
    }
    ax = sr.pl.grn(by_id, show=False, labels=["SPI1", "GENE3"], **filters)
    assert {text.get_text() for text in ax.texts} == {"SPI1", "GENE3"}


def test_tfs_are_marked_under_their_shown_name(by_id):
    graph = sr.get.graph(by_id, gene_symbols="symbol", sources="GATA1")
    tfs = {node for node, is_tf in graph.nodes(data="is_tf") if is_tf}
    assert tfs == set(by_id.var["symbol"].iloc[:8])


def test_a_shared_or_missing_name_is_not_shown(by_id):
    symbols = by_id.var["symbol"].to_numpy(dtype=object)
    symbols[[10, 11]] = "TWIN"
    symbols[12] = np.nan
    symbols[13] = ""
    by_id.var["symbol"] = symbols
    shown = shown_names(by_id, "symbol")
    assert shown.is_unique
    assert shown[10:14].tolist() == ["ENSG010", "ENSG011", "ENSG012", "ENSG013"]
    assert shown[:10].tolist() == symbols[:10].tolist()
    # Both twins are in the network, and each can be named.
    graph = sr.get.graph(by_id, gene_symbols="symbol")
    assert {"ENSG010", "ENSG011"} <= set(graph)
    net = sr.get.grn(by_id, gene_symbols="symbol", targets="ENSG011")
    assert set(net["target"]) == {"ENSG011"}
    with pytest.raises(
        KeyError,
        match=r"targets: 'TWIN' is the name of 2 genes in adata.var\['symbol'\]; name the one you "
        r"mean by adata.var_names: 'ENSG010', 'ENSG011'",
    ):
        sr.get.grn(by_id, gene_symbols="symbol", targets=["TWIN", "GENE3"])


def test_a_symbol_that_is_the_id_of_a_nameless_gene(by_id):
    symbols = by_id.var["symbol"].to_numpy(dtype=object)
    symbols[20], symbols[21], symbols[22] = "ENSG021", "ENSG022", np.nan
    by_id.var["symbol"] = symbols
    # 22 has no symbol and falls back on the symbol of 21, which falls back on that of 20.
    shown = shown_names(by_id, "symbol")
    assert shown[20:23].tolist() == ["ENSG020", "ENSG021", "ENSG022"]
    assert shown.is_unique


def test_unknown_names_say_what_may_be_meant(by_id):
    with pytest.raises(
        KeyError, match=r"sources: 'gata1' not in adata.var\['symbol'\]. Did you mean 'GATA1'"
    ):
        sr.get.grn(by_id, sources="gata1", gene_symbols="symbol")
    with pytest.raises(KeyError, match="'GATA1' not in adata.var_names.*gene_symbols='symbol'"):
        sr.get.grn(by_id, sources="GATA1")
    with pytest.raises(KeyError, match="gene_symbols='name' is not a column of adata.var"):
        sr.pl.grn(by_id, gene_symbols="name")


@pytest.mark.parametrize("call", [sr.get.grn, sr.get.graph, sr.get.regulons])
def test_names_that_are_no_longer_unique(call, fitted_adata):
    names = fitted_adata.var_names.tolist()
    fitted_adata.var_names = [names[1], *names[1:]]
    with pytest.raises(ValueError, match="adata.var_names are not unique"):
        call(fitted_adata)
