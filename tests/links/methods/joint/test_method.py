"""Planted modules: degrees say nothing about them, expression says everything."""

import anndata as ad
import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

import scregnet as sr
from scregnet import metrics
from scregnet._settings import settings
from scregnet.links import LinkTask, Split, get_method, load_fitted, split_pairs
from scregnet.links.methods.joint import crossed
from scregnet.links.methods.joint.cells import Cells
from scregnet.links.methods.joint.method import Joint
from scregnet.links.methods.joint.pairs import DensePairs, SparsePairs

N_TFS, N_GENES, N_MODULES = 18, 150, 3
QUICK = {"n_trees": 60, "n_bags": 2, "n_forest_trees": 40}


def planted(kind, *, noise=1.0, seed=0):
    """TFs prefer one of three modules. All TFs and all genes have about as many edges."""
    rng = np.random.default_rng(seed)
    module = np.arange(N_GENES) % N_MODULES
    chance = np.where(module[:N_TFS, None] == module, 0.7, 0.1)
    edges = rng.random((N_TFS, N_GENES)) < chance
    edges[np.arange(N_TFS), np.arange(N_TFS)] = False
    split = split_pairs(*np.nonzero(edges), N_GENES, rng=rng, kind=kind)
    centres = rng.normal(size=(N_MODULES, 30))
    expression = centres[module] + noise * rng.normal(size=(N_GENES, 30))
    expression = (expression - expression.mean(1, keepdims=True)) / expression.std(1, keepdims=True)
    summary = rng.random((N_GENES, 3))
    embedding = centres[module][:, :8] + rng.normal(size=(N_GENES, 8))
    arrays = (array.astype(np.float32) for array in (expression, embedding, summary))
    return LinkTask(N_GENES, split.train, split.validation, *arrays), split


def fit(task, seed=0, name="joint", **parameters):
    method = get_method(name, **(QUICK | parameters if name == "joint" else parameters))
    return method.fit(task, rng=np.random.default_rng(seed), device=torch.device("cpu")).links


def per_tf(links, split):
    test = split.test
    return metrics.per_tf(test.labels, links.score(test.sources, test.targets), test.sources)


@pytest.fixture(scope="module")
def by_kind():
    """The task, its split and a fit for each kind of split."""
    found = {}
    for kind in ("pairs", "targets", "tfs", "both"):
        task, split = planted(kind)
        found[kind] = task, split, fit(task)
    return found


def every_pair(sources):
    return np.repeat(np.asarray(sources), N_GENES), np.tile(np.arange(N_GENES), len(sources))


def base(links, sources):
    # In blocks, as scores are computed: rounding depends on how many TFs there are together.
    blocks = Cells.every(np.asarray(sources), N_GENES).blocks()
    return np.concatenate([links.features.base(block) for block in blocks])


@pytest.mark.parametrize(
    "kind, least, null, most",
    [("pairs", 0.7, "degree", 0.6), ("targets", 0.7, "label_factors", 0.5)],
)
def test_what_tf_and_target_have_in_common_is_learned(by_kind, kind, least, null, most):
    task, split, links = by_kind[kind]
    assert per_tf(links, split) > least
    # Additive models cannot learn it: within a TF they rank by how often a gene is a target.
    assert per_tf(fit(task, name=null), split) <= most


@pytest.mark.parametrize("kind", ["tfs", "both"])
def test_tfs_without_labels_are_ranked_by_those_of_similar_expression(by_kind, kind):
    task, split, _ = by_kind[kind]
    # These TFs regulate genes of their own expression, more than real ones do.
    links = fit(task, similar=2.0)
    assert per_tf(links, split) > max(0.65, per_tf(fit(task, name="degree"), split) + 0.1)
    assert per_tf(fit(task, similar=0.0), split) < per_tf(links, split) - 0.1


def test_expression_of_another_network_does_not_help():
    task, split = planted("targets")
    rng = np.random.default_rng(5)
    shuffled = rng.permutation(N_GENES)
    other = LinkTask(
        N_GENES,
        task.train,
        task.validation,
        task.expression[shuffled],
        task.embedding[shuffled],
        task.summary,
    )
    assert per_tf(fit(other), split) < 0.6 < per_tf(fit(task), split)


