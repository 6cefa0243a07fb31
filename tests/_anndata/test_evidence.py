from __future__ import annotations

import numpy as np
import pytest

import scregnet as sr
from scregnet._anndata.evidence import check_no_layer, evidence_layers, layer_names


@pytest.fixture
def layered(adata):
    genes = adata.var_names
    sets = {f"{genes[0]}_liver": genes[:30], f"{genes[1]}_blood": genes[10:60]}
    sr.pp.evidence(adata, sets, key="chip")
    return adata


def test_a_layer_is_read_as_it_was_written(layered):
    (layer,), record = evidence_layers(layered, "chip")
    assert record == {"n_genes_covered": {"chip": 60}}
    assert layer.name == "chip"
    np.testing.assert_array_equal(layer.profile, layered.varm["chip"])
    assert layer.popularity[:10].tolist() == [0.5] * 10
    assert layer.popularity[15] == 1
    assert not layer.popularity[60:].any()
    assert layer.covered.sum() == 60
    assert layer.has_track.nonzero()[0].tolist() == [0, 1]
    assert layer.n_tfs == 2
    np.testing.assert_array_equal(layer.tracks.toarray(), layered.varp["chip"].toarray())


def test_none_is_no_layer(layered):
    assert evidence_layers(layered, None) == ((), {})
    assert layer_names("a") == layer_names(("a",)) == ["a"]


def test_names(layered):
    with pytest.raises(KeyError, match="'motif' is not an evidence layer; adata has 'chip'"):
        evidence_layers(layered, ["chip", "motif"])
    with pytest.raises(ValueError, match="names a layer twice"):
        evidence_layers(layered, ["chip", "chip"])
    with pytest.raises(TypeError, match="keys that sr.pp.evidence wrote"):
        evidence_layers(layered, [3])
    with pytest.raises(ValueError, match="key_added='chip' is the name of an evidence layer"):
        check_no_layer(layered, "chip")


@pytest.mark.parametrize("slot", ["varm", "varp", "var"])
def test_a_slot_that_is_gone_is_named(layered, slot):
    name = "chip_popularity" if slot == "var" else "chip"
    del getattr(layered, slot)[name]
    with pytest.raises(KeyError, match=f"adata.{slot}.*{name}.*is gone"):
        evidence_layers(layered, "chip")


def test_values_that_no_layer_holds(layered):
    layered.varm["chip"][3, 0] = np.nan
    with pytest.raises(ValueError, match="'chip': its slots must be finite"):
        evidence_layers(layered, "chip")
