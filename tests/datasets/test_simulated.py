from __future__ import annotations

import anndata as ad
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from scregnet.datasets import simulated


@pytest.fixture(scope="module")
def adata() -> ad.AnnData:
    return simulated()


def log_normalised(adata: ad.AnnData) -> np.ndarray:
    counts = adata.X.toarray()
    return np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)


def correlation_auroc(adata: ad.AnnData) -> tuple[float, float]:
    """AUROC of |r| for true TF-gene pairs against all others: over all pairs, mean over TFs."""
    n_tfs = adata.uns["simulation"]["n_tfs"]
    strength = np.abs(np.corrcoef(log_normalised(adata).T)[:n_tfs])
    truth = adata.varp["network"].toarray()[:n_tfs] != 0
    pair = ~np.eye(*truth.shape, dtype=bool)
    per_tf = [roc_auc_score(t[m], s[m]) for t, s, m in zip(truth, strength, pair, strict=True)]
    return roc_auc_score(truth[pair], strength[pair]), float(np.mean(per_tf))


def test_counts_are_raw_and_as_sparse_as_real_data(adata: ad.AnnData) -> None:
    assert adata.shape == (1000, 500)
    assert isinstance(adata.X, sp.csr_matrix)
    assert adata.X.dtype == np.float32
    assert (adata.X.data > 0).all()
    assert np.array_equal(adata.X.data, np.rint(adata.X.data))
    assert 0.80 < 1 - adata.X.nnz / np.prod(adata.shape) < 0.88
    means = np.asarray(adata.X.mean(axis=0)).ravel()
    assert np.log10(np.percentile(means, 99) / np.percentile(means, 1)) > 2
    assert (np.asarray(adata.X.sum(axis=1)) > 0).all()
    # More varied than counting alone would be.
    assert np.median(adata.X.toarray().var(axis=0) / means) > 1.5


def test_truth_is_one_network_in_two_forms(adata: ad.AnnData) -> None:
    frame, matrix = adata.uns["network"], adata.varp["network"]
    assert list(frame.columns) == ["source", "target", "weight"]
    assert isinstance(matrix, sp.csr_matrix)
    assert matrix.dtype == np.float32
    assert matrix.nnz == len(frame)
    rows, columns = (
        adata.var_names.get_indexer(frame["source"]),
        adata.var_names.get_indexer(frame["target"]),
    )
    np.testing.assert_array_equal(matrix.toarray()[rows, columns], frame["weight"])
    assert frame["source"].str.startswith("TF").all()
    assert frame["target"].str.startswith("TF").any()
    assert not frame.duplicated(["source", "target"]).any()
    assert frame["weight"].abs().between(1, 5).all()
    assert 0.2 < (frame["weight"] < 0).mean() < 0.3


def test_network_is_acyclic_with_heavy_tailed_degrees(adata: ad.AnnData) -> None:
    edges = (adata.varp["network"].toarray() != 0).astype(float)
    assert np.trace(np.linalg.matrix_power(edges[:50, :50] + np.eye(50), 50)) == 50
    out_degree, in_degree = edges[:50].sum(axis=1), edges.sum(axis=0)
    assert out_degree.min() >= 1
    assert out_degree.max() > 8 * np.median(out_degree)
    assert in_degree.max() > 8 * np.median(in_degree[in_degree > 0])
    assert (in_degree[50:] >= 1).all()
    # The number of regulators of a gene must not be readable from how much it is expressed.
    means = np.log(np.asarray(adata.X.mean(axis=0)).ravel())
    assert abs(np.corrcoef(in_degree, means)[0, 1]) < 0.15


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_correlation_finds_the_edges_but_not_easily(seed: int) -> None:
    pooled, per_tf = correlation_auroc(simulated(random_state=seed))
    assert 0.58 < pooled < 0.72
    assert 0.58 < per_tf < 0.72


def test_more_depth_makes_the_edges_easier_to_find(adata: ad.AnnData) -> None:
    deep = simulated(depth=30.0, dropout_percentile=0.0)
    assert correlation_auroc(deep)[1] > correlation_auroc(adata)[1] + 0.05


