from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scregnet._genes.network import read_network
from scregnet._genes.signs import read_signs
from scregnet._genes.split import SplitOptions, labelled_pairs, pairs_of_prior
from scregnet.pp import prior as write_prior
from scregnet.pp import split as write_split

GENES = ["GATA1", "KLF1", "HBB", "SPI1", "MYC"]
# MYC → TERT and E2F1 → HBB have one gene only in the data.
ROWS = [
    ("GATA1", "KLF1", 1),
    ("GATA1", "HBB", -1),
    ("GATA1", "SPI1", 0),
    ("KLF1", "HBB", 1),
    ("SPI1", "GATA1", -1),
    ("MYC", "TERT", -1),
    ("E2F1", "HBB", -1),
]
WORDS = {1: "Activation", -1: "Repression", 0: "Unknown"}
KNOWN = {("GATA1", "KLF1", 1), ("GATA1", "HBB", -1), ("KLF1", "HBB", 1), ("SPI1", "GATA1", -1)}


def cells(genes=GENES):
    return ad.AnnData(np.ones((3, len(genes)), np.float32), var=pd.DataFrame(index=list(genes)))


def frame(rows=ROWS, column="mode", words=WORDS):
    table = pd.DataFrame(rows, columns=["source", "target", column])
    return table.assign(**{column: table[column].map(words)})


def edges(known, names=GENES):
    names = np.array(names)
    sign = np.where(known.activates, 1, -1)
    return set(zip(names[known.sources], names[known.targets], sign.tolist(), strict=True))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["Activation", "Repression", "Unknown"], [1, -1, 0]),
        (["activates", "inhibition", None], [1, -1, 0]),
        (["+", "-", "?"], [1, -1, 0]),
        ([1, -1, 0], [1, -1, 0]),
        ([0.3, -2.5, np.nan], [1, -1, 0]),
        (["1", "-1", ""], [1, -1, 0]),
    ],
)
def test_signs_in_words_and_numbers(values, expected):
    assert read_signs(pd.Series(values, name="mode")).tolist() == expected


def test_other_words_are_refused():
    with pytest.raises(ValueError, match="prior has 'binding' in its column 'mode'"):
        read_network(frame(words={**WORDS, 0: "binding"}), cells())


@pytest.mark.parametrize("column", ["mode", "sign", "mor", "Mode"])
def test_a_column_of_signs_is_read(column):
    network = read_network(frame(column=column), cells())
    assert edges(network.signs) == KNOWN
    assert network.weights.tolist() == [1, -1, 1, 1, -1]
    # MYC represses once, and HBB is repressed once, by genes outside.
    assert network.signs.outside.tolist() == [[0] * 4, [0] * 4, [0, 0, 0, 1], [0] * 4, [0, 1, 0, 0]]


def test_a_sign_turns_the_weight_and_keeps_its_size():
    network = read_network(frame().assign(weight=[2, 3, 4, 5, 6, 7, 0]), cells())
    assert network.weights.tolist() == [2, -3, 4, 5, -6]
    # An edge of weight 0 is none.
    assert not network.signs.outside[2].any()


def test_negative_weights_are_signs():
    table = pd.DataFrame(ROWS, columns=["source", "target", "weight"])
    network = read_network(table[table["weight"] != 0], cells())
    assert edges(network.signs) == KNOWN
    for form in (network.matrix(5), network.matrix(5).toarray()):
        again = read_network(form, cells()).signs
        assert edges(again) == KNOWN
        assert not again.outside.any()


def test_without_repression_there_are_no_signs():
    for table in (frame().drop(columns="mode"), frame(words=dict.fromkeys(WORDS, "Activation"))):
        network = read_network(table, cells())
        assert network.signs is None
        assert set(network.weights) == {1}
    data = cells()
    write_prior(data, table)
    assert "signs" not in data.uns["prior"]


