"""``tl.attention_links``, ``tl.knockout_links``, ``tl.token_links``: layers that a fit takes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import anndata as ad
import numpy as np
import pytest

import scregnet as sr
from scregnet._anndata import shards
from scregnet._anndata.evidence import evidence_layers
from scregnet.tl._encoding import pairs


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Simulated cells, and a small Geneformer trained on them for an epoch."""
    adata = sr.datasets.simulated(n_obs=80, n_vars=40, n_tfs=6, random_state=2)
    folder = tmp_path_factory.mktemp("small") / "weights"
    size = {"n_layers": 2, "hidden_size": 8, "n_heads": 2, "max_epochs": 1}
    sr.tl.finetune(adata, "geneformer", output=folder, **size, show_progress_bar=False)
    adata.var["is_tf"] = adata.var_names.isin(adata.uns["network"]["source"])
    return adata, {"weights": folder, "hidden_layer": 0}


@pytest.fixture
def adata(trained):
    return trained[0].copy()


CALLS = {
    "attention": (sr.tl.attention_links, {}, True),
    "knockout": (sr.tl.knockout_links, {"n_cells": 5}, True),
    "overexpress": (sr.tl.knockout_links, {"n_cells": 5, "mode": "overexpress"}, True),
    "token": (sr.tl.token_links, {}, False),
}


@pytest.mark.parametrize("what", CALLS)
def test_a_layer_that_a_fit_takes(what, adata, trained, tmp_path):
    function, more, has_raw = CALLS[what]
    device = {"device": "cpu"} if has_raw else {}
    assert function(adata, **trained[1], **more, **device) is None
    key = f"geneformer_{what}"
    keys = {key, f"{key}_raw"} if has_raw else {key}
    if what == "attention":
        keys.add(f"{key}_mean")
    assert set(adata.varp) - {"network"} == keys
    made = adata.uns[key]["made_by"]
    assert made["model"] == "geneformer"
    assert made["function"] == function.__name__
    is_tf = adata.var["is_tf"].to_numpy()
    for name in keys:
        values = adata.varp[name].toarray()
        assert np.isfinite(values).all()
        assert values.min() == 0 < values.max()
        assert not values[~is_tf].any()
        assert not values.diagonal().any()
        assert (adata.var[f"{name}_n_experiments"] > 0).to_numpy()[is_tf].any()
    if what in ("knockout", "overexpress", "token"):
        assert adata.varp[key].max() <= 1
    (read,) = evidence_layers(adata, key)[0]
    assert read.has_track.sum() == (adata.var[f"{key}_n_experiments"] > 0).sum() > 2
    if what == "attention":
        told = {"n_folds": 1, "n_trees": 5, "n_bootstrap": 2, "show_progress_bar": False}
        sr.tl.fit_grn(adata, adata.uns["network"], "joint", evidence=key, **told)
        assert f"evidence:{key}" in set(sr.get.metrics(adata)["model"])
    adata.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad")
    np.testing.assert_array_equal(again.varp[key].toarray(), adata.varp[key].toarray())
    # The same call gives the same numbers, and replaces its own layers.
    before = adata.varp[key].toarray()
    function(adata, **trained[1], **more, **device)
    np.testing.assert_allclose(adata.varp[key].toarray(), before, rtol=1e-5)


IN_CELLS = {
    "attention": (sr.tl.attention_links, ("", "_raw", "_mean"), {}),
    # All cells that express a TF; controls are drawn by the number of the cell in the run.
    "knockout": (sr.tl.knockout_links, ("_raw",), {"n_cells": 99}),
}


@pytest.mark.parametrize("what", IN_CELLS)
def test_a_group_has_the_layers_of_its_cells_alone(what, adata, trained, caplog):
    function, endings, more = IN_CELLS[what]
    adata.obs["type"] = np.where(
        np.arange(80) % 3 == 0, "B/T", np.where(np.arange(80) < 6, "x", "T")
    )
    told = {**trained[1], **more, "device": "cpu"}
    function(adata, **told, groupby="type", min_cells=10)
    groups = {"B/T": f"geneformer_{what}_B_T", "T": f"geneformer_{what}_T"}
    assert f"geneformer_{what}" not in adata.varp
    for name, key in groups.items():
        alone = adata[adata.obs["type"] == name].copy()
        function(alone, **told)
        for ending in endings:
            np.testing.assert_allclose(
                adata.varp[key + ending].toarray(),
                alone.varp[f"geneformer_{what}{ending}"].toarray(),
                rtol=1e-4,
                atol=1e-7,
            )
        made = adata.uns[key]["made_by"]
        assert (made["group"], list(made["groups_left_out"])) == (name, ["x"])
        (read,) = evidence_layers(adata, key)[0]
        assert read.has_track.any()
    adata.obs["type"] = np.where(np.arange(80) < 40, "a", "a_raw")
    with pytest.raises(ValueError, match=rf"one name: 'geneformer_{what}_a_raw'"):
        function(adata, **told, groupby="type", min_cells=10)
    # A group without a TF has no layer.
    adata.X = adata.X.toarray()
    adata.X[np.ix_(np.arange(40), np.flatnonzero(adata.var["is_tf"]))] = 0
    adata.obs["type"] = np.where(np.arange(80) < 40, "none", "some")
    function(adata, **told, groupby="type", min_cells=10)
    assert f"geneformer_{what}_none" not in adata.varp
    assert f"geneformer_{what}_some" in adata.varp
    assert "no TF is expressed with another gene in the cells of 'none'" in caplog.text


