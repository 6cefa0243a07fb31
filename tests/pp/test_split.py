import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scregnet as sr
from scregnet._genes.split import labelled_pairs


@pytest.fixture(scope="module")
def _simulated():
    return sr.datasets.simulated(n_obs=60, n_vars=80, random_state=3)


@pytest.fixture
def adata(_simulated):
    return _simulated.copy()


@pytest.fixture
def net(_simulated):
    return _simulated.uns["network"].copy()


def test_every_pair_of_a_tf_is_in_one_part(adata, net):
    assert sr.pp.split(adata, net) is None
    entry = adata.uns["split"]
    pairs = entry["pairs"]
    assert list(pairs) == ["source", "target", "label", "split"]
    assert len(pairs) == net["source"].nunique() * 79
    assert not pairs.duplicated(["source", "target"]).any()
    edges = pairs[pairs["label"] == 1]
    assert set(zip(edges["source"], edges["target"], strict=True)) == set(
        zip(net["source"], net["target"], strict=True)
    )
    shares = pairs["split"].value_counts(normalize=True)
    assert shares["test"] == pytest.approx(0.33, abs=0.01)
    assert shares["validation"] == pytest.approx(0.067, abs=0.01)
    assert entry["params"] == {
        "kind": "pairs",
        "negatives": "all",
        "negative_ratio": 1.0,
        "test_fraction": 0.33,
        "validation_fraction": None,
        "max_pairs": 500_000,
        "share": 1.0,
        "random_state": 0,
    }
    assert entry["prior"]["n_edges_matched"] == len(net)
    assert len(entry["left_out"]) == 0


def test_a_seed_fixes_the_pairs(adata, net):
    one, same, other = (
        sr.pp.split(adata, net, random_state=seed, copy=True).uns["split"]["pairs"]
        for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)
    assert "split" not in adata.uns


def test_what_is_no_split_is_not_overwritten(adata, net):
    with pytest.raises(ValueError, match=r"key_added='network' is taken: adata.uns\['network'\]"):
        sr.pp.split(adata, net, key_added="network")
    pd.testing.assert_frame_equal(adata.uns["network"], net)
    for seed in range(2):
        sr.pp.split(adata, net, random_state=seed)
    assert adata.uns["split"]["params"]["random_state"] == 1


def test_discarded_edges_are_listed(adata, net):
    sr.pp.split(adata, net, kind="both", key_added="hard")
    entry = adata.uns["hard"]
    listed = set(zip(entry["left_out"]["source"], entry["left_out"]["target"], strict=True))
    edges = entry["pairs"].query("label == 1")
    known = set(zip(edges["source"], edges["target"], strict=True))
    assert listed
    assert listed.isdisjoint(known)
    assert listed | known == set(zip(net["source"], net["target"], strict=True))


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning")
@pytest.mark.parametrize("form", ["h5ad", "zarr"])
def test_it_survives_a_file_and_another_order_of_genes(adata, net, form, tmp_path):
    sr.pp.split(adata, net, kind="both")
    getattr(adata, f"write_{form}")(tmp_path / f"a.{form}")
    again = getattr(ad, f"read_{form}")(tmp_path / f"a.{form}")
    pd.testing.assert_frame_equal(again.uns["split"]["pairs"], adata.uns["split"]["pairs"])
    moved = again[:, ::-1].copy()
    one, other = (labelled_pairs(data, None, "split", random_state=0) for data in (adata, moved))
    assert one.options == other.options
    names = [
        data.var_names[labelled.parts.test.sources]
        for data, labelled in ((adata, one), (moved, other))
    ]
    np.testing.assert_array_equal(*names)


def test_the_names_of_a_column_are_used(adata, net):
    adata.var["symbol"] = adata.var_names
    adata.var_names = [f"ENSG{i:011d}" for i in range(80)]
    sr.pp.split(adata, net, gene_symbols="symbol")
    assert adata.uns["split"]["pairs"]["source"].str.startswith("ENSG").all()
    assert adata.uns["split"]["pairs"]["label"].sum() == len(net)