def test_the_order_of_rows_changes_nothing():
    one, other = (read_network(t, cells()).signs for t in (frame(), frame(ROWS[::-1])))
    for name in ("sources", "targets", "activates", "outside"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_rows_of_one_edge_are_joined(caplog):
    caplog.set_level("INFO", logger="scregnet")
    rows = [
        *ROWS,
        ("GATA1", "KLF1", 0),  # known wins
        ("KLF1", "HBB", -1),  # both
        ("SPI1", "GATA1", -1),  # the same twice
    ]
    network = read_network(frame(rows), cells())
    assert edges(network.signs) == KNOWN - {("KLF1", "HBB", 1)}
    assert len(network.weights) == 5
    assert "3 edges have several rows; 1 of them activate and repress" in caplog.text


def test_rows_of_one_edge_with_other_weights_are_refused():
    rows = [("GATA1", "KLF1", 1), ("GATA1", "KLF1", -1), ("SPI1", "HBB", -1)]
    with pytest.raises(ValueError, match="1 duplicated edges: 'GATA1 → KLF1'"):
        read_network(frame(rows).assign(weight=[1, 2, 1]), cells())


def test_the_prior_s_slots_keep_unknown_signs_and_those_outside():
    data = cells()
    write_prior(data, frame())
    matrix = data.varp["prior"].toarray()
    assert matrix[0].tolist() == [0, 1, -1, 1, 0]
    known = read_network("prior", data).signs
    assert edges(known) == KNOWN
    np.testing.assert_array_equal(known.outside, read_network(frame(), cells()).signs.outside)
    assert edges(labelled_pairs_without_prior(data)) == KNOWN


def labelled_pairs_without_prior(data):
    """Return the signs of a fit that is given a frame of pairs only."""
    names = [("GATA1", "KLF1", 1), ("GATA1", "MYC", 0), ("KLF1", "HBB", 1), ("KLF1", "MYC", 0)]
    names += [("GATA1", "HBB", 1), ("KLF1", "SPI1", 0)]
    pairs = pd.DataFrame(names, columns=["source", "target", "label"])
    pairs["split"] = ["train"] * 2 + ["validation"] * 2 + ["test"] * 2
    return labelled_pairs(data, None, pairs, random_state=0).signs


def test_genes_that_are_dropped_later_still_tell_of_their_tf():
    data = cells()
    write_prior(data, frame())
    part = data[:, ["GATA1", "KLF1", "MYC"]].copy()
    known = read_network("prior", part).signs
    assert edges(known, ["GATA1", "KLF1", "MYC"]) == {("GATA1", "KLF1", 1)}
    # GATA1 represses HBB and is repressed by SPI1; KLF1 activates HBB.
    assert known.outside.tolist() == [[0, 1, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]]


def test_a_matrix_that_was_changed_since_is_believed():
    data = cells()
    write_prior(data, frame())
    matrix = data.varp["prior"].toarray()
    matrix[0, 1] = -1
    matrix[3, 0] = 0
    data.varp["prior"] = matrix
    known = read_network("prior", data).signs
    assert edges(known) == {("GATA1", "KLF1", -1), ("GATA1", "HBB", -1), ("KLF1", "HBB", 1)}


def test_renamed_genes_leave_the_signs_of_the_matrix():
    data = cells()
    write_prior(data, frame())
    data.var_names = [f"gene{i}" for i in range(5)]
    known = read_network("prior", data).signs
    assert len(known) == 5
    assert known.n_repressing == 2


def test_a_split_keeps_signs(adata, tmp_path):
    net = adata.uns["network"]
    expected = read_network(net, adata).signs
    assert expected.n_repressing == int((net["weight"] < 0).sum()) > 5
    drawn = pairs_of_prior(adata, net, SplitOptions())
    write_split(adata, net)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    read = ad.read_h5ad(tmp_path / "cells.h5ad")
    for found in (
        drawn.signs,
        drawn.redrawn(3, adata.n_vars).signs,
        labelled_pairs(adata, None, None, random_state=0).signs,
        labelled_pairs(read, None, "split", random_state=0).signs,
        labelled_pairs(read, net, "split", random_state=0).signs,
    ):
        for name in ("sources", "targets", "activates", "outside"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_a_split_of_a_network_without_signs_has_none(adata, net):
    write_split(adata, net[["source", "target"]])
    assert "signs" not in adata.uns["split"]
    assert labelled_pairs(adata, None, None, random_state=0).signs is None


@pytest.mark.shared
def test_trrust_is_read_as_it_is(shared):
    names = ["TF", "target", "mode", "pmid"]
    table = pd.read_csv(
        shared / "data/priors/trrust_rawdata.human.tsv",
        sep="\t",
        header=None,
        names=names,
        keep_default_na=False,
    )
    genes = pd.unique(table[["TF", "target"]].to_numpy().ravel())
    network = read_network(table, cells(genes))
    # By hand: the signs of each pair, without those that are given as both, or unknown.
    signs = table[table["mode"] != "Unknown"].groupby(["TF", "target"])["mode"].agg(set)
    signs = signs[signs.map(len) == 1].map(lambda found: found.pop())
    loops = signs.index.get_level_values(0) == signs.index.get_level_values(1)
    assert len(network.signs) == (~loops).sum() == 4638
    assert network.signs.n_repressing == (signs[~loops] == "Repression").sum() == 1711
    assert len(network.weights) + network.report["n_self_loops"] == 8427
