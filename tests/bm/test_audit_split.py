import logging

import numpy as np
import pandas as pd
import pytest

import scregnet as sr


@pytest.fixture(scope="module")
def own():
    """A data set with the split that fit_grn made."""
    data = sr.datasets.simulated(n_obs=120, n_vars=80, random_state=3)
    sr.tl.fit_grn(data, data.uns["network"], method="degree", n_folds=1)
    return data


@pytest.fixture
def pairs(own):
    return own.uns["grn"]["pairs"][["source", "target", "label", "split"]].copy()


def verdicts(report):
    return report.set_index(["check", "part"])["verdict"].astype(str)


def with_defect(pairs):
    """A copy in which ten training edges are test negatives too, as by the rule for STRING."""
    trained = pairs[(pairs["split"] == "train") & (pairs["label"] == 1)].head(10)
    return pd.concat([pairs, trained.assign(label=0, split="test")], ignore_index=True)


def test_the_packages_own_split_passes(own, pairs):
    report = sr.bm.audit_split(own, pairs, own.uns["network"])
    assert list(report.columns) == [
        "check",
        "part",
        "count",
        "share",
        "value",
        "verdict",
        "message",
    ]
    assert not report.duplicated(["check", "part"]).any()
    assert not report["verdict"].isin(["fail"]).any()


@pytest.mark.parametrize("how", [{}, {"negatives": "all", "max_pairs": None}])
def test_a_split_may_be_given_by_its_name(own, how):
    # With all pairs, the split is kept as bits.
    data = own.copy()
    sr.pp.split(data, data.uns["network"], key_added="mine", **how)
    report = sr.bm.audit_split(data, "mine")
    sr.tl.fit_grn(data, split="mine", method="degree", n_folds=1)
    pd.testing.assert_frame_equal(report, sr.bm.audit_split(data, data.uns["grn"]["pairs"]))
    with pytest.raises(KeyError, match=r"split='other'.*'mine'"):
        sr.bm.audit_split(data, "other")


def test_training_edges_among_test_negatives_fail(own, pairs):
    report = sr.bm.audit_split(own, with_defect(pairs), null_models=False).set_index(
        ["check", "part"]
    )
    assert report.loc["training_edge_as_negative", "test"][["count", "verdict"]].tolist() == [
        10,
        "fail",
    ]
    assert report.loc["pair_in_two_parts", "train, test"][["count", "verdict"]].tolist() == [
        10,
        "fail",
    ]


def test_null_models_are_those_of_the_fit(own, pairs):
    report = sr.bm.audit_split(own, pairs).set_index("check")
    fitted = sr.get.metrics(own)
    fitted = fitted[(fitted["model"] == "degree") & (fitted["split"] == "test")].set_index(
        "metric"
    )["value"]
    for metric in ("auroc", "auprc", "per_tf_auroc", "per_tf_auprc"):
        assert report.loc[f"degree_{metric}", "value"] == pytest.approx(fitted[metric])
        assert 0 < report.loc[f"label_factors_{metric}", "value"] < 1
    assert "degree_auroc" not in sr.bm.audit_split(own, pairs, null_models=False)["check"].to_list()


