"""Labels of several kinds in one call."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import scregnet as sr
from scregnet.links import Pairs
from scregnet.tl._fit.kinds import labelled_kinds, layer_of_labels
from scregnet.tl._fit.task import FitOptions

QUICK = {"n_folds": 1, "n_bootstrap": 0, "n_trees": 0, "n_forest_trees": 0}


@pytest.fixture(scope="module")
def made():
    data = sr.datasets.simulated(60, 80, n_tfs=12, mean_regulators=4)
    known = data.uns["network"][["source", "target"]]
    rng = np.random.default_rng(0)
    # Each kind lists a part of the edges, and they do not have all TFs in common.
    bound = known[(rng.random(len(known)) < 0.8) & (known["source"] != "TF001")]
    changed = known[(rng.random(len(known)) < 0.6) & (known["source"] != "TF002")]
    data.uns["priors"] = {"chip": bound, "knockdown": changed}
    sr.pp.split(data, pd.concat([bound, changed]).drop_duplicates())
    return data


@pytest.fixture(scope="module")
def adata(made):
    """Read only."""
    data = made.copy()
    sr.tl.fit_grn(data, priors=data.uns["priors"], split="split", **QUICK)
    return data


def pairs_of(adata, kind):
    return adata.uns[f"grn_{kind}"]["pairs"].astype({"source": str, "target": str})


def by_pair(frame, column):
    return frame.set_index(["source", "target"])[column]


def test_a_pair_is_in_one_part_and_has_the_label_of_each_kind(adata):
    found = {kind: pairs_of(adata, kind) for kind in ("chip", "knockdown")}
    parts = pd.concat([by_pair(frame, "split").astype(str) for frame in found.values()], axis=1)
    both = parts.dropna()
    assert len(both) == 10 * 79
    assert (both.iloc[:, 0] == both.iloc[:, 1]).all()
    for kind, frame in found.items():
        known = adata.uns["priors"][kind]
        assert set(frame["source"]) == set(known["source"])
        edges = frame.loc[frame["label"] == 1, ["source", "target"]]
        assert set(edges.itertuples(index=False)) == set(known.itertuples(index=False))
        assert adata.varp[f"grn_{kind}"].shape == (80, 80)
        params = adata.uns[f"grn_{kind}"]["params"]
        assert (params["kind"], list(params["kinds"])) == (kind, ["chip", "knockdown"])
    models = sr.get.metrics(adata, key="grn_chip", split="test", wide=True).index
    assert list(models) == ["joint", "degree", "label_factors", "evidence:knockdown"]


def test_without_a_split_the_default_one_is_drawn_for_all(made):
    found = labelled_kinds(made, made.uns["priors"], None, FitOptions())
    part = {}
    for labelled in found.values():
        for name in ("train", "validation", "test"):
            pairs = getattr(labelled.parts, name)
            for pair in zip(pairs.sources, pairs.targets, strict=True):
                assert part.setdefault(pair, name) == name
    assert len(part) == 12 * 79
    assert 0.3 < np.mean([name == "test" for name in part.values()]) < 0.36
    assert [layer.name for layer in found["chip"].layers] == ["knockdown"]


@pytest.mark.parametrize("part", ["test", "train"])
def test_only_training_labels_of_one_kind_reach_the_other(adata, part):
    chip = pairs_of(adata, "chip")
    # An edge less, of a TF that both kinds have, and of a gene with others.
    tf = chip.loc[(chip["label"] == 1) & (chip["split"] == part), "source"].value_counts().index[0]
    row = chip[(chip["source"] == tf) & (chip["label"] == 1) & (chip["split"] == part)].iloc[0]
    priors = dict(adata.uns["priors"])
    known = priors["chip"]
    priors["chip"] = known[~((known["source"] == tf) & (known["target"] == row["target"]))]
    other = adata.copy()
    sr.tl.fit_grn(other, priors=priors, split="split", **QUICK)
    change = adata.varp["grn_knockdown"] != other.varp["grn_knockdown"]
    assert (change.nnz > 0) == (part == "train")


def test_labels_of_another_kind_help():
    # A TF regulates one of four modules. One kind knows few edges, the other most of other TFs.
    rng = np.random.default_rng(0)
    names = [f"TF{n}" for n in range(40)] + [f"G{n}" for n in range(80)]
    data = AnnData(rng.poisson(2.0, (20, 120)).astype(np.float32))
    data.var_names = names
    priors = {}
    for kind, share, first in (("few", 0.25, 0), ("most", 0.9, 20)):
        kept = [
            (names[first + tf], f"G{gene}")
            for tf in range(20)
            for gene in range(80)
            if tf % 4 == gene % 4 and rng.random() < share
        ]
        priors[kind] = pd.DataFrame(kept, columns=["source", "target"])
    sr.tl.fit_grn(data, priors=priors, **QUICK)
    pairs = data.uns["grn_few"]["pairs"][["source", "target", "label", "split"]]
    sr.tl.fit_grn(data, split=pairs, key_added="alone", **QUICK)
    together, alone = (
        sr.get.metrics(data, key=key, split="test", wide=True).loc["joint", "per_tf_auroc"]
        for key in ("grn_few", "alone")
    )
    assert together > alone + 0.05


def test_what_labels_say_to_others_by_hand():
    # Two TFs, genes 2 to 5. The label of the first TF and gene 5 is hidden, as is all of gene 6.
    sources = np.repeat([0, 1], [3, 4]).astype(np.int32)
    targets = np.array([2, 3, 4, 2, 3, 4, 5], np.int32)
    labels = np.array([1, 0, 0, 1, 1, 0, 1], bool)
    # Folds of few pairs lack a label: many more TFs with the labels of the second.
    more = [Pairs(np.full(4, tf, np.int32), targets[3:], labels[3:]) for tf in range(10, 58)]
    train = Pairs(
        *(
            np.concatenate([first, *(getattr(pairs, name) for pairs in more)])
            for name, first in (("sources", sources), ("targets", targets), ("labels", labels))
        )
    )
    layer = layer_of_labels("chip", train, 60, 0)
    assert np.flatnonzero(layer.covered).tolist() == [2, 3, 4, 5]
    # No pair is told its own label.
    assert layer.tracks.nnz == 0
    assert not layer.has_track.any()
    # Of 50 TFs 49 are like the second, and a third of the first one's known pairs are edges.
    expected = [50 / 50, 49 / 50, 0, (49 + 1 / 3) / 50]
    np.testing.assert_allclose(layer.popularity[2:6], expected, rtol=1e-6)
    assert not layer.profile[6:].any()


def test_targets_without_any_label_leave_the_others_out(made):
    data = made.copy()
    sr.pp.split(data, pd.concat(data.uns["priors"].values()).drop_duplicates(), kind="targets")
    found = labelled_kinds(data, data.uns["priors"], "split", FitOptions())
    assert all(labelled.layers == () for labelled in found.values())


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"priors": {"chip": "prior"}}, "at least two names"),
        ({"priors": ["chip", "knockdown"]}, "at least two names"),
        ({"prior": [("TF001", "G0001")]}, "priors= does not go with prior="),
        ({"groupby": "cell_type"}, "priors= does not go with groupby="),
        ({"method": "degree"}, "priors= needs a method that reads evidence"),
        ({"method": "pearson"}, "priors= needs a method that reads evidence"),
        ({"evidence": ["chip"]}, "both name 'chip'"),
    ],
)
def test_what_does_not_go_together_raises(made, changed, text):
    data = made.copy()
    how = {"priors": data.uns["priors"], "split": "split"}
    with pytest.raises(ValueError, match=text):
        sr.tl.fit_grn(data, **how | changed)


def test_a_split_without_all_non_edges_is_refused(made):
    data = made.copy()
    sr.pp.split(data, data.uns["network"], negatives="sampled", key_added="few")
    with pytest.raises(ValueError, match="needs a split with all non-edges"):
        sr.tl.fit_grn(data, priors=data.uns["priors"], split="few")
