from __future__ import annotations

import logging

import anndata as ad
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scregnet._genes.network import read_network
from scregnet.datasets import perturbation

GENES = ["GATA1", "KLF1", "HBB", "SPI1", "NAN", "MYC"]
# Asymmetric, so that a swap of regulator and target shows.
EDGES = [("GATA1", "KLF1", 2.0), ("GATA1", "HBB", -1.0), ("KLF1", "HBB", 0.5), ("SPI1", "NAN", 1.0)]
POSITIONS = [(0, 1, 2.0), (0, 2, -1.0), (1, 2, 0.5), (3, 4, 1.0)]


@pytest.fixture
def adata() -> ad.AnnData:
    return ad.AnnData(np.ones((3, 6), dtype=np.float32), var=pd.DataFrame(index=GENES))


def _frame(edges=EDGES, columns=("source", "target", "weight")) -> pd.DataFrame:
    return pd.DataFrame(edges, columns=list(columns))


def _edges(network) -> list[tuple[int, int, float]]:
    return list(
        zip(
            network.sources.tolist(),
            network.targets.tolist(),
            network.weights.tolist(),
            strict=True,
        )
    )


def _dense() -> np.ndarray:
    dense = np.zeros((6, 6))
    for source, target, weight in POSITIONS:
        dense[source, target] = weight
    return dense


def _wide() -> pd.DataFrame:
    wide = pd.DataFrame(_dense(), index=GENES, columns=GENES)
    return wide.loc[["SPI1", "KLF1", "GATA1"], ["NAN", "HBB", "KLF1"]]