def test_validation_pairs_for_the_null_models_are_taken_where_there_are_none(own, pairs):
    two = pairs.assign(split=pairs["split"].astype(str).replace("validation", "train"))
    first, again = (sr.bm.audit_split(own, two) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    assert first.set_index("check").loc["degree_auroc", "value"] > 0.5
    assert "validation" not in set(first["part"])


def test_null_models_that_cannot_be_scored_say_so(own, pairs):
    edges = pairs[(pairs["split"] != "test") | (pairs["label"] == 1)]
    report = sr.bm.audit_split(own, edges)
    found = verdicts(report)
    assert found["both_labels", "test"] == "fail"
    assert found["degree_auroc", "test"] == "fail"
    assert report["value"].isna().all()


def test_the_prior_tells_edges_that_the_split_does_not_know(own, pairs):
    hidden = pairs["label"].eq(1) & pairs["split"].eq("test")
    wrong = pairs.assign(label=pairs["label"].mask(pairs.index == pairs.index[hidden][0], 0))
    assert (
        verdicts(sr.bm.audit_split(own, wrong, null_models=False))["edge_as_negative", "test"]
        == "ok"
    )
    report = sr.bm.audit_split(own, wrong, own.uns["network"], null_models=False).set_index(
        ["check", "part"]
    )
    assert report.loc["edge_as_negative", "test"][["count", "verdict"]].tolist() == [1, "fail"]


def test_genes_that_the_data_lack_fail(own, pairs):
    odd = pairs.astype({"target": str}).replace(
        {"target": {pairs["target"].astype(str).iloc[0]: "NOT THERE"}}
    )
    row = sr.bm.audit_split(own, odd, null_models=False).iloc[0]
    assert (row["check"], row["verdict"]) == ("gene_not_in_data", "fail")
    assert "'NOT THERE'" in row["message"]
    assert row["count"] == (odd["target"] == "NOT THERE").sum()


def test_nothing_is_written(own, pairs):
    before, kept = own.copy(), pairs.copy()
    sr.bm.audit_split(own, pairs, own.uns["network"])
    assert set(own.uns) == set(before.uns)
    assert set(own.varp) == set(before.varp)
    pd.testing.assert_frame_equal(own.var, before.var)
    pd.testing.assert_frame_equal(pairs, kept)


def test_failures_are_logged_as_warnings(own, pairs, caplog):
    with caplog.at_level(logging.INFO, logger="scregnet"):
        sr.bm.audit_split(own, with_defect(pairs), null_models=False)
    failed = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any(
        "training_edge_as_negative (test): 10 test negatives are training edges" in text
        for text in failed
    )
    assert "3 fail" in caplog.records[-1].getMessage()


def test_wrong_input_is_an_error(own, pairs):
    with pytest.raises(KeyError, match="uns\\['pairs'\\] is not there"):
        sr.bm.audit_split(own, "pairs")
    with pytest.raises(TypeError, match="split must be the name of a split .* got dict"):
        sr.bm.audit_split(own, {"pairs": pairs})
    with pytest.raises(ValueError, match="lacks the columns 'label'"):
        sr.bm.audit_split(own, pairs.drop(columns="label"))
    with pytest.raises(ValueError, match="found 'test', 'train', 'validate'"):
        sr.bm.audit_split(
            own, pairs.assign(split=pairs["split"].astype(str).replace("validation", "validate"))
        )
    with pytest.raises(ValueError, match="must hold 0 and 1, but .* rows hold '2'"):
        sr.bm.audit_split(own, pairs.assign(label=pairs["label"] * 2))
    with pytest.raises(ValueError, match="misses 1 names"):
        sr.bm.audit_split(
            own,
            pairs.astype({"source": object}).assign(
                source=[None, *pairs["source"].astype(str)[1:]]
            ),
        )


@pytest.mark.shared
def test_published_chip_splits_pass_and_those_of_string_fail(shared):
    path = shared / "data" / "beeline"
    chip = sr.datasets.beeline("hESC", 500, path=path)
    for frame in chip.uns["splits"].values():
        report = sr.bm.audit_split(chip, frame, chip.uns["network"], null_models=False)
        assert set(report["verdict"]) == {"ok"}

    string = sr.datasets.beeline("mDC", 500, network="string", path=path)
    for frame in string.uns["splits"].values():
        found = sr.bm.audit_split(
            string, frame, string.uns["network"], null_models=False
        ).set_index(["check", "part"])
        assert found.loc[("reverse_edge", "test"), "verdict"] == "fail"
        assert 0.35 < found.loc[("reverse_edge", "test"), "share"] < 0.5
        assert found.loc[("tf_without_edges", "test"), "verdict"] == "warning"
        assert found.loc[("class_ratio", "test"), "verdict"] == "warning"
        # These copies are a third party's, without the defect that the published rule has.
        assert found.loc[("training_edge_as_negative", "test"), "count"] == 0


@pytest.mark.shared
def test_the_published_rule_applied_to_string_fails(shared):
    """The rule's guard never fires: negatives are drawn with a look at their own part only."""
    adata = sr.datasets.beeline("mDC", 500, network="string", path=shared / "data" / "beeline")
    rng = np.random.default_rng(0)
    frame = adata.uns["splits"]["sample1"]
    kept = frame[(frame["split"] != "test") | (frame["label"] == 1)]
    test_edges = set(
        zip(*kept.loc[kept["split"] == "test", ["source", "target"]].to_numpy().T, strict=True)
    )
    tfs, genes = adata.var_names[adata.var["is_tf"]], adata.var_names
    drawn = {
        (tfs[i], genes[j])
        for i, j in zip(
            rng.integers(len(tfs), size=46_000), rng.integers(len(genes), size=46_000), strict=True
        )
    }
    negatives = pd.DataFrame(
        sorted(pair for pair in drawn - test_edges if pair[0] != pair[1]),
        columns=["source", "target"],
    )
    rule = pd.concat([kept, negatives.assign(label=0, split="test")], ignore_index=True)
    found = sr.bm.audit_split(adata, rule, null_models=False).set_index(["check", "part"])
    assert found.loc[("training_edge_as_negative", "test"), "verdict"] == "fail"
    # About one in six of 264,000 ordered pairs is drawn, and so of the 2,604 training edges.
    assert 250 < found.loc[("training_edge_as_negative", "test"), "count"] < 600
    assert found.loc[("pair_in_two_parts", "train, test"), "count"] > 600


@pytest.mark.shared
@pytest.mark.parametrize("kind", ["pairs", "targets", "tfs", "both"])
def test_the_packages_own_splits_of_string_pass(shared, kind):
    """Every edge of STRING between two TFs runs both ways."""
    adata = sr.datasets.beeline("mDC", 500, network="string", path=shared / "data" / "beeline")
    sr.pp.split(adata, adata.uns["network"], kind=kind)
    sr.tl.fit_grn(adata, method="degree", n_folds=1, n_bootstrap=0, top_n_targets=1)
    report = sr.bm.audit_split(
        adata, adata.uns["grn"]["pairs"], adata.uns["network"], null_models=False
    )
    assert set(report["verdict"]) == {"ok"}
    found = report.set_index(["check", "part"])["count"]
    assert found["reverse_edge", "test"] == found["reverse_edge", "validation"] == 0
    assert found["reverse_edge_of_negative", "test"] == 0
