"""Fits with ``groupby``: one network per group of cells, read together or by ``group=``."""

from __future__ import annotations

import anndata as ad
import pandas as pd
import pytest

import scregnet as sr

GROUPS = ["B", "CD4+/T"]
KEYS = {"B": "grn_B", "CD4+/T": "grn_CD4+_T"}
FRAMES = {
    "grn": {"top_n": 20},
    "metrics": {},
    "history": {},
    "calibration": {"n_bins": 4},
    "curves": {"split": "train"},
}
SINGLE = [sr.get.graph, sr.get.regulons, sr.pl.grn, sr.pl.metrics, sr.pl.history, sr.pl.calibration]


@pytest.mark.parametrize("name", FRAMES)
def test_frames_of_one_group_or_of_all(grouped_adata, name):
    read, filters = getattr(sr.get, name), FRAMES[name]
    parts = {group: read(grouped_adata, group=group, **filters) for group in GROUPS}
    for group, part in parts.items():
        pd.testing.assert_frame_equal(part, read(grouped_adata, key=KEYS[group], **filters))
        assert "group" not in part
    assert not parts["B"].equals(parts["CD4+/T"])

    table = read(grouped_adata, **filters)
    assert table.columns[0] == "group"
    assert table["group"].cat.categories.tolist() == GROUPS
    assert table.index.tolist() == list(range(len(table)))
    for group, part in parts.items():
        rows = table[table["group"] == group].drop(columns="group").reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, part)


def test_a_group_without_links(grouped_adata):
    grouped_adata.varp["grn_B"].data *= 0.1
    grouped_adata.uns["grn_B"]["pairs"]["probability"] *= 0.1
    net = sr.get.grn(grouped_adata, threshold=0.5)
    assert set(net["group"]) == {"CD4+/T"}
    assert net["weight"].min() >= 0.5
    assert net["split"].cat.categories.tolist() == ["train", "validation", "test", "none"]


def test_graph_and_regulons_of_one_group(grouped_adata):
    net = sr.get.grn(grouped_adata, group="CD4+/T", threshold=0.5)
    edges = set(zip(net["source"], net["target"], strict=True))
    assert set(sr.get.graph(grouped_adata, group="CD4+/T", threshold=0.5).edges) == edges
    sets = sr.get.regulons(grouped_adata, group="CD4+/T")
    assert {(tf, target) for tf, members in sets.items() for target in members} == edges
    ax = sr.pl.grn(grouped_adata, group="CD4+/T", top_n=5, show=False)
    first = net.head(5)
    assert {text.get_text() for text in ax.texts} == {*first["source"], *first["target"]}


@pytest.mark.parametrize(
    "read", SINGLE, ids=lambda read: f"{read.__module__[9:11]}.{read.__name__}"
)
def test_what_reads_one_network_asks_for_the_group(grouped_adata, read):
    with pytest.raises(
        ValueError, match=r"one network per group: name one with group=, of 'B', 'CD4\+/T'"
    ):
        read(grouped_adata)
    with pytest.raises(KeyError, match=r"group='T' is not a group .*; it has 'B', 'CD4\+/T'"):
        read(grouped_adata, group="T")


def test_a_network_of_all_cells_has_no_group(fitted_adata):
    for read in (sr.get.grn, sr.get.metrics, sr.pl.grn):
        with pytest.raises(ValueError, match=r"adata.uns\['grn'\] is a single network"):
            read(fitted_adata, group="B")


def test_groups_that_are_numbers(grouped_adata):
    grouped_adata.uns["grn"]["groups"] = ["1", "2"]
    assert sr.get.grn(grouped_adata, group=1).equals(sr.get.grn(grouped_adata, key="grn_B"))


def test_same_after_a_round_trip(grouped_adata, tmp_path):
    # h5ad keeps no slash in a key, but does in a value.
    grouped_adata.write_h5ad(tmp_path / "fitted.h5ad")
    again = ad.read_h5ad(tmp_path / "fitted.h5ad")
    for name, filters in FRAMES.items():
        read = getattr(sr.get, name)
        pd.testing.assert_frame_equal(
            read(again, **filters), read(grouped_adata, **filters), check_column_type=False
        )