class TestForest:
    @pytest.mark.parametrize("kind", ["targets", "both"])
    def test_its_mean_with_the_process_for_targets_without_labels(self, by_kind, kind):
        task, _, links = by_kind[kind]
        sources, targets = every_pair(range(N_TFS))
        labelled = np.isin(np.arange(N_GENES), task.train.targets)
        assert links.forest.shape == (len(np.unique(task.train.sources)) + 1, (~labelled).sum())
        scores = links.score(sources, targets).reshape(N_TFS, N_GENES)
        process = base(links, range(N_TFS)).reshape(N_TFS, N_GENES)
        # Another number of sources at a time is rounded in another way.
        np.testing.assert_allclose(scores[:, labelled], process[:, labelled], atol=1e-6)
        # The last row is for TFs without labels.
        tfs = np.unique(task.train.sources).tolist()
        rows = [tfs.index(tf) if tf in tfs else -1 for tf in range(N_TFS)]
        wanted = (process[:, ~labelled] + links.forest[rows]) / 2
        np.testing.assert_allclose(scores[:, ~labelled], wanted, atol=1e-6)

    @pytest.mark.parametrize("kind", ["targets", "both"])
    def test_none_at_all(self, by_kind, kind):
        links = fit(by_kind[kind][0], n_forest_trees=0)
        assert links.forest.size == 0
        np.testing.assert_allclose(
            links.score(*every_pair(range(N_TFS))), base(links, range(N_TFS)), atol=1e-6
        )

    def test_none_where_every_target_has_labels(self, by_kind):
        assert by_kind["pairs"][2].forest.size == 0

    def test_it_alone_tells_of_targets_without_labels(self, by_kind):
        task, split, _ = by_kind["targets"]
        nothing = dict.fromkeys(("target_smooth", "own", "similar", "joint_smooth"), 0.0)
        assert per_tf(fit(task, **nothing), split) > 0.7
        assert per_tf(fit(task, n_forest_trees=0, **nothing), split) == 0.5


class TestTrees:
    def test_they_are_there_and_do_something(self, by_kind):
        _, split, links = by_kind["pairs"]
        assert len(links.trees) == QUICK["n_bags"]
        sources, targets = split.test.sources, split.test.targets
        without = base(links, range(N_TFS)).reshape(N_TFS, N_GENES)[sources, targets]
        assert np.abs(links.score(sources, targets) - without).max() > 0.01

    @pytest.mark.parametrize("kind", ["targets", "tfs", "both"])
    def test_none_where_tfs_or_targets_have_no_labels(self, by_kind, kind):
        assert by_kind[kind][2].trees == ()

    def test_none_for_a_gene_that_is_no_labelled_tf(self, by_kind):
        _, _, links = by_kind["pairs"]
        other = [N_TFS, N_GENES - 1]
        np.testing.assert_array_equal(links.score(*every_pair(other)), base(links, other))

    def test_for_labelled_targets_only(self):
        task, _ = planted("pairs")
        hidden = 30
        rest = Split(
            *(
                pairs.take(pairs.targets != hidden)
                for pairs in (task.train, task.validation, task.train)
            )
        )
        task = LinkTask(
            N_GENES, rest.train, rest.validation, task.expression, task.embedding, task.summary
        )
        links = fit(task, n_forest_trees=0)
        sources, targets = every_pair(range(N_TFS))
        changed = links.score(sources, targets) != base(links, range(N_TFS))
        assert not changed[targets == hidden].any()
        assert changed[targets != hidden].mean() > 0.9

    def test_none_at_all(self, by_kind):
        task, split, whole = by_kind["pairs"]
        links = fit(task, n_trees=0)
        assert links.trees == ()
        np.testing.assert_allclose(
            links.score(*every_pair(range(N_TFS))), base(links, range(N_TFS)), atol=1e-6
        )
        # The seed draws folds and bags only, so the trees start from the same logits.
        np.testing.assert_array_equal(base(links, range(N_TFS)), base(whole, range(N_TFS)))
        assert per_tf(links, split) > 0.7

    def test_they_are_the_same_with_one_thread_and_with_two(self, by_kind):
        task, _, _ = by_kind["pairs"]
        models = []
        for n in (1, 2):
            with threadpool_limits(n, user_api="openmp"):
                models.append([trees.state() for trees in fit(task).trees])
        for one, other in zip(*models, strict=True):
            for name, value in one.items():
                np.testing.assert_array_equal(other[name], value)