FORMS = {
    "frame": _frame,
    "shuffled": lambda: _frame().iloc[[2, 0, 3, 1]],
    "categorical": lambda: _frame().astype({"source": "category", "target": "category"}),
    "weights as text": lambda: _frame().astype({"weight": str}),
    "extra columns": lambda: _frame().assign(PMID="1", coef=3.0),
    "arboreto": lambda: _frame(columns=("TF", "target", "importance")),
    "beeline": lambda: _frame(columns=("Gene1", "Gene2", "EdgeWeight")),
    "regulators": lambda: _frame(columns=("regulators", "targets", "weights")),
    "upper case": lambda: _frame(columns=("REGULATOR", "TARGET", "WEIGHT")),
    "graph": lambda: nx.from_pandas_edgelist(_frame(), edge_attr="weight", create_using=nx.DiGraph),
    "matrix": _dense,
    "csr": lambda: sp.csr_matrix(_dense()),
    "csc": lambda: sp.csc_matrix(_dense()),
    "coo_array": lambda: sp.coo_array(_dense()),
    "wide frame": _wide,
    "tuples": lambda: list(EDGES),
    "set": lambda: set(EDGES),
    "lists in a generator": lambda: (list(edge) for edge in EDGES),
    "array of text": lambda: np.array(EDGES),
    "array of objects": lambda: np.array(EDGES, dtype=object),
    "mapping with weights": lambda: {
        source: {target: weight for s, target, weight in EDGES if s == source}
        for source, _, _ in EDGES
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_edges(form, adata):
    network = read_network(FORMS[form](), adata)
    assert _edges(network) == POSITIONS
    assert (network.sources.dtype, network.targets.dtype, network.weights.dtype) == (
        np.int32,
        np.int32,
        np.float32,
    )
    report = network.report
    assert [report[f"n_{what}_matched"] for what in ("edges", "tfs", "targets")] == [4, 3, 3]
    assert [report[f"n_{what}_given"] for what in ("edges", "tfs", "targets")] == [4, 3, 3]


def test_matrix_rows_are_regulators(adata):
    matrix = read_network(_frame(), adata).matrix(6)
    assert isinstance(matrix, sp.csr_matrix)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix.toarray(), _dense())


def test_varp_key(adata):
    adata.varp["known"] = sp.csr_matrix(_dense())
    assert _edges(read_network("known", adata)) == POSITIONS
    with pytest.raises(
        KeyError, match="prior='prior' is not in adata.varp; it has 'known'. Call sr.pp.prior"
    ):
        read_network("prior", adata)
    with pytest.raises(KeyError, match="It is not a file either: '.*prior' does not exist"):
        read_network("prior", adata)


def test_missing_weights_are_one(adata):
    assert read_network(_frame().drop(columns="weight"), adata).weights.tolist() == [1] * 4
    assert read_network([edge[:2] for edge in EDGES], adata).weights.tolist() == [1] * 4
    for targets in (["KLF1", "HBB"], ("KLF1", "HBB"), {"KLF1", "HBB"}, np.array(["KLF1", "HBB"])):
        assert _edges(read_network({"GATA1": targets}, adata)) == [(0, 1, 1), (0, 2, 1)]
    graph = nx.DiGraph([("GATA1", "KLF1")])
    graph.add_edge("GATA1", "HBB", weight=3)
    assert _edges(read_network(graph, adata)) == [(0, 1, 1), (0, 2, 3)]


def test_decouplers_own_columns_win_over_aliases(adata):
    frame = _frame().assign(TF="HBB", importance=7)
    assert _edges(read_network(frame, adata)) == POSITIONS
    with pytest.raises(ValueError, match="several columns for the source: 'TF', 'regulator'"):
        read_network(_frame().rename(columns={"source": "TF"}).assign(regulator="HBB"), adata)


def test_renaming_and_match_are_logged(adata, caplog):
    frame = _frame(
        [*EDGES, ("GATA1", "EPOR", 1.0), ("TAL1", "HBB", 1.0)], ("TF", "target", "importance")
    )
    with caplog.at_level(logging.INFO, "scregnet"):
        read_network(frame, adata)
    assert caplog.messages == [
        "prior: columns read as TF → source, importance → weight",
        "prior: 4 of 6 edges, 3 of 4 TFs, 3 of 4 targets are in adata.var_names",
    ]


def test_self_loops_zero_weights_and_strangers_are_counted(adata):
    edges = [*EDGES, ("MYC", "MYC", 1.0), ("MYC", "HBB", 0.0), ("MYC", "elsewhere", 1.0)]
    network = read_network(_frame(edges), adata)
    assert _edges(network) == POSITIONS
    assert network.report["n_self_loops"] == 1
    assert network.report["n_zero_weights"] == 1
    assert network.report["n_edges_given"] == 7
    assert network.report["n_tfs_given"] == 4
    assert network.report["n_tfs_matched"] == 3


def test_one_tf_is_enough_here(adata):
    network = read_network(_frame(EDGES[:2]), adata)
    assert network.report["n_tfs_matched"] == 1


def test_gene_symbols_column(adata, caplog):
    symbols = [*GENES[:5], None]
    adata.var_names = [f"ENSG{i:011d}" for i in range(6)]
    adata.var["symbol"] = symbols
    adata.var["kind"] = pd.Categorical(symbols)
    adata.var["length"] = 5
    for column in ("symbol", "kind"):
        with caplog.at_level(logging.INFO, "scregnet"):
            assert _edges(read_network(_frame(), adata, gene_symbols=column)) == POSITIONS
        assert caplog.messages[-1].endswith(f"3 of 3 targets are in adata.var[{column!r}]")
    with pytest.raises(
        KeyError,
        match="gene_symbols='name' is not a column of adata.var; its text columns: symbol, kind",
    ):
        read_network(_frame(), adata, gene_symbols="name")
    with pytest.raises(ValueError, match="holds int64, not names"):
        read_network(_frame(), adata, gene_symbols="length")


def test_a_symbol_of_several_genes_is_left_out_and_said(adata, caplog):
    adata.var["symbol"] = ["GATA1", "KLF1", "HBB", "SPI1", "NAN", "HBB"]
    network = read_network(_frame(), adata, gene_symbols="symbol")
    assert _edges(network) == [POSITIONS[0], POSITIONS[3]]
    assert network.report["n_ambiguous_edges"] == 2
    assert "2 edges left out because several genes" in caplog.text


@pytest.mark.parametrize(
    "prior, error, message",
    [
        (_frame([]), ValueError, "prior has no edges"),
        (_frame([*EDGES, EDGES[0]]), ValueError, r"1 duplicated edges: 'GATA1 → KLF1'\. Keep one"),
        (
            _frame([("GATA1", None, 1.0)]),
            ValueError,
            r"1 missing target names \(first in row 0\).*keep_default_na=False",
        ),
        (
            _frame([("GATA1", "HBB", 1.0), (np.nan, "HBB", 1.0)]),
            ValueError,
            r"missing source names \(first in row 1\)",
        ),
        (
            _frame([("GATA1", "HBB", np.nan)]),
            ValueError,
            "1 weights that are not finite numbers, such as .*nan.* in row 0",
        ),
        (_frame([("GATA1", "HBB", np.inf)]), ValueError, "not finite numbers"),
        (_frame([("GATA1", "HBB", "strong")]), ValueError, "such as 'strong' in row 0"),
        (_frame([("GATA1", "HBB", 0.0)]), ValueError, "0 are self-loops and 1 have weight 0"),
        (_frame([("GATA1", "GATA1", 1.0)]), ValueError, "1 are self-loops"),
        (
            _frame(columns=("from", "to", "score")),
            ValueError,
            "has columns 'from', 'to', 'score', but needs 'source' and 'target'",
        ),
        (pd.DataFrame(EDGES), ValueError, "has columns '0', '1', '2', but needs"),
        (nx.Graph([("GATA1", "HBB")]), ValueError, "undirected graph.*networkx.DiGraph"),
        (nx.DiGraph(), ValueError, "prior has no edges"),
        (nx.MultiDiGraph([("GATA1", "HBB"), ("GATA1", "HBB")]), ValueError, "1 duplicated edges"),
        (np.ones((5, 6)), ValueError, r"shape \(5, 6\), but must be genes × genes .*\(6, 6\)"),
        (np.zeros((6, 6)), ValueError, "zero everywhere"),
        (np.full((6, 6), np.nan), ValueError, "36 values that are NaN"),
        (sp.eye(6), ValueError, "6 are self-loops"),
        (_wide().replace(0.5, np.nan), ValueError, "1 of 9 values missing"),
        (
            _wide().set_axis(["HBB"] * 3, axis=1),
            ValueError,
            "gene names twice in its columns: 'HBB'",
        ),
        (_wide() * 0, ValueError, "prior has no edges"),
        ([], ValueError, "prior has no edges"),
        ({}, ValueError, "prior has no edges"),
        (3, TypeError, "prior must be a frame, a path, .* got int"),
        (b"GATA1", TypeError, "got bytes"),
        (None, TypeError, "got NoneType"),
    ],
)
def test_bad_networks(prior, error, message, adata):
    with pytest.raises(error, match=message):
        read_network(prior, adata)


def test_duplicated_var_names(adata):
    adata.var_names = [*GENES[:5], "GATA1"]
    with pytest.raises(ValueError, match="var_names are not unique: 'GATA1'"):
        read_network(_frame(), adata)


MOUSE = [(s.capitalize(), t.capitalize(), w) for s, t, w in EDGES]


def _named(names, **var) -> ad.AnnData:
    return ad.AnnData(
        np.ones((2, len(names)), dtype=np.float32), var=pd.DataFrame(var, index=list(names))
    )


@pytest.mark.parametrize(
    "adata, edges, cause",
    [
        (
            _named([g.capitalize() for g in GENES]),
            EDGES,
            (
                r"letter case: adata.var_names look like 'Gata1', the prior like 'GATA1' "
                r"\(mouse and human spelling: likely a mix-up of organisms"
            ),
        ),
        (
            _named(GENES),
            MOUSE,
            (
                r"letter case: adata.var_names look like 'GATA1', the prior like 'Gata1' "
                r"\(human and mouse spelling"
            ),
        ),
        (
            _named(["g1", "g2"]),
            [("G1", "G2", 1.0)],
            r"letter case: adata.var_names look like 'g1', the prior like 'G1'\. 2 of",
        ),
        (
            _named([f"ENSG{i}.{i}" for i in range(6)]),
            [("ENSG0", "ENSG1", 1.0)],
            r"version suffixes: adata.var_names look like 'ENSG0.0', the prior like 'ENSG0'",
        ),
        (
            _named([f"ENSG{i}" for i in range(6)]),
            [("ENSG0.2", "ENSG1.12", 1.0)],
            "version suffixes",
        ),
        (
            _named([f"ENSG{i}" for i in range(6)], symbol=GENES, other=GENES[::-1]),
            EDGES,
            r"5 of them match adata.var\['symbol'\]: pass gene_symbols='symbol'",
        ),
        (
            _named([f"ENSG{i}" for i in range(6)]),
            EDGES,
            "Ensembl ids against symbols: .*'ENSG0'.*'GATA1'",
        ),
        (_named(GENES), [("ENSG0", "ENSG1", 1.0)], "symbols against Ensembl ids"),
        (
            _named([f"ENSMUSG{i}" for i in range(6)]),
            [("ENSG0", "ENSG1", 1.0)],
            r"mix-up of organisms: .*\(mouse and human\)",
        ),
        (
            _named(GENES),
            [("GATA1 ", "HBB ", 1.0)],
            "spaces around names: adata.var_names hold 'GATA1', the prior 'GATA1 '",
        ),
        (
            _named(GENES),
            [("YAL001C", "YAL002W", 1.0)],
            "names of another kind or organism: .*'YAL001C'",
        ),
    ],
)
def test_no_overlap_names_the_likely_cause(adata, edges, cause):
    with pytest.raises(
        ValueError,
        match=rf"no edge of the prior has both genes.*none of its genes.*Likely cause: .*{cause}",
    ):
        read_network(_frame(edges), adata)


def test_no_overlap_in_the_named_column():
    adata = _named(GENES, id=[f"ENSG{i}" for i in range(6)])
    with pytest.raises(
        ValueError,
        match=r"in adata.var\['id'\].*match adata.var_names: leave gene_symbols='id' out",
    ):
        read_network(_frame(), adata, gene_symbols="id")


def test_genes_there_but_no_edge():
    with pytest.raises(ValueError, match="1 of 1 TFs and 0 of 1 targets are there"):
        read_network(_frame([("GATA1", "EPOR", 1.0)]), _named(GENES))


def test_a_poor_overlap_is_warned_of(caplog):
    names = [f"GENE{i}" for i in range(100)]
    edges = [("GENE0", "GENE1", 1.0), *((f"Gene{i}", f"Gene{i + 1}", 1.0) for i in range(2, 90))]
    network = read_network(_frame(edges), _named(names))
    assert network.report["n_edges_matched"] == 1
    assert "only 2 of 91 gene names match. Likely cause: letter case" in caplog.text


@pytest.mark.shared
def test_collectri_on_pbmc(shared):
    import scanpy as sc

    adata = sc.datasets.pbmc68k_reduced()
    net = pd.read_csv(shared / "data/priors/collectri.csv")
    network = read_network(net, adata)
    named = net[net["source"].isin(adata.var_names) & net["target"].isin(adata.var_names)]
    named = named[named["source"] != named["target"]]
    assert set(
        zip(adata.var_names[network.sources], adata.var_names[network.targets], strict=True)
    ) == set(zip(named["source"], named["target"], strict=True))
    assert network.report["n_edges_given"] == 43178
    assert network.report["n_tfs_matched"] == named["source"].nunique() > 20


@pytest.mark.shared
def test_mouse_trrust_on_human_cells_is_told_apart(shared):
    import scanpy as sc

    columns = ["TF", "target", "mode", "pmid"]
    net = pd.read_csv(
        shared / "data/priors/trrust_rawdata.mouse.tsv", sep="\t", header=None, names=columns
    )
    # Without the column of signs, rows that differ in it are repeated edges.
    with pytest.raises(ValueError, match="567 duplicated edges"):
        read_network(net.drop(columns="mode"), sc.datasets.pbmc68k_reduced())
    with pytest.raises(ValueError, match="human and mouse spelling: likely a mix-up of organisms"):
        read_network(net, sc.datasets.pbmc68k_reduced())


@pytest.mark.shared
def test_beeline_network_matches_whole(shared):
    folder = shared / "data/beeline/hESC/TFs+500"
    genes = pd.read_csv(folder / "Target.csv", keep_default_na=False)["Gene"]
    net = pd.read_csv(folder / "BL--network.csv", keep_default_na=False)
    report = read_network(net, _named(genes)).report
    assert report["n_edges_matched"] + report["n_self_loops"] == report["n_edges_given"]


def test_genes_by_cells_are_recognised(adata):
    with pytest.raises(
        ValueError, match=r"5 of them match adata.obs_names: .*genes × cells. Pass adata.T"
    ):
        read_network(_frame(), adata.T.copy())


def test_ids_that_became_floats_are_recognised(adata):
    adata.var_names = [str(number) for number in range(100, 106)]
    frame = pd.DataFrame({"source": ["100.0", "101.0"], "target": ["101.0", "102.0"]})
    with pytest.raises(
        ValueError, match=r"ids that became floating-point numbers: .*'100', the prior '100.0'"
    ):
        read_network(frame, adata)


def test_a_wide_frame_with_categories_for_names(adata):
    wide = _frame().pivot_table(index="source", columns="target", values="weight", fill_value=0.0)
    wide.index, wide.columns = pd.CategoricalIndex(wide.index), pd.CategoricalIndex(wide.columns)
    assert _edges(read_network(wide, adata)) == POSITIONS


def test_gaps_in_a_wide_frame_say_what_to_do(adata):
    wide = _frame().pivot_table(index="source", columns="target", values="weight")
    said = r"wide frame with 5 of 9 values missing \(NaN\). .* pass prior.fillna\(0\)"
    with pytest.raises(ValueError, match=said):
        read_network(wide, adata)
    assert _edges(read_network(wide.fillna(0), adata)) == POSITIONS


@pytest.mark.parametrize("index", [["source"], ["target"], ["source", "target"]])
def test_edges_whose_names_are_in_the_index(adata, index):
    assert _edges(read_network(_frame().set_index(index), adata)) == POSITIONS


def _base_network():
    """Return a network as CellOracle gives it: targets × TFs."""
    return pd.DataFrame(
        [["peak1", "HBB", 1, 0], ["peak2", "HBB", 0, 1], ["peak3", "KLF1", 1, 0]],
        columns=["peak_id", "gene_short_name", "GATA1", "SPI1"],
    )


def test_base_networks_of_celloracle_say_how_to_turn_them(adata):
    base = _base_network()
    with pytest.raises(ValueError, match=r"CellOracle's base networks have: targets × TFs.*\.T"):
        read_network(base, adata)
    turned = base.drop(columns="peak_id").groupby("gene_short_name").max().T
    names = pd.DataFrame({"source": ["GATA1", "GATA1", "SPI1"], "target": ["HBB", "KLF1", "HBB"]})
    assert _edges(read_network(turned, adata)) == _edges(read_network(names, adata))


def test_a_wide_frame_of_targets_by_regulators_is_warned_of(adata, caplog):
    wide = pd.DataFrame(
        1.0, index=["SPI1", "KLF1", "GATA1", "HBB", "NAN"], columns=["KLF1", "SPI1"]
    )
    read_network(wide.T, adata)
    assert "targets × regulators" not in caplog.text
    read_network(wide, adata)
    assert "2 of its 2 columns are rows too, and 2 of its 5 rows are columns" in caplog.text


def test_tested_pairs_that_did_not_change_are_no_edges(adata, tmp_path):
    tested = {"source": "GATA1", "target": ["KLF1", "HBB", "MYC"], "effect": [-1.0, 2.0, 0.0]}
    effects = perturbation(pd.DataFrame(tested))
    with pytest.raises(ValueError, match=r"prior is a frame of effects: .* 2 of 3 are affected"):
        read_network(effects, adata)
    effects.to_csv(tmp_path / "effects.csv", index=False)
    with pytest.raises(ValueError, match=r"2 of 3 are affected"):
        read_network(tmp_path / "effects.csv", adata)
    found = read_network(effects[effects["affected"]], adata)
    # Without GATA1, what it activates falls.
    assert found.targets.tolist() == [1, 2]
    assert found.signs.activates.tolist() == [True, False]


def test_a_wide_frame_with_far_more_rows_than_columns_is_warned_of(caplog):
    names = [f"g{number}" for number in range(14)]
    data = ad.AnnData(np.ones((2, 14)), var=pd.DataFrame(index=names))
    turned = pd.DataFrame(np.ones((12, 2)), index=names[2:], columns=names[:2])
    with caplog.at_level(logging.WARNING, logger="scregnet"):
        read_network(turned, data)
    assert "has 12 rows and 2 columns: more regulators than targets" in caplog.text
    caplog.clear()
    read_network(turned.T, data)
    assert not caplog.records