def test_cell_types_separate(adata: ad.AnnData) -> None:
    labels = adata.obs["cell_type"]
    assert isinstance(labels.dtype, pd.CategoricalDtype)
    assert list(labels.cat.categories) == [f"type_{i}" for i in range(1, 6)]
    space = PCA(15, random_state=0).fit_transform(log_normalised(adata))
    accuracy = cross_val_score(
        KNeighborsClassifier(15), space, np.asarray(labels.astype(str)), cv=3
    ).mean()
    assert accuracy > 0.75
    assert labels.value_counts(normalize=True).max() < 0.5


def test_seed_decides_everything() -> None:
    a, b, c = (
        simulated(60, 40, random_state=3),
        simulated(60, 40, random_state=3),
        simulated(60, 40, random_state=4),
    )
    assert (a.X != b.X).nnz == 0
    pd.testing.assert_frame_equal(a.uns["network"], b.uns["network"])
    assert a.obs["cell_type"].equals(b.obs["cell_type"])
    assert (a.X != c.X).nnz > 0


def test_parameters_are_kept_and_used() -> None:
    call = {"n_tfs": 4, "n_cell_types": 2, "repression": 1.0}
    adata = simulated(30, 40, **call, random_state=None)
    assert adata.uns["simulation"]["n_tfs"] == 4
    assert adata.uns["simulation"]["model"] == "SERGIO"
    again = simulated(30, 40, **call, random_state=adata.uns["simulation"]["random_state"])
    assert (adata.X != again.X).nnz == 0
    assert adata.var_names[3] == "TF004"
    assert adata.var_names[4] == "G0001"
    assert set(adata.obs["cell_type"]) == {"type_1", "type_2"}
    assert (adata.uns["network"]["weight"] < 0).all()


@pytest.mark.parametrize(("n_vars", "n_tfs"), [(4, 2), (10, 5), (40, 10), (300, 30)])
def test_default_number_of_tfs(n_vars: int, n_tfs: int) -> None:
    adata = simulated(8, n_vars)
    assert adata.uns["simulation"]["n_tfs"] == n_tfs
    assert set(adata.uns["network"]["source"]) == set(adata.var_names[:n_tfs])