def test_the_order_and_the_company_of_pairs_do_not_matter(by_kind):
    _, split, links = by_kind["pairs"]
    sources, targets = split.test.sources, split.test.targets
    scores = links.score(sources, targets)
    order = np.random.default_rng(0).permutation(len(sources))
    np.testing.assert_allclose(
        links.score(sources[order], targets[order]), scores[order], atol=1e-6
    )
    np.testing.assert_allclose(links.score(sources[7:8], targets[7:8]), scores[7:8], atol=1e-6)


@pytest.mark.parametrize("kind", ["pairs", "targets"])
def test_a_seed_fixes_the_fit_and_another_gives_another(by_kind, kind):
    task, split, links = by_kind[kind]
    pairs = split.test.sources, split.test.targets
    np.testing.assert_array_equal(fit(task).score(*pairs), links.score(*pairs))
    assert not np.array_equal(fit(task, seed=1).score(*pairs), links.score(*pairs))


def test_a_family_tells_of_targets_without_labels_where_expression_tells_nothing():
    task, split = planted("targets", noise=100.0)
    blind = np.zeros_like(task.embedding)
    with_families, shuffled, without = (
        LinkTask(
            N_GENES, task.train, task.validation, task.expression, blind, task.summary, families
        )
        for families in (
            np.arange(N_GENES) % N_MODULES,
            np.random.default_rng(1).permutation(N_GENES) % N_MODULES,
            None,
        )
    )
    assert per_tf(fit(with_families), split) > 0.7
    assert per_tf(fit(shuffled), split) < 0.6
    assert per_tf(fit(without), split) < 0.6
    pairs = split.test.sources, split.test.targets
    np.testing.assert_array_equal(
        fit(with_families, family=0.0).score(*pairs), fit(without).score(*pairs)
    )


def test_labels_of_validation_pairs_change_nothing(by_kind):
    """They are left to the calibration, so that it has pairs that the fit has not seen."""
    task, split, links = by_kind["pairs"]
    check = task.validation
    flipped = type(check)(check.sources, check.targets, ~check.labels)
    other = fit(
        LinkTask(N_GENES, task.train, flipped, task.expression, task.embedding, task.summary)
    )
    np.testing.assert_array_equal(
        other.score(split.test.sources, split.test.targets),
        links.score(split.test.sources, split.test.targets),
    )


def test_without_embedding(by_kind):
    task, split, links = by_kind["targets"]
    bare = fit(LinkTask(N_GENES, task.train, task.validation, task.expression, None, task.summary))
    assert per_tf(bare, split) > 0.7
    pairs = split.test.sources, split.test.targets
    assert not np.array_equal(bare.score(*pairs), links.score(*pairs))


def test_the_state_is_numbers_that_survive_a_file(by_kind, tmp_path):
    _, split, links = by_kind["pairs"]
    file = tmp_path / "state.h5ad"
    ad.AnnData(shape=(1, 1), uns={"state": links.state()}).write_h5ad(file)
    state = ad.read_h5ad(file).uns["state"]
    again = load_fitted("joint", state)
    assert len(again.trees) == QUICK["n_bags"]
    # No text of LightGBM, which would be bytes.
    assert {np.asarray(value).dtype.kind for value in state.values()} == {"b", "f", "i"}
    pairs = split.test.sources, split.test.targets
    np.testing.assert_array_equal(again.score(*pairs), links.score(*pairs))


