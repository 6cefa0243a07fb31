"""sr.pl.coverage."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scregnet as sr


@pytest.fixture(scope="module")
def made():
    adata = sr.datasets.simulated(n_obs=60, n_vars=50, n_tfs=5)
    net = adata.uns["network"][["source", "target"]].astype(str)
    other = pd.DataFrame({"source": ["OUT", "TF001"], "target": ["TF001", "ELSEWHERE"]})
    sr.pp.prior(adata, pd.concat([net, other], ignore_index=True))
    sr.tl.embed(adata, model="svd", n_components=4)
    adata.var["svd_covered"] = np.arange(50) < 20
    return adata, len(net)


def _written(ax):
    return dict(
        zip(
            [label.get_text() for label in ax.get_yticklabels()],
            [text.get_text() for text in ax.texts],
            strict=True,
        )
    )


def test_bars_are_what_was_found_and_what_is_covered(made):
    adata, n_edges = made
    known, vectors = sr.pl.coverage(adata, show=False)
    n_targets = adata.uns["network"]["target"].nunique()
    # TF001 is a target of the TF that is not there, if it was none before.
    n_given = n_targets + 1 + int("TF001" not in set(adata.uns["network"]["target"]))
    assert _written(known) == {
        "edges": f"{n_edges} of {n_edges + 2}",
        "TFs": "5 of 6",
        "targets": f"{n_targets} of {n_given}",
    }
    widths = [bar.get_width() for bar in known.patches]
    np.testing.assert_allclose(widths[:2], [100 * n_edges / (n_edges + 2), 100 * 5 / 6])
    first = set(adata.var_names[:20])
    tfs, targets = (set(adata.uns["network"][end].astype(str)) for end in ("source", "target"))
    assert _written(vectors) == {
        "svd: genes": "20 of 50",
        "svd: TFs": f"{len(tfs & first)} of 5",
        "svd: known targets": f"{len(targets & first)} of {n_targets}",
    }


def test_what_is_not_there_is_said(made):
    bare = ad.AnnData(made[0].X, var=made[0].var[[]])
    known, vectors = sr.pl.coverage(bare, show=False)
    assert [text.get_text() for text in known.texts] == ["call sr.pp.prior first"]
    assert [text.get_text() for text in vectors.texts] == [
        "call sr.tl.embed or sr.pp.evidence first"
    ]
    with pytest.raises(KeyError, match=r"keys: adata.var has no column 'mine_covered'.*'svd'"):
        sr.pl.coverage(made[0], keys="mine")
    with pytest.raises(ValueError, match="palette has 1 colours, but there are 3"):
        sr.pl.coverage(made[0], palette=["red"])


def test_a_known_network_of_another_name(made):
    adata = made[0].copy()
    edges = made[0].uns["network"][["source", "target"]].astype(str).iloc[:9]
    sr.pp.prior(adata, edges, key_added="mine")
    known, vectors = sr.pl.coverage(adata, prior="mine", show=False)
    assert _written(known)["edges"] == "9 of 9"
    n_targets = edges["target"].nunique()
    assert _written(vectors)["svd: known targets"].endswith(f"of {n_targets}")
    with pytest.raises(KeyError, match=r"prior='svd': adata.uns\['svd'\] is no known network"):
        sr.pl.coverage(adata, prior="svd")
