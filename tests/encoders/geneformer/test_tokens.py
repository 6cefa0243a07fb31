from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.sparse as sp

from scregnet.encoders.geneformer.tokens import GeneformerVocabulary


def vocabulary(known, **without):
    return GeneformerVocabulary(
        known["token_dictionary"],
        known["gene_median_dictionary"],
        known["ensembl_mapping_dict"] if without.get("mapping", True) else None,
        known["gene_name_id_dict"] if without.get("symbols", True) else None,
    )


def as_lists(tokens):
    return [
        tokens.ids[a:b].tolist() for a, b in zip(tokens.indptr[:-1], tokens.indptr[1:], strict=True)
    ]


def tokenise(voc, genes, counts, max_length=2048):
    match = voc.match(np.asarray(genes))
    return voc.tokenise(sp.csr_matrix(np.asarray(counts, dtype=float)), match, max_length)


def one_cell_at_a_time(known, genes, counts, max_length):
    """The rule of the specification, written out."""
    tokens, medians, mapping = (
        known[name]
        for name in ("token_dictionary", "gene_median_dictionary", "ensembl_mapping_dict")
    )
    sequences = []
    for cell in counts.toarray():
        total = cell.sum()
        summed: dict[str, float] = {}
        for gene, count in zip(genes, cell, strict=True):
            target = mapping.get(gene)
            if target in tokens and count:
                summed[target] = summed.get(target, 0) + count
        value = {gene: count / total * 1e4 / medians[gene] for gene, count in summed.items()}
        ranked = [
            tokens[gene] for gene in sorted(value, key=lambda gene: (-value[gene], tokens[gene]))
        ]
        if "<cls>" in tokens and ranked:
            ranked = [tokens["<cls>"], *ranked[: max_length - 2], tokens["<eos>"]]
        sequences.append(ranked[:max_length])
    return sequences


@pytest.mark.parametrize("max_length", [2048, 12, 3])
def test_tokens_follow_the_rule_cell_by_cell(known, family, genes, counts, max_length):
    voc = vocabulary(known[family])
    tokens = voc.tokenise(counts, voc.match(genes), max_length)
    expected = one_cell_at_a_time(known[family], genes, counts, max_length)
    assert as_lists(tokens) == expected
    assert expected[4] == expected[11] == []
    assert max(map(len, expected)) > 12 or max_length < 2048


def test_more_cells_than_are_sorted_at_once(known, genes):
    rng = np.random.default_rng(5)
    counts = sp.random(
        1300, len(genes), density=0.3, random_state=rng, data_rvs=lambda n: rng.integers(1, 9, n)
    ).tocsr()
    voc = vocabulary(known["V2"])
    assert as_lists(voc.tokenise(counts, voc.match(genes), 9)) == one_cell_at_a_time(
        known["V2"], genes, counts, 9
    )


def test_slots_point_to_the_genes_of_the_data(known, genes, counts):
    voc = vocabulary(known["V2"])
    match = voc.match(genes)
    tokens = voc.tokenise(counts, match, 64)
    is_gene = tokens.slots >= 0
    np.testing.assert_array_equal(match.tokens[tokens.slots[is_gene]], tokens.ids[is_gene])
    assert set(tokens.ids[~is_gene]) == {2, 3}


def test_genes_in_another_order_give_the_same_tokens(known, genes):
    # Counts of one and equal medians: nearly every gene is tied.
    voc = GeneformerVocabulary(
        known["V1"]["token_dictionary"], dict.fromkeys(known["V1"]["gene_median_dictionary"], 2.0)
    )
    rng = np.random.default_rng(6)
    counts = rng.integers(0, 3, (20, len(genes)))
    order = rng.permutation(len(genes))
    assert as_lists(tokenise(voc, genes, counts)) == as_lists(
        tokenise(voc, genes[order], counts[:, order])
    )


def test_columns_of_the_same_gene_are_summed(known):
    voc = vocabulary(known["V1"])
    a, b = list(known["V1"]["gene_median_dictionary"])[:2]
    median = known["V1"]["gene_median_dictionary"]
    genes = [a, b, a, f"{a}.7", a.lower(), "ENSG00000000901", "GENE0"]
    match = voc.match(np.array(genes))
    assert match.slots.tolist() == [0, 1, 0, 0, 0, 0, 0]
    assert match.report == {"n_by_ensembl": 6, "n_by_symbol": 1, "n_by_alias": 0}
    enough = int(np.ceil(6 * median[b] / median[a])) + 1
    tokens = tokenise(voc, genes, [[1, enough, 1, 1, 1, 1, 1], [1, enough - 2, 1, 1, 1, 1, 1]])
    first, second = (known["V1"]["token_dictionary"][gene] for gene in (a, b))
    assert as_lists(tokens)[0] == [second, first]


def test_symbols(known):
    voc = vocabulary(known["V1"])
    names = np.array(["GENE5", "C1orf7", "C1ORF7", "c1orf7", "Gene5", "", "ENSG00000000101.12"])
    match = voc.match(names)
    tokens = np.where(match.known, match.tokens[match.slots], -1)
    assert tokens.tolist() == [7, 9, 9, -1, -1, -1, 3]
    assert match.report == {"n_by_ensembl": 1, "n_by_symbol": 3, "n_by_alias": 0}


