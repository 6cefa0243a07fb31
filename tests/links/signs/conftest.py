"""Signs that follow from planted effects of TFs, of targets, and from expression."""

from __future__ import annotations

import numpy as np
import pytest

from scregnet.links.signs.known import KnownSigns


def make_known(seed=0, *, n_tfs=20, n_genes=120, tf=0.0, coupling=0.0, outside=0):
    """Return known signs and expression.

    ``tf`` is the spread of the TFs' own sign, ``coupling`` how strongly signs follow expression.
    """
    rng = np.random.default_rng(seed)
    expression = rng.normal(size=(n_genes, 200))
    effect = tf * rng.normal(size=n_tfs)
    edges = rng.random((n_tfs, n_genes)) < 0.25
    edges[np.arange(n_tfs), np.arange(n_tfs)] = False
    sources, targets = np.nonzero(edges)
    activates = rng.random(len(sources)) < 1 / (1 + np.exp(-1 - effect[sources]))
    for source, target, sign in zip(sources, targets, activates, strict=True):
        if target >= n_tfs:
            expression[target] += coupling * (1 if sign else -1) * expression[source]
    expression -= expression.mean(axis=1, keepdims=True)
    expression /= expression.std(axis=1, keepdims=True)
    counts = np.zeros((n_genes, 4), np.int32)
    for gene in range(n_tfs):
        there = rng.binomial(outside, 1 / (1 + np.exp(-1 - effect[gene])))
        counts[gene, :2] = there, outside - there
    known = KnownSigns(sources.astype(np.int32), targets.astype(np.int32), activates, counts)
    return known, expression.astype(np.float32)


@pytest.fixture
def known_signs():
    return make_known
