from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control

from scregnet.datasets import perturbation

HITS = pd.DataFrame({"source": ["A", "A", "B"], "target": ["G1", "G2", "G3"]})
TESTS = pd.DataFrame(
    {
        "TF": ["A", "A", "A", "B", "B"],
        "gene": ["G1", "G2", "G3", "G1", "A"],
        "logFC": [-2.0, 1.0, 3.0, -0.1, 0.5],
        "padj": [0.01, 0.04, 0.5, 0.001, 0.2],
    }
)


def rows(frame: pd.DataFrame) -> dict[tuple[str, str], tuple[bool, int]]:
    pairs = zip(frame["source"], frame["target"], strict=True)
    return dict(zip(pairs, zip(frame["affected"], frame["sign"], strict=True), strict=True))


def test_a_list_of_hits_was_measured_at_all_its_genes() -> None:
    found = perturbation(HITS)
    assert rows(found) == {
        ("A", "G1"): (True, 0),
        ("A", "G2"): (True, 0),
        ("A", "G3"): (False, 0),
        ("B", "G1"): (False, 0),
        ("B", "G2"): (False, 0),
        ("B", "G3"): (True, 0),
    }
    assert found[["effect", "p", "q"]].isna().all(axis=None)
    assert isinstance(found["source"].dtype, pd.CategoricalDtype)


def test_rows_of_tests_are_what_was_tested() -> None:
    found = perturbation(TESTS)
    assert rows(found) == {
        ("A", "G1"): (True, 1),
        ("A", "G2"): (True, -1),
        ("A", "G3"): (False, 0),
        ("B", "G1"): (True, 1),
        ("B", "A"): (False, 0),
    }
    np.testing.assert_array_equal(found["effect"], TESTS["logFC"])


def test_more_of_a_tf_turns_the_signs() -> None:
    assert perturbation(TESTS, kind="gain")["sign"].tolist() == [-1, 1, 0, -1, 0]


def test_limits() -> None:
    assert perturbation(TESTS, min_effect=0.5)["affected"].tolist() == [True, True, 0, 0, 0]
    assert perturbation(TESTS, max_q=0.02)["affected"].tolist() == [True, 0, 0, True, 0]


def test_genes_name_what_was_measured() -> None:
    found = perturbation(TESTS, genes=["G1", "G2", "G3", "G4", "A"])
    assert len(found) == 2 * 5 - 1, "all but A with itself"
    assert found["affected"].sum() == 3
    row = found[(found["source"] == "B") & (found["target"] == "G4")].iloc[0]
    assert not row["affected"]
    assert np.isnan(row["effect"])
    assert np.isnan(row["q"])


def test_q_is_made_of_p_within_a_tf() -> None:
    table = pd.DataFrame(
        {
            "source": ["A"] * 4 + ["B"] * 2,
            "target": [f"G{i}" for i in [1, 2, 3, 4, 1, 2]],
            "p": [0.03, 0.01, 0.9, 0.5, 0.04, 0.03],
        }
    )
    found = perturbation(table)
    np.testing.assert_allclose(found["q"][:4], false_discovery_control(table["p"][:4]))
    np.testing.assert_allclose(found["q"][4:], [0.04, 0.04])
    assert found["affected"].tolist() == [False, True, False, False, True, True]


def test_upper_case_joins_names_and_keeps_the_largest_effect() -> None:
    table = pd.DataFrame(
        {"source": ["Tf", "TF"], "target": ["g1", "G1"], "effect": [-0.2, 3.0], "q": [0.9, 0.0]}
    )
    assert len(perturbation(table)) == 2
    found = perturbation(table, upper=True)
    assert rows(found) == {("TF", "G1"): (True, -1)}
    found = perturbation(
        HITS.assign(target=["g1", "g2", "g3"]), upper=True, genes=["g1", "g2", "g3"]
    )
    assert list(found["target"].cat.categories) == ["G1", "G2", "G3"]


@pytest.mark.parametrize("suffix", [".txt", ".tsv", ".txt.gz"])
def test_files_and_folders(tmp_path: Path, suffix: str) -> None:
    HITS.to_csv(tmp_path / f"union{suffix}", sep="\t", header=False, index=False)
    (tmp_path / "README.md").write_text("what is what")
    for found in (perturbation(tmp_path / f"union{suffix}"), perturbation(tmp_path, "union")):
        pd.testing.assert_frame_equal(found, perturbation(HITS))
    with pytest.raises(FileNotFoundError, match=r"say which file with name=; it has 'union'\."):
        perturbation(tmp_path)
    with pytest.raises(FileNotFoundError, match="has no 'other'; it has 'union'"):
        perturbation(tmp_path, "other")


def test_a_file_of_tests(tmp_path: Path) -> None:
    TESTS.to_csv(tmp_path / "tests.csv", index=False)
    pd.testing.assert_frame_equal(perturbation(str(tmp_path / "tests.csv")), perturbation(TESTS))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"data": 3}, TypeError, "data must be a frame or the path of a file or folder, got int"),
        ({"data": "nowhere.csv"}, FileNotFoundError, "'nowhere.csv' is neither a file nor"),
        ({"data": "nowhere.csv", "name": "x"}, FileNotFoundError, "name='x' needs a folder"),
        ({"name": "x"}, ValueError, "name='x' is the name of a file in a folder, but data is a"),
        ({"kind": "both"}, ValueError, "kind='both' is not known; valid values: 'loss', 'gain'"),
        ({"max_q": 0}, ValueError, r"max_q must lie in \(0, 1\]"),
        ({"min_effect": -1}, ValueError, "min_effect must lie in"),
        ({"genes": "G1"}, TypeError, "genes must be a sequence of names or None, got 'G1'"),
        ({"genes": ["G1", "G2"]}, ValueError, "genes lacks 1 of the targets, such as 'G3'"),
        ({"data": HITS[["source"]]}, ValueError, "data has no column for the target; it has 'sou"),
        ({"data": HITS[:0]}, ValueError, "data has no rows"),
        ({"data": pd.concat([HITS, HITS[:1]])}, ValueError, "1 pairs twice, such as A → G1"),
        ({"data": HITS.assign(p=2.0)}, ValueError, "p must lie between 0 and 1, got 2 to 2"),
        ({"data": HITS.assign(q="low")}, ValueError, "q must be finite numbers, but 3 are not"),
        ({"data": HITS.assign(effect=np.nan)}, ValueError, "effect must be finite numbers"),
        ({"data": HITS.assign(target=[None, "a", "b"])}, ValueError, "1 rows without a target"),
    ],
)
def test_wrong_arguments(arguments: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        perturbation(**{"data": HITS, **arguments})


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "n_tfs", "n_affected"), [("mESC_KDUnion", 179, 201_774), ("mESC_lit", 35, 267)]
)
def test_real_standards(shared: Path, name: str, n_tfs: int, n_affected: int) -> None:
    found = perturbation(shared / "data/gold", name, upper=True)
    assert found["source"].nunique() == n_tfs
    assert found["affected"].sum() == n_affected
    assert (found["sign"] == 0).all()
