import logging

import anndata as ad
import decoupler as dc
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr
from scregnet.tl._activity.overlap import n_own, shared_more_than_half
from scregnet.tl._activity.scores import METHODS
from scregnet.tl._activity.scores import scores as scores_of

ACTIVATED = [f"A{i}" for i in range(6)]
REPRESSED = [f"R{i}" for i in range(6)]
GENES = ["ACT", "REP", "NEW", *ACTIVATED, *REPRESSED, *(f"B{i}" for i in range(15))]


def pairs(source, targets):
    return pd.DataFrame({"source": source, "target": targets, "label": 1, "split": "train"})


def logit(p):
    return np.log(p / (1 - p))


@pytest.fixture
def by_hand():
    """Two kinds of cells: ACT's targets are high in the first, REP represses its own there.

    REP also activates one gene, so its mean sign is (1 - 6) / 7.
    """
    rng = np.random.default_rng(0)
    counts = rng.poisson(3.0, (40, len(GENES))).astype(np.float32)
    counts[:20, [GENES.index(gene) for gene in ACTIVATED]] += 20
    counts[20:, [GENES.index(gene) for gene in REPRESSED]] += 20
    obs = pd.DataFrame(index=[f"cell{i}" for i in range(40)])
    adata = ad.AnnData(sp.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=GENES))
    known = pd.concat([pairs("ACT", ACTIVATED), pairs("REP", [*REPRESSED, "B0"])])
    signs = known[["source", "target"]].assign(sign=np.int8(1))
    signs.loc[signs["target"].isin(REPRESSED), "sign"] = -1
    adata.uns["grn"] = {
        "varp_key": "grn",
        "params": {"method": "joint"},
        "metrics": pd.DataFrame(),
        "pairs": known.reset_index(drop=True),
        "left_out": pd.DataFrame({"source": ["ACT"], "target": ["B1"]}),
        "model": {"genes": GENES},
        "signs": {"pairs": signs.reset_index(drop=True)},
    }
    return adata


def store(adata, links):
    """Write new links, given as source, target, probability, null and sign."""
    known = adata.uns["grn"]["pairs"]
    frame = pd.DataFrame(links, columns=["source", "target", "p", "null", "sign"])
    first = known[["source", "target"]].assign(p=0.6, null=0.5, sign=1.0)
    frame = pd.concat([first, frame]) if links else first
    place = tuple(adata.var_names.get_indexer(frame[column]) for column in ("source", "target"))
    for slot, column in (("grn", "p"), ("grn_null", "null"), ("grn_sign", "sign")):
        values = frame[column].to_numpy(np.float32)
        adata.varp[slot] = sp.csr_matrix((values, place), shape=(adata.n_vars,) * 2)


def activity(adata, **arguments):
    """Return the activities and the regulons by source and target."""
    result = sr.tl.tf_activity(adata, copy=True, **arguments)
    slot = arguments.get("key_added", f"grn_{arguments.get('method', 'ulm')}")
    regulons = result.uns[slot]["regulons"].set_index(["source", "target"])
    return result.obsm[slot], regulons


def new_weights(adata, **arguments):
    _, regulons = activity(adata, **arguments)
    return regulons.loc[~regulons["in_prior"], "weight"].round(6).to_dict()


def test_activities_of_activators_and_repressors_come_out_the_right_way_round(by_hand):
    store(by_hand, [])
    scores, regulons = activity(by_hand)
    assert list(scores.columns) == ["ACT", "REP"]
    for tf in scores:
        assert scores[tf].iloc[:20].min() > scores[tf].iloc[20:].max()
    # Without the signs, the repressor comes out reversed.
    del by_hand.uns["grn"]["signs"]
    scores, _ = activity(by_hand)
    assert scores["REP"].iloc[:20].max() < scores["REP"].iloc[20:].min()


@pytest.mark.slow
# numba warns about code of decoupler when it compiles that for the first time.
@pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaPendingDeprecationWarning")
@pytest.mark.parametrize("method", ["mlm", "viper", "aucell", "ora"])
def test_other_methods_give_the_same_direction(by_hand, method):
    store(by_hand, [])
    scores, _ = activity(by_hand, method=method)
    assert list(scores.columns) == (["ACT"] if method in ("aucell", "ora") else ["ACT", "REP"])
    for tf in scores:
        assert scores[tf].iloc[:20].mean() > scores[tf].iloc[20:].mean()