class TestTamperedStates:
    """What a file holds is checked before anything computes with it."""

    def test_every_array_is_needed_whole(self, by_kind):
        for kind in ("pairs", "both"):
            state = by_kind[kind][2].state()
            for name, value in state.items():
                with pytest.raises(ValueError, match="the saved network"):
                    load_fitted("joint", {key: state[key] for key in state if key != name})
                if value.ndim and value.size:
                    with pytest.raises(ValueError, match="of the saved network must"):
                        load_fitted("joint", state | {name: value[:-1]})
                with pytest.raises(ValueError, match=f"'{name}' of the saved network must hold"):
                    load_fitted("joint", state | {name: value.astype(complex)})

    def test_numbers_must_be_finite(self, by_kind):
        for kind in ("pairs", "both"):
            state = by_kind[kind][2].state()
            for name, value in state.items():
                if value.dtype.kind == "f" and value.size:
                    broken = value.copy()
                    broken[(0,) * value.ndim] = np.nan
                    with pytest.raises(ValueError, match=f"'{name}' .* values that are not finite"):
                        load_fitted("joint", state | {name: broken})

    @pytest.mark.parametrize(
        "name, place, value, why",
        [
            ("process_tfs", -1, N_GENES, "must lie between 0 and 149, found 0 to 150"),
            ("process_tfs", 0, -1, "must lie between 0 and 149, found -1 to"),
            ("process_tfs", 1, 0, "must ascend"),
            ("gene_neighbours", (3, 4), N_GENES, "must lie between 0 and 149, found 0 to 150"),
            ("gene_neighbours", (3, 4), -1, "must lie between 0 and 149, found -1"),
            ("trees_1_features", 0, 10_000, "must lie between 0 and"),
            ("trees_0_children", (0, 0), 0, "has a cycle"),
        ],
    )
    def test_positions_out_of_range(self, by_kind, name, place, value, why):
        state = by_kind["pairs"][2].state()
        array = state[name].copy()
        array[place] = value
        with pytest.raises(ValueError, match=f"array '{name}' of the saved network {why}"):
            load_fitted("joint", state | {name: array})

    def test_a_feature_that_rows_do_not_have(self, by_kind):
        links = by_kind["pairs"][2]
        n_columns = links.features.rows(Cells.every(np.array([0]), N_GENES)).shape[1]
        assert links.features.n_columns == n_columns
        state = links.state()
        features = state["trees_0_features"].copy()
        features[0] = n_columns - 1
        load_fitted("joint", state | {"trees_0_features": features})
        features[0] = n_columns
        with pytest.raises(ValueError, match="'trees_0_features' .* must lie between"):
            load_fitted("joint", state | {"trees_0_features": features})

    def test_a_forest_of_other_genes(self, by_kind):
        state = by_kind["targets"][2].state()
        known = np.ones_like(state["process_pairs_known"])
        with pytest.raises(ValueError, match=r"'forest' .* must have the shape \(19, 0\)"):
            load_fitted("joint", state | {"process_pairs_known": known})

    @pytest.mark.parametrize(
        "name, place, value, why",
        [
            ("columns", 7, N_GENES, "must lie between 0 and 149, found 0 to 150"),
            ("columns", 7, -1, "must lie between 0 and 149, found -1"),
            ("indptr", 3, 10**6, "must lie between 0 and"),
            ("indptr", 3, 0, "must ascend"),
            ("indptr", 0, 5, "must run from 0 to"),
            ("indptr", -1, 2400, "must"),
            ("n_genes", (), 10**6, "must lie between 150 and 150"),
        ],
    )
    def test_a_list_of_pairs_out_of_range(self, listed, name, place, value, why):
        name = f"process_pairs_{name}"
        array = listed[name].astype(np.int64)
        array[place] = value
        with pytest.raises(ValueError, match=f"array '{name}' of the saved network {why}"):
            load_fitted("joint", listed | {name: array})


@pytest.fixture(scope="module")
def listed(by_kind):
    """State of a fit to a list of pairs."""
    return fit_large(by_kind["pairs"][0], n_trees=0).state()


