"""sr.io.write_grn and read_grn: what was written is read back."""

from __future__ import annotations

import json

import anndata as ad
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr

GENES = [
    "HLA-A;B",
    "q\"uo'te",
    "Ärger-β",
    "a b",
    "NKX2_5",
    "x,y",
    "<&>",
    "T(+)",
    "NA",
    "nan",
    "None",
]
NO_PAIRS = pd.DataFrame({"source": [], "target": [], "label": [], "split": []})


@pytest.fixture
def odd():
    """A network of odd names, with signs of which some are unknown."""
    n = len(GENES)
    rng = np.random.default_rng(0)
    dense = np.where(np.arange(n)[:, None] < 8, rng.random((n, n)).astype(np.float32), 0)
    np.fill_diagonal(dense[4:], 0)
    adata = ad.AnnData(np.ones((2, n), np.float32), var=pd.DataFrame(index=GENES))
    adata.varp["grn"] = sp.csr_matrix(dense)
    sign = rng.choice([1.0, -1.0, 0.25, np.nan], (n, n))
    for name, values in {"null": 0.5 * dense, "sign": sign}.items():
        matrix = sp.csr_matrix(adata.varp["grn"])
        matrix.data = values[dense > 0].astype(np.float32)
        adata.varp[f"grn_{name}"] = matrix
    adata.uns["grn"] = {
        "varp_key": "grn",
        "params": {"method": "joint"},
        "metrics": pd.DataFrame(),
        "pairs": NO_PAIRS,
        "left_out": NO_PAIRS,
        "model": {"genes": np.array(GENES, dtype=object)},
    }
    return adata


def by_link(frame):
    return frame.astype({"source": str, "target": str}).set_index(["source", "target"]).sort_index()


ALL = ["csv", "tsv.gz", "parquet", "graphml", "gexf", "cyjs", "sif"]


@pytest.mark.parametrize("ending", ALL)
def test_all_that_is_known_comes_back(odd, tmp_path, ending):
    path = tmp_path / f"network.{ending}"
    sr.io.write_grn(odd, path)
    wanted, found = by_link(sr.get.grn(odd)), by_link(sr.io.read_grn(path))
    assert found.index.equals(wanted.index)
    for name in ("weight", "null", "lift", "sign", "q"):
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-6, err_msg=name)
    assert found["sign"].isna().any()
    assert found["in_prior"].dtype == bool
    assert found["split"].astype(str).tolist() == ["none"] * len(found)
    # Nothing else is left in the folder.
    beside = {"network.edges.tsv", "network.nodes.tsv"} if ending == "sif" else set()
    assert {file.name for file in tmp_path.iterdir()} == {path.name, *beside}
    # And it is a prior as it is.
    sr.pp.prior(odd, path)
    prior = odd.varp["prior"].tocoo()
    # A prior has no links from a gene to itself.
    assert prior.nnz == (wanted.index.get_level_values(0) != wanted.index.get_level_values(1)).sum()
    signs = wanted["sign"].reindex(
        zip(odd.var_names[prior.row], odd.var_names[prior.col], strict=True)
    )
    np.testing.assert_array_equal(prior.data < 0, signs.to_numpy() < 0)


@pytest.mark.parametrize(
    ("tool", "columns"),
    [
        ("pyscenic", ["TF", "target", "importance"]),
        ("celloracle", ["source", "target", "coef_mean", "coef_abs", "p", "-logp"]),
        ("scenicplus", ["TF", "Gene", "importance_TF2G", "regulation"]),
    ],
)
@pytest.mark.parametrize("ending", ["tsv", "parquet"])
def test_tables_of_tools(odd, tmp_path, tool, columns, ending):
    path = tmp_path / f"links.{ending}"
    sr.io.write_grn(odd, path, tool=tool, top_n=40)
    table = (
        pd.read_parquet(path)
        if ending == "parquet"
        else pd.read_csv(path, sep="\t", keep_default_na=False)
    )
    assert list(table)[: len(columns)] == columns
    wanted, found = by_link(sr.get.grn(odd, top_n=40)), by_link(sr.io.read_grn(path))
    assert found.index.equals(wanted.index)
    np.testing.assert_allclose(found["weight"], wanted["weight"], rtol=1e-6)
    if tool != "pyscenic":
        np.testing.assert_array_equal(found["sign"] < 0, wanted["sign"] < 0)


def test_regulons(odd, tmp_path):
    path = tmp_path / "regulons.gmt.gz"
    sr.io.write_grn(odd, path, threshold=0.5)
    wanted, found = by_link(sr.get.grn(odd, threshold=0.5)), by_link(sr.io.read_grn(path))
    assert found.index.equals(wanted.index)
    np.testing.assert_array_equal(found["sign"], np.sign(wanted["sign"]))