@pytest.mark.parametrize("what", IN_CELLS)
def test_parts_that_others_read_add_up(what, adata, trained, tmp_path, monkeypatch):
    function, endings, _ = IN_CELLS[what]
    adata.obs["type"] = np.where(np.arange(80) % 3 == 0, "a", "b")
    told = {**trained[1], "device": "cpu", "groupby": "type", "min_cells": 1}
    if what == "knockout":
        told["n_cells"] = 7
    adata.write_h5ad(tmp_path / "cells.h5ad")
    function(adata, **told)
    monkeypatch.setattr(shards, "SHARD", 30)
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    with ThreadPoolExecutor(2) as client:
        function(backed, **told, client=client)
    for group in ("a", "b"):
        for ending in (*endings, ""):
            key = f"geneformer_{what}_{group}{ending}"
            np.testing.assert_allclose(
                backed.varp[key].toarray(), adata.varp[key].toarray(), rtol=1e-5
            )
        record = adata.uns[f"geneformer_{what}_{group}"]["made_by"]
        again = backed.uns[f"geneformer_{what}_{group}"]["made_by"]
        for name in ("n_layers", "n_cells_used", "n_changed"):
            assert again.get(name) == record.get(name)
    backed.file.close()
    with pytest.raises(ValueError, match="client= needs cells in a file"):
        function(adata, **told, client=client)


@pytest.mark.parametrize("what", IN_CELLS)
def test_a_bar_is_shown_on_request(what, adata, trained, capsys):
    function, _, _ = IN_CELLS[what]
    told = {**trained[1], "device": "cpu"}
    function(adata[:9].copy(), **told, show_progress_bar=True)
    title = {"attention": "Attention", "knockout": "Knock-out"}[what]
    assert f"{title}: 100%" in capsys.readouterr().err
    function(adata[:9].copy(), **told, show_progress_bar=False)
    assert title not in capsys.readouterr().err


def test_normalised_attention_is_over_what_the_totals_give(adata, trained):
    sr.tl.attention_links(adata, **trained[1], device="cpu")
    raw = adata.varp["geneformer_attention_raw"].toarray().astype(float)
    expected = raw.sum(1, keepdims=True) * raw.sum(0, keepdims=True) / raw.sum()
    wanted = np.divide(raw, expected, out=np.zeros_like(raw), where=expected > 0)
    np.testing.assert_allclose(adata.varp["geneformer_attention"].toarray(), wanted, rtol=1e-4)
    seen = (adata.X > 0).toarray() if hasattr(adata.X, "toarray") else adata.X > 0
    both = seen.T.astype(float) @ seen
    mean = np.divide(raw * adata.n_obs, both, out=np.zeros_like(raw), where=both > 0)
    np.testing.assert_allclose(adata.varp["geneformer_attention_mean"].toarray(), mean, rtol=1e-4)


def test_directions_add_up(adata, trained):
    for direction in ("both", "to_tf", "from_tf"):
        sr.tl.attention_links(
            adata, **trained[1], direction=direction, key_added=direction, layers=[0], device="cpu"
        )
    both, to, back = (adata.varp[f"{d}_raw"].toarray() for d in ("both", "to_tf", "from_tf"))
    np.testing.assert_allclose(both, to + back, rtol=1e-4)
    assert np.abs(to - back).max() > 1e-5
    assert adata.uns["both"]["made_by"]["n_layers"] == 1


OF_PAIRS = [sr.tl.attention_links, sr.tl.knockout_links, sr.tl.token_links]