@pytest.mark.parametrize("n_models", [1, 2])
def test_a_fitted_network_scores_the_same_after_a_file(tmp_path, n_models):
    adata = sr.datasets.simulated(n_obs=120, n_vars=80, random_state=3)
    net = adata.uns["network"]
    sr.tl.fit_grn(adata, net, n_models=n_models, n_folds=1, n_bootstrap=0, **QUICK)
    params = adata.uns["grn"]["params"]
    assert params["method"] == "joint"
    assert params["method_params"]["n_trees"] == QUICK["n_trees"]
    adata.write_h5ad(tmp_path / "fitted.h5ad")
    again = ad.read_h5ad(tmp_path / "fitted.h5ad")
    np.testing.assert_array_equal(
        sr.get.score_links(again, net)["probability"], sr.get.score_links(adata, net)["probability"]
    )


@pytest.mark.parametrize(
    "parameters, error, message",
    [
        ({"n_trees": -1}, ValueError, "n_trees must be at least 0"),
        ({"n_forest_trees": -1}, ValueError, "n_forest_trees must be at least 0"),
        ({"n_trees": 1.5}, TypeError, "n_trees must be an integer"),
        ({"learning_rate": 0}, ValueError, "learning_rate must lie in"),
        ({"learning_rate": 1.5}, ValueError, "learning_rate must lie in"),
        ({"n_leaves": 1}, ValueError, "n_leaves must be at least 2"),
        ({"n_bags": 0}, ValueError, "n_bags must be at least 1"),
        ({"n_inner_folds": 1}, ValueError, "n_inner_folds must be at least 2"),
        ({"max_pairs": 0}, ValueError, "max_pairs must be at least 1"),
        ({"dense_cells": -1}, ValueError, "dense_cells must be at least 0"),
        ({"tf": 0}, ValueError, "tf must lie in"),
        *[
            ({name: -0.1}, ValueError, f"{name} must lie in")
            for name in (
                "target",
                "target_smooth",
                "own",
                "similar",
                "joint",
                "joint_smooth",
                "family",
            )
        ],
        ({"joint": np.inf}, ValueError, "joint must lie in"),
    ],
)
def test_bad_hyperparameters(parameters, error, message):
    with pytest.raises(error, match=message):
        Joint(**parameters)


@pytest.mark.parametrize("missing", ["expression", "summary"])
def test_what_it_needs_is_said(missing):
    task, _ = planted("pairs")
    arrays = {"expression": task.expression, "summary": task.summary, missing: None}
    with pytest.raises(ValueError, match="needs expression of the genes and its summary"):
        fit(LinkTask(N_GENES, task.train, task.validation, **arrays))


def test_a_fit_that_tells_no_pair_from_another_is_refused():
    task, _ = planted("tfs")
    nothing = dict.fromkeys(
        ("target", "target_smooth", "own", "similar", "joint", "joint_smooth"), 0.0
    )
    with pytest.raises(
        RuntimeError, match="training collapsed: every validation pair has the same score"
    ):
        fit(task, tf=1e-9, n_forest_trees=0, **nothing)


def fit_large(task, **more):
    """A fit to a list of pairs, whatever its size."""
    return fit(task, dense_cells=0, **more)


