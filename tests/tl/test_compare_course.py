"""Links that change along pseudotime: a planted one is found, and nothing where nothing is."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import kendalltau, linregress

import scregnet as sr
from scregnet.tl._comparison.cells import Cells
from scregnet.tl._comparison.course import Bins, change, contrast, over_donor_courses, tau
from scregnet.tl._comparison.statistic import Fisher

N_TFS, N_GENES = 5, 60
ASKED = {"n_permutations": 30, "show_progress_bar": False}


def cells_of(n: int, *, donors: int = 1, planted: bool = True, shared: float = 0.0) -> ad.AnnData:
    """Return cells of uniform pseudotime; G0, G5, … G25 follow TF0 more and more.

    With ``shared``, donors differ in how every link changes with time.
    """
    rng = np.random.default_rng(1)
    time = rng.random(n * donors)
    tfs = rng.standard_normal((n * donors, N_TFS))
    donor = np.repeat(np.arange(donors), n)
    targets = tfs[:, np.arange(N_GENES) % N_TFS]
    if planted:
        targets[:, 0:30:N_TFS] = tfs[:, [0]] * 2 * time[:, None]
    own = shared * rng.standard_normal((donors, N_GENES))
    targets *= 1 + own[donor] * (2 * time[:, None] - 1)
    targets += 0.7 * rng.standard_normal(targets.shape)
    counts = rng.poisson(20 * np.exp(0.4 * np.hstack([tfs, targets])))
    data = ad.AnnData(
        sp.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame(
            {"time": time, "donor": pd.Categorical([f"d{i}" for i in donor])},
            index=[f"c{i}" for i in range(len(time))],
        ),
        var=pd.DataFrame(
            index=[f"TF{i}" for i in range(N_TFS)] + [f"G{i}" for i in range(N_GENES)]
        ),
    )
    known = [(f"TF{i % N_TFS}", f"G{i}") for i in range(N_GENES)]
    sr.tl.fit_grn(data, known, "degree", n_folds=1, n_bootstrap=0, show_progress_bar=False)
    return data


@pytest.fixture(scope="module")
def rising():
    data = cells_of(600)
    sr.tl.compare_grns(data, along="time", **ASKED)
    return data


PLANTED = {f"G{i}" for i in range(0, 30, N_TFS)}


def test_rising_links_are_found(rising):
    links = sr.get.comparison(rising)
    found = links[links["q"] <= 0.1]
    own = found[found["source"] == "TF0"]
    assert set(own["target"]) >= PLANTED
    planted = links[(links["source"] == "TF0") & links["target"].isin(PLANTED)]
    assert planted["tau"].mean() > 0.8
    assert (planted["difference"] > 0).all()
    # Others are what follows from it: a TF that by chance is like TF0 in a bin shares its targets.
    assert len(found) - len(planted) <= 0.05 * len(links)
    tfs = sr.get.comparison(rising, "tfs")
    assert tfs["tf"].iloc[0] == "TF0"
    assert tfs["n_gained"].iloc[0] >= len(PLANTED)


def test_columns_tell_the_course(rising):
    links = sr.get.comparison(rising)
    bins = links[[f"correlation_{k}" for k in range(1, 6)]].to_numpy()
    assert (links["correlation_a"] == bins[:, 0]).all()
    assert (links["correlation_b"] == bins[:, -1]).all()
    # A straight line through the transforms, from the first to the last bin.
    line = linregress(np.linspace(0, 1, 5), np.arctanh(bins[3]))
    assert links["difference"].iloc[3] == pytest.approx(line.slope, abs=1e-5)
    assert links["tau"].iloc[3] == pytest.approx(kendalltau(range(5), bins[3]).statistic)
    params = rising.uns["comparison"]["params"]
    assert params["along"] == "time"
    assert list(params["bin_sizes"]) == [120] * 5
    pair = sr.get.comparison(rising, "pairs").iloc[0]
    assert (pair["n_a"], pair["n_b"], pair["paired"]) == (120, 120, False)
    sr.pl.comparison(links, show=False)
    sr.pl.comparison(links, source="TF0", show=False)


def test_nothing_is_found_where_nothing_changes():
    data = cells_of(600, planted=False)
    sr.tl.compare_grns(data, along="time", **ASKED)
    links = sr.get.comparison(data)
    assert (links["q"] > 0.1).all()
    assert 0.02 < (links["p"] <= 0.05).mean() < 0.09
    assert sr.get.comparison(data, "pairs")["p"].iloc[0] > 0.05


def test_donors_that_change_apart_are_no_change():
    data = cells_of(260, donors=6, planted=False, shared=0.5)
    sr.tl.compare_grns(data, along="time", n_bins=3, **ASKED)
    assert (sr.get.comparison(data)["q"] <= 0.1).sum() > 10
    sr.tl.compare_grns(data, along="time", n_bins=3, donor="donor", **ASKED)
    assert (sr.get.comparison(data)["q"] <= 0.1).sum() == 0
    pair = sr.get.comparison(data, "pairs").iloc[0]
    assert (pair["n_a"], pair["paired"]) == (6, True)


def test_change_of_all_donors_is_found():
    data = cells_of(150, donors=6, shared=0.1)
    sr.tl.compare_grns(data, along="time", n_bins=3, donor="donor", **ASKED)
    first = sr.get.comparison(data).head(len(PLANTED)).query("source == 'TF0' and q <= 0.1")
    assert len(set(first["target"]) & PLANTED) >= 4


def test_few_values_and_ordered_categories_are_bins(rising):
    data = rising.copy()
    day = np.floor(4 * data.obs["time"])
    data.obs["day"] = day.where(day.index != "c0")
    sr.tl.compare_grns(data, along="day", key_added="days", **ASKED)
    assert list(data.uns["days"]["params"]["bins"]) == [f"day {k}" for k in range(4)]
    assert sum(data.uns["days"]["params"]["bin_sizes"]) == 599
    data.obs["stage"] = pd.Categorical(
        np.array(["early", "middle", "late"])[np.floor(3 * data.obs["time"]).astype(int)],
        categories=["early", "middle", "late"],
        ordered=True,
    )
    sr.tl.compare_grns(data, along="stage", key_added="stages", **ASKED)
    frame = sr.get.comparison(data, key="stages")
    assert set(frame["group_a"]) == {"early"}
    assert set(frame["group_b"]) == {"late"}
    assert set(frame.query("q <= 0.1 and source == 'TF0'")["target"]) >= PLANTED


@pytest.mark.parametrize("n_distinct", [600, 5])
def test_bins_have_names_that_differ(rising, n_distinct):
    data = rising.copy()
    data.obs["seconds"] = 1.6e9 + np.floor(data.obs["time"] * n_distinct)
    bins = Bins.of(data, "seconds", 5, 50)
    assert len(set(bins.names)) == 5
    assert Bins.of(data, "time", 5, 50).names[0].count(".") == 2


def test_of_two_bins_it_is_their_difference():
    one, two = (Fisher(np.array([z]), np.array([v])) for z, v in ((0.1, 0.01), (0.5, 0.03)))
    delta, error = change([one, two])
    assert delta == pytest.approx(0.4)
    assert error == pytest.approx(0.2)
    assert contrast(5).sum() == pytest.approx(0)
    assert tau(np.array([[0.0], [1.0], [0.5]])) == pytest.approx(1 / 3)


def test_place_in_a_bin_explains_nothing(rising):
    """Two genes that rise within a bin are not correlated by it."""
    data = rising[:200].copy()
    x = data.X.toarray()
    for gene in (-1, -2):
        x[:, gene] = np.random.default_rng(gene % 7).poisson(30 * np.exp(2 * data.obs["time"]))
    data.X = sp.csr_matrix(x)
    rows = np.arange(200)
    time = data.obs["time"].to_numpy()
    with_time = lambda cells: np.corrcoef(cells.values[:, -1], time)[0, 1]
    assert with_time(Cells.of(data, None, rows)) > 0.5
    assert with_time(Cells.of(data, None, rows, time)) == pytest.approx(0, abs=1e-4)


def test_flips_of_donors():
    rng = np.random.default_rng(0)
    made = rng.normal(0, 0.1, (5, 3, 40))
    made[:, 2, 0] += 1
    found, z = over_donor_courses(made, 100, rng)
    assert z == pytest.approx(made.mean(axis=0))
    assert np.abs(found.statistic).argmax() == 0
    # All flips of five donors but those that change nothing.
    assert len(list(found.permuted())) == 15


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"along": "absent"}, KeyError, "not a column of adata.obs"),
        ({"along": "donor"}, ValueError, "categories without an order"),
        ({"along": "text"}, TypeError, "numbers or ordered categories"),
        ({"along": "two"}, ValueError, "2 different values"),
        ({"along": "time", "n_bins": 2}, ValueError, "n_bins"),
        ({"along": "time", "min_cells": "50"}, TypeError, "min_cells must be an integer"),
        ({"along": "time", "n_bins": 20}, ValueError, "fewer than min_cells=50"),
        ({"along": "time", "groupby": "donor"}, ValueError, "leave groups and groupby out"),
        ({"along": "time", "groups": ("a", "b")}, ValueError, "leave groups and groupby out"),
        ({"along": "time", "donor": "donor"}, ValueError, "4 donors"),
    ],
)
def test_wrong_arguments(rising, asked, error, said):
    data = rising.copy()
    data.obs["text"] = ["a"] * data.n_obs
    data.obs["two"] = np.arange(data.n_obs) % 2
    with pytest.raises(error, match=said):
        sr.tl.compare_grns(data, **asked, **ASKED)


def test_one_network_is_compared(rising):
    data = rising.copy()
    data.uns["grn_of"] = {"groups": ["a"], "keys": ["grn"], "groupby": "donor"}
    with pytest.raises(ValueError, match="name one with key=, of 'grn'"):
        sr.tl.compare_grns(data, along="time", key="grn_of", **ASKED)