@pytest.mark.filterwarnings("ignore:Writing zarr v2")
@pytest.mark.parametrize("form", ["h5ad", "zarr"])
def test_survives_writing(tmp_path, form: str) -> None:
    adata = simulated(50, 40)
    if form == "h5ad":
        adata.write_h5ad(tmp_path / "x.h5ad")
        back = ad.read_h5ad(tmp_path / "x.h5ad")
    else:
        adata.write_zarr(tmp_path / "x.zarr")
        back = ad.read_zarr(tmp_path / "x.zarr")
    assert (back.X != adata.X).nnz == 0
    assert (back.varp["network"] != adata.varp["network"]).nnz == 0
    assert (
        back.uns["network"].astype({"source": str, "target": str}).values.tolist()
        == adata.uns["network"].values.tolist()
    )
    assert back.uns["simulation"] == adata.uns["simulation"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_obs": 0}, ValueError, "n_obs must be at least 1"),
        ({"n_vars": 3}, ValueError, "n_vars must be at least 4"),
        ({"n_obs": 10.5}, TypeError, "n_obs must be an integer"),
        ({"n_tfs": 1}, ValueError, "n_tfs must be at least 2"),
        ({"n_vars": 20, "n_tfs": 20}, ValueError, "n_tfs=20 must be below n_vars=20"),
        ({"n_obs": 4}, ValueError, "n_cell_types=5 must not exceed n_obs=4"),
        ({"repression": 1.5}, ValueError, r"repression must lie in \[0.0, 1.0\]"),
        ({"noise": "high"}, TypeError, "noise must be a number"),
        ({"depth": 0}, ValueError, "depth must lie in"),
        ({"depth": float("nan")}, ValueError, "depth must lie in"),
        ({"mean_regulators": 0.5}, ValueError, "mean_regulators must lie in"),
        ({"dropout_percentile": 101}, ValueError, "dropout_percentile must lie in"),
        ({"random_state": -1}, ValueError, "random_state must be an integer from 0"),
    ],
)
def test_wrong_parameters(arguments: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        simulated(**{"n_obs": 20, "n_vars": 20, **arguments})


class TestSister:
    @pytest.mark.parametrize("shared", [0.3, 0.8])
    def test_it_has_the_stated_share_of_the_edges(self, shared: float) -> None:
        one = simulated(60, 400, n_tfs=40)
        other = simulated(60, sister=one, shared=shared, random_state=1)
        mine, theirs = (x.varp["network"] != 0 for x in (one, other))
        assert other.var_names.equals(one.var_names)
        common = mine.multiply(theirs).sum() / mine.sum()
        # A few edges find no other TF, and stay.
        assert shared - 0.03 < common < shared + 0.08
        np.testing.assert_array_equal(mine.sum(axis=0), theirs.sum(axis=0))
        kept = mine.multiply(theirs)
        np.testing.assert_array_equal(
            other.varp["network"].multiply(kept).data, one.varp["network"].multiply(kept).data
        )
        assert other.uns["simulation"]["shared"] == shared

    def test_its_network_is_acyclic_and_hubs_stay_hubs(self) -> None:
        one = simulated(30, 500, n_tfs=40)
        other = simulated(30, sister=one, shared=0.0, random_state=1)
        graph = nx.DiGraph(list(zip(*other.varp["network"].nonzero(), strict=True)))
        assert nx.is_directed_acyclic_graph(graph)
        degrees = [np.diff(x.varp["network"].indptr)[:40] for x in (one, other)]
        assert (degrees[1] > 0).all()
        assert np.corrcoef(np.log(degrees[0]), np.log(degrees[1]))[0, 1] > 0.6

    def test_all_edges_may_be_kept(self) -> None:
        one = simulated(30, 100)
        other = simulated(30, sister=one, shared=1.0, random_state=1)
        assert abs(one.varp["network"] - other.varp["network"]).max() == 0
        assert abs(one.X - other.X).max() > 0

    def test_what_is_no_sister_is_refused(self) -> None:
        one = simulated(30, 100)
        with pytest.raises(ValueError, match="n_vars=50, but sister has 100"):
            simulated(30, 50, sister=one)
        bare = one.copy()
        del bare.uns["simulation"]
        for wrong in (bare, one.uns["network"]):
            with pytest.raises(ValueError, match="must be an AnnData of sr.datasets.simulated"):
                simulated(30, sister=wrong)
        with pytest.raises(ValueError, match="were changed since"):
            simulated(30, sister=one[:, ::-1].copy())
        with pytest.raises(ValueError, match="shared"):
            simulated(30, sister=one, shared=1.5)


LOST = ("TF003", "TF001", "TF006")


@pytest.fixture(scope="module")
def lost() -> ad.AnnData:
    return simulated(400, 300, n_tfs=20, knockouts=LOST, n_knockout_obs=150, silent_binding=0.6)


class TestKnockouts:
    def test_other_cells_stay_as_they_are(self, lost: ad.AnnData) -> None:
        alone = simulated(400, 300, n_tfs=20)
        assert (lost[:400].X != alone.X).nnz == 0
        assert lost.obs["cell_type"][:400].tolist() == alone.obs["cell_type"].tolist()
        assert (lost.varp["network"] != alone.varp["network"]).nnz == 0
        more = simulated(400, 300, n_tfs=20, knockouts=LOST[:1], n_knockout_obs=150)
        assert more.n_obs == 550
        assert more.obs["cell_type"].tolist() == lost.obs["cell_type"][:550].tolist()

    def test_cells_lack_their_tf(self, lost: ad.AnnData) -> None:
        groups = lost.obs["perturbation"]
        assert groups.cat.categories.tolist() == ["control", *LOST]
        assert groups.value_counts().loc[["control", *LOST]].tolist() == [400, 150, 150, 150]
        counts = lost[:, list(LOST)].X.toarray()
        for at, tf in enumerate(LOST):
            # Noise of production needs production: nothing makes it, so nothing is there.
            assert counts[(groups == tf).to_numpy(), at].sum() == 0
            assert counts[(groups == "control").to_numpy(), at].sum() > 20

    def test_effects_are_seen_in_the_cells(self, lost: ad.AnnData) -> None:
        effects = lost.uns["effects"]
        expression = log_normalised(lost)
        groups = lost.obs["perturbation"].to_numpy(str)
        control = expression[groups == "control"].mean(axis=0)
        # A third of TF001's genes are lost altogether: the others take a larger share.
        for tf in LOST:
            mine = effects[effects["source"] == tf]
            change = expression[groups == tf].mean(axis=0) - control
            measured = change[lost.var_names.get_indexer(mine["target"].astype(str))]
            strong = (mine["effect"] < -2).to_numpy()
            unchanged = (mine["effect"].abs() < 1e-9).to_numpy()
            assert strong.sum() >= 3
            assert (measured[strong] < np.median(measured[unchanged])).mean() > 0.9

    def test_effects_follow_the_network(self, lost: ad.AnnData) -> None:
        effects = lost.uns["effects"]
        assert len(effects) == 3 * 299
        network = lost.varp["network"]
        rows, columns = (
            lost.var_names.get_indexer(effects[end].astype(str)) for end in ("source", "target")
        )
        weight = np.asarray(network[rows, columns]).ravel()
        np.testing.assert_array_equal(effects["direct"], weight != 0)
        direct = (effects["direct"] & effects["affected"]).to_numpy()
        assert direct.sum() > 20
        # A gene may also be reached by another way, with another sign.
        assert (effects["sign"].to_numpy()[direct] == np.sign(weight[direct])).mean() > 0.95
        graph = nx.from_scipy_sparse_array(network, create_using=nx.DiGraph)
        reached = [
            nx.has_path(graph, row, column) for row, column in zip(rows, columns, strict=True)
        ]
        assert not effects["affected"].to_numpy()[~np.array(reached)].any()
        assert (effects["affected"] & ~effects["direct"]).any()

    def test_binding_has_the_stated_share_of_silence(self, lost: ad.AnnData) -> None:
        bound = lost.uns["binding"]
        edges = set(lost.uns["network"][["source", "target"]].itertuples(index=False, name=None))
        functional = bound[bound["functional"]]
        assert set(functional[["source", "target"]].itertuples(index=False, name=None)) == edges
        assert bound["functional"].mean() == pytest.approx(0.4, abs=0.02)
        assert not bound.duplicated(["source", "target"]).any()
        assert (bound["source"] != bound["target"]).all()
        none = simulated(30, 40, knockouts=["TF001"], n_knockout_obs=5, silent_binding=0)
        assert none.uns["binding"]["functional"].all()

    def test_survives_writing(self, lost: ad.AnnData, tmp_path) -> None:
        lost.write_h5ad(tmp_path / "x.h5ad")
        back = ad.read_h5ad(tmp_path / "x.h5ad")
        pd.testing.assert_frame_equal(
            back.uns["effects"],
            lost.uns["effects"],
            check_index_type=False,
            check_categorical=False,
        )
        assert back.uns["simulation"]["silent_binding"] == 0.6

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"knockouts": "TF001"}, TypeError, "knockouts must be a sequence of TFs, such as"),
            ({"knockouts": []}, ValueError, "one or more, each once; TFs go from 'TF001' to"),
            ({"knockouts": ["TF001", "TF001"]}, ValueError, "one or more, each once"),
            ({"knockouts": ["G0001"]}, ValueError, "'G0001' not among the TFs"),
            ({"n_knockout_obs": 0}, ValueError, "n_knockout_obs must be at least 1"),
            ({"silent_binding": 1}, ValueError, "silent_binding must lie in"),
        ],
    )
    def test_wrong_parameters(self, arguments: dict, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            simulated(**{"n_obs": 20, "n_vars": 20, "knockouts": ["TF001"], **arguments})


def test_rewired_types_lose_targets_to_other_tfs():
    plain = simulated(60, 60, n_tfs=8, n_cell_types=2)
    adata = simulated(60, 60, n_tfs=8, n_cell_types=2, rewired=0.5)
    frame = adata.uns["rewired"]
    lost, gained = (frame[frame["change"] == change] for change in ("lost", "gained"))
    # Every target that one TF loses another one gains, with the same strength.
    assert sorted(lost["target"]) == sorted(gained["target"])
    assert lost["source"].nunique() == 2
    assert not set(lost["source"]) & set(gained["source"])
    assert not frame["target"].str.startswith("TF").any()
    edges = set(map(tuple, adata.uns["network"][["source", "target"]].to_numpy()))
    assert set(map(tuple, lost[["source", "target"]].to_numpy())) <= edges
    assert not set(map(tuple, gained[["source", "target"]].to_numpy())) & edges
    most = (
        adata.uns["network"]
        .groupby("source")["target"]
        .apply(lambda own: own.str.startswith("G").sum())
    )
    assert set(lost["source"]) <= set(most.nlargest(2, keep="all").index)
    pd.testing.assert_frame_equal(plain.uns["network"], adata.uns["network"])
    assert "rewired" not in plain.uns
    assert adata.uns["simulation"]["rewired"] == 0.5