def test_the_prior_of_varp_is_the_default(adata, net):
    with pytest.raises(KeyError, match="pass the network as prior=, or call sr.pp.prior"):
        sr.pp.split(adata)
    sr.pp.prior(adata, net)
    sr.pp.split(adata)
    given = sr.pp.split(adata, net, copy=True)
    pd.testing.assert_frame_equal(adata.uns["split"]["pairs"], given.uns["split"]["pairs"])


def test_what_comes_from_a_file_is_checked(adata, net):
    sr.pp.split(adata, net)
    entry = adata.uns["split"]
    entry["pairs"] = entry["pairs"].assign(label=2)
    with pytest.raises(ValueError, match="'label' must hold 0 and 1"):
        sr.tl.fit_grn(adata, method="degree", n_folds=1)
    adata.uns["split"] = {"pairs": 3}
    with pytest.raises(KeyError, match=r"adata.uns\['split'\] is not a split"):
        sr.tl.fit_grn(adata, split="split", method="degree", n_folds=1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"kind": "genes"}, "kind='genes' is not known"),
        ({"test_fraction": 1.0}, "test_fraction must lie in"),
        ({"validation_fraction": 0}, "validation_fraction must lie in"),
        ({"key_added": "a/b"}, "key 'a/b' cannot be stored"),
    ],
)
def test_wrong_arguments_change_nothing(adata, net, arguments, message):
    before = list(adata.uns)
    with pytest.raises(ValueError, match=message):
        sr.pp.split(adata, net, **arguments)
    assert list(adata.uns) == before


def test_of_a_large_closed_world_a_share_of_the_non_edges_is_drawn(adata, net, caplog):
    net = net.iloc[::4]
    with caplog.at_level("INFO", logger="scregnet"):
        sr.pp.split(adata, net, max_pairs=len(net) * 3)
    assert "drawn at random; each counts for" in caplog.text
    entry = adata.uns["split"]
    pairs = entry["pairs"]
    assert int((pairs["label"] == 1).sum()) == len(net)
    # Weights add up to the whole closed world.
    assert pairs["stands_for"].sum() == pytest.approx(net["source"].nunique() * 79, rel=1e-4)
    assert (pairs.loc[pairs["label"] == 1, "stands_for"] == 1).all()
    assert entry["params"]["share"] < 1
    # The same share is read again, from uns and from a frame.
    for split in ("split", pairs):
        read = labelled_pairs(adata, None, split, random_state=0)
        assert read.parts.train.share == pytest.approx(entry["params"]["share"], rel=1e-6)


def test_a_split_that_is_small_enough_is_whole(adata, net):
    sr.pp.split(adata, net)
    assert "stands_for" not in adata.uns["split"]["pairs"]
    assert adata.uns["split"]["params"]["share"] == 1


@pytest.mark.parametrize("values", [{1: 2.0, 0: 9.0}, {1: 1.0, 0: 0.5}, {1: 1.0, 0: np.nan}])
def test_a_column_of_weights_that_means_nothing_is_refused(adata, net, values):
    sr.pp.split(adata, net)
    pairs = adata.uns["split"]["pairs"]
    frame = pairs.assign(stands_for=pairs["label"].map(values).astype(float))
    with pytest.raises(ValueError, match="'stands_for' must hold 1 for edges"):
        labelled_pairs(adata, None, frame, random_state=0)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["yes", "no"], "hold 'yes', 'no'"),
        ([1, np.nan], "hold 'nan'"),
        ([1, -1], "hold '-1'"),
        ([1, 2], "hold '2'"),
    ],
)
def test_labels_are_zero_and_one(adata, net, labels, said):
    sr.pp.split(adata, net)
    pairs = adata.uns["split"]["pairs"].copy()
    edge = pairs["label"] == 1
    pairs["label"] = np.where(edge, *(np.array(labels, dtype=object)))
    pairs["label"] = pairs["label"].astype(object)
    with pytest.raises(ValueError, match=f"its column 'label' must hold 0 and 1.*{said}"):
        sr.tl.fit_grn(adata, split=pairs, method="degree")
    pairs["label"] = edge.astype(int).astype(str)
    sr.tl.fit_grn(adata, split=pairs, method="degree", n_folds=1, n_bootstrap=0)
    assert adata.uns["grn"]["pairs"]["label"].sum() == edge.sum()