def test_methods_without_signs_get_no_repressed_targets(by_hand):
    store(by_hand, [("ACT", "B2", 0.7, 0.1, 1.0)])
    scores, regulons = activity(by_hand, method="zscore", tmin=1)
    assert list(regulons.loc["REP"].index) == ["B0"]
    assert regulons.loc[("ACT", "B2"), "weight"] == pytest.approx(0.7)
    assert scores["ACT"].iloc[:20].min() > scores["ACT"].iloc[20:].max()


def test_z_scores_subtract_the_mean_of_the_cell(by_hand):
    # The two flavours of decoupler changed names between 2.2 and 2.3.
    store(by_hand, [])
    scores, regulons = activity(by_hand, method="zscore", tmin=1)
    values = by_hand.X.toarray() if sp.issparse(by_hand.X) else np.asarray(by_hand.X)
    values = np.log1p(values / values.sum(1, keepdims=True) * 1e4)
    places = by_hand.var_names.get_indexer(list(regulons.loc["ACT"].index))
    mean = values[:, places].mean(1) - values.mean(1)
    expected = mean * np.sqrt(len(places)) / values.std(1, ddof=1)
    np.testing.assert_allclose(scores["ACT"], expected, rtol=1e-4)


def test_over_representation_is_among_the_highest_genes(by_hand):
    # decoupler 2.2 takes all genes but the lowest for the highest.
    store(by_hand, [])
    scores, regulons = activity(by_hand, method="ora", tmin=1)
    targets = set(by_hand.var_names.get_indexer(list(regulons.loc["ACT"].index)))
    n = by_hand.n_vars
    for cell in (0, 7, 30):
        order = np.argsort(np.asarray(by_hand.X[cell].todense())[0], kind="stable")
        high = set(order[-max(int(np.ceil(0.05 * n)), 2) :])
        both, others = len(high & targets), len(high - targets)
        missed = len(targets - high)
        # decoupler takes all genes of a genome as background.
        rest = 20_000 - both - others - missed
        table = np.array([both, others, missed, rest]) + 0.5
        expected = np.log(table[0] * table[3] / (table[1] * table[2]))
        assert scores["ACT"].iloc[cell] == pytest.approx(expected, rel=1e-4)


def test_known_links_are_all_there_whatever_was_stored(by_hand):
    store(by_hand, [])
    by_hand.varp["grn"] = by_hand.varp["grn"] * 0
    by_hand.varp["grn"].eliminate_zeros()
    del by_hand.varp["grn_null"], by_hand.varp["grn_sign"]
    _, regulons = activity(by_hand)
    expected = {("ACT", gene): 1.0 for gene in [*ACTIVATED, "B1"]}
    expected |= {("REP", gene): -1.0 for gene in REPRESSED} | {("REP", "B0"): 1.0}
    assert regulons["weight"].to_dict() == expected
    assert regulons["in_prior"].all()


def test_new_links_weigh_probability_times_sign(by_hand):
    store(
        by_hand,
        [
            ("ACT", "B2", 0.5, 0.1, 1.0),
            ("ACT", "B3", 0.4, 0.1, -0.5),
            ("REP", "B2", 0.3, 0.1, np.nan),
            ("REP", "B3", 0.2, 0.1, 0.0),
        ],
    )
    # The mean of REP's known signs where its sign is unknown; none where 0 says that.
    expected = {("ACT", "B2"): 0.5, ("ACT", "B3"): -0.2, ("REP", "B2"): round(0.3 * -5 / 7, 6)}
    assert new_weights(by_hand, threshold=0.0) == pytest.approx(expected, abs=1e-6)


