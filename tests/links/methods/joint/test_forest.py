import numpy as np
import pytest
import scipy.sparse as sp

from scregnet.links.methods.joint import forest
from scregnet.links.methods.joint.forest import forest_logits
from scregnet.links.methods.joint.pairs import DensePairs, SparsePairs

N_TFS, N_GENES, N_TREES = 6, 120, 50
UNLABELLED = np.arange(N_GENES) >= 90
MODULE = np.arange(N_GENES) % 3


@pytest.fixture
def labels():
    """TFs 0 and 3 regulate the genes of module 0, and so on."""
    rng = np.random.default_rng(0)
    return rng.random((N_TFS, N_GENES)) < np.where(
        np.arange(N_TFS)[:, None] % 3 == MODULE, 0.8, 0.1
    )


@pytest.fixture
def known():
    known = np.random.default_rng(1).random((N_TFS, N_GENES)) < 0.9
    known[:, UNLABELLED] = False
    return known


@pytest.fixture
def columns():
    """Most columns tell the module."""
    rng = np.random.default_rng(2)
    return 3 * rng.normal(size=(3, 12))[MODULE] + rng.normal(size=(N_GENES, 12))


def logits(columns, pairs, *, n_trees=N_TREES, seed=0, **how):
    return forest_logits(columns, pairs, n_trees, np.random.default_rng(seed), **how)


def test_genes_are_regulated_as_those_of_their_module_are(columns, labels, known, as_pairs):
    found = logits(columns, as_pairs(labels, known))
    assert found.shape == (N_TFS + 1, UNLABELLED.sum())
    assert found.dtype == np.float32
    probability = 1 / (1 + np.exp(-found[:-1]))
    own = MODULE[UNLABELLED] == np.arange(N_TFS)[:, None] % 3
    assert probability[own].mean() == pytest.approx(0.8, abs=0.15)
    assert probability[~own].mean() == pytest.approx(0.1, abs=0.1)
    assert probability[own].min() > probability[~own].max()


def test_a_tf_without_labels_has_the_mean_of_the_others(columns, labels, known, as_pairs):
    found = 1 / (1 + np.exp(-logits(columns, as_pairs(labels, known)).astype(float)))
    np.testing.assert_allclose(found[-1], found[:-1].mean(0), atol=1e-3)


def test_columns_that_tell_nothing_leave_the_rate_of_the_tf(columns, labels, known, as_pairs):
    labels[0] = np.arange(N_GENES) % 2
    labels[1] = np.arange(N_GENES) % 10 == 0
    found = 1 / (1 + np.exp(-logits(np.zeros_like(columns), as_pairs(labels, known))))
    rate = (labels & known).sum(1) / known.sum(1)
    np.testing.assert_allclose(
        found[:-1], np.broadcast_to(rate[:, None], found[:-1].shape), atol=0.02
    )


def test_other_labels_give_other_logits(columns, labels, known, as_pairs):
    assert not np.array_equal(
        logits(columns, as_pairs(labels, known)), logits(columns, as_pairs(~labels, known))
    )


def test_pairs_that_are_not_known_are_no_evidence_against_an_edge(columns, labels, known, as_pairs):
    # Of TF 0 every second pair is known.
    known[0, ::2] = False
    probability = 1 / (1 + np.exp(-logits(columns, as_pairs(labels, known))[0]))
    # As non-edges they would make it half of 0.8.
    assert probability[MODULE[UNLABELLED] == 0].mean() == pytest.approx(0.7, abs=0.15)


def test_nothing_is_certain(columns, known, as_pairs):
    labels = np.broadcast_to(np.arange(N_TFS)[:, None] % 3 == MODULE, known.shape)
    probability = 1 / (1 + np.exp(-logits(columns, as_pairs(labels, known))))
    assert probability.min() > 0.01
    assert probability.max() < 0.99


def test_a_list_of_pairs_gives_what_a_matrix_gives(columns, labels, known):
    rows, of_genes = np.nonzero(known)
    indptr = np.searchsorted(rows, np.arange(N_TFS + 1))
    pairs = SparsePairs(indptr, of_genes.astype(np.int32), labels[known], N_GENES)
    np.testing.assert_allclose(
        logits(columns, pairs), logits(columns, DensePairs(labels, known)), rtol=1e-3, atol=1e-3
    )


def test_more_genes_than_trees_are_grown_from(columns, labels, known, as_pairs):
    found = logits(columns, as_pairs(labels, known), grown_from=60)[:-1]
    own = MODULE[UNLABELLED] == np.arange(N_TFS)[:, None] % 3
    assert found[own].min() > found[~own].max()


@pytest.mark.parametrize("n_trees, all_labelled", [(0, False), (N_TREES, True)])
def test_no_columns_without_trees_or_without_genes_to_tell_of(
    columns, labels, known, as_pairs, n_trees, all_labelled
):
    known = np.ones_like(known) if all_labelled else known
    assert logits(columns, as_pairs(labels, known), n_trees=n_trees).shape == (N_TFS + 1, 0)


def test_a_seed_fixes_the_forest(columns, labels, known, as_pairs):
    one, again, other = (logits(columns, as_pairs(labels, known), seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_one_labelled_gene_is_enough(columns, labels, known, as_pairs):
    known[:, 1:] = False
    assert np.isfinite(logits(columns, as_pairs(labels, known))).all()


def test_means_in_leaves_written_out(monkeypatch):
    rng = np.random.default_rng(0)
    leaves = rng.integers(4, size=(30, 6))
    labelled = rng.random(30) < 0.6
    matrix = rng.normal(size=(5, 30)).astype(np.float32)
    wanted = np.zeros(((~labelled).sum(), 5))
    for leaf in leaves.T:
        for number, gene in enumerate(np.flatnonzero(~labelled)):
            inside = labelled & (leaf == leaf[gene])
            wanted[number] += matrix[:, inside].mean(1) if inside.any() else 0
    # Genes in several blocks, the last one not full.
    monkeypatch.setattr(forest, "BLOCK", 5)
    found = forest._leaf_sums(leaves, labelled, [matrix, sp.csr_array(matrix)])
    for one in found:
        np.testing.assert_allclose(one, wanted, atol=1e-5)
