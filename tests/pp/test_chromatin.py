"""Sites of TFs at the peaks of genes, as an evidence layer."""

from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr

GENES = ["GATA1", "KLF1", "HBB", "MYC", "SPARE"]
LINKS = pd.DataFrame(
    [
        ("chr1:1-9", "HBB", 2.0),
        ("chr1:20-30", "HBB", -0.5),
        ("chr1:20-30", "KLF1", 1.0),
        ("chr2:5-6", "MYC", 3.0),
        ("chr2:7-8", "AHSP", 1.0),
        ("chr3:1-2", None, 1.0),
    ],
    columns=["peak", "gene", "weight"],
)
HITS = pd.DataFrame(
    [
        ("GATA1", "chr1_1_9", 4.0),
        ("GATA1", "chr1_1_9", 1.0),
        ("GATA1", "chr1_20_30", 2.0),
        ("MYC", "chr2_7_8", 1.0),
        ("KLF1", "chr9_7_8", 1.0),
        ("SPI1", "chr1_20_30", 5.0),
    ],
    columns=["tf", "peak", "score"],
)


@pytest.fixture
def adata():
    return ad.AnnData(np.ones((3, 5), np.float32), var=pd.DataFrame(index=GENES))


@pytest.fixture
def atac():
    """Peaks in ten cells; of chr2:5-6 the cells say nothing."""
    counts = np.zeros((10, 3))
    counts[:6, 0] = 2
    counts[0, 1] = 1
    counts[8:, 2] = 1
    found = ad.AnnData(
        sp.csr_matrix(counts), var=pd.DataFrame(index=["chr1-1-9", "chr1-20-30", "chr2-7-8"])
    )
    found.obs["type"] = ["a"] * 8 + ["b"] * 2
    return found


def test_slots(adata):
    assert sr.pp.chromatin(adata, LINKS, HITS) is None
    expected = np.zeros((5, 5))
    expected[0, 2] = 2 * 4 + 0.5 * 2
    expected[0, 1] = 1 * 2
    track = adata.varp["chromatin"]
    np.testing.assert_array_equal(track.toarray(), expected)
    assert isinstance(track, sp.csr_matrix)
    assert track.dtype == np.float32
    # MYC is covered: it has a peak, without a motif. KLF1 has a motif, in a peak of no gene.
    assert adata.var["chromatin_covered"].tolist() == [False, True, True, True, False]
    assert adata.var["chromatin_n_experiments"].tolist() == [1, 1, 0, 1, 0]
    np.testing.assert_allclose(
        adata.var["chromatin_popularity"], [np.nan, (2 + 5) / 4, (9 + 2.5) / 4, 0, np.nan]
    )
    report = adata.uns["chromatin"]
    expected = {
        "kind": "evidence",
        "form": "chromatin",
        "n_links_given": 6,
        "n_rows_without_gene": 1,
        "n_hits_given": 6,
        "n_repeated_hits": 1,
        "n_repeated_links": 0,
        "n_peaks_linked": 4,
        "n_peaks_shared": 3,
        "n_tfs": 4,
        "n_tfs_matched": 3,
        "n_genes_matched": 3,
    }
    assert {name: report[name] for name in expected} == expected


def test_values_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    genes, peaks = [f"G{i}" for i in range(30)], [f"chr1:{i}-{i + 1}" for i in range(80)]
    links = pd.DataFrame(
        {
            "peak": rng.choice(peaks, 200),
            "gene": rng.choice(genes, 200),
            "weight": rng.normal(size=200),
        }
    )
    hits = pd.DataFrame(
        {
            "peak": rng.choice(peaks, 300),
            "tf": rng.choice(genes[:9], 300),
            "score": rng.random(300),
        }
    )
    weight, score = {}, {}
    for row in links.itertuples():
        weight[row.peak, row.gene] = max(abs(row.weight), weight.get((row.peak, row.gene), 0))
    for row in hits.itertuples():
        score[row.tf, row.peak] = max(row.score, score.get((row.tf, row.peak), 0))
    expected = np.zeros((30, 30))
    for (peak, gene), w in weight.items():
        for tf in genes[:9]:
            expected[genes.index(tf), genes.index(gene)] += w * score.get((tf, peak), 0)
    data = ad.AnnData(np.ones((2, 30)), var=pd.DataFrame(index=genes))
    sr.pp.chromatin(data, links, hits)
    np.testing.assert_allclose(data.varp["chromatin"].toarray(), expected, rtol=1e-5)
    sr.pp.chromatin(data, links[["peak", "gene"]], hits[["tf", "peak"]], key_added="n")
    counts = np.zeros((30, 30))
    for peak, gene in weight:
        for tf in genes[:9]:
            counts[genes.index(tf), genes.index(gene)] += (tf, peak) in score
    np.testing.assert_array_equal(data.varp["n"].toarray(), counts)


