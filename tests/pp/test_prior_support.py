"""A known network against an evidence layer: edges without support, and what becomes of them."""

from __future__ import annotations

import anndata as ad
import pandas as pd
import pytest

import scregnet as sr
from scregnet._genes.split import labelled_pairs

QUICK = {"n_folds": 1, "n_bootstrap": 0, "show_progress_bar": False}


@pytest.fixture(scope="module")
def _layered():
    """Simulated cells whose layer knows most TFs and genes, and speaks against some edges."""
    data = sr.datasets.simulated(n_obs=40, n_vars=60, n_tfs=8, random_state=2)
    net = data.uns["network"].astype({"source": str, "target": str})
    seen = net[(net["source"] != "TF001") & (net["target"] != "G0001")].iloc[::2]
    peaks = [f"chr1:{i}-9" for i in range(len(net))]
    links = pd.DataFrame({"peak": peaks, "gene": net["target"]})
    links = links[links["gene"] != "G0001"]
    hits = pd.DataFrame({"tf": seen["source"], "peak": [peaks[i] for i in seen.index]})
    sr.pp.chromatin(data, links, hits)
    return data


@pytest.fixture
def layered(_layered):
    return _layered.copy()


def pairs(frame):
    return set(zip(frame["source"].astype(str), frame["target"].astype(str), strict=True))


def by_hand(data):
    """Return the edges with support, those without, and those of which nothing is known."""
    found = {"with": set(), "without": set(), "unknown": set()}
    for source, target in pairs(data.uns["network"]):
        known = data.var["chromatin_n_experiments"][source] > 0
        known &= data.var["chromatin_covered"][target]
        at = data.var_names.get_loc(source), data.var_names.get_loc(target)
        value = data.varp["chromatin"][at] > 0
        found["unknown" if not known else "with" if value else "without"].add((source, target))
    return found


def edges(data):
    rows, columns = data.varp["prior"].nonzero()
    return set(zip(data.var_names[rows], data.var_names[columns], strict=True))


@pytest.mark.parametrize("unsupported", ["set_aside", "drop", "mark"])
def test_edges_without_support(layered, unsupported, tmp_path):
    parts = by_hand(layered)
    assert min(map(len, parts.values())) > 2
    sr.pp.prior(layered, layered.uns["network"], support="chromatin", unsupported=unsupported)
    left = (
        set().union(*parts.values()) if unsupported == "mark" else parts["with"] | parts["unknown"]
    )
    assert edges(layered) == left
    layered.write_h5ad(tmp_path / "file.h5ad")
    again = ad.read_h5ad(tmp_path / "file.h5ad").uns["prior"]
    report = again["support"]
    assert [report[f"n_{name}"] for name in ("supported", "without_support", "unknown")] == [
        len(part) for part in parts.values()
    ]
    assert pairs(report["without_support"]) == parts["without"]
    assert report["layer"] == "chromatin"
    assert ("set_aside" in again) == (unsupported == "set_aside")
    # TFs stay candidates, also those whose edges all went.
    assert set(layered.uns["network"]["source"]) == set(layered.var_names[layered.var["is_tf"]])


def test_pairs_that_are_set_aside_are_in_no_part(layered):
    aside = by_hand(layered)["without"]
    sr.pp.prior(layered, layered.uns["network"], support="chromatin")
    sr.pp.split(layered)
    split = layered.uns["split"]
    assert not pairs(split["pairs"]) & aside
    assert pairs(split["set_aside"]) == aside == pairs(split["left_out"])
    tfs = split["pairs"]["source"].unique()
    n_aside = sum(source in tfs for source, _ in aside)
    assert len(split["pairs"]) == len(tfs) * 59 - n_aside
    # Dropped edges are non-edges as all other pairs.
    sr.pp.prior(layered, layered.uns["network"], support="chromatin", unsupported="drop")
    sr.pp.split(layered)
    found = layered.uns["split"]["pairs"]
    assert len(found) == len(tfs) * 59
    others = pairs(found[found["label"] == 0])
    assert {pair for pair in aside if pair[0] in tfs} <= others
    assert "set_aside" not in layered.uns["split"]