@pytest.mark.parametrize("function", OF_PAIRS)
def test_arguments_of_the_wrong_kind_are_named(function, adata, trained):
    before = (set(adata.varp), set(adata.uns), set(adata.var))
    for more, error, words in (
        ({"model": None}, TypeError, "model must be a string, got NoneType"),
        ({"model": ["geneformer"]}, TypeError, "model must be a string, got list"),
        ({"model": "genformer"}, ValueError, "model='genformer' is not known"),
        ({"weights": 3}, TypeError, "weights must be the path of a folder or a file, or None"),
        ({"weights": ""}, TypeError, "weights must be the path of a folder or a file, or None"),
        ({"key_added": 3}, ValueError, "key 3 cannot be stored"),
        ({"key_added": np.ones(2)}, ValueError, "key a ndarray of 2 cannot be stored"),
    ):
        with pytest.raises(error, match=words):
            function(adata, **{**trained[1], **more})
    assert (set(adata.varp), set(adata.uns), set(adata.var)) == before


def test_what_is_refused_leaves_the_data_as_they_were(adata, trained):
    told = trained[1]
    adata.varp["geneformer_knockout_raw"] = adata.varp["network"]
    before = (set(adata.varp), set(adata.uns), set(adata.var), set(adata.varm))
    for function, more, error, words in (
        (sr.tl.attention_links, {"layers": [2]}, ValueError, "the model has 2, numbered from 0"),
        (sr.tl.attention_links, {"heads": [-3]}, ValueError, r"heads=\[-3\]: the model has 2"),
        (sr.tl.attention_links, {"layers": []}, ValueError, r"layers=\[\] leaves nothing"),
        (sr.tl.attention_links, {"heads": []}, ValueError, r"heads=\[\] leaves nothing"),
        (sr.tl.attention_links, {"layers": 0}, TypeError, "layers must be a sequence of integers"),
        (sr.tl.attention_links, {"heads": [0.5]}, TypeError, "heads must be a sequence"),
        (sr.tl.attention_links, {"hidden_layer": -2}, ValueError, "runs no layer with attention"),
        (sr.tl.attention_links, {"direction": "up"}, ValueError, "direction='up' is not known"),
        (sr.tl.attention_links, {"tfs": ["absent"]}, ValueError, "missing: 'absent'"),
        (sr.tl.attention_links, {"max_cells": 0}, ValueError, "max_cells"),
        (sr.tl.knockout_links, {}, ValueError, "geneformer_knockout_raw'] is not an evidence"),
        (sr.tl.knockout_links, {"n_cells": 0}, ValueError, "n_cells"),
        (sr.tl.knockout_links, {"mode": "knock"}, ValueError, "mode='knock' is not known"),
        (sr.tl.token_links, {"key_added": "network"}, ValueError, "is not an evidence layer"),
        (sr.tl.token_links, {"n_cells": 3}, TypeError, "takes no parameter 'n_cells'"),
    ):
        with pytest.raises(error, match=words):
            function(adata, **{**told, **more})
    with pytest.raises(ValueError, match="model='svd' reads no tokens of genes"):
        sr.tl.attention_links(adata, model="svd")
    assert (set(adata.varp), set(adata.uns), set(adata.var), set(adata.varm)) == before


@pytest.mark.filterwarnings("ignore:Setting element:anndata.ImplicitModificationWarning")
@pytest.mark.parametrize("of_view", [False, True])
@pytest.mark.parametrize("name", ["evidence", "write"])
def test_layers_are_written_together_or_not_at_all(name, of_view, adata, trained, monkeypatch):
    sr.tl.attention_links(adata, **trained[1], direction="to_tf", device="cpu")
    data = adata[:60] if of_view else adata
    slots = ("varm", "varp", "uns", "var")
    kept = {slot: dict(getattr(data, slot)) for slot in slots}
    values = data.varp["geneformer_attention_mean"].toarray()
    original, calls = getattr(pairs, name), []

    def fails_at_the_last(*args, **more):
        calls.append(0)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*args, **more)

    monkeypatch.setattr(pairs, name, fails_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        sr.tl.attention_links(data, **trained[1], device="cpu")
    assert len(calls) == 3
    assert data.is_view == of_view
    for slot in slots:
        assert list(getattr(data, slot)) == list(kept[slot])
    np.testing.assert_array_equal(data.varp["geneformer_attention_mean"].toarray(), values)
    assert data.uns["geneformer_attention"]["made_by"]["direction"] == "to_tf"


def test_vectors_before_any_cell_need_no_cells(adata, trained):
    """Of scaled data too, and of those without X."""
    sr.tl.token_links(adata, **trained[1])
    expected = adata.varp["geneformer_token"].toarray()
    assert not {"layer", "counts", "max_cells"} & set(adata.uns["geneformer_token"]["made_by"])
    scaled = adata.copy()
    scaled.X = np.asarray(scaled.X - np.ones(scaled.shape))
    without = adata.copy()
    without.X = None
    for data in (scaled, without):
        sr.tl.token_links(data, **trained[1])
        np.testing.assert_array_equal(data.varp["geneformer_token"].toarray(), expected)
