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


HOSTILE = {
    "nested_tuples": b"\x80\x04)" + b"\x85" * 5_000_000 + b".",
    "nested_dictionaries": b"\x80\x04" + b"}K\x01" * 20_000 + b"K\x01" + b"s" * 20_000 + b".",
    "nested_lists": b"\x80\x04" + b"]" * 20_000 + b"a" * 19_999 + b".",
    "four_gigabytes_of_text": b"\x80\x04X\xff\xff\xff\xff.",
    "four_gigabytes_of_memo": b"\x80\x04}r\xff\xff\xff\xff.",
    "unset_memo": b"\x80\x04j\xff\xff\xff\x7f.",
    "huge_frame": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f}.",
    "huge_integer": b"\x80\x04}X\x01\x00\x00\x00a\x8b\x40\x00\x00\x00" + b"\x11" * 64 + b"s.",
    "object": b"\x80\x04\x8c\x02os\x8c\x06system\x93)\x81.",
    "persistent": b"\x80\x04Pid\n.",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_refused_before_it_is_read(tmp_path, name):
    path = tmp_path / "hostile.pkl"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(ValueError, match=r"hostile\.pkl was not read"):
        read_dictionary(path)


def test_deep_json_is_refused(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 200_000)
    with pytest.raises(ValueError, match=r"deep\.json was not read"):
        read_dictionary(path)


def test_any_changed_byte_gives_a_flat_dictionary_or_the_documented_error(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "changed.pkl"
    whole = [
        pickle.dumps({f"gene{i}": number(i) for i in range(8)}, protocol=protocol)
        for number, protocol in ((int, 0), (np.int16, 2), (np.float64, 4))
    ]
    for _ in range(2000):
        raw = bytearray(whole[rng.integers(3)])
        for place in rng.integers(len(raw), size=rng.integers(1, 4)):
            raw[place] = rng.integers(256)
        path.write_bytes(raw)
        content, message = {}, "changed.pkl"
        try:
            content = read_dictionary(path)
        except ValueError as error:
            message = str(error)
        assert "changed.pkl" in message
        assert all(type(value) in (str, int, float) for value in content.values())


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
