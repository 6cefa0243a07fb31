from __future__ import annotations

import builtins
import hashlib
import json
import pickle

import numpy as np
import pytest

from scregnet.encoders.geneformer.checkpoints import CHECKPOINTS
from scregnet.encoders.weights.pickles import read_dictionary


class Payload:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_plain_and_numpy_numbers_are_read(tmp_path, protocol):
    path = tmp_path / "tokens.pkl"
    path.write_bytes(
        pickle.dumps(
            {
                "<pad>": 0,
                "a": np.int16(7),
                "b": np.float64(0.25),
                "c": np.dtype(">i4").type(-3),
                "d": "ENSG1",
            },
            protocol=protocol,
        )
        if protocol > 2
        else pickle.dumps({"<pad>": 0, "a": 7, "b": 0.25, "c": -3, "d": "ENSG1"}, protocol=protocol)
    )
    content = read_dictionary(path)
    assert content == {"<pad>": 0, "a": 7, "b": 0.25, "c": -3, "d": "ENSG1"}
    assert [type(value) for value in content.values()] == [int, int, float, int, str]


def test_json_is_read(tmp_path):
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps({"a": 1, "b": 0.5, "c": "x"}))
    assert read_dictionary(path) == {"a": 1, "b": 0.5, "c": "x"}


@pytest.mark.parametrize(
    "function", [builtins.eval, builtins.exec, builtins.__import__, pickle.loads]
)
def test_a_name_that_could_run_code_is_refused_before_it_runs(tmp_path, function):
    marker = tmp_path / "ran"
    code = f"open({str(marker)!r}, 'w').close()"
    path = tmp_path / "bad.pkl"
    path.write_bytes(pickle.dumps({"a": Payload(function, code)}))
    with pytest.raises(ValueError, match=r"bad\.pkl was not read: it holds the name"):
        read_dictionary(path)
    assert not marker.exists()


def test_a_callable_hidden_behind_numpy_is_refused(tmp_path):
    path = tmp_path / "bad.pkl"
    for value in (np.array(["x"], dtype=object)[0:1], np.load, np.dtype("O"), np.ma.masked):
        path.write_bytes(pickle.dumps({"a": value}))
        with pytest.raises(ValueError, match="was not read"):
            read_dictionary(path)


def test_numbers_of_object_type_are_refused(tmp_path):
    path = tmp_path / "bad.pkl"
    # protocol 0: the type's name is a line of text and can be changed in place.
    raw = pickle.dumps({"a": np.float64(1)}, protocol=2)
    assert b"f8" in raw
    path.write_bytes(raw.replace(b"f8", b"O8"))
    with pytest.raises(ValueError, match="was not read"):
        read_dictionary(path)


@pytest.mark.parametrize(
    "content", [["a"], {"a": [1]}, {1: 2}, {"a": {"b": 1}}, {"a": None}, {"a": True}]
)
def test_anything_but_a_flat_dictionary_is_refused(tmp_path, content):
    path = tmp_path / "odd.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match="not a flat dictionary"):
        read_dictionary(path)


def test_a_truncated_file_is_refused_wherever_it_is_cut(tmp_path):
    raw = pickle.dumps({f"gene{i}": np.int16(i) for i in range(5)})
    path = tmp_path / "cut.pkl"
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(ValueError, match="was not read"):
            read_dictionary(path)


def test_damaged_json_is_refused(tmp_path):
    path = tmp_path / "cut.json"
    path.write_text('{"a": 1')
    with pytest.raises(ValueError, match="was not read"):
        read_dictionary(path)


@pytest.mark.shared
def test_first_family_style_golden_files(shared):
    golden = shared / "golden" / "geneformer"
    expected = json.loads((golden / "tokenizer.json").read_text())
    assert (
        read_dictionary(golden / "token_dictionary_v1_style.pkl") == expected["token_dictionary_v1"]
    )
    assert (
        read_dictionary(golden / "gene_median_dictionary_v1_style.pkl") == expected["gene_medians"]
    )


@pytest.mark.shared
def test_published_dictionaries(shared):
    folder = shared / "data" / "vocab"
    published = {file.role: file for file in CHECKPOINTS["V1-10M"].files}
    paths = {
        "tokens": folder / "geneformer_v1" / "token_dictionary.pkl",
        "medians": folder / "geneformer_v1" / "gene_median_dictionary.pkl",
        "symbols": folder / "geneformer_v1" / "gene_name_id_dict.pkl",
    }
    for role, path in paths.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == published[role].sha256
        assert path.stat().st_size == published[role].size
    tokens, medians, symbols = (read_dictionary(path) for path in paths.values())
    assert (len(tokens), len(medians), len(symbols)) == (25426, 25424, 40248)
    assert sorted(tokens.values()) == list(range(25426))
    assert tokens.keys() - medians.keys() == {"<pad>", "<mask>"}
    assert min(medians.values()) == pytest.approx(0.0947, abs=1e-4)
    second = read_dictionary(folder / "geneformer_v2" / "token_dictionary_gc95M.pkl")
    assert [second[name] for name in ("<pad>", "<mask>", "<cls>", "<eos>")] == [0, 1, 2, 3]
    assert sorted(second.values()) == list(range(20275))
