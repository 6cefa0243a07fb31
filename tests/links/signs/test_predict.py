from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from scregnet.links.signs import predict
from scregnet.links.signs.known import KnownSigns
from scregnet.links.signs.predict import LEAST_EVIDENCE, SUREST, Signs


def full(n_tfs, n_genes):
    """Return a network with all links of the first genes."""
    dense = np.zeros((n_genes, n_genes), np.float32)
    dense[:n_tfs] = 0.5
    np.fill_diagonal(dense, 0)
    return sp.csr_matrix(dense)


def fit(known, expression):
    return Signs.fit(known, expression, np.random.default_rng(0))


def known_values(known, matrix):
    return np.asarray(matrix[known.sources, known.targets]).ravel()


def test_signs_lie_at_the_places_of_the_network(known_signs):
    known, expression = known_signs(coupling=0.6)
    network = full(24, 120)
    network.data[::7] = 0  # a stored zero is a place, too
    found = fit(known, expression).matrix(network)
    np.testing.assert_array_equal(found.indices, network.indices)
    np.testing.assert_array_equal(found.indptr, network.indptr)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(known_values(known, found), np.where(known.activates, 1, -1))
    is_known = np.zeros((120, 120), bool)
    is_known[known.sources, known.targets] = True
    rest = found.data[~is_known[np.repeat(np.arange(120), np.diff(found.indptr)), found.indices]]
    told = rest[np.isfinite(rest)]
    assert 0.5 < len(told) / len(rest) < 1
    assert np.abs(told).max() <= SUREST
    # What differs too little from the share that activates is not told.
    logits = np.log((1 + told) / (1 - told))
    base = np.log(known.share / (1 - known.share))
    assert np.abs(logits - base).min() >= LEAST_EVIDENCE - 1e-4


def test_planted_signs_are_found(known_signs):
    known, expression = known_signs(coupling=0.6)
    hidden = np.arange(len(known)) % 4 == 0
    rest = known.take(~hidden)
    found = known_values(known, fit(rest, expression).matrix(full(20, 120)))[hidden]
    activates = known.activates[hidden]
    told = np.isfinite(found) & (known.targets[hidden] >= 20)
    assert told.mean() > 0.5
    assert (found[told & activates] > 0).mean() > 0.9
    assert (found[told & ~activates] < 0).mean() > 0.6


def test_a_tf_without_known_signs_is_told_only_where_other_tfs_were(known_signs):
    known, expression = known_signs(coupling=0.6)
    by_expression = fit(known, expression)
    assert by_expression.chosen == ("expression", "expression")
    row = by_expression.matrix(full(21, 120))[20].toarray()
    assert np.isfinite(row).sum() > 40
    known, expression = known_signs(tf=2.0)
    by_tf = fit(known, None)
    assert by_tf.chosen[1] is None
    found = by_tf.matrix(full(21, 120))
    assert np.isnan(found[20].data).all()
    assert np.isfinite(found[:20].data).mean() > 0.5


def test_signs_outside_make_a_tf_known(known_signs):
    known, _ = known_signs(tf=2.0)
    outside = known.outside.copy()
    outside[20, 1] = 30
    with_outside = KnownSigns(known.sources, known.targets, known.activates, outside)
    found = fit(with_outside, None).matrix(full(22, 120))
    assert (found[20].data < 0).mean() > 0.9
    assert np.isnan(found[21].data).all()


def test_few_or_random_signs_leave_the_known_ones(known_signs):
    known, expression = known_signs(1)
    for part in (known, known.take(np.arange(12))):
        signs = fit(part, expression)
        assert signs.chosen == (None, None)
        found = signs.matrix(full(20, 120))
        assert np.isfinite(found.data).sum() == len(part)
        np.testing.assert_array_equal(known_values(part, found), np.where(part.activates, 1, -1))
    assert signs.held is None


def test_known_edges_that_are_not_in_the_network_are_left_out(known_signs):
    known, _ = known_signs()
    network = full(20, 120)
    dense = network.toarray()
    dense[:, 60:] = 0
    found = fit(known, None).matrix(sp.csr_matrix(dense))
    assert found.nnz == np.count_nonzero(dense)
    assert np.isfinite(found.data).sum() == (known.targets < 60).sum()


def test_blocks_do_not_change_the_result(known_signs, monkeypatch):
    known, expression = known_signs(coupling=0.6)
    signs = fit(known, expression)
    whole = signs.matrix(full(24, 120))
    monkeypatch.setattr(predict, "BLOCK", 150)
    np.testing.assert_allclose(signs.matrix(full(24, 120)).data, whole.data, atol=1e-5)


def test_the_same_seed_gives_the_same_signs(known_signs):
    known, expression = known_signs(coupling=0.3)
    one, other = (fit(known, expression).matrix(full(24, 120)).data for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_expression_that_does_not_vary_breaks_nothing(known_signs):
    known, expression = known_signs(tf=2.0)
    signs = fit(known, np.zeros_like(expression))
    assert np.isfinite(signs.held.probabilities["expression"]).all()
    assert signs.held.losses("expression").mean() == pytest.approx(
        signs.held.losses("labels").mean(), rel=1e-3
    )
