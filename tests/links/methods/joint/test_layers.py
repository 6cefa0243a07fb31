from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import expit

from scregnet.links import Pairs
from scregnet.links.evidence import EvidenceLayer
from scregnet.links.forms.layers import columns_from_state, columns_state
from scregnet.links.layer_alone import LayerAlone
from scregnet.links.methods.joint.cells import Cells
from scregnet.links.methods.joint.layers import Layers, at_pairs, layer_weights
from scregnet.links.methods.joint.method import Joint
from scregnet.links.methods.joint.pairs import known_pairs
from scregnet.links.task import LinkTask
from scregnet.metrics import evaluate

N_TFS, N_GENES = 12, 150
SMALL = {"n_trees": 10, "n_forest_trees": 10}


def layer_of(profile, tracks, has_track, name="layer"):
    return EvidenceLayer(
        name,
        profile.astype(np.float32),
        tracks[:N_TFS].mean(0).astype(np.float32),
        np.ones(N_GENES, bool),
        sp.csr_matrix(tracks.astype(np.float32)),
        has_track,
        N_TFS,
    )


def closed_world(seed=0):
    """Edges hang on a hidden profile of the genes. Half of the TFs have tracks elsewhere."""
    rng = np.random.default_rng(seed)
    profile = rng.standard_normal((N_GENES, 5))
    taste = rng.standard_normal((N_TFS, 5)) + [1, 0, 0, 0, 0]
    logits = 1.5 * taste @ profile.T / np.sqrt(5) - 1
    sources, targets = np.divmod(np.arange(N_TFS * N_GENES), N_GENES)
    keep = sources != targets
    labels = rng.random(len(sources)) < expit(logits.ravel())
    pairs = Pairs(*(a.astype(np.int32)[keep] for a in (sources, targets)), labels[keep])
    tracks = np.zeros((N_GENES, N_GENES))
    tracks[: N_TFS // 2] = rng.random((N_TFS // 2, N_GENES)) < expit(2 * logits[: N_TFS // 2])
    has_track = np.arange(N_GENES) < N_TFS // 2
    layer = layer_of(profile, tracks, has_track)
    expression = rng.standard_normal((N_GENES, 20)).astype(np.float32)
    summary = np.abs(rng.standard_normal((N_GENES, 3))).astype(np.float32)
    return pairs, layer, expression, summary


@pytest.fixture(scope="module")
def world():
    return closed_world()


def task_of(world, layers, unseen):
    """A task whose test pairs are those of unseen ``"targets"`` or ``"tfs"``."""
    pairs, _, expression, summary = world
    rng = np.random.default_rng(1)
    what, n = (pairs.targets, N_GENES) if unseen == "targets" else (pairs.sources, N_TFS)
    part = rng.permutation(n)[what]
    test, check = part < n // 3, (part >= n // 3) & (part < n // 2)
    task = LinkTask(
        N_GENES,
        pairs.take(~test & ~check),
        pairs.take(check),
        expression=expression,
        summary=summary,
        evidence=tuple(layers),
    )
    return task, pairs.take(test)


def per_tf(links, test):
    scores = links.score(test.sources, test.targets)
    return evaluate(test.labels, scores, test.sources, expit(scores))["per_tf_auroc"]


def fitted(world, layers, unseen):
    task, test = task_of(world, layers, unseen)
    return Joint(**SMALL).fit(task, rng=np.random.default_rng(0)).links, test


class TestFit:
    @pytest.mark.parametrize("unseen", ["targets", "tfs"])
    def test_a_layer_that_knows_helps_and_a_shuffled_one_costs_nothing(self, world, unseen):
        layer = world[1]
        without = per_tf(*fitted(world, [], unseen))
        with_it = per_tf(*fitted(world, [layer], unseen))
        shuffled = per_tf(*fitted(world, [layer.shuffled(np.random.default_rng(0))], unseen))
        assert with_it > without + 0.05
        assert shuffled == pytest.approx(without, abs=0.015)

    def test_a_useless_layer_beside_a_useful_one_costs_nothing(self, world):
        layer = world[1]
        alone = per_tf(*fitted(world, [layer], "targets"))
        other = layer.shuffled(np.random.default_rng(0))
        assert per_tf(*fitted(world, [layer, other], "targets")) == pytest.approx(alone, abs=0.015)

    def test_no_layer_changes_no_bit(self, world):
        task, test = task_of(world, [], "tfs")
        links = Joint(**SMALL).fit(task, rng=np.random.default_rng(0)).links
        process = links.features.process
        assert not process.columns
        assert (process.scale == 1).all()
        assert process.parts(Cells.every(np.array([0]), task.n_genes)).shape[0] == 6

    def test_a_list_of_pairs_gives_what_a_matrix_gives(self, world):
        task, test = task_of(world, [world[1]], "targets")
        scores = []
        for dense_cells in (10**6, 0):
            method = Joint(**SMALL, dense_cells=dense_cells)
            links = method.fit(task, rng=np.random.default_rng(0)).links
            scores.append(links.score(test.sources, test.targets))
        np.testing.assert_allclose(scores[0], scores[1], atol=0.05)
        assert np.corrcoef(*scores)[0, 1] > 0.999

    def test_slopes_are_the_most_probable_ones(self, world):
        links, _ = fitted(world, [world[1]], "tfs")
        process = links.features.process
        values = at_pairs(process.columns, process.tfs, process.pairs)
        known = process.pairs.known
        rest = process.logits(process.tfs) - sum(
            s * z for s, z in zip(process.slopes, values, strict=True)
        )

        def loss(slopes):
            logits = rest + sum(s * z for s, z in zip(slopes, values, strict=True))
            likelihood = np.logaddexp(0, logits) - process.pairs.labels * logits
            return likelihood[known].sum() + (slopes**2).sum() / 2

        best = loss(process.slopes)
        for step in np.eye(2):
            assert loss(process.slopes + 0.1 * step) > best
            assert loss(process.slopes - 0.1 * step) > best


class TestWeights:
    def weights(self, world, layers):
        tfs, pairs = known_pairs(world[0], N_GENES)
        made = Layers.of(layers, tfs, np.random.default_rng(0))
        residual = np.where(pairs.known, pairs.labels - world[0].labels.mean(), 0)
        return layer_weights(residual, np.ones((N_TFS, N_TFS)) + np.eye(N_TFS), made, pairs)

    def test_of_a_profile_that_explains_and_of_shuffled_ones(self, world):
        layer = world[1]
        others = [layer.shuffled(np.random.default_rng(seed)) for seed in range(6)]
        weights = self.weights(world, [layer, *others])
        assert weights[0] > 0.9
        assert (weights[1:] == 0).sum() >= 5
        assert weights.max() <= 1

    def test_of_a_layer_without_profiles(self, world):
        empty = layer_of(np.zeros((N_GENES, 3)), world[1].tracks.toarray(), world[1].has_track)
        assert self.weights(world, [empty]).tolist() == [0.0]


class TestState:
    def test_round_trip(self, world):
        links, test = fitted(world, [world[1]], "targets")
        again = type(links).from_state(links.state())
        np.testing.assert_array_equal(
            links.score(test.sources, test.targets), again.score(test.sources, test.targets)
        )

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("indices", np.array([N_GENES], np.int32)),
            ("indptr", np.arange(N_GENES + 1, dtype=np.int32)[::-1].copy()),
            ("data", np.array([np.nan], np.float32)),
            ("covered", np.ones(3, bool)),
            ("n_tfs", np.array(0)),
        ],
    )
    def test_what_does_not_fit_is_refused(self, world, name, value):
        links, _ = fitted(world, [world[1]], "targets")
        state = columns_state(links.features.process.columns)
        assert columns_from_state(state, N_GENES, "")[0].n_tfs == N_TFS
        if name in ("indices", "data"):
            value = np.resize(value, state[f"layer_0_{name}"].shape)
        with pytest.raises(ValueError, match=f"layer_0_{name}"):
            columns_from_state(state | {f"layer_0_{name}": value}, N_GENES, "")


