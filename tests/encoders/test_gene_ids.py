from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scregnet.encoders.gene_ids import GeneIds, organism_of, to_human, unversioned

SYMBOLS = {
    "GATA1": "ENSG00000102145",
    "TP53": "ENSG00000141510",
    "P53": "ENSG00000141510",
    "C1orf7": "ENSG00000000007",
}
BY_SYMBOL = {
    "TP53": 10,
    "GATA1": 4,
    "C1orf7": 30,
    "RP11-34P13.7": 2,
    "ENSG00000283886": 6,
    "ENSG00000275493.2": 8,
}


def tokens(ids, genes):
    match = ids.match(np.array(genes))
    assert (np.diff(match.tokens) > 0).all()
    return np.where(match.known, match.tokens[match.slots], -1).tolist()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ENSG00000102145.12", "ENSG00000102145"),
        ("ensg00000102145", "ENSG00000102145"),
        ("ENSMUSG00000031162.3", "ENSMUSG00000031162"),
        ("RP11-34P13.7", "RP11-34P13.7"),
        ("Gata1", "Gata1"),
        ("ENSA", "ENSA"),
    ],
)
def test_versions_are_taken_from_ensembl_ids_only(name, expected):
    assert unversioned(name) == expected


def test_a_vocabulary_of_symbols():
    ids = GeneIds("M", BY_SYMBOL, kind="symbol")
    assert tokens(ids, ["GATA1", "Gata1", "gata1", "C1orf7", "C1ORF7", "C1Orf7"]) == [
        4,
        -1,
        -1,
        30,
        30,
        -1,
    ]
    assert tokens(ids, ["RP11-34P13.7", "RP11-34P13", "rp11-34p13.7", ""]) == [2, -1, -1, -1]
    # Genes without a symbol are in such vocabularies under their Ensembl id.
    assert tokens(
        ids, ["ENSG00000283886.3", "ENSG00000275493", "ensg00000275493.9", "ENSG00000102145"]
    ) == [
        6,
        8,
        8,
        -1,
    ]


def test_an_exact_name_goes_before_every_rule():
    ids = GeneIds(
        "M", {"ENSG00000283886.3": 1, "ENSG00000283886": 2, "Abc": 3, "ABC": 4}, kind="symbol"
    )
    assert tokens(ids, ["ENSG00000283886.3", "ENSG00000283886", "ENSG00000283886.9"]) == [1, 2, 1]
    assert tokens(ids, ["Abc", "ABC"]) == [3, 4]


def test_ensembl_ids_reach_a_vocabulary_of_symbols_through_a_dictionary():
    ids = GeneIds("M", BY_SYMBOL, kind="symbol", symbols=SYMBOLS)
    match = ids.match(
        np.array(["ENSG00000102145.4", "TP53", "ENSG00000141510", "P53", "ENSG00000275493"])
    )
    assert match.tokens.tolist() == [4, 8, 10]
    assert match.slots.tolist() == [0, 2, 2, -1, 1]
    assert match.report == {"n_by_ensembl": 3, "n_by_symbol": 1, "n_by_alias": 0}


def test_a_vocabulary_of_ensembl_ids():
    by_ensembl = {gene: i for i, gene in enumerate(dict.fromkeys(SYMBOLS.values()))}
    ids = GeneIds("M", by_ensembl, kind="ensembl", symbols=SYMBOLS)
    assert tokens(ids, ["P53", "ENSG00000141510.1", "C1ORF7", "Gata1"]) == [1, 1, 2, -1]
    aliases = {"ENSG00000000999": "ENSG00000141510", "ENSG00000102145": "ENSG00000102145"}
    ids = GeneIds("M", by_ensembl, kind="ensembl", symbols=SYMBOLS, aliases=aliases)
    assert tokens(ids, ["ENSG00000000999.2", "GATA1", "C1orf7"]) == [1, 0, -1]


def test_previous_symbols_in_the_table_of_ids():
    by_ensembl = {"ENSG00000122545": 5, "ENSG00000102145": 6, "ENSG00000145416": 7}
    aliases = {gene: gene for gene in by_ensembl} | {
        "SEPT7": "ENSG00000122545",
        "C3ORF14": "ENSG00000145416",
        "GATA1": "ENSG00000122545",
        "LOST": "ENSG00000999999",
    }
    ids = GeneIds("M", by_ensembl, kind="ensembl", symbols=SYMBOLS, aliases=aliases)
    names = ["SEPT7", "Sept7", "sept7", "C3orf14", "GATA1", "LOST", "other", "ENSG00000122545"]
    # The dictionary of symbols goes first: GATA1. Mouse case is not taken for human.
    assert tokens(ids, names) == [5, -1, -1, 7, 6, -1, -1, 5]
    report = ids.match(np.array(names)).report
    assert report == {"n_by_ensembl": 1, "n_by_symbol": 1, "n_by_alias": 2}


