from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scregnet._genes.evidence.experiments import Experiments, without


@pytest.fixture
def experiments():
    table = sp.csr_matrix(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]], np.float32))
    text = lambda *names: np.array(names, dtype=object)
    return Experiments(
        table, text("A", "A", "B"), text("HepG2", "K562", "liver"), pd.Index(["x", "y", "z"]), "t"
    )


def test_patterns_leave_out_contexts_whatever_their_case(experiments):
    kept, out = without(experiments, ["HEPG2", "^LIV"])
    assert out == ["HepG2", "liver"]
    assert kept.tfs.tolist() == ["A"]
    assert kept.contexts.tolist() == ["K562"]
    # Genes of which no experiment that was kept has an entry are unknown.
    assert kept.genes.tolist() == ["y"]
    np.testing.assert_array_equal(kept.table.toarray(), [[1]])


def test_nothing_is_left_out_without_patterns(experiments):
    kept, out = without(experiments, None)
    assert out == []
    np.testing.assert_array_equal(kept.table.toarray(), experiments.table.toarray())


def test_pattern_that_matches_nothing_is_named(experiments, caplog):
    with caplog.at_level(logging.WARNING):
        without(experiments, "THYMUS")
    assert "exclude='THYMUS' matches none of the contexts, such as 'HepG2'" in caplog.text


def test_patterns_that_cannot_be_used(experiments):
    with pytest.raises(ValueError, match="leaves out all 3 experiments"):
        without(experiments, ".")
    with pytest.raises(ValueError, match="not a regular expression"):
        without(experiments, "(")
    with pytest.raises(TypeError, match="must be regular expressions, got 1"):
        without(experiments, [1])
    bare = Experiments(
        experiments.table, experiments.tfs, np.full(3, "", object), experiments.genes, "t"
    )
    with pytest.raises(ValueError, match="name their column with context="):
        without(bare, "HEPG2")