def test_only_open_peaks_count(adata, atac, caplog):
    with caplog.at_level(logging.WARNING):
        sr.pp.chromatin(adata, LINKS, HITS, min_open=0.2, atac=atac)
    assert "1 of 4 peaks of peak_to_gene are not in atac.var_names, such as 'chr2:5-6'" in (
        caplog.text
    )
    expected = np.zeros((5, 5))
    expected[0, 2] = 8
    np.testing.assert_array_equal(adata.varp["chromatin"].toarray(), expected)
    # KLF1's peak is closed: no site, which is known. Of MYC's peak nothing is known.
    assert adata.var["chromatin_covered"].tolist() == [False, True, True, False, False]
    report = adata.uns["chromatin"]
    counts = [report[f"n_peaks_{what}"] for what in ("used", "closed", "not_in_atac")]
    assert counts == [2, 1, 1]


def test_a_peak_may_be_open_in_one_group_of_cells(adata, atac):
    sr.pp.chromatin(adata, LINKS, HITS, min_open=0.5, atac=atac)
    assert adata.uns["chromatin"]["n_peaks_used"] == 1
    sr.pp.chromatin(adata, LINKS, HITS, min_open=0.5, atac=atac, groupby="type")
    assert adata.uns["chromatin"]["n_peaks_used"] == 2
    assert adata.uns["chromatin"]["n_tfs"] == 4


def test_a_mudata_has_both_modalities(adata, atac, mudata_of):
    expected = sr.pp.chromatin(adata, LINKS, HITS, min_open=0.2, atac=atac, copy=True)
    atac.obs_names = [f"other{i}" for i in range(10)]
    both = mudata_of(rna=adata, atac=atac)
    sr.pp.chromatin(both, LINKS, HITS, min_open=0.2)
    found = both["rna"].varp["chromatin"]
    np.testing.assert_array_equal(found.toarray(), expected.varp["chromatin"].toarray())
    assert "chromatin" not in both["atac"].uns
    with pytest.raises(KeyError, match="atac='peaks' is not a modality with peaks"):
        sr.pp.chromatin(both, LINKS, HITS, min_open=0.2, atac="peaks")


def wide(sparse):
    hits = HITS.assign(peak=HITS["peak"].str.replace("_", "-"))
    table = hits.pivot_table(
        index="peak", columns="tf", values="score", aggfunc="max", fill_value=0.0
    )
    return table.astype(pd.SparseDtype("float32", 0)) if sparse else table


def celloracle():
    """One frame with both: the gene of each peak, and a column for each TF."""
    base = LINKS.dropna().rename(columns={"peak": "peak_id", "gene": "gene_short_name"})
    base["peak_id"] = base["peak_id"].str.replace("[:-]", "_", regex=True)
    scan = wide(False).rename(index=lambda name: name.replace("-", "_"))
    return base.drop(columns="weight").join((scan > 0).astype(float), on="peak_id").fillna(0)


def test_forms_of_the_frames(adata):
    long = sr.pp.chromatin(adata, LINKS, HITS, copy=True)
    indexed = LINKS.rename(columns={"gene": "x"}).set_index("x").rename_axis("gene")
    pairs = {
        "other columns": (
            LINKS.rename(columns={"peak": "region", "gene": "target", "weight": "importance"}),
            HITS.rename(columns={"tf": "TF", "peak": "Region"}),
        ),
        "gene in the index": (indexed, HITS.astype({"tf": "category", "peak": "category"})),
        "wide": (LINKS, wide(False)),
        "sparse": (LINKS, wide(True)),
    }
    for name, (links, hits) in pairs.items():
        found = sr.pp.chromatin(adata, links, hits, copy=True)
        np.testing.assert_array_equal(
            found.varp["chromatin"].toarray(), long.varp["chromatin"].toarray(), err_msg=name
        )
        pd.testing.assert_frame_equal(found.var, long.var)
    sr.pp.chromatin(adata, celloracle(), celloracle())
    expected = np.zeros((5, 5))
    expected[0, 1:3] = 1, 2
    np.testing.assert_array_equal(adata.varp["chromatin"].toarray(), expected)