@pytest.mark.parametrize(
    ("kind", "symbols", "names", "message"),
    [
        (
            "symbol",
            None,
            ["ENSG00000102145", "x"],
            "They are Ensembl ids: name the column .* gene symbols with gene_ids=",
        ),
        ("symbol", None, ["ENSMUSG00000031162"], "another organism.*orthologues="),
        ("symbol", None, ["Gata1"], "mouse symbols.*orthologues='upper'"),
        ("symbol", None, ["AT1G01010"], "gene_ids="),
        ("ensembl", SYMBOLS, ["Gata1"], "mouse symbols.*orthologues='upper'"),
        ("old", SYMBOLS, ["Sept7"], "mouse symbols.*orthologues='upper'"),
        ("ensembl", None, ["GATA1"], r"gene_name_id_dict\*\.pkl"),
    ],
)
def test_no_match_names_the_likely_cause(kind, symbols, names, message):
    known = {"GATA1": 0} if kind == "symbol" else {"ENSG00000102145": 0}
    aliases = {"SEPT7": "ENSG00000102145"} if kind == "old" else None
    kind = "symbol" if kind == "symbol" else "ensembl"
    with pytest.raises(
        ValueError,
        match=rf"none of the {len(names)} genes .* in Mine's vocabulary of human .*{message}",
    ):
        GeneIds("Mine", known, kind=kind, symbols=symbols, aliases=aliases).match(np.array(names))


MOUSE_SYMBOLS = {"Gata1": "ENSMUSG00000031162", "Trp53": "ENSMUSG00000059552"}


@pytest.mark.parametrize(
    ("ids", "symbols", "organism"),
    [
        (SYMBOLS.values(), (), "human"),
        ([*MOUSE_SYMBOLS.values(), "Gata1"], (), "mouse"),
        ([*SYMBOLS.values(), *MOUSE_SYMBOLS.values()], (), "human and mouse"),
        ([*SYMBOLS.values()] * 20 + [*MOUSE_SYMBOLS.values()], (), "human"),
        (["ENSDARG00000013477"], (), "zebrafish"),
        (["ENSGALG00000013477.2"], (), "ENSGALG"),
        ((), ["Gata1", "Trp53", "Sox2", "1700001L05Rik", "H19"], "mouse"),
        ((), ["GATA1", "C1orf7", "Gata1"], "human"),
        ((), (), "human"),
    ],
)
def test_ids_say_whose_genes_they_are(ids, symbols, organism):
    assert organism_of(ids, symbols) == organism


def test_a_mouse_vocabulary_takes_no_human_symbol_for_a_mouse_one():
    by_ensembl = {"ENSMUSG00000031162": 3, "ENSMUSG00000059552": 4}
    ids = GeneIds("M", by_ensembl, kind="ensembl", symbols=MOUSE_SYMBOLS)
    names = ["Gata1", "GATA1", "Trp53", "ENSMUSG00000031162.7", "ENSG00000102145"]
    assert tokens(ids, names) == [3, -1, 4, 3, -1]
    aliases = {gene: gene for gene in by_ensembl} | {"p53": "ENSMUSG00000059552"}
    ids = GeneIds("M", by_ensembl, kind="ensembl", symbols=MOUSE_SYMBOLS, aliases=aliases)
    assert tokens(ids, ["p53", "P53", "Gata1"]) == [4, -1, 3]
    ids = GeneIds("M", {"Gata1": 1, "Trp53": 2}, kind="symbol")
    assert tokens(ids, ["Gata1", "GATA1"]) == [1, -1]