def test_sets_of_others(tmp_path):
    path = tmp_path / "others.gmt"
    path.write_text(
        "GATA1(+)\tgs\tKLF1\tHBB\nGATA1(-)\tgs\tSPI1\nTAL1_(+) (3g)\t\tKLF1,0.5\n"
        "STAT1_HELAS3_HG19\t\tIRF1\tIRF9\nSTAT1 K562 hg19\t\tIRF1\nFLI1(12g)\t\tTAL1\n"
    )
    found = sr.io.read_grn(path)
    assert found.fillna(0).to_numpy().tolist() == [
        ["GATA1", "KLF1", 1.0, 1.0],
        ["GATA1", "HBB", 1.0, 1.0],
        ["GATA1", "SPI1", 1.0, -1.0],
        ["TAL1", "KLF1", 0.5, 1.0],
        ["STAT1", "IRF1", 1.0, 0.0],
        ["STAT1", "IRF9", 1.0, 0.0],
        ["FLI1", "TAL1", 1.0, 0.0],
    ]


def test_files_that_others_wrote(tmp_path):
    # Cytoscape's own numbers nodes, Gephi's too.
    (tmp_path / "a.cyjs").write_text(
        json.dumps(
            {
                "elements": {
                    "nodes": [
                        {"data": {"id": "62", "name": "GATA1", "SUID": 62}},
                        {"data": {"id": "63", "name": "KLF1"}},
                    ],
                    "edges": [{"data": {"id": "70", "source": "62", "target": "63", "weight": 2}}],
                }
            }
        )
    )
    graph = nx.DiGraph([(0, 1, {"weight": 2.0})])
    nx.set_node_attributes(graph, {0: "GATA1", 1: "KLF1"}, "label")
    nx.write_gexf(graph, tmp_path / "a.gexf")
    (tmp_path / "a.sif").write_text("GATA1 activates KLF1 HBB\nSPI1 represses GATA1\nALONE\n")
    for name in ("a.cyjs", "a.gexf"):
        found = sr.io.read_grn(tmp_path / name)
        assert found[["source", "target", "weight"]].to_numpy().tolist() == [["GATA1", "KLF1", 2]]
    found = sr.io.read_grn(tmp_path / "a.sif")
    assert found["sign"].tolist() == [1, 1, -1]
    assert found["target"].tolist() == ["KLF1", "HBB", "GATA1"]
    nx.write_graphml(nx.Graph([("a", "b")]), tmp_path / "b.graphml")
    with pytest.raises(ValueError, match="undirected graph"):
        sr.io.read_grn(tmp_path / "b.graphml")


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE g [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">'
    '<!ENTITY c SYSTEM "file:///etc/passwd">]><graphml>&b;&c;</graphml>'
)


@pytest.mark.parametrize("name", ["a.graphml", "a.gexf"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_not_unfolded(tmp_path, name, encoding):
    (tmp_path / name).write_bytes(BOMB.encode(encoding))
    with pytest.raises(ValueError, match="declares a document type"):
        sr.io.read_grn(tmp_path / name)


@pytest.mark.parametrize("ending", ["graphml", "gexf", "cyjs", "sif", "gmt", "parquet", "csv"])
@pytest.mark.parametrize(
    "content", [b"", b"<graphml>", b"{", b"a\n", b'{"elements":3}', b"[" * 9999]
)
def test_damaged_files_are_named(tmp_path, ending, content):
    path = tmp_path / f"damaged.{ending}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged\." + ending):
        sr.io.read_grn(path)


def test_what_is_refused(odd, tmp_path):
    for path, message in {
        "a.xlsx": "must end in one of",
        "a.graphml.gz": "must end in one of",
        "no/a.csv": "does not exist",
    }.items():
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            sr.io.write_grn(odd, tmp_path / path)
    with pytest.raises(ValueError, match="is a table: let path end"):
        sr.io.write_grn(odd, tmp_path / "a.sif", tool="pyscenic")
    with pytest.raises(ValueError, match="nothing to write"):
        sr.io.write_grn(odd, tmp_path / "a.csv", threshold=1)
    with pytest.raises(FileNotFoundError, match="is not a file"):
        sr.io.read_grn(tmp_path / "a.csv")
    odd.var["other"] = ["tab\tbed", "be\x07ll", *GENES[2:]]
    for ending, message in {
        "sif": "SIF cannot",
        "gmt": "GMT cannot",
        "gexf": "GEXF cannot",
    }.items():
        with pytest.raises(ValueError, match=message):
            sr.io.write_grn(odd, tmp_path / f"a.{ending}", gene_symbols="other")
    assert list(tmp_path.iterdir()) == []