def test_the_rule_for_new_links(by_hand):
    # 14 edges are known (one is not stored): of the 14 most probable links, 13 are known.
    lifted = [("ACT", "B2", 0.5, 0.1, 1.0), ("ACT", "B3", 0.4, 0.1, 1.0)]
    store(by_hand, [*lifted, ("NEW", "B2", 0.45, 0.1, 1.0)])
    assert new_weights(by_hand) == {("ACT", "B2"): 0.5}
    # As popular with the null model: no lift of log 2.
    assert logit(0.5) - logit(0.34) < np.log(2)
    store(by_hand, [("ACT", "B2", 0.5, 0.34, 1.0), *lifted[1:]])
    assert new_weights(by_hand) == {}
    store(by_hand, [("ACT", "B2", 0.5, 0.33, 1.0)])
    assert new_weights(by_hand) == {("ACT", "B2"): 0.5}


def test_a_tf_gets_no_more_new_links_than_known_ones(by_hand):
    few = pairs("REP", ["R0"])
    by_hand.uns["grn"]["pairs"] = pd.concat([pairs("ACT", ACTIVATED), few], ignore_index=True)
    new = [("REP", f"B{i}", 0.7 + i / 100, 0.1, 1.0) for i in range(5)]
    store(by_hand, new)
    assert new_weights(by_hand, tmin=1) == {("REP", "B4"): 0.74}
    # By lift, another one is first.
    store(by_hand, [*new[:-1], ("REP", "B4", 0.74, 0.3, 1.0)])
    assert new_weights(by_hand, tmin=1, by="lift") == {("REP", "B3"): 0.73}


def test_filters_take_the_place_of_the_rule(by_hand):
    new = [("ACT", f"B{i}", i / 10, 0.05, 1.0) for i in range(2, 6)]
    store(by_hand, [*new, ("NEW", "B9", 0.9, 0.1, 1.0)])
    found = lambda **arguments: {target for _, target in new_weights(by_hand, **arguments)}
    assert found(threshold=0.3) == {"B3", "B4", "B5"}
    assert found(top_n_targets=1) == {"B5"}
    assert found(min_lift=2.5) == {"B4", "B5"}
    assert found(threshold=0.1, targets=["B2", *ACTIVATED]) == {"B2"}
    assert found(threshold=0.1, known_only=False, sources="ACT") == {"B2", "B3", "B4", "B5"}
    scores, _ = activity(by_hand, threshold=0.1, sources="REP")
    assert list(scores.columns) == ["REP"]


def test_known_or_new_links_only(by_hand):
    store(by_hand, [("ACT", f"B{i}", 0.7, 0.1, 1.0) for i in range(2, 9)])
    _, regulons = activity(by_hand, known_only=True)
    assert regulons["in_prior"].all()
    _, regulons = activity(by_hand, new_only=True, tmin=4)
    assert list(regulons.index) == [("ACT", f"B{i}") for i in range(2, 9)]
    # Seven links of probability 0.7 are 4.9 expected targets.
    with pytest.raises(ValueError, match=r"tmin=5 targets.*the largest regulon has 4.9 \(ACT\)"):
        sr.tl.tf_activity(by_hand, new_only=True)
    for other in ({"new_only": True}, {"threshold": 0.3}, {"new_tfs": True}):
        with pytest.raises(ValueError, match=f"known_only=True .* {next(iter(other))}="):
            sr.tl.tf_activity(by_hand, known_only=True, **other)


def test_tfs_without_a_known_edge_on_request(by_hand):
    store(by_hand, [("NEW", f"B{i}", 0.9, 0.1, 1.0) for i in range(2, 9)])
    scores, _ = activity(by_hand, threshold=0.5)
    assert list(scores.columns) == ["ACT", "REP"]
    scores, regulons = activity(by_hand, threshold=0.5, new_tfs=True)
    assert list(scores.columns) == ["ACT", "NEW", "REP"]
    assert regulons.loc["NEW", "weight"].round(6).tolist() == [0.9] * 7
    assert list(activity(by_hand, new_tfs=True)[0].columns) == ["ACT", "NEW", "REP"]