def test_a_tf_without_a_hit_is_known_in_the_wide_form(adata):
    sr.pp.chromatin(adata, LINKS, wide(False).assign(HBB=0.0))
    assert adata.var["chromatin_n_experiments"].tolist() == [1, 1, 1, 1, 0]


def test_motifs_of_several_tfs_count_for_each(adata):
    hits = pd.DataFrame({"tf": ["GATA1::KLF1", "KLF1(var.2)"], "peak": ["chr1:1-9"] * 2})
    sr.pp.chromatin(adata, LINKS, hits)
    assert adata.varp["chromatin"].toarray()[:2, 2].tolist() == [2, 2]
    assert adata.uns["chromatin"]["n_motifs_of_several"] == 1
    assert adata.uns["chromatin"]["n_tfs"] == 2


def test_gene_symbols_and_orthologues(adata):
    expected = sr.pp.chromatin(adata, LINKS, HITS, copy=True).varp["chromatin"].toarray()
    ids = adata.copy()
    ids.var["symbol"] = GENES
    ids.var_names = [f"ENSG{i:011d}" for i in range(5)]
    sr.pp.chromatin(ids, LINKS, HITS, gene_symbols="symbol")
    mouse = adata.copy()
    mouse.var_names = [name.capitalize() for name in GENES]
    with pytest.raises(ValueError, match=r"letter case.*orthologues='upper'"):
        sr.pp.chromatin(mouse, LINKS, HITS)
    sr.pp.chromatin(mouse, LINKS, HITS, orthologues="upper")
    for other in (ids, mouse):
        np.testing.assert_array_equal(other.varp["chromatin"].toarray(), expected)


def test_layer_survives_a_file(adata, atac, round_trip):
    sr.pp.chromatin(adata, LINKS, HITS, min_open=0.2, atac=atac, groupby="type")
    again = round_trip(adata)
    np.testing.assert_array_equal(
        again.varp["chromatin"].toarray(), adata.varp["chromatin"].toarray()
    )
    pd.testing.assert_frame_equal(again.var, adata.var, check_dtype=False)
    assert again.uns["chromatin"]["groupby"] == "type"
    sr.pp.chromatin(again, LINKS, HITS)
    assert again.uns["chromatin"]["min_open"] == 0


