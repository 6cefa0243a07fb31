from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from scregnet.links import Pairs
from scregnet.links.evidence import EvidenceLayer
from scregnet.links.transfer.columns import TransferColumns

N_TFS, N_GENES, N_EXPERIMENTS = 12, 200, 3


def _make_set(seed, *, shift=0.0):
    """Return columns, labelled pairs and experiments: TFs bind popular genes and their own ones.

    The first 9 TFs have a track of three experiments. The last 10 genes are in none of them.
    """
    rng = np.random.default_rng(seed)
    logits = rng.normal(-2, 1.2, N_GENES) + rng.normal(0, 1.2, (N_TFS, N_GENES))
    chance = 1 / (1 + np.exp(-logits))
    experiments = rng.random((N_EXPERIMENTS, N_TFS, N_GENES)) < chance
    experiments[:, :, -10:] = False
    labels = rng.random((N_TFS, N_GENES)) < 1 / (1 + np.exp(-logits - shift))
    labels[:, -10:] = False
    tracks = np.zeros((N_GENES, N_GENES), np.float32)
    tracks[:9] = experiments.mean(axis=0)[:9]
    covered = np.arange(N_GENES) < N_GENES - 10
    has_track = np.arange(N_GENES) < 9
    profile = (experiments.reshape(-1, N_GENES) - 0.2).T @ rng.normal(size=(36, 8))
    profile[~covered] = 0
    layer = EvidenceLayer(
        "chip",
        profile.astype(np.float32),
        tracks[:9].mean(axis=0),
        covered,
        sp.csr_matrix(tracks),
        has_track,
        9,
    )
    summary = rng.random((N_GENES, 3))
    sources = np.repeat(np.arange(N_TFS), N_GENES)
    targets = np.tile(np.arange(N_GENES), N_TFS)
    there = sources != targets
    pairs = Pairs(sources[there], targets[there], labels.ravel()[there])
    counts = np.where(has_track, N_EXPERIMENTS, 0)
    return TransferColumns.of([layer], summary), pairs, [counts], chance


@pytest.fixture(scope="session")
def make_set():
    return _make_set


@pytest.fixture(scope="session")
def new():
    return _make_set(0)