def test_without_a_null_model_or_weights_new_links_need_a_filter(by_hand):
    store(by_hand, [("ACT", f"B{i}", 0.9, 0.1, 1.0) for i in range(2, 9)])
    with pytest.raises(ValueError, match="need a filter, because method='ora' knows no weights"):
        sr.tl.tf_activity(by_hand, method="ora", new_only=True)
    del by_hand.varp["grn_null"]
    assert new_weights(by_hand) == {}
    assert len(new_weights(by_hand, threshold=0.5)) == 7
    with pytest.raises(ValueError, match="need a filter, because adata.varp has no probabilities"):
        sr.tl.tf_activity(by_hand, new_tfs=True)
    with pytest.raises(ValueError, match="min_lift needs"):
        sr.tl.tf_activity(by_hand, min_lift=1.0)


def test_it_is_decoupler_on_the_regulons(fitted):
    sr.tl.tf_activity(fitted, top_n_targets=20)
    totals = np.asarray(fitted.X.sum(axis=1))
    expected = fitted.copy()
    expected.X = np.log1p(fitted.X.toarray() / totals * 1e4).astype(np.float32)
    dc.mt.ulm(expected, fitted.uns["grn_ulm"]["regulons"], tmin=1)
    scores = fitted.obsm["grn_ulm"]
    assert list(scores.index) == list(fitted.obs_names)
    for slot, theirs in (("grn_ulm", "score_ulm"), ("grn_ulm_padj", "padj_ulm")):
        found = fitted.obsm[slot]
        np.testing.assert_allclose(
            found, expected.obsm[theirs][found.columns], rtol=1e-3, atol=1e-3
        )


def test_repeated_barcodes_and_empty_cells_change_no_value(by_hand):
    store(by_hand, [])
    expected, _ = activity(by_hand)
    rows = [5, *range(40), 7]
    counts = by_hand.X.toarray()[rows]
    counts[[0, -1]] = 0
    with pytest.warns(UserWarning, match="Observation names are not unique"):
        double = ad.AnnData(
            counts, obs=pd.DataFrame(index=["same"] * 42), var=by_hand.var, uns=by_hand.uns
        )
    double.varp["grn"] = by_hand.varp["grn"]
    sr.tl.tf_activity(double)
    scores, padj = double.obsm["grn_ulm"], double.obsm["grn_ulm_padj"]
    assert list(scores.index) == ["same"] * 42
    np.testing.assert_allclose(scores.to_numpy()[1:-1], expected.to_numpy(), rtol=1e-6)
    for frame in (scores, padj):
        assert frame.isna().to_numpy().sum(axis=1).tolist() == [2, *[0] * 40, 2]


def test_genes_that_no_cell_expresses_are_no_targets(by_hand):
    store(by_hand, [])
    dense = by_hand.X.toarray()
    dense[:, [GENES.index(gene) for gene in REPRESSED[:3]]] = 0
    by_hand.X = dense
    _, regulons = activity(by_hand)
    assert set(regulons.index.get_level_values("source")) == {"ACT"}
    _, regulons = activity(by_hand, tmin=4)
    assert list(regulons.loc["REP"].index) == [*REPRESSED[3:], "B0"]


def test_slots_carry_the_name_of_the_network(by_hand):
    store(by_hand, [])
    mine = pd.DataFrame({"x": np.arange(40.0)}, index=by_hand.obs_names)
    by_hand.obsm["score_ulm"] = mine
    sr.tl.tf_activity(by_hand)
    assert set(by_hand.obsm) == {"score_ulm", "grn_ulm", "grn_ulm_padj"}
    pd.testing.assert_frame_equal(by_hand.obsm["score_ulm"], mine)
    assert by_hand.uns["grn_ulm"]["params"]["key"] == "grn"
    sr.tl.tf_activity(by_hand, key_added="mine")
    pd.testing.assert_frame_equal(by_hand.obsm["mine"], by_hand.obsm["grn_ulm"])
    # Again under the same name; but not over something else.
    sr.tl.tf_activity(by_hand, key_added="mine", sources="ACT")
    assert list(by_hand.obsm["mine"].columns) == ["ACT"]
    with pytest.raises(ValueError, match=r"key_added='grn' is taken: adata.uns\['grn'\] is there"):
        sr.tl.tf_activity(by_hand, key_added="grn")


