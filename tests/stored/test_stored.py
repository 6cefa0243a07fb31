"""Files that earlier versions wrote give what they gave then."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

import scregnet as sr

WRITE = runpy.run_path(str(Path(__file__).with_name("write.py")))
FILES = sorted(WRITE["FOLDER"].glob("stored-*.h5ad.gz"))


def names(path):
    return path.name.removesuffix(".h5ad.gz")


@pytest.fixture(scope="module", params=FILES, ids=names)
def stored(request, tmp_path_factory):
    """An object as it was read, and what the version that wrote it found in it."""
    wanted = request.param.with_name(f"{names(request.param)}.json")
    data = WRITE["unpacked"](request.param, tmp_path_factory.mktemp("stored"))
    return data, json.loads(wanted.read_text("utf-8"))


def test_there_is_one():
    assert [names(path) for path in FILES][:1] == ["stored-0.1.0"]
    assert all(path.stat().st_size < 300_000 for path in FILES)


def test_every_value_is_read_as_it_was_written(stored):
    data, wanted = stored
    found = WRITE["contents"](data, wanted)
    for key, tables in wanted.items():
        for name in ("n_links", "history"):
            assert found[key][name] == tables[name]
        for name in ("links", "metrics", "pairs"):
            # Later versions may add columns.
            for column, values in tables[name].items():
                check(found[key][name][column], values, f"{key}, {name}, {column}")


def check(found, wanted, where):
    if any(isinstance(value, float) for value in wanted):
        found, wanted = np.array(found, float), np.array(wanted, float)
        np.testing.assert_allclose(found, wanted, rtol=2e-4, err_msg=where)
    else:
        assert found == wanted, where


def test_a_link_of_the_first_version(stored):
    links = sr.get.grn(stored[0], top_n=1)
    assert links[["source", "target"]].to_numpy().tolist() == [["TF008", "G0005"]]
    assert links["weight"].item() == pytest.approx(0.84208, rel=2e-4)


def test_what_was_written_goes_on(stored):
    # A fit on the stored split has the stored test pairs.
    data = stored[0].copy()
    sr.tl.fit_grn(data, method="degree", n_bootstrap=0, key_added="again")
    again = sr.get.metrics(data, key="again", split="test", wide=True)
    was = stored[1]["degree"]["metrics"]
    assert again.loc["degree", "auroc"] == pytest.approx(was["auroc"][0], rel=2e-4)
