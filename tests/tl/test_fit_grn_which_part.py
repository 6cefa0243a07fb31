"""An error of one of several fits says which one it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import scregnet as sr
from scregnet.links import LINK_METHODS, LinkMethod, register_method
from scregnet.links.methods.degree import Degree

QUICK = {"n_bootstrap": 0, "show_progress_bar": False}


@dataclass(frozen=True)
class Failing(LinkMethod):
    """Fits what degree does, but for one of its fits."""

    summary: ClassVar[str] = "fails"
    fitted: ClassVar[type] = Degree.fitted
    needs_expression: ClassVar[bool] = True
    uses_embedding: ClassVar[bool] = True

    fails_at: int = 0

    made: ClassVar[list[int]] = []
    error: ClassVar[type[Exception]] = RuntimeError

    def fit(self, task, *, rng, device=None, progress=None):
        self.made.append(len(self.made))
        if self.made[-1] == self.fails_at:
            msg = "cannot be fitted"
            raise self.error(msg)
        return Degree().fit(task, rng=rng)


@pytest.fixture(autouse=True)
def failing():
    register_method("failing", Failing)
    Failing.made.clear()
    yield
    del LINK_METHODS["failing"]


def _notes(adata, **asked):
    with pytest.raises(RuntimeError, match="^cannot be fitted") as found:
        sr.tl.fit_grn(adata, method="failing", **QUICK, **asked)
    assert "grn" not in adata.varp
    return getattr(found.value, "__notes__", [])


def test_the_group_and_the_fold(adata, net):
    adata.obs["group"] = np.where(np.arange(adata.n_obs) % 2, "T cells", "B cells")
    groups = {"prior": net, "groupby": "group", "min_cells": 5, "noise_floor": False}
    assert _notes(adata, **groups, n_folds=1, fails_at=1) == ["in the cells of 'T cells'"]
    Failing.made.clear()
    # Fits of the whole and of three folds, of B cells first.
    assert _notes(adata, **groups, n_folds=3, fails_at=6) == [
        "in fold 1, counted from 0, of n_folds=3",
        "in the cells of 'T cells'",
    ]


def test_the_member_of_an_ensemble(adata, net):
    assert _notes(adata, prior=net, n_models=3, n_folds=1, fails_at=2) == ["in fit 3 of 3"]


def test_the_kind_of_labels(adata, net):
    priors = {"chip": net.iloc[::2], "knockdown": net.iloc[1::2]}
    assert _notes(adata, priors=priors, n_folds=1, fails_at=1) == [
        "with the labels priors['knockdown']"
    ]


def test_a_single_fit_needs_no_note(adata, net):
    assert _notes(adata, prior=net, n_folds=1) == []


def test_a_benchmark_keeps_it(adata):
    table = sr.bm.run(adata, {"failing": {"n_models": 2, "fails_at": 1}}, seeds=1)
    found = set(table.loc[table["method"] == "failing", "error"])
    assert found == {"RuntimeError: cannot be fitted (in fit 2 of 2)"}


def test_a_study_says_which_version(adata, net, monkeypatch):
    # Studies go on after a RuntimeError: another version may train.
    monkeypatch.setattr(Failing, "error", ValueError)
    asked = {"method": "failing", "fails_at": 2, "show_progress_bar": False}
    with pytest.raises(ValueError, match="cannot be fitted") as found:
        sr.bm.robustness_study(adata, net, noise=(0.01,), n_priors=2, **asked)
    assert found.value.__notes__ == ["in the fit 'noise 0.01, prior 1'"]
    Failing.made.clear()
    with pytest.raises(ValueError, match="cannot be fitted") as found:
        sr.bm.stability(adata, net, perturbations=["seed"], n_folds=1, **asked)
    assert found.value.__notes__ == ["in the fit 'seed, repeat 1'"]
