"""Where TFs are unseen, a few validation TFs do not set the level of the probabilities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scregnet as sr


def split_of(rates, unseen):
    """Twelve TFs of 100 targets each; ``rates`` are those of training, validation, test TFs."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(12):
        part = "train" if number < 6 else "validation" if number < 8 else "test"
        for target in range(20, 120):
            own = part if unseen else rng.choice(["train", "validation", "test"])
            label = int(rng.random() < rates[part])
            rows.append((f"TF{number}", f"G{target}", label, own))
    return pd.DataFrame(rows, columns=["source", "target", "label", "split"])


@pytest.fixture
def cells():
    data = sr.datasets.simulated(n_obs=50, n_vars=120, random_state=0)
    data.var_names = [f"TF{i}" if i < 20 else f"G{i}" for i in range(120)]
    return data


HOW = {"method": "degree", "n_folds": 1, "n_bootstrap": 0, "copy": True}


def test_unseen_tfs_have_the_level_of_all_that_are_known(cells):
    pairs = split_of({"train": 0.2, "validation": 0.7, "test": 0.2}, unseen=True)
    fitted = sr.tl.fit_grn(cells, split=pairs, **HOW)
    known = pairs[pairs["split"] != "test"]
    table = fitted.uns["grn"]["pairs"]
    validation = table.loc[table["split"] == "validation", "probability"]
    assert validation.mean() == pytest.approx(known["label"].mean(), abs=0.01)
    # The two validation TFs alone would have set it to 0.7, and the error to 0.5.
    assert sr.get.metrics(fitted, split="test", wide=True).loc["degree", "ece"] < 0.2


def test_seen_tfs_keep_the_level_of_the_validation_pairs(cells):
    pairs = split_of({"train": 0.2, "validation": 0.7, "test": 0.4}, unseen=False)
    fitted = sr.tl.fit_grn(cells, split=pairs, **HOW)
    table = fitted.uns["grn"]["pairs"]
    validation = table[table["split"] == "validation"]
    assert validation["probability"].mean() == pytest.approx(validation["label"].mean(), abs=0.02)