class TestManyGenes:
    """Fits whose TFs × genes are too many for whole matrices, with few genes."""

    @pytest.mark.parametrize("kind", ["pairs", "targets", "tfs", "both"])
    def test_scores_are_those_of_the_whole_matrix(self, by_kind, kind):
        task, _, small = by_kind[kind]
        pairs = every_pair(range(30))
        links = fit_large(task, n_trees=0)
        assert isinstance(small.features.process.pairs, DensePairs)
        assert isinstance(links.features.process.pairs, SparsePairs)
        wanted = base(small, range(30)) if small.trees else small.score(*pairs)
        # The solver stops where rounding decides, maybe a step earlier.
        np.testing.assert_allclose(links.score(*pairs), wanted, atol=0.01)

    def test_of_folds_by_pair_the_ranking_is_as_good(self, by_kind):
        task, split, small = by_kind["pairs"]
        assert per_tf(fit_large(task), split) == pytest.approx(per_tf(small, split), abs=0.03)

    def test_a_seed_fixes_the_fit_and_another_gives_another(self, by_kind):
        task, split, _ = by_kind["pairs"]
        pairs = split.test.sources, split.test.targets
        first, again, other = (
            fit_large(task, seed=seed, max_pairs=1200).score(*pairs) for seed in (0, 0, 1)
        )
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_a_pair_alone_has_the_score_that_it_has_among_all(self, by_kind):
        task, split, _ = by_kind["pairs"]
        links = fit_large(task)
        sources, targets = split.test.sources, split.test.targets
        at = (sources * N_GENES + targets)[::10]
        alone = np.concatenate(
            [links.score(sources[[i]], targets[[i]]) for i in range(0, len(sources), 10)]
        )
        np.testing.assert_allclose(alone, links.score(*every_pair(range(N_TFS)))[at], atol=1e-6)

    def test_all_edges_and_some_other_pairs_give_the_logits_of_all_pairs(self):
        task, _ = planted("pairs")
        # Few edges and many other pairs, as in a closed world.
        rare = ~task.train.labels | (np.random.default_rng(2).random(len(task.train)) < 0.4)
        task = LinkTask(
            N_GENES,
            task.train.take(rare),
            task.validation,
            task.expression,
            task.embedding,
            task.summary,
        )
        n_edges, n = task.train.n_positive, len(task.train)
        max_pairs = n // 2
        assert max_pairs > 3 * n_edges
        for trees in (0, QUICK["n_trees"]):
            whole, part = (fit_large(task, n_trees=trees, max_pairs=m) for m in (n, max_pairs))
            pairs = part.features.process.pairs
            assert len(pairs.labels) == max_pairs
            assert pairs.labels.sum() == n_edges
            assert whole.offset == 0
            assert part.offset == pytest.approx(np.log((max_pairs - n_edges) / (n - n_edges)))
            all_pairs = every_pair(range(N_TFS))
            one, other = whole.score(*all_pairs), part.score(*all_pairs)
            assert other.mean() == pytest.approx(one.mean(), abs=0.1)
            assert np.corrcoef(one, other)[0, 1] > 0.85

    def test_edges_are_never_left_out(self, by_kind):
        task, _, _ = by_kind["pairs"]
        links = fit_large(task, n_trees=0, max_pairs=1)
        labels = links.features.process.pairs.labels
        assert labels.sum() == task.train.n_positive
        assert len(labels) == 2 * task.train.n_positive

    def test_state_is_a_list_and_survives_a_file(self, by_kind, tmp_path):
        task, _, _ = by_kind["pairs"]
        links = fit_large(task, max_pairs=1200)
        state, n_known = links.state(), len(links.features.process.pairs.labels)
        assert links.offset < 0
        assert all(
            isinstance(value, np.ndarray) and value.dtype.kind in "fiub" for value in state.values()
        )
        assert not any(value.shape == (N_TFS, N_GENES) for value in state.values())
        assert len(state["left"]) == len(state["process_weights"]) == n_known
        file = tmp_path / "state.h5ad"
        ad.AnnData(shape=(1, 1), uns={"state": state}).write_h5ad(file)
        again = load_fitted("joint", ad.read_h5ad(file).uns["state"])
        pairs = every_pair(range(30))
        np.testing.assert_array_equal(again.score(*pairs), links.score(*pairs))


def test_a_small_fit_uses_all_pairs(by_kind):
    task, _, _ = by_kind["pairs"]
    links = fit(task, n_trees=0, max_pairs=1)
    assert links.features.process.pairs.known.sum() == len(task.train)
    assert links.offset == 0


def test_no_pairs_have_no_scores(by_kind):
    none = np.zeros(0, np.int32)
    assert by_kind["pairs"][2].score(none, none).shape == (0,)


def test_threads_change_no_bit_of_the_trees(by_kind, monkeypatch):
    task, split, alone = by_kind["pairs"]
    monkeypatch.setattr(crossed, "PARALLEL_CELLS", 0)
    with settings.override(n_jobs=3):
        threaded = fit(task)
    assert len(threaded.trees) == 2
    test = split.test
    np.testing.assert_array_equal(
        threaded.score(test.sources, test.targets), alone.score(test.sources, test.targets)
    )