@pytest.mark.parametrize("taken", ["X_pca", "X_pca_padj"])
def test_what_is_no_activity_is_not_overwritten(by_hand, taken):
    store(by_hand, [])
    mine = np.arange(80.0).reshape(40, 2)
    by_hand.obsm[taken] = mine.copy()
    with pytest.raises(ValueError, match=rf"adata.obsm\['{taken}'\] is there and is not"):
        sr.tl.tf_activity(by_hand, key_added="X_pca")
    np.testing.assert_array_equal(by_hand.obsm[taken], mine)
    assert "X_pca" not in by_hand.uns


def test_p_values_of_the_method_before_are_dropped_and_no_others(by_hand):
    store(by_hand, [])
    sr.tl.tf_activity(by_hand, key_added="mine")
    assert "mine_padj" in by_hand.obsm
    sr.tl.tf_activity(by_hand, key_added="mine", method="aucell")
    assert "mine_padj" not in by_hand.obsm
    by_hand.obsm["mine_padj"] = np.ones((40, 1))
    sr.tl.tf_activity(by_hand, key_added="mine", method="aucell")
    np.testing.assert_array_equal(by_hand.obsm["mine_padj"], 1)


def test_the_result_can_be_stored(by_hand, tmp_path):
    store(by_hand, [])
    sr.tl.tf_activity(by_hand)
    del by_hand.uns["grn"]
    by_hand.write_h5ad(tmp_path / "x.h5ad")
    read = ad.read_h5ad(tmp_path / "x.h5ad")
    pd.testing.assert_frame_equal(read.obsm["grn_ulm"], by_hand.obsm["grn_ulm"])
    assert read.uns["grn_ulm"]["regulons"]["weight"].tolist() == [1.0] * 7 + [-1.0] * 6 + [1.0]


def test_a_group_has_slots_of_its_own(adata, net):
    sr.tl.fit_grn(adata, net, "degree", groupby="cell_type", min_cells=10, n_folds=1, n_bootstrap=0)
    with pytest.raises(ValueError, match="one network per group: name one with group="):
        sr.tl.tf_activity(adata)
    sr.tl.tf_activity(adata, group="type_1", tmin=3)
    assert "grn_type_1_ulm" in adata.obsm


def test_names_from_a_column(by_hand):
    store(by_hand, [])
    by_hand.var["symbol"] = [f"s{gene}" for gene in GENES]
    by_hand.var.loc["A0", "symbol"] = np.nan
    scores, regulons = activity(by_hand, gene_symbols="symbol", sources=["sACT"])
    assert list(scores.columns) == ["sACT"]
    assert list(regulons.loc["sACT"].index) == ["A0", *(f"s{g}" for g in ACTIVATED[1:]), "sB1"]


def test_shared_targets_are_warned_of(by_hand, caplog):
    store(by_hand, [])
    with caplog.at_level(logging.WARNING, logger="scregnet"):
        sr.tl.tf_activity(by_hand)
    assert caplog.messages == []
    shared = pairs("NEW", [*ACTIVATED[:4], "B5", "B6"])
    known = pd.concat([by_hand.uns["grn"]["pairs"], shared], ignore_index=True)
    by_hand.uns["grn"]["pairs"] = known
    with caplog.at_level(logging.WARNING, logger="scregnet"):
        sr.tl.tf_activity(by_hand)
    assert caplog.messages == [
        "tf_activity: 1 pair of TFs shares more than half of the targets of the smaller regulon, "
        "so their activities are alike: ACT and NEW (67%)",
        "tf_activity: 2 of 3 TFs have fewer than tmin=5 targets that no other TF has: "
        "NEW (2), ACT (3)",
    ]


def test_overlap_by_hand():
    members = sp.csr_matrix([[1, 1, 1, 0, 0], [1, 1, 0, 1, 0], [0, 0, 0, 1, 1], [1, 1, 1, 1, 0]])
    pair, share = shared_more_than_half(members)
    # Rows 1 and 2 share one of two targets, which is not more than half.
    assert pair.tolist() == [[0, 3], [1, 3], [0, 1]]
    np.testing.assert_allclose(share, [1, 1, 2 / 3])
    assert n_own(members).tolist() == [0, 0, 1, 0]


