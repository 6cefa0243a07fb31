"""sr.get.network_difference: logits of two networks, and what is not claimed of them."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import spearmanr

import scregnet as sr


@pytest.fixture
def two(lifted_adata):
    """The network, and another one of which one link is raised and all are at a higher level."""
    second = lifted_adata.copy()
    for name in ("grn", "grn_sd"):
        second.varp[name] = second.varp[name].copy()
    p = second.varp["grn"].data.clip(0.01, 0.9)
    lifted_adata.varp["grn"].data[:] = p
    odds = p / (1 - p) * 2
    odds[7] *= 100
    second.varp["grn"].data[:] = odds / (1 + odds)
    pairs = second.uns["grn"]["pairs"]
    for data in (lifted_adata, second):
        # The stored pairs say what the fit found; these networks were made here.
        data.uns["grn"]["pairs"] = pairs.drop(columns="probability")
    return lifted_adata, second


def test_a_raised_link_is_first_and_the_level_is_taken_away(two):
    first, second = two
    frame = sr.get.network_difference(first, "grn", "grn", other=second)
    network = first.varp["grn"]
    row = np.searchsorted(network.indptr, 7, side="right") - 1
    top = frame.iloc[0]
    assert (top["source"], top["target"]) == (
        first.var_names[row],
        first.var_names[network.indices[7]],
    )
    assert top["difference"] == pytest.approx(np.log(200), abs=1e-3)
    assert top["centred"] == pytest.approx(np.log(100), abs=1e-3)
    assert frame["centred"].iloc[1:].abs().max() < 1e-3
    assert len(frame) == network.nnz


def test_values_are_those_of_the_networks(two):
    first, second = two
    frame = sr.get.network_difference(first, "grn", "grn", other=second)
    a, b = (
        sr.get.grn(data)
        .set_index(["source", "target"])
        .loc[list(zip(frame["source"], frame["target"], strict=True))]
        for data in two
    )
    assert frame["probability_a"].to_numpy() == pytest.approx(a["weight"].to_numpy())
    assert frame["logit_b"].to_numpy() == pytest.approx(logit(b["weight"].to_numpy(float)))
    scaled = [
        one["sd"].to_numpy(float) / (one["weight"].to_numpy(float) * (1 - one["weight"]).to_numpy())
        for one in (a, b)
    ]
    assert frame["sd"].to_numpy() == pytest.approx(np.hypot(*scaled), rel=1e-5)
    assert frame["deviations"].to_numpy() == pytest.approx((frame["centred"] / frame["sd"]).values)
    few = sr.get.network_difference(first, "grn", "grn", other=second, threshold=0.5)
    assert len(few) == (frame[["probability_a", "probability_b"]].max(axis=1) >= 0.5).sum()
    # There is no test, and no column that could be taken for one.
    assert not {"p", "q"} & set(frame.columns)


def test_tfs(two):
    first, second = two
    links = sr.get.network_difference(first, "grn", "grn", other=second)
    tfs = sr.get.network_difference(first, "grn", "grn", other=second, what="tfs")
    assert tfs["tf"].iloc[0] == links["source"].iloc[0]
    own = links[links["source"] == "GATA1"]
    row = tfs.set_index("tf").loc["GATA1"]
    assert row["n_links"] == len(own)
    expected = spearmanr(own["logit_a"], own["logit_b"]).statistic
    assert row["rank_correlation"] == pytest.approx(expected)
    assert row["spread"] == pytest.approx(np.sqrt((own["centred"] ** 2).mean()))
    assert tfs["shared"].between(0.9, 1).all()


def test_shared_first_targets_of_a_tf_with_few_links(two):
    first, second = two
    network = second.varp["grn"]
    tf = list(second.var_names).index("GATA1")
    own = slice(network.indptr[tf], network.indptr[tf + 1])
    # All in the other order: the first half of one is the second half of the other.
    ranks = np.argsort(np.argsort(first.varp["grn"].data[own], kind="stable"))
    n = len(ranks)
    for data, values in ((first, 0.1 + ranks / 2 / n), (second, 0.6 - ranks / 2 / n)):
        data.varp["grn"].data[own] = values
    tfs = sr.get.network_difference(first, "grn", "grn", other=second, what="tfs").set_index("tf")
    assert tfs.loc["GATA1", "n_links"] == n < 100
    assert tfs.loc["GATA1", "shared"] == 0
    # Where one network tells its links not apart, its first ones are not those that differ most.
    first.varp["grn"].data[own] = 0.3
    second.varp["grn"].data[own] = 0.3
    raised = sorted(first.var_names[network.indices[own]])[-1]
    at = own.start + list(first.var_names[network.indices[own]]).index(raised)
    second.varp["grn"].data[at] = 0.6
    tfs = sr.get.network_difference(first, "grn", "grn", other=second, what="tfs").set_index("tf")
    assert tfs.loc["GATA1", "shared"] == pytest.approx((n // 2 - 1) / (n // 2))


def test_networks_of_groups_without_deviations(grouped_adata, caplog):
    with caplog.at_level(logging.INFO, logger="scregnet"):
        frame = sr.get.network_difference(grouped_adata, "grn_B", "grn_CD4+_T")
    assert "Nothing is tested" in caplog.text
    assert frame["sd"].isna().all()
    assert frame["deviations"].isna().all()
    back = sr.get.network_difference(grouped_adata, "grn_CD4+_T", "grn_B")
    both = frame.merge(back, on=["source", "target"])
    assert (both["difference_x"] == -both["difference_y"]).all()


def test_errors(lifted_adata, grouped_adata):
    with pytest.raises(KeyError, match="call sr.tl.fit_grn"):
        sr.get.network_difference(lifted_adata, "grn", "other")
    with pytest.raises(ValueError, match="one network per group: name one as key_a .* 'grn_B'"):
        sr.get.network_difference(grouped_adata, "grn", "grn_B")
    with pytest.raises(ValueError, match="threshold"):
        sr.get.network_difference(lifted_adata, "grn", "grn", threshold=2)
    with pytest.raises(ValueError, match="what"):
        sr.get.network_difference(lifted_adata, "grn", "grn", what="pairs")
    del (plain := lifted_adata.copy()).uns["grn"]
    with pytest.raises(KeyError, match=r"^\"other: adata.uns\['grn'\] is not there"):
        sr.get.network_difference(lifted_adata, "grn", "grn", other=plain)
    other = lifted_adata.copy()
    other.var["symbol"] = [f"x{name}" for name in other.var_names]
    lifted_adata.var["symbol"] = lifted_adata.var_names
    with pytest.raises(ValueError, match="no link in common"):
        sr.get.network_difference(lifted_adata, "grn", "grn", other=other, gene_symbols="symbol")