class TestLayerAlone:
    def test_it_ranks_by_the_layer_and_knows_the_level_of_each_tf(self, world):
        task, test = task_of(world, [], "targets")
        alone = LayerAlone.fit(world[1], task)
        assert (alone.slopes > 0).all()
        tracked = test.take(test.sources < N_TFS // 2)
        assert per_tf(alone, tracked) > 0.7
        scores = alone.score(test.sources, test.targets)
        assert scores.dtype == np.float32
        # Labels of the part that is scored are not there: the same fit from fewer arguments.
        again = LayerAlone.fit(world[1], LinkTask(N_GENES, task.train, task.train))
        np.testing.assert_array_equal(scores, again.score(test.sources, test.targets))

    def test_unseen_tfs_have_the_mean_level(self, world):
        task, test = task_of(world, [], "tfs")
        alone = LayerAlone.fit(world[1], task)
        seen = np.unique(task.train.sources)
        assert np.unique(alone.rates[np.unique(test.sources)]).size == 1
        assert alone.rates[test.sources[0]] == pytest.approx(alone.rates[seen].mean())


def test_a_first_fit_that_rough_steps_do_not_find_is_found_by_exact_ones(world, monkeypatch):
    """So that its residuals, which give the weights of the profiles, are not those of nothing."""
    from scregnet.links.methods.joint import process

    whole, tolerances = process.laplace_mode, []

    def search(*args, tolerance, **options):
        tolerances.append(tolerance)
        mode = whole(*args, tolerance=tolerance, **options)
        # A rough step that is no better at all ends the search where it began.
        lost = mode._replace(weights=np.zeros_like(mode.weights), last_change=5.0)
        return mode if tolerance <= process.TOLERANCE else lost

    monkeypatch.setattr(process, "laplace_mode", search)
    links, _ = fitted(world, [world[1]], "targets")
    assert tolerances[:3] == [process.ROUGH, process.TOLERANCE, process.ROUGH]
    # Profiles weigh something: residuals of no fit at all would give them 0.
    assert links.features.process.scale[-len(world[1].profile[0]) :].max() > 0