def test_many_pairs_are_counted(by_hand, caplog):
    several = pd.concat([pairs(tf, ACTIVATED) for tf in ("ACT", "REP", "NEW", "B0")])
    by_hand.uns["grn"]["pairs"] = several.reset_index(drop=True)
    store(by_hand, [])
    with caplog.at_level(logging.WARNING, logger="scregnet"):
        sr.tl.tf_activity(by_hand, known_only=True)
    assert "6 pairs of TFs share more than half" in caplog.messages[0]
    assert caplog.messages[0].endswith(
        "ACT and B0 (100%), ACT and NEW (100%), ACT and REP (100%) and 3 more"
    )


def test_what_is_wrong_is_said_and_nothing_is_written(by_hand):
    store(by_hand, [])
    uns, obsm = list(by_hand.uns), list(by_hand.obsm)
    with pytest.raises(ValueError, match=r"no TF has tmin=8 .*; the largest regulon has 7 \(ACT\)"):
        sr.tl.tf_activity(by_hand, tmin=8)
    with pytest.raises(ValueError, match="the largest regulon has 0"):
        sr.tl.tf_activity(by_hand, sources="ACT", targets="R0")
    with pytest.raises(ValueError, match="method='ulmm' is not known"):
        sr.tl.tf_activity(by_hand, method="ulmm")
    with pytest.raises(ValueError, match=r"threshold must lie in \[0, 1\]"):
        sr.tl.tf_activity(by_hand, threshold=2)
    with pytest.raises(ValueError, match="by='best' is not known"):
        sr.tl.tf_activity(by_hand, by="best")
    with pytest.raises(ValueError, match="key 'a/b' cannot be stored"):
        sr.tl.tf_activity(by_hand, key_added="a/b")
    with pytest.raises(KeyError, match="call sr.tl.fit_grn"):
        sr.tl.tf_activity(by_hand, key="other")
    with pytest.raises(KeyError, match="layer='counts' is not in adata.layers"):
        sr.tl.tf_activity(by_hand, layer="counts")
    with pytest.raises(KeyError, match="'XYZ' not in adata.var_names"):
        sr.tl.tf_activity(by_hand, known_only=True, sources="XYZ")
    assert (list(by_hand.uns), list(by_hand.obsm)) == (uns, obsm)


def test_a_failure_of_decoupler_leaves_the_data_as_they_were(by_hand, monkeypatch):
    store(by_hand, [])

    def fail(*args, **kwargs):
        raise RuntimeError("broken")

    monkeypatch.setattr(dc.mt, "ulm", fail)
    with pytest.raises(RuntimeError, match="broken"):
        sr.tl.tf_activity(by_hand)
    assert list(by_hand.uns) == ["grn"]
    assert list(by_hand.obsm) == []


@pytest.mark.parametrize("method", METHODS)
class TestWhatTellsNothing:
    """Of such input decoupler gives an error, infinity or a number, by method."""

    genes = pd.Index(list("abcdef"))
    some = pd.DataFrame({"source": "SOME", "target": ["d", "e"], "weight": 1.0})

    def test_a_regulon_of_all_genes_alike(self, method):
        every = pd.DataFrame({"source": "ALL", "target": self.genes, "weight": 1.0})
        cells = sp.csr_matrix([[1.0, 2, 0, 4, 3, 1], [0.0] * 6])
        links = pd.concat([every, self.some], ignore_index=True)
        names = pd.Index(["one", "empty"])
        activity, padj = scores_of(method, cells, names, self.genes, links)
        assert activity.loc["one", "ALL"] == 0
        assert padj is None or padj.loc["one", "ALL"] == 1
        assert activity.loc["one", "SOME"] > 0
        assert activity.loc["empty"].isna().all()

    def test_a_cell_with_the_same_of_all_genes(self, method):
        cells = sp.csr_matrix([[2.0] * 5 + [0], [1.0, 2, 3, 4, 5, 0]])
        names = pd.Index(["flat", "other"])
        activity, padj = scores_of(method, cells, names, self.genes, self.some)
        assert activity.loc["flat", "SOME"] == 0
        assert padj is None or padj.loc["flat", "SOME"] == 1
        assert activity.loc["other", "SOME"] > 0
        alone, _ = scores_of(method, cells[:1], names[:1], self.genes, self.some)
        assert alone.to_numpy().tolist() == [[0]]
