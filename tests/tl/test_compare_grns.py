"""Groups of cells that are compared: planted rewiring is found, nothing is found in noise."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import norm

import scregnet as sr
from scregnet.tl._comparison.null import Observed, over_donors, permutation_p
from scregnet.tl._comparison.statistic import fisher

N_TFS, N_GENES = 8, 60
ASKED = {"groupby": "type", "n_permutations": 30, "show_progress_bar": False}


def cells_of(n: int, donors: int = 2, spread: float = 0.0, rewired: bool = True) -> ad.AnnData:
    """Return two types; in b the targets of TF0 follow TF1. Donors differ by ``spread``."""
    rng = np.random.default_rng(0)
    effect = np.eye(N_TFS)[np.arange(N_GENES) % N_TFS].T
    counts = []
    for donor in range(donors):
        own = effect + spread * rng.standard_normal(effect.shape)
        if rewired and donor % 2:
            own[1] += own[0]
            own[0] = 0
        tfs = rng.standard_normal((n, N_TFS))
        targets = tfs @ own + 0.4 * rng.standard_normal((n, N_GENES))
        counts.append(rng.poisson(20 * np.exp(0.5 * np.hstack([tfs, targets]))))
    number = np.repeat(np.arange(donors), n)
    names = [f"TF{i}" for i in range(N_TFS)] + [f"G{i}" for i in range(N_GENES)]
    data = ad.AnnData(
        sp.csr_matrix(np.vstack(counts).astype(np.float32)),
        obs=pd.DataFrame(
            {
                "type": pd.Categorical(np.where(number % 2, "b", "a")),
                "donor": pd.Categorical([f"d{i}" for i in number]),
            },
            index=[f"c{i}" for i in range(len(number))],
        ),
        var=pd.DataFrame(index=names),
    )
    known = [(f"TF{i % N_TFS}", f"G{i}") for i in range(N_GENES)]
    sr.tl.fit_grn(data, known, "degree", n_folds=1, n_bootstrap=0, show_progress_bar=False)
    return data


@pytest.fixture(scope="module")
def rewired():
    data = cells_of(200)
    sr.tl.compare_grns(data, **ASKED)
    return data


def test_the_rewired_tf_is_found_and_its_targets(rewired):
    links = sr.get.comparison(rewired, max_q=0.1)
    own = links["target"].astype(str).str.fullmatch("|".join(f"G{i}" for i in range(0, 60, 8)))
    lost = links[own & (links["source"] == "TF0")]
    gained = links[own & (links["source"] == "TF1")]
    assert len(lost) == len(gained) == 8
    assert (lost["difference"] < 0).all()
    assert (gained["difference"] > 0).all()
    # Counts of a cell add up: what follows TF0 in one type alone moves the others a little.
    assert len(links) < 30
    assert set(links[:16].index[(own & links["source"].isin(["TF0", "TF1"]))[:16]]) == set(
        range(16)
    )
    tfs = sr.get.comparison(rewired, "tfs").set_index("tf")
    assert set(tfs.index[tfs["q"] <= 0.1]) == {"TF0", "TF1"}
    assert tfs.loc["TF0", "n_gained"] == 0
    assert tfs.loc["TF0", "n_lost"] >= 8
    assert tfs.loc["TF1", "n_gained"] >= 8
    assert tfs.loc["TF0", "strength"] < 0 < tfs.loc["TF1", "strength"]
    pair = sr.get.comparison(rewired, "pairs").iloc[0]
    assert pair["p"] == 1 / 31
    assert pair[["n_a", "n_b", "n_permutations"]].tolist() == [200, 200, 30]
    assert np.isnan(pair["noise_floor"])


def test_nothing_is_found_in_one_type_divided_at_random(rewired):
    data = rewired[rewired.obs["type"] == "a"].copy()
    data.obs["type"] = np.random.default_rng(1).permutation(["a", "b"] * 100)
    sr.tl.compare_grns(data, **ASKED)
    links = sr.get.comparison(data)
    assert (links["q"] > 0.1).all()
    assert 0.02 < (links["p"] <= 0.05).mean() < 0.08
    assert (sr.get.comparison(data, "tfs")["q"] > 0.1).all()
    assert sr.get.comparison(data, "pairs")["p"].item() > 0.1


def test_donors_that_differ_are_no_difference_of_conditions():
    data = cells_of(80, donors=8, spread=0.5, rewired=False)
    sr.tl.compare_grns(data, **ASKED, key_added="cells")
    sr.tl.compare_grns(data, donor="donor", **ASKED)
    assert (sr.get.comparison(data, key="cells")["q"] <= 0.1).sum() > 20
    assert (sr.get.comparison(data)["q"] > 0.1).all()
    pair = sr.get.comparison(data, "pairs").iloc[0]
    assert pair["p"] > 0.1
    assert pair[["n_a", "n_b", "paired"]].tolist() == [4, 4, False]


def test_rewired_in_all_donors_is_found():
    data = cells_of(80, donors=10, spread=0.2)
    sr.tl.compare_grns(data, donor="donor", **ASKED)
    links = sr.get.comparison(data, max_q=0.1)
    assert (links["source"][:13].isin(["TF0", "TF1"])).all()
    assert set(sr.get.comparison(data, "tfs", max_q=0.1)["tf"]) == {"TF0", "TF1"}


def test_paired_donors():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(6, 400)).astype(np.float32)
    two = one + 0.1 * rng.normal(size=(6, 400)).astype(np.float32)
    two[:, :10] += 1
    paired = over_donors((one, two), paired=True, n_permutations=100, rng=rng)
    assert len(list(paired.permuted())) == 31
    found = permutation_p(paired, np.repeat([0, 1], [10, 390]), 2)
    assert set(np.argsort(found.p, kind="stable")[:10]) == set(range(10))
    unpaired = over_donors((one, two), paired=False, n_permutations=1000, rng=rng)
    assert len(list(unpaired.permuted())) == 461
    assert np.allclose(unpaired.difference, paired.difference, atol=1e-6)
    assert np.abs(unpaired.statistic[:10]).mean() < np.abs(paired.statistic[:10]).mean()


def test_p_of_links_is_their_rank_among_all_permuted_ones():
    null = [np.array([0.5, -2.0]), np.array([1.0, 3.0])]
    zero = np.zeros(2)
    observed = Observed(zero, zero, zero, zero, np.array([2.0, -4.0]), lambda: iter(null))
    found = permutation_p(observed, np.array([0, 0]), 2)
    assert found.p.tolist() == [3 / 5, 1 / 5]
    assert found.overall_p == 1 / 3
    assert np.isnan(found.tf_p[1])


def test_a_tf_whose_only_link_cannot_differ_is_not_found():
    """A gene and its copy have the correlation 1, cut to the same value, in every permutation."""
    rng = np.random.default_rng(0)
    null = [np.append(rng.normal(size=9), 0) for _ in range(19)]
    zero = np.zeros(10)
    observed = Observed(zero, zero, zero, zero, np.append(np.full(9, 4.0), 0), lambda: iter(null))
    found = permutation_p(observed, np.repeat([0, 1], [9, 1]), 2)
    assert found.tf_p[0] < 0.06
    assert found.tf_p[1] > 0.4
    assert found.p[9] == 1


def test_variance_of_a_correlation_of_normal_values_is_one_over_n():
    values = np.random.default_rng(0).standard_normal((2000, 30)).astype(np.float32)
    values[:, 1] += 2 * values[:, 0]
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    found = fisher(values, np.arange(2))
    assert np.allclose(found.variance[:, 2:], 1 / 2000, rtol=0.2)
    assert found.variance[0, 1] == pytest.approx(1 / 2000, rel=0.2)
    assert found.z[0, 1] == pytest.approx(np.arctanh(2 / np.sqrt(5)), abs=0.1)
    assert abs(found.z[0, 2]) < norm.ppf(0.9999) / np.sqrt(2000)


def test_logits_of_both_networks_and_the_floor():
    data = cells_of(100)
    names = data.var_names
    known = [(f"TF{i % N_TFS}", f"G{i}") for i in range(N_GENES)]
    quick = {"n_folds": 1, "n_bootstrap": 0, "n_trees": 0, "n_forest_trees": 0}
    sr.tl.fit_grn(data, known, groupby="type", show_progress_bar=False, **quick)
    sr.tl.compare_grns(data, n_permutations=10)
    links = sr.get.comparison(data, groups=("b", "a"))
    first = links.iloc[0]
    p = [
        data.varp[f"grn_{g}"][names.get_loc(first.source), names.get_loc(first.target)]
        for g in "ab"
    ]
    logits = np.log(np.array(p) / (1 - np.array(p)))
    assert first[["logit_a", "logit_b"]].to_numpy(float) == pytest.approx(logits, abs=1e-4)
    assert first["logit_difference"] == pytest.approx(logits[1] - logits[0], abs=1e-4)
    pair = sr.get.comparison(data, "pairs").iloc[0]
    ranks = sr.get.group_differences(data).iloc[1]
    assert pair["network_distance"] == ranks["value"]
    assert pair["noise_floor"] == ranks["floor"]
    sr.tl.compare_grns(data, n_permutations=10, threshold=0.1)
    assert len(sr.get.comparison(data)) < len(links)


def test_a_tf_that_one_group_lacks_is_not_tested(rewired):
    data = rewired.copy()
    dense = data.X.toarray()
    dense[(data.obs["type"] == "b").to_numpy(), 3] = 0
    data.X = sp.csr_matrix(dense)
    sr.tl.compare_grns(data, **ASKED)
    row = sr.get.comparison(data, "tfs").set_index("tf").loc["TF3"]
    assert row["detection_b"] == 0 < row["detection_a"]
    assert row["n_links"] == 0
    assert np.isnan(row["q"])


def test_names_are_categories(rewired):
    """Of a million links they would take most of the memory, and of the file."""
    stored = rewired.uns["comparison"]
    for table, names in (("links", 4), ("tfs", 3), ("pairs", 2)):
        kinds = stored[table].dtypes.astype(str)
        assert (kinds == "category").sum() == names, table
        assert not kinds.isin(["object", "str", "string"]).any(), table


def test_read_back_and_same_seed(rewired, tmp_path, same_frames):
    path = tmp_path / "a.h5ad"
    rewired.write_h5ad(path)
    back = ad.read_h5ad(path)
    again = sr.tl.compare_grns(rewired, **ASKED, copy=True)
    for what in ("links", "tfs", "pairs"):
        frame = sr.get.comparison(rewired, what)
        pd.testing.assert_frame_equal(frame, sr.get.comparison(again, what))
        same_frames(frame, sr.get.comparison(back, what))


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"groups": ("a", "c")}, KeyError, "'c' are not among"),
        ({"groups": ("a",)}, ValueError, "two different groups"),
        ({"groups": "a"}, TypeError, "must be 'all'"),
        ({"groupby": None}, ValueError, "groupby=None"),
        ({"donor": "no"}, KeyError, "donor='no'"),
        ({"donor": "donor"}, ValueError, "need 3 donors in each group"),
        ({"threshold": 1.0}, ValueError, "no link can be compared"),
        ({"key_added": "grn"}, ValueError, "is no comparison"),
    ],
)
def test_wrong_arguments(rewired, asked, error, said):
    with pytest.raises(error, match=said):
        sr.tl.compare_grns(rewired, **{**ASKED, **asked})


def test_no_comparison(rewired):
    with pytest.raises(KeyError, match=r"call sr\.tl\.compare_grns"):
        sr.get.comparison(rewired, key="no")
    with pytest.raises(ValueError, match="groups must be two of"):
        sr.get.comparison(rewired, groups=("a", "x"))