@pytest.mark.parametrize(
    ("names", "symbols", "message"),
    [
        (
            ["ENSMUSG00000000001", "ENSMUSG00000000003"],
            True,
            "Ensembl ids of another organism.*orthologues",
        ),
        (["Gene1", "Gene2"], True, "look like mouse symbols"),
        (["AT1G01010", "x"], True, "gene_ids="),
        (["GENE1", "GENE2"], False, r"gene_ids=, or put gene_name_id_dict\*\.pkl"),
    ],
)
def test_no_match_names_the_likely_cause(known, names, symbols, message):
    with pytest.raises(ValueError, match=rf"none of the 2 genes \('{names[0]}'.*{message}"):
        vocabulary(known["V1"], symbols=symbols).match(np.array(names))


@pytest.mark.parametrize(
    ("tokens", "medians", "message"),
    [
        ({"<pad>": 0, "a": 0}, {"a": 1.0}, "its own non-negative integer"),
        ({"<pad>": 0, "a": 1.5}, {"a": 1.0}, "its own non-negative integer"),
        ({"a": 0}, {"a": 1.0}, "'<pad>'"),
        ({"<pad>": 0, "<cls>": 1, "a": 2}, {"a": 1.0}, "together"),
        ({"<pad>": 0, "a": 1}, {"a": 0.0}, "not above zero: 'a'"),
        ({"<pad>": 0, "a": 1}, {"b": 1.0}, "share no gene"),
    ],
)
def test_dictionaries_that_cannot_be(tokens, medians, message):
    with pytest.raises(ValueError, match=message):
        GeneformerVocabulary(tokens, medians)


@pytest.fixture(scope="module")
def golden(shared):
    folder = shared / "golden" / "geneformer"
    expected = json.loads((folder / "tokenizer.json").read_text())
    return expected, np.load(folder / "inputs.npz")["counts"]


def golden_vocabulary(expected, family, *, mapping=True):
    return GeneformerVocabulary(
        expected[f"token_dictionary_{family}"],
        expected["gene_medians"],
        expected["ensembl_mapping"] if mapping else None,
    )


@pytest.mark.shared
@pytest.mark.parametrize(
    "variant", ["v2", "v2_truncated", "v1", "v1_truncated", "v1_oldest_code_without_alias_columns"]
)
def test_golden_tokens(golden, variant):
    expected, counts = golden
    genes = np.array(expected["column_ensembl_ids"])
    columns = np.ones(len(genes), dtype=bool)
    oldest = "oldest" in variant
    if oldest:
        columns = ~np.isin(genes, expected["alias_columns"])
    voc = golden_vocabulary(expected, variant[:2], mapping=not oldest)
    got = as_lists(
        tokenise(voc, genes[columns], counts[:, columns], expected["max_input"].get(variant, 2048))
    )
    assert got == list(expected["expected_tokens"][variant].values())


@pytest.mark.shared
def test_golden_quirks(golden):
    expected, _ = golden
    quirks = expected["quirks"]
    voc = golden_vocabulary(expected, "v2")

    lower = quirks["lower_case_id"]
    assert as_lists(tokenise(voc, lower["columns"], lower["counts"])) == list(
        lower["upstream_tokens"].values()
    )

    dropped = quirks["cells_without_vocabulary_genes_are_dropped"]
    assert as_lists(tokenise(voc, dropped["columns"], dropped["counts"])) == [
        [],
        dropped["upstream_tokens"]["c1"],
        [],
    ]

    # Upstream gives a gene with two columns of the same name two tokens; here they are summed.
    twice = quirks["literal_duplicate_not_collapsed"]
    assert as_lists(tokenise(voc, twice["columns"], twice["counts"])) == [
        [2, 6, 4, 5, 3],
        [2, 6, 4, 3],
    ]

    ties = quirks["ties"]
    flat = GeneformerVocabulary(
        expected["token_dictionary_v2"],
        dict.fromkeys(expected["gene_medians"], ties["medians_all"]),
    )
    (got,) = as_lists(tokenise(flat, ties["columns"], ties["counts"]))
    (upstream,) = ties["upstream_tokens_on_this_machine"].values()
    assert got == [2, 8, 4, 5, 7, 6, 9, 3]
    for start, stop in ((0, 2), (2, 5), (5, 7), (7, 8)):
        assert set(got[start:stop]) == set(upstream[start:stop])


@pytest.mark.shared
@pytest.mark.parametrize(
    ("data", "family", "known", "by_alias"),
    [
        ("pbmc68k", "v1", 690, 0),
        ("hESC", "v1", 849, 0),
        ("pbmc68k", "v2", 737, 47),
        ("hESC", "v2", 880, 31),
    ],
)
def test_symbols_of_real_data(shared, data, family, known, by_alias):
    folder = shared / "data" / "vocab" / f"geneformer_{family}"
    stems = {
        "tokens": "token_dictionary",
        "medians": "gene_median_dictionary",
        "mapping": "ensembl_mapping_dict",
        "symbols": "gene_name_id_dict",
    }
    end = "" if family == "v1" else "_gc95M"
    voc = GeneformerVocabulary.read(
        {role: folder / f"{stem}{end}.pkl" for role, stem in stems.items()}
    )
    if data == "pbmc68k":
        import scanpy as sc

        names = sc.datasets.pbmc68k_reduced().var_names
    else:
        import pandas as pd

        table = pd.read_csv(
            shared / "data" / "beeline" / "hESC" / "TFs+500" / "Target.csv", keep_default_na=False
        )
        names = table["Gene"]
    match = voc.match(names.to_numpy(dtype=str))
    assert match.known.sum() == known
    assert match.report == {
        "n_by_ensembl": 0,
        "n_by_symbol": known - by_alias,
        "n_by_alias": by_alias,
    }
    # Upstream sends every id through the table in upper case; of these genes it finds no other.
    if family == "v2":
        upper = [voc.mapping.get(name.upper()) for name in names]
        np.testing.assert_array_equal(match.known, [gene in voc.tokens for gene in upper])