def test_a_sample_stands_for_as_many_fewer_non_edges(layered):
    sr.pp.prior(layered, layered.uns["network"], support="chromatin")
    sr.pp.split(layered, max_pairs=1)
    found = layered.uns["split"]["pairs"]
    aside, tfs = layered.uns["split"]["set_aside"], found["source"].unique()
    n_others = len(tfs) * 59 - found["label"].sum() - aside["source"].isin(tfs).sum()
    assert found.loc[found["label"] == 0, "stands_for"].sum() == pytest.approx(n_others, rel=1e-4)
    assert not pairs(found) & pairs(aside)


def test_another_draw_leaves_them_aside(layered, round_trip):
    aside = by_hand(layered)["without"]
    sr.pp.prior(layered, layered.uns["network"], support="chromatin")
    sr.pp.split(layered, random_state=1)
    data = round_trip(layered)
    given = labelled_pairs(data, None, "split", random_state=0)
    again = given.redrawn(5, data.n_vars)
    names = data.var_names
    for drawn in (given, again):
        assert pairs(drawn.left_out_frame(names)) == aside
        assert not pairs(drawn.frame(names)) & aside
    assert not given.frame(names).equals(again.frame(names))
    # The network of the prior is read as well.
    both = labelled_pairs(data, "prior", "split", random_state=0)
    assert pairs(both.left_out_frame(names)) == aside
    # A prior that is read again, with genes fewer, keeps those that are there.
    few = data[:, :40].copy()
    sr.pp.prior(few, "prior", key_added="again")
    there = {pair for pair in aside if set(pair) <= set(few.var_names)}
    assert pairs(few.uns["again"]["set_aside"]) == there


def test_a_fit_scores_them_and_counts_them_as_known(layered):
    aside = by_hand(layered)["without"]
    sr.pp.prior(layered, layered.uns["network"], support="chromatin")
    sr.tl.fit_grn(layered, method="degree", **QUICK)
    assert not pairs(layered.uns["grn"]["pairs"]) & aside
    links = sr.get.grn(layered)
    there = links[[pair in aside for pair in zip(links["source"], links["target"], strict=True)]]
    assert pairs(there) == aside
    assert (there["split"] == "none").all()
    assert there["in_prior"].all()
    assert not pairs(sr.get.grn(layered, new_only=True)) & aside


def test_kinds_of_labels_leave_them_aside(layered):
    aside = by_hand(layered)["without"]
    sr.pp.prior(layered, layered.uns["network"], key_added="chip", support="chromatin")
    priors = {"one": "chip", "two": layered.uns["network"]}
    sr.tl.fit_grn(layered, priors=priors, n_trees=3, n_forest_trees=3, **QUICK)
    assert not pairs(layered.uns["grn_one"]["pairs"]) & aside
    assert aside <= pairs(layered.uns["grn_two"]["pairs"].query("label == 1"))


def test_wrong_arguments_change_nothing(layered, snapshot):
    net = layered.uns["network"]
    before = snapshot(layered)
    with pytest.raises(KeyError, match="support='chip' is not an evidence layer; adata has 'chrom"):
        sr.pp.prior(layered, net, support="chip")
    with pytest.raises(ValueError, match="unsupported='remove' is not known"):
        sr.pp.prior(layered, net, support="chromatin", unsupported="remove")
    with pytest.raises(TypeError, match="support must be a name or None"):
        sr.pp.prior(layered, net, support=1)
    without = sorted(by_hand(layered)["without"])
    with pytest.raises(ValueError, match=r"none of the \d+ edges of the prior has support"):
        sr.pp.prior(layered, without, support="chromatin")
    assert snapshot(layered) == before
