from __future__ import annotations

import numpy as np
import pytest

from scregnet.encoders.geneformer import medians as module
from scregnet.encoders.geneformer.medians import medians


@pytest.mark.parametrize("kind", ["spread", "tied", "extreme"])
def test_medians_are_exact_and_of_few_values_in_memory(kind, monkeypatch):
    rng = np.random.default_rng(0)
    n, n_genes = 4000, 90
    genes = rng.integers(0, n_genes - 2, n).astype(np.int32)
    # A gene with one value; two genes have none.
    genes[genes == 3] = 4
    genes[0] = 3
    values = {
        "spread": rng.gamma(0.5, 20, n) + 1e-9,
        "tied": rng.integers(1, 4, n) / 7,
        "extreme": rng.choice([5e-324, 1e-30, 1.0, 9e3, 1e30], n),
    }[kind]
    calls = []

    def blocks():
        calls.append(0)
        for start in range(0, n, 700):
            yield genes[start : start + 700], values[start : start + 700]

    # More parts than one of the genes whose sums are in memory.
    monkeypatch.setattr(module, "_GENES", 32)
    found = medians(blocks, n_genes)
    assert len(calls) == 2
    expected = [np.median(values[genes == g]) if (genes == g).any() else np.nan for g in range(90)]
    np.testing.assert_array_equal(found, expected)


def test_no_value_at_all():
    assert np.isnan(medians(lambda: iter(()), 3)).all()
