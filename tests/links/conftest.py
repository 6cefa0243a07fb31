"""A small task with a planted rule: TFs and targets of different popularity."""

from __future__ import annotations

import numpy as np
import pytest

from scregnet.links import LinkTask, split_pairs
from scregnet.links.methods.joint.pairs import DensePairs, SparsePairs


def make_task(seed: int = 0, n_tfs: int = 8, n_genes: int = 60):
    rng = np.random.default_rng(seed)
    pull = rng.normal(size=n_genes)
    logit = np.linspace(-2, 1, n_tfs)[:, None] + 2 * pull - 1
    edges = rng.random((n_tfs, n_genes)) < 1 / (1 + np.exp(-logit))
    edges[np.arange(n_tfs), np.arange(n_tfs)] = False
    split = split_pairs(*np.nonzero(edges), n_genes, rng=rng)
    expression = (pull[:, None] + rng.normal(size=(n_genes, 20))).astype(np.float32)
    embedding = (pull[:, None] * rng.normal(size=12) + rng.normal(size=(n_genes, 12))).astype(
        np.float32
    )
    summary = np.stack(
        [pull, rng.uniform(0.5, 1, n_genes), rng.uniform(0.2, 1, n_genes)], axis=1
    ).astype(np.float32)
    features = (expression, embedding, summary)
    task = LinkTask(
        n_genes, split.train, split.validation, *features, pseudotime=np.arange(20) / 19
    )
    return task, split


@pytest.fixture
def task_and_split():
    return make_task()


def as_list(labels: np.ndarray, known: np.ndarray) -> SparsePairs:
    rows, columns = np.nonzero(known)
    indptr = np.searchsorted(rows, np.arange(len(known) + 1))
    return SparsePairs(indptr, columns, labels[known], known.shape[1])


@pytest.fixture
def as_matrix():
    """Labels and what is known of them, as the kind of small fits."""
    return DensePairs


@pytest.fixture
def as_sparse():
    """The same as the kind of large fits."""
    return as_list


@pytest.fixture(params=[DensePairs, as_list], ids=["dense", "sparse"])
def as_pairs(request):
    """Both kinds, one after the other."""
    return request.param