WRONG = {
    "not a frame": ({"peak_to_gene": {}}, TypeError, "peak_to_gene must be a pandas DataFrame"),
    "empty": ({"tf_to_peak": HITS[:0]}, ValueError, "tf_to_peak is empty"),
    "columns": (
        {"peak_to_gene": LINKS.rename(columns={"gene": "x"})},
        ValueError,
        "peak_to_gene has columns 'peak', 'x', 'weight', but needs 'peak' and 'gene'",
    ),
    "hits": (
        {"tf_to_peak": HITS.rename(columns={"tf": "x"})},
        ValueError,
        "tf_to_peak has columns 'x', 'peak', 'score', but needs 'tf' and 'peak'",
    ),
    "no peak": (
        {"peak_to_gene": LINKS.assign(peak=None)},
        ValueError,
        "peak_to_gene has 6 rows without a peak",
    ),
    "no gene": ({"peak_to_gene": LINKS.assign(gene="")}, ValueError, "has no row with a gene"),
    "gap": (
        {"peak_to_gene": LINKS.assign(weight=[1, np.nan, 1, 1, 1, 1])},
        ValueError,
        "peak_to_gene has 1 weights or scores that are no finite numbers",
    ),
    "negative": (
        {"tf_to_peak": HITS.assign(score=-1)},
        ValueError,
        "tf_to_peak has 6 negative scores",
    ),
    "zeros": ({"tf_to_peak": HITS.assign(score=0)}, ValueError, "has no hit with a score above 0"),
    "other peaks": (
        {"tf_to_peak": HITS.assign(peak="1:1-2")},
        ValueError,
        "no peak of peak_to_gene is in tf_to_peak: peak_to_gene has peaks like 'chr1:1-9'",
    ),
    "no cells": ({"min_open": 0.1}, ValueError, "adata is no MuData. Pass atac="),
    "share": ({"min_open": 5}, ValueError, r"min_open must lie in \[0, 1\]"),
    "groups": ({"groupby": "type"}, ValueError, "groupby='type' has no meaning with min_open=0"),
    "cells": ({"atac": "peaks"}, ValueError, "atac='peaks' has no meaning with min_open=0"),
    "taken": ({"key_added": "prior"}, ValueError, "key_added='prior' is taken"),
    "components": ({"n_components": 0}, ValueError, "n_components must be at least 1"),
    "twice": (
        {"peak_to_gene": pd.concat([LINKS, LINKS], axis=1)},
        ValueError,
        "two columns are called 'peak'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_change_nothing(adata, snapshot, case):
    arguments, error, message = WRONG[case]
    sr.pp.prior(adata, [("GATA1", "HBB")])
    before = snapshot(adata)
    with pytest.raises(error, match=message):
        sr.pp.chromatin(adata, **{"peak_to_gene": LINKS, "tf_to_peak": HITS, **arguments})
    assert snapshot(adata) == before


def test_cells_that_do_not_fit_are_refused(adata, atac):
    with pytest.raises(ValueError, match="is open in enough cells: of 3 such peaks, 3 are in atac"):
        sr.pp.chromatin(adata, LINKS, HITS, min_open=1, atac=atac)
    with pytest.raises(KeyError, match="atac: groupby='absent' is not a column"):
        sr.pp.chromatin(adata, LINKS, HITS, min_open=0.1, atac=atac, groupby="absent")
    atac.var_names = ["a", "b", "c"]
    with pytest.raises(ValueError, match="none of the 4 peaks of peak_to_gene is in atac"):
        sr.pp.chromatin(adata, LINKS, HITS, min_open=0.1, atac=atac)
    with pytest.raises(TypeError, match="atac must be an AnnData of cells × peaks"):
        sr.pp.chromatin(adata, LINKS, HITS, min_open=0.1, atac=3)
    with pytest.raises(ValueError, match=r"^atac: adata is empty: 0 cells"):
        sr.pp.chromatin(adata, LINKS, HITS, min_open=0.1, atac=atac[:0])
    atac.var_names = ["a", "a", "c"]
    with pytest.raises(ValueError, match=r"^atac: adata.var_names are not unique: 'a'"):
        sr.pp.chromatin(adata, LINKS, HITS, min_open=0.1, atac=atac)


def test_peaks_of_another_set_are_told(adata, caplog):
    with caplog.at_level(logging.WARNING):
        sr.pp.chromatin(adata, LINKS, HITS[:2])
    assert "only 1 of 4 peaks with a gene are in tf_to_peak" in caplog.text


def sites_of(data, rng, *, true):
    """Three peaks a gene; a hit for 60 % of the edges, or a random one, and 3 random ones."""
    genes = data.var_names.to_numpy(str)
    net = data.uns["network"].astype({"source": str, "target": str})
    peaks = np.array([f"chr1:{i}-{i + 9}" for i in range(3 * len(genes))])
    links = pd.DataFrame({"gene": np.repeat(genes, 3), "peak": peaks})
    some = net.sample(frac=0.6, random_state=0)
    place = 3 * data.var_names.get_indexer(some["target"]) + rng.integers(0, 3, len(some))
    n = 3 * len(some)
    hit = peaks[place] if true else rng.choice(peaks, len(some))
    tfs = np.concatenate([some["source"], rng.choice(some["source"], n)])
    return links, pd.DataFrame({"tf": tfs, "peak": np.concatenate([hit, rng.choice(peaks, n)])})


def test_true_sites_among_noise_help_unseen_targets_and_random_ones_do_not():
    data = sr.datasets.simulated(n_obs=100, n_vars=150, random_state=1)
    sr.pp.split(data, data.uns["network"], kind="targets")
    rng = np.random.default_rng(0)
    sr.pp.chromatin(data, *sites_of(data, rng, true=True), key_added="true")
    sr.pp.chromatin(data, *sites_of(data, rng, true=False), key_added="random")
    quick = {"n_trees": 10, "n_bags": 1, "n_forest_trees": 10, "n_folds": 1, "n_bootstrap": 0}
    found = {}
    for layer in (None, "true", "random"):
        sr.tl.fit_grn(data, split="split", evidence=layer, show_progress_bar=False, **quick)
        table = sr.get.metrics(data, split="test", wide=True)["per_tf_auroc"]
        found[layer] = table["joint"]
        if layer is not None:
            found[layer, "alone"] = table[f"evidence:{layer}"]
    assert found["true"] > found[None] + 0.08
    assert found["random"] < found[None] + 0.04
    assert found["true", "alone"] > 0.7 > 0.6 > found["random", "alone"]
