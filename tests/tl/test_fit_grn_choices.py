"""Splits, negatives, the control of the embedding, and priors that are incomplete."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

import scregnet as sr

QUICK = {
    "n_folds": 1,
    "method": "scregnet",
    "gnn_dims": (8,),
    "mlp_dims": (8,),
    "max_epochs": 4,
    "n_bootstrap": 0,
    "show_progress_bar": False,
    "device": "cpu",
}
PARTS = ("train", "validation", "test")


def fit(adata, net, method="degree", *, how=(), **options):
    """Fit to a split that is drawn as ``how`` says."""
    sr.pp.split(adata, net, **dict(how))
    sr.tl.fit_grn(adata, method=method, split="split", **{"n_bootstrap": 0, **options})


def genes(pairs, part, role):
    return set(pairs.loc[pairs["split"] == part, role].astype(str))


class TestSplits:
    @pytest.mark.parametrize(
        ("split", "held"),
        [("targets", ["target"]), ("tfs", ["source"]), ("both", ["source", "target"])],
    )
    def test_what_is_held_out_has_no_label_in_other_parts(self, adata, net, split, held):
        fit(adata, net, how={"kind": split})
        pairs = adata.uns["grn"]["pairs"]
        assert adata.uns["grn"]["params"]["split"]["kind"] == split
        for role in held:
            parts = [genes(pairs, part, role) for part in PARTS]
            assert len(set.union(*parts)) == sum(map(len, parts))
        # Held out or not, every pair of a TF is scored.
        assert (
            np.diff(adata.varp["grn"].indptr)[adata.var_names.isin(net["source"])].tolist()
            == [79] * net["source"].nunique()
        )

    def test_null_models_know_nothing_of_what_was_never_labelled(self, adata, net):
        figures = {}
        for split in ("targets", "tfs", "both"):
            fit(adata, net, how={"kind": split})
            table = (
                sr.get.metrics(adata)
                .query("split == 'test'")
                .set_index(["model", "metric"])["value"]
            )
            figures[split] = table
            assert table["label_factors", "prevalence"] == table["degree", "prevalence"]
        # All targets are alike within a TF, all TFs alike, all pairs alike.
        assert figures["targets"]["degree", "per_tf_auroc"] == 0.5
        assert figures["targets"]["degree", "auroc"] > 0.55
        assert figures["tfs"]["degree", "auroc"] > 0.52
        assert figures["both"]["degree", "auroc"] == 0.5

    def test_mixed_edges_are_left_out_and_known_all_the_same(self, adata, net):
        fit(adata, net, how={"kind": "both"})
        rest, pairs = adata.uns["grn"]["left_out"], adata.uns["grn"]["pairs"]
        assert (
            adata.uns["grn"]["params"]["n_edges_left_out"]
            == len(rest)
            == len(net) - pairs["label"].sum()
            > 0
        )
        links = sr.get.grn(adata)
        known = set(zip(net["source"], net["target"], strict=True))
        pair = list(zip(links["source"], links["target"], strict=True))
        assert links["in_prior"].tolist() == [one in known for one in pair]
        mixed = set(zip(rest["source"], rest["target"], strict=True))
        assert set(links.loc[[one in mixed for one in pair], "split"]) == {"none"}
        new = sr.get.grn(adata, new_only=True)
        assert not known & set(zip(new["source"], new["target"], strict=True))

    def test_nothing_is_left_out_of_a_split_of_pairs(self, adata, net):
        sr.tl.fit_grn(adata, net, "degree", n_folds=1, n_bootstrap=0)
        assert len(adata.uns["grn"]["left_out"]) == 0
        assert list(adata.uns["grn"]["left_out"]) == ["source", "target"]

    def test_all_known_tfs_set_the_level_for_unseen_tfs(self, adata, net):
        fit(adata, net, how={"kind": "tfs"}, **QUICK)
        pairs = adata.uns["grn"]["pairs"]
        validation, known = pairs["split"] == "validation", pairs["split"] != "test"
        level = pairs.loc[known, "label"].mean()
        assert pairs.loc[validation, "probability"].mean() == pytest.approx(level, abs=0.005)
        # The few validation TFs have another share of edges, by chance.
        assert abs(pairs.loc[validation, "label"].mean() - level) > 0.05

    def test_what_is_wrong_is_said(self, adata, net):
        with pytest.raises(ValueError, match="kind='target' is not known.*Did you mean 'targets'"):
            sr.pp.split(adata, net, kind="target")
        few = net[net["source"].isin(net["source"].unique()[:4])]
        with pytest.raises(ValueError, match="at least two TFs each.*use kind='pairs'"):
            sr.pp.split(adata, few, kind="tfs")


class TestNegatives:
    @pytest.mark.parametrize(
        ("negatives", "ratio"), [("sampled", 2.0), ("sampled", 0.5), ("hard", 1.0)]
    )
    def test_their_number_is_in_every_part(self, adata, net, negatives, ratio):
        fit(adata, net, how={"negatives": negatives, "negative_ratio": ratio})
        labels = adata.uns["grn"]["pairs"].groupby("split", observed=True)["label"]
        positive, negative = labels.sum(), labels.size() - labels.sum()
        assert adata.uns["grn"]["params"]["split"]["negatives"] == negatives
        assert positive.sum() == len(net)
        if negatives == "sampled":
            assert (np.abs(negative - ratio * positive) <= 1).all()
        else:
            assert (negative <= positive).all()

    def test_the_degree_model_scores_one_half_on_matched_pairs(self, adata, net):
        fit(adata, net, how={"negatives": "degree_matched"})
        table = (
            sr.get.metrics(adata)
            .query("model == 'degree' and split == 'test'")
            .set_index("metric")["value"]
        )
        assert table["auroc"] == pytest.approx(0.5, abs=0.01)
        assert table["prevalence"] == 0.5
        sr.tl.fit_grn(adata, net, "degree", n_folds=1, n_bootstrap=0)
        assert (
            sr.get.metrics(adata).query("model == 'degree' and metric == 'auroc'")["value"].min()
            > 0.6
        )

    def test_pairs_without_label_are_scored_too(self, adata, net):
        fit(adata, net, how={"negatives": "sampled"})
        assert adata.varp["grn"].nnz == 79 * net["source"].nunique()
        assert (sr.get.grn(adata)["split"] == "none").mean() > 0.3

    def test_sampled_probabilities_come_to_the_level_of_all_by_the_documented_step(self):
        """docs/probabilities.md: the difference of two logits of shares of edges."""
        adata = sr.datasets.simulated(n_obs=10, n_vars=400, random_state=0)
        net, level = adata.uns["network"], {}
        for negatives, ratio in (("all", 1.0), ("sampled", 2.0)):
            fit(adata, net, how={"negatives": negatives, "negative_ratio": ratio})
            level[negatives] = sr.get.grn(adata)["weight"].mean()
        density = len(net) / (net["source"].nunique() * 399)
        moved = expit(logit(sr.get.grn(adata)["weight"]) + logit(density) - logit(1 / 3))
        assert level["all"] == pytest.approx(density, rel=0.1)
        assert level["sampled"] > 2 * level["all"]
        assert moved.mean() == pytest.approx(level["all"], rel=0.1)

    def test_what_does_not_go_together_is_said(self, adata, net):
        with pytest.raises(
            ValueError, match=r"negative_ratio=3.0 has no meaning with negatives='all'"
        ):
            sr.pp.split(adata, net, negative_ratio=3.0)
        with pytest.raises(ValueError, match="negatives='random' is not known"):
            sr.pp.split(adata, net, negatives="random")
        with pytest.raises(ValueError, match="negative_ratio must lie in"):
            sr.pp.split(adata, net, negatives="sampled", negative_ratio=0)


class TestRandomEmbedding:
    def test_it_replaces_the_vectors_and_is_recorded(self, adata, net):
        sr.tl.embed(adata, model="svd", n_components=8, show_progress_bar=False)
        real, random, again, other = (
            sr.tl.fit_grn(adata, net, random_embedding=on, random_state=seed, copy=True, **QUICK)
            for on, seed in ((False, 0), (True, 0), (True, 0), (True, 1))
        )
        assert random.uns["grn"]["params"]["random_embedding"]
        assert random.uns["grn"]["params"]["embedding"] == "svd"
        assert not real.uns["grn"]["params"]["random_embedding"]
        np.testing.assert_array_equal(random.varp["grn"].data, again.varp["grn"].data)
        assert not np.array_equal(random.varp["grn"].data, real.varp["grn"].data)
        assert not np.array_equal(random.varp["grn"].data, other.varp["grn"].data)
        # The split is that of the seed, with and without.
        columns = ["source", "target", "label", "split"]
        pd.testing.assert_frame_equal(
            real.uns["grn"]["pairs"][columns], random.uns["grn"]["pairs"][columns]
        )

    def test_vectors_are_normal_of_the_same_scale_and_zero_rows_stay(self):
        from scregnet.tl._fit.task import random_vectors

        rng = np.random.default_rng(0)
        vectors = (3 + 7 * rng.random((400, 60))).astype(np.float32)
        vectors[::4] = 0
        found = random_vectors(vectors, 0)
        assert found.dtype == np.float32
        assert found.shape == vectors.shape
        assert (found[::4] == 0).all()
        there = np.any(vectors != 0, axis=1)
        assert np.sqrt((found[there] ** 2).mean()) == pytest.approx(
            np.sqrt((vectors[there] ** 2).mean()), rel=0.02
        )
        assert found[there].mean() == pytest.approx(0, abs=0.2)
        assert np.abs(np.corrcoef(found[there].ravel(), vectors[there].ravel())[0, 1]) < 0.05
        assert not random_vectors(np.zeros((3, 2), np.float32), 0).any()

    def test_without_an_embedding_it_is_an_error(self, adata, net):
        with pytest.raises(
            ValueError, match="random_embedding=True needs an embedding.*no embedding was found"
        ):
            sr.tl.fit_grn(adata, net, random_embedding=True, **QUICK)
        with pytest.raises(ValueError, match="the method uses none"):
            sr.tl.fit_grn(adata, net, "degree", n_folds=1, random_embedding=True)


class TestLabelFrequency:
    @pytest.fixture
    def incomplete(self):
        """Edges that follow two degrees, of which four in ten are listed, at random."""
        rng = np.random.default_rng(0)
        truth = np.zeros((900, 900))
        truth[:60] = expit(1.5 * rng.normal(size=60)[:, None] + 1.5 * rng.normal(size=900) - 1)
        np.fill_diagonal(truth, 0)
        edges = rng.random(truth.shape) < truth
        listed = edges & (rng.random(truth.shape) < 0.4)
        names = np.array([f"g{i}" for i in range(900)])
        source, target = np.nonzero(listed)
        adata = ad.AnnData(np.ones((1, 900), np.float32), var=pd.DataFrame(index=names))
        return adata, pd.DataFrame({"source": names[source], "target": names[target]}), edges[:60]

    def test_probabilities_are_those_of_being_an_edge(self, incomplete):
        adata, prior, edges = incomplete
        other = ~np.eye(60, 900, dtype=bool)
        means = {}
        for c in (1.0, 0.4):
            sr.tl.fit_grn(adata, prior, "degree", label_frequency=c, n_folds=1, n_bootstrap=0)
            means[c] = adata.varp["grn"][:60].toarray()
        share = edges[other].mean()
        assert means[1.0][other].mean() == pytest.approx(0.4 * share, rel=0.05)
        assert means[0.4][other].mean() == pytest.approx(share, rel=0.06)
        for low, high in ((0.1, 0.3), (0.4, 0.6), (0.7, 0.9)):
            inside = other & (means[0.4] > low) & (means[0.4] < high)
            assert edges[inside].mean() == pytest.approx(means[0.4][inside].mean(), abs=0.05)
            assert abs(edges[inside].mean() - means[1.0][inside].mean()) > 0.04
        # The order of links is the same.
        assert (np.diff(means[0.4][other][np.argsort(means[1.0][other])]) >= -1e-6).all()

    def test_figures_are_about_the_labels(self, incomplete):
        adata, prior, _ = incomplete
        found = {}
        for c in (1.0, 0.4):
            sr.tl.fit_grn(adata, prior, "degree", label_frequency=c, n_folds=1, n_bootstrap=0)
            found[c] = (
                sr.get.metrics(adata)
                .query("model == 'degree' and split == 'test'")
                .set_index("metric")["value"]
            )
        assert found[0.4]["auroc"] == found[1.0]["auroc"]
        # The model with the ceiling is the true one here, so it predicts listed labels as well.
        assert found[0.4]["brier"] <= found[1.0]["brier"]
        assert found[0.4]["ece"] < 0.02
        bins = sr.pl.calibration(adata, show=False)
        assert bins.get_xlabel() == "Probability of being in the prior"
        drawn = np.concatenate(
            [line.get_xdata() for line in bins.get_lines() if line.get_marker() == "o"]
        )
        assert drawn.max() <= 0.4

    def test_what_is_wrong_is_said(self, adata, net):
        with pytest.raises(ValueError, match=r"label_frequency must lie in \(0, 1\]"):
            sr.tl.fit_grn(adata, net, label_frequency=0)
        with pytest.raises(
            ValueError, match="label_frequency=0.5 needs negatives='all', not 'sampled'"
        ):
            fit(adata, net, how={"negatives": "sampled"}, label_frequency=0.5)


class TestPseudotime:
    """Of a method that reads labels, and pseudotime if it is asked for."""

    SMALL = {
        "method": "dgrns",
        "n_lags": 8,
        "recurrent_dim": 6,
        "conv_dims": (4,),
        "dense_dims": (8, 4),
        "max_epochs": 2,
        "n_folds": 1,
        "n_bootstrap": 0,
        "show_progress_bar": False,
        "device": "cpu",
    }
    ALONG = {"cell_order": "pseudotime", "pseudotime": "time"}

    def test_it_orders_the_cells(self, adata, net):
        order = np.random.default_rng(0).permutation(adata.n_obs)
        adata.obs["time"] = order / adata.n_obs
        sr.tl.fit_grn(adata, net, **self.SMALL, **self.ALONG)
        assert adata.uns["grn"]["params"]["pseudotime"] == "time"
        turned = adata[np.argsort(order)].copy()
        sr.tl.fit_grn(turned, net, cell_order="given", **self.SMALL)
        here, there = (a.varp["grn"].toarray() for a in (adata, turned))
        np.testing.assert_allclose(here, there, atol=1e-4)
        sr.tl.fit_grn(adata, net, cell_order="given", **self.SMALL)
        assert not np.allclose(adata.varp["grn"].toarray(), there, atol=1e-4)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"cell_order": "pseudotime"}, "pseudotime=None, and this method needs the place"),
            ({"pseudotime": "time"}, "'dgrns' with cell_order='pseudotime', and this one does not"),
            ({**ALONG, "n_pcs": 5}, "orders cells, and with n_pcs=5 the features of a gene are"),
            ({**ALONG, "groupby": "group"}, "orders cells, and with groups of cells the features"),
        ],
    )
    def test_what_does_not_go_with_it_is_refused(self, adata, net, options, message):
        adata.obs["time"] = 0.0
        adata.obs["group"] = np.where(np.arange(adata.n_obs) % 2, "a", "b")
        with pytest.raises(ValueError, match=message):
            sr.tl.fit_grn(adata, net, min_cells=5, **self.SMALL, **options)
        assert "grn" not in adata.varp


@pytest.mark.parametrize("method", ["degree", "gne"])
def test_an_embedding_that_the_method_does_not_read_is_told_and_not_recorded(
    fitted, net, method, caplog
):
    quick = {"n_folds": 1, "n_bootstrap": 0, "show_progress_bar": False}
    quick |= {"max_epochs": 1} if method == "gne" else {}
    sr.tl.fit_grn(fitted, net, method=method, embedding="svd", key_added="named", **quick)
    assert f"method='{method}' does not read it, so 'svd' is left out" in caplog.text
    assert fitted.uns["named"]["params"]["embedding"] == "none"
    caplog.clear()
    sr.tl.fit_grn(fitted, net, method=method, key_added="auto", **quick)
    assert "does not read" not in caplog.text
    assert fitted.uns["auto"]["params"]["embedding"] == "none"


@pytest.mark.parametrize("chosen", [{"layer": "lognorm"}, {"n_pcs": 3}, {"max_cells": 9}])
def test_cells_that_the_method_does_not_read_are_told_and_not_recorded(adata, net, chosen, caplog):
    quick = {"n_folds": 1, "n_bootstrap": 0, "show_progress_bar": False}
    (name, value), *_ = chosen.items()
    sr.tl.fit_grn(adata, net, method="degree", **chosen, **quick)
    assert f"{name}: method='degree' does not read it, so {value!r} is left out" in caplog.text
    assert adata.uns["grn"]["params"][name] is None
    caplog.clear()
    sr.tl.fit_grn(adata, net, method="degree", **quick)
    assert "does not read" not in caplog.text
    assert adata.uns["grn"]["params"][name] is None