@pytest.mark.parametrize(
    ("symbols", "names", "message"),
    [
        (MOUSE_SYMBOLS, ["ENSG00000102145"], "Ensembl ids of human: this model reads mouse genes"),
        (MOUSE_SYMBOLS, ["GATA1"], "look like human symbols.*Leave orthologues= out"),
        (MOUSE_SYMBOLS, ["x"], "holds mouse gene symbols or Ensembl ids with gene_ids="),
        (None, ["Gata1"], r"gene_name_id_dict.*mouse symbols to Ensembl ids"),
    ],
)
def test_a_mouse_vocabulary_without_a_match_says_so(symbols, names, message):
    ids = GeneIds("Mine", {"ENSMUSG00000031162": 0}, kind="ensembl", symbols=symbols)
    with pytest.raises(ValueError, match=rf"vocabulary of mouse Ensembl ids.*{message}"):
        ids.match(np.array(names))


TABLE = pd.DataFrame(
    {
        "mouse": ["Gata1", "Trp53", "Pair", "Pair", "Same", "Same", "Twin1", "Twin2", "Lost"],
        "human": ["GATA1", "TP53", "ONE", "TWO", "OTHER", "SAME", "TWIN", "TWIN", None],
    }
)
MOUSE = np.array(["Trp53", "Gata1", "Pair", "Same", "Twin1", "Twin2", "Lost", "GATA1", ""])
HUMAN = ["TP53", "GATA1", "", "SAME", "TWIN", "TWIN", "", "", ""]


@pytest.mark.parametrize(
    "orthologues",
    [
        TABLE,
        TABLE.assign(score=1)[["score", "human", "mouse"]],
        TABLE.set_axis(["Gene name", "Human gene name"], axis=1),
        TABLE.set_index("mouse")["human"],
        TABLE.dropna().groupby("mouse")["human"].agg(list).to_dict(),
    ],
    ids=["frame", "more columns", "two columns", "series", "lists"],
)
def test_a_table_of_orthologues(orthologues):
    human, report = to_human(MOUSE, orthologues)
    assert human.tolist() == HUMAN
    assert report == {"orthologues": "table", "n_orthologues": 5, "n_ambiguous": 1}


def test_orthologues_of_ensembl_ids():
    table = {"ENSMUSG00000031162": "ENSG00000102145.3", "ENSMUSG00000059552.4": "TP53"}
    human, _ = to_human(np.array(["ENSMUSG00000031162.9", "ENSMUSG00000059552", "Gata1"]), table)
    assert human.tolist() == ["ENSG00000102145.3", "TP53", ""]
    assert tokens(GeneIds("M", BY_SYMBOL, kind="symbol", symbols=SYMBOLS), human) == [4, 10, -1]


def test_the_upper_case_rule():
    human, report = to_human(
        np.array(["Gata1", "TP53", "ENSMUSG00000031162", "1700001c02Rik"]), "upper"
    )
    assert human.tolist() == ["GATA1", "TP53", "ENSMUSG00000031162", "1700001C02RIK"]
    assert report == {"orthologues": "upper", "n_orthologues": 2, "n_ambiguous": 0}


@pytest.mark.parametrize(
    ("orthologues", "error", "message"),
    [
        ("lower", ValueError, "orthologues='lower' is not known; valid values: 'upper'"),
        (3, TypeError, "a frame, a mapping or 'upper', got int"),
        (
            TABLE.assign(a=1).drop(columns="mouse").assign(b=1),
            ValueError,
            "'mouse' and 'human'.*it has 'human', 'a', 'b'",
        ),
        (
            {"ENSMUSG00000031162": "GATA1"},
            ValueError,
            "has none of the 9 genes .*it has 'ENSMUSG00000031162'",
        ),
        ({}, ValueError, "has none of the 9 genes .*it has none"),
    ],
)
def test_orthologues_that_cannot_be(orthologues, error, message):
    with pytest.raises(error, match=message):
        to_human(MOUSE, orthologues)


@pytest.mark.shared
@pytest.mark.parametrize(("vocabulary", "known"), [("scbert", 687), ("scgpt", 705)])
def test_symbols_of_real_data(shared, vocabulary, known):
    import json

    import scanpy as sc

    folder = shared / "data" / "vocab" / vocabulary
    if vocabulary == "scbert":
        order = (folder / "gene_order_16906.txt").read_text().split()
        genes = {symbol: i for i, symbol in enumerate(order)}
    else:
        genes = json.loads((folder / "default_census_vocab.json").read_text())
    match = GeneIds(vocabulary, genes, kind="symbol").match(
        sc.datasets.pbmc68k_reduced().var_names.to_numpy(dtype=object).astype(str)
    )
    assert match.known.sum() == match.report["n_by_symbol"] == known
