from __future__ import annotations

import gzip
import hashlib
import logging
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scregnet._settings import settings
from scregnet.datasets import beeline
from scregnet.datasets._beeline_fetch import Published, registry
from scregnet.datasets._fetch import GIT_BLOB

GENES = ["SOX2", "NA", "NAN", "NULL", "GATA4", "1"]
TFS = [0, 1, 4]
EDGES = [(0, 1), (0, 2), (1, 5), (4, 0)]
VALUES = np.arange(18, dtype=float).reshape(6, 3) / 4  # genes × cells
SPLIT = {
    "Train_set": ["0,0,1,1", "1,0,3,0", "2,1,5,1"],
    "Validation_set": ["0,4,1,0"],
    "Test_set": ["0,0,2,1", "1,4,0,1", "2,4,2,0"],
}


def write(folder: Path, name: str, lines: list[str], *, compressed: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = ("\n".join(lines) + "\n").encode()
    (folder / f"{name}.csv{'.gz' if compressed else ''}").write_bytes(
        gzip.compress(content) if compressed else content
    )


def write_split(folder: Path, *, compressed: bool = False, without: tuple[str, ...] = ()) -> None:
    for name, rows in SPLIT.items():
        if name not in without:
            write(folder, name, [",TF,Target,Label", *rows], compressed=compressed)


def write_set(folder: Path, *, compressed: bool = False) -> None:
    put = partial(write, folder, compressed=compressed)
    rows = [f"{gene},{','.join(map(str, row))}" for gene, row in zip(GENES, VALUES, strict=True)]
    put("BL--ExpressionData", [",c1,c2,c3", *rows])
    put("Target", [",Gene,index", *(f"{i},{gene},{i}" for i, gene in enumerate(GENES))])
    put("TF", [",TF,index", *(f"{i},{GENES[tf]},{tf}" for i, tf in enumerate(TFS))])
    put("Label", [",TF,Target", *(f"{i},{s}.0,{t}.0" for i, (s, t) in enumerate(EDGES))])
    put("BL--network", ["Gene1,Gene2,Score", *(f"{GENES[s]},{GENES[t]},7" for s, t in EDGES)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with one set in the short layout."""
    write_set(tmp_path / "hESC" / "TFs+500")
    return tmp_path


@pytest.mark.parametrize("compressed", [False, True])
def test_short_layout(tmp_path: Path, compressed: bool) -> None:
    place = tmp_path / "hESC" / "TFs+500"
    write_set(place, compressed=compressed)
    write_split(place / "splits" / "official", compressed=compressed)
    adata = beeline("hESC", path=tmp_path)

    np.testing.assert_array_equal(adata.X, VALUES.T.astype(np.float32))
    assert adata.X.dtype == np.float32
    assert list(adata.obs_names) == ["c1", "c2", "c3"]
    assert list(adata.var_names) == GENES
    assert adata.var["is_tf"].dtype == bool
    assert list(np.flatnonzero(adata.var["is_tf"])) == TFS
    assert adata.uns["network"].values.tolist() == [[GENES[s], GENES[t]] for s, t in EDGES]
    assert list(adata.uns["network"].columns) == ["source", "target"]
    assert list(adata.uns["splits"]) == ["official"]
    split = adata.uns["splits"]["official"]
    assert split["label"].dtype == np.int8
    assert list(split["split"].cat.categories) == ["train", "validation", "test"]
    assert split.astype({"split": str}).values.tolist() == [
        ["SOX2", "NA", 1, "train"],
        ["SOX2", "NULL", 0, "train"],
        ["NA", "1", 1, "train"],
        ["GATA4", "NA", 0, "validation"],
        ["SOX2", "NAN", 1, "test"],
        ["GATA4", "SOX2", 1, "test"],
        ["GATA4", "NAN", 0, "test"],
    ]
    assert adata.uns["beeline"] == {
        "network": "chip",
        "cell_type": "hESC",
        "n_genes": 500,
        "expression": "log-normalised, as published; not counts",
        "source": str(tmp_path),
    }


@pytest.mark.parametrize(
    ("network", "label"),
    [
        ("chip", "Specific"),
        ("string", "STRING"),
        ("nonspecific", "Non-Specific"),
        ("lofgof", "Lofgof"),
    ],
)
def test_long_layout(tmp_path: Path, network: str, label: str) -> None:
    write_set(tmp_path / f"{label} Dataset" / "mHSC-E" / "TFs+1000")
    adata = beeline("mHSC-E", 1000, network=network, path=str(tmp_path))
    assert adata.uns["beeline"]["network"] == network
    assert adata.uns["splits"] == {}
    assert adata.n_vars == 6


def test_long_layout_goes_first(folder: Path) -> None:
    long = folder / "Specific Dataset" / "hESC" / "TFs+500"
    write_set(long)
    write(long, "Label", [",TF,Target", "0,4,0"])
    (long / "BL--network.csv").unlink()
    assert beeline("hESC", path=folder).uns["network"].values.tolist() == [["GATA4", "SOX2"]]


def test_every_place_of_a_split(folder: Path) -> None:
    place = folder / "hESC" / "TFs+500"
    write_split(place / "splits" / "b")
    write_split(place / "splits" / "a", compressed=True)
    write_split(place, without=("Validation_set",))
    write_split(folder / "Train_validation_test" / "hESC 500")
    (place / "splits" / "empty").mkdir()
    splits = beeline("hESC", path=folder).uns["splits"]
    assert set(splits) == {"a", "b", "default", "genelink"}
    assert splits["default"]["split"].value_counts().to_dict() == {
        "train": 3,
        "test": 3,
        "validation": 0,
    }
    pd.testing.assert_frame_equal(splits["a"], splits["genelink"])


def test_float_labels(folder: Path) -> None:
    write(
        folder / "hESC" / "TFs+500",
        "Train_set",
        [",TF,Target,Label", "0,0.0,1.0,1.0", "1,0.0,3.0,0.0"],
    )
    split = beeline("hESC", path=folder).uns["splits"]["default"]
    assert split["label"].tolist() == [1, 0]
    assert split["target"].tolist() == ["NA", "NULL"]


def test_network_from_either_file(folder: Path) -> None:
    place = folder / "hESC" / "TFs+500"
    both = beeline("hESC", path=folder).uns["network"]
    shutil.move(place / "Label.csv", folder / "Label.csv")
    pd.testing.assert_frame_equal(beeline("hESC", path=folder).uns["network"], both)
    shutil.move(folder / "Label.csv", place / "Label.csv")
    (place / "BL--network.csv").unlink()
    pd.testing.assert_frame_equal(beeline("hESC", path=folder).uns["network"], both)
    (place / "Label.csv").unlink()
    with pytest.raises(FileNotFoundError, match="neither Label.csv nor BL--network.csv"):
        beeline("hESC", path=folder)


def test_survives_writing(folder: Path) -> None:
    write_split(folder / "hESC" / "TFs+500" / "splits" / "official")
    adata = beeline("hESC", path=folder)
    adata.write_h5ad(folder / "x.h5ad")
    back = ad.read_h5ad(folder / "x.h5ad")
    np.testing.assert_array_equal(back.X, adata.X)
    assert list(back.var_names) == GENES
    assert back.var["is_tf"].tolist() == adata.var["is_tf"].tolist()
    assert back.uns["beeline"] == adata.uns["beeline"]
    assert back.uns["network"].values.tolist() == adata.uns["network"].values.tolist()
    was, now = adata.uns["splits"]["official"], back.uns["splits"]["official"]
    assert now["label"].dtype == np.int8
    assert list(now["split"].cat.categories) == list(was["split"].cat.categories)
    assert now.astype({"split": str}).values.tolist() == was.astype({"split": str}).values.tolist()


def test_empty_splits_survive_writing(folder: Path) -> None:
    beeline("hESC", path=folder).write_h5ad(folder / "x.h5ad")
    assert ad.read_h5ad(folder / "x.h5ad").uns["splits"] == {}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"cell_type": "hESX"},
            ValueError,
            "cell_type='hESX' is not in .*network='chip'; it has 'hESC'",
        ),
        ({"n_genes": 700}, ValueError, "n_genes=700 is not in .*it has 500"),
        ({"n_genes": "500"}, TypeError, "n_genes must be an integer"),
        ({"network": "string"}, ValueError, "network='string' is not in .*it has 'chip'"),
        ({"network": "STRING"}, ValueError, "network='STRING' is not known.*'nonspecific'"),
        ({"path": "/nowhere/at/all"}, FileNotFoundError, "is not a folder"),
        (
            {"path": None, "cell_type": "hESX"},
            ValueError,
            "not in the published benchmark.*'mHSC-GM'",
        ),
        ({"path": None, "n_genes": 700}, ValueError, "it has 500, 1000"),
        ({"path": None, "network": "lofgof"}, ValueError, "it has 'mESC'"),
    ],
)
def test_what_is_not_there(
    folder: Path, arguments: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        beeline(**{"cell_type": "hESC", "path": folder, **arguments})


def test_folder_without_data_sets(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no data set"):
        beeline("hESC", path=tmp_path)


@pytest.mark.parametrize("name", ["BL--ExpressionData", "Target", "TF"])
def test_missing_file(folder: Path, name: str) -> None:
    (folder / "hESC" / "TFs+500" / f"{name}.csv").unlink()
    with pytest.raises(FileNotFoundError, match=f"has no {name}.csv"):
        beeline("hESC", path=folder)


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        (
            "Target",
            [",Gene,index", *(f"{i},{g},{i}" for i, g in enumerate(reversed(GENES)))],
            "Files of different networks",
        ),
        (
            "Target",
            [",Gene,index", *(f"{i},{g},{i + 1}" for i, g in enumerate(GENES))],
            "Files of different networks",
        ),
        ("Target", [",Gene,index", "0,SOX2,0"], "numbers 1 genes otherwise than the 6 rows"),
        ("Target", [",Symbol,index", "0,SOX2,0"], "lacks the column 'Gene'"),
        ("TF", [",TF,index", "0,SOX2,1"], "gives 'SOX2' the index 1, which is 'NA'"),
        ("TF", [",TF,index", "0,SOX2,6"], "holds gene indices from 6 to 6; there are 6 genes"),
        ("Label", [",TF,Target", "0,0,9"], "holds gene indices from 0 to 9"),
        ("Label", [",TF,Target", "0,0,"], "column 'Target': '' is not a whole number"),
        ("Label", [",TF,Target", "0,0,1.5"], "'1.5' is not a whole number"),
        (
            "Label",
            [",TF,Target", "0,0,1"],
            "not the same network: 0 edges are only in the first and 3 only in the second",
        ),
        (
            "BL--network",
            ["Gene1,Gene2", "SOX2,PAX6"],
            "genes that the expression file lacks: 'PAX6'",
        ),
        ("BL--network", ["TF,Target", "SOX2,NA"], "lacks the column 'Gene1', 'Gene2'"),
        ("Train_set", [",TF,Target,Label", "0,0,1,2"], "labels other than 0 and 1"),
        ("Train_set", [",TF,Target", "0,0,1"], "lacks the column 'Label'"),
        ("BL--ExpressionData", [",c1", *(f"{g},x" for g in GENES)], "not numbers"),
        ("BL--ExpressionData", [",c1", *(f"{g},inf" for g in GENES)], "NaN or infinite"),
        ("BL--ExpressionData", [",c1", "SOX2,1", "SOX2,2"], "names genes twice: 'SOX2'"),
    ],
)
def test_files_that_contradict(folder: Path, name: str, lines: list[str], message: str) -> None:
    write(folder / "hESC" / "TFs+500", name, lines)
    with pytest.raises(ValueError, match=message):
        beeline("hESC", path=folder)


@pytest.fixture
def published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Callable[[Path], str]
) -> Iterator[Path]:
    """A small published benchmark on a local server, its registry, and an empty cache."""
    site = tmp_path / "site"
    place = site / "STRING Dataset" / "mDC" / "TFs+500"
    write_set(place)
    write_split(place / "splits" / "official")
    address = serve(site)
    files = {
        path.relative_to(site).as_posix(): Published(
            GIT_BLOB.of(path),
            f"{address}/{quote(path.relative_to(site).as_posix())}",
        )
        for path in site.rglob("*.csv")
    }
    monkeypatch.setattr("scregnet.datasets._beeline.registry", lambda: files)
    monkeypatch.setattr("scregnet.datasets._beeline_fetch.registry", lambda: files)
    with settings.override(cache_dir=tmp_path / "cache"):
        yield site


def test_fetch_fills_the_cache_once(published: Path) -> None:
    adata = beeline("mDC", network="string")
    assert list(adata.var_names) == GENES
    assert list(adata.uns["splits"]) == ["official"]
    assert adata.uns["beeline"]["source"].startswith(
        "https://raw.githubusercontent.com/zpliulab/GENELink/4eb816af"
    )
    cached = settings.cache_dir / "beeline" / "STRING Dataset" / "mDC" / "TFs+500"
    assert sorted(path.name for path in cached.rglob("*.csv")) == sorted(
        path.name for path in published.rglob("*.csv")
    )
    shutil.rmtree(published)
    np.testing.assert_array_equal(beeline("mDC", network="string").X, adata.X)


def test_fetch_refuses_what_was_not_published(published: Path) -> None:
    label = published / "STRING Dataset" / "mDC" / "TFs+500" / "Label.csv"
    label.write_text(label.read_text().replace("4.0", "5.0"))
    with pytest.raises(
        ValueError, match=r"Label.csv' as downloaded from http.*not the published file \(git blob"
    ):
        beeline("mDC", network="string")
    cached = settings.cache_dir / "beeline" / "STRING Dataset" / "mDC" / "TFs+500"
    assert not (cached / "Label.csv").exists()
    assert all(path.suffix == ".csv" for path in cached.iterdir() if path.is_file())


def test_fetch_replaces_a_damaged_file(published: Path, caplog: pytest.LogCaptureFixture) -> None:
    beeline("mDC", network="string")
    cached = settings.cache_dir / "beeline" / "STRING Dataset" / "mDC" / "TFs+500" / "TF.csv"
    whole = cached.read_bytes()
    cached.write_bytes(whole[:10])
    with caplog.at_level(logging.WARNING, logger="scregnet"):
        beeline("mDC", network="string")
    assert cached.read_bytes() == whole
    assert "TF.csv is not the published file; fetching it again" in caplog.text


def test_fetch_offline(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "STRING Dataset/mDC/TFs+500/Label.csv"
    url = "http://127.0.0.1:9/Label.csv"
    monkeypatch.setattr(
        "scregnet.datasets._beeline_fetch.registry", lambda: {name: Published("0" * 40, url)}
    )
    with pytest.raises(
        ConnectionError, match=re.escape(f"could not download {name!r} from {url}") + ".*path="
    ) as caught:
        beeline("mDC", network="string")
    assert "'STRING Dataset/mDC/TFs+500'" in str(caught.value)


def test_git_blob(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"test content\n")
    # The example of the Git book.
    assert GIT_BLOB.of(tmp_path / "x") == "d670460b4b4aece5915caf5c68d12f560a9fe3e4"
    assert GIT_BLOB.of(tmp_path / "x") == hashlib.sha1(b"blob 13\0test content\n").hexdigest()


def test_registry_is_complete() -> None:
    files = registry()
    needed = ["BL--ExpressionData", "BL--network", "Label", "TF", "Target"]
    folders = {
        name.split("/TFs+")[0] + "/TFs+" + name.split("/TFs+")[1].split("/")[0] for name in files
    }
    assert len(folders) == 44
    assert all(f"{folder}/{name}.csv" in files for folder in folders for name in needed)
    assert all(re.fullmatch(r"[0-9a-f]{40}", file.git_blob) for file in files.values())
    assert all(
        re.fullmatch(
            r"https://raw\.githubusercontent\.com/[\w-]+/\w+/[0-9a-f]{40}/[\w%/.-]+\.csv", file.url
        )
        for file in files.values()
    )
    assert len({file.url for file in files.values()}) == len(files)


@pytest.mark.shared
def test_registry_matches_real_files(shared: Path) -> None:
    real, files = shared / "data" / "beeline", registry()
    checked = 0
    for path in sorted(real.rglob("*.csv*")):
        name = path.relative_to(real).as_posix().removesuffix(".gz")
        name = name if name.startswith("STRING") else f"Specific Dataset/{name}"
        # Not as published: validation parts, and the matrices of the ChIP sets, written anew with
        # other digits.
        own = (
            "Validation" in name
            or (name.startswith("Specific") and "Expression" in name)
            or "/sample" in name
        )
        if own:
            continue
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert (
            hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == files[name].git_blob
        ), name
        checked += 1
    assert checked >= 31


@pytest.mark.shared
@pytest.mark.parametrize(
    ("cell_type", "n_genes", "network", "shape", "n_edges", "n_splits"),
    [
        ("hESC", 500, "chip", (758, 910), 4545, 6),
        ("hHEP", 500, "chip", (425, 948), 9939, 6),
        ("mDC", 500, "chip", (383, 821), 756, 5),
        ("mDC", 1000, "chip", (383, 1321), 1193, 5),
        ("mESC", 500, "chip", (421, 1120), 29613, 6),
        ("mDC", 500, "string", (383, 821), 4815, 3),
    ],
)
def test_real_sets(
    shared: Path,
    cell_type: str,
    n_genes: int,
    network: str,
    shape: tuple[int, int],
    n_edges: int,
    n_splits: int,
) -> None:
    adata = beeline(cell_type, n_genes, network=network, path=shared / "data" / "beeline")
    assert adata.shape == shape
    edges = set(adata.uns["network"].itertuples(index=False, name=None))
    assert len(edges) == len(adata.uns["network"]) == n_edges
    assert {source for source, _ in edges} <= set(adata.var_names[adata.var["is_tf"]])
    assert len(adata.uns["splits"]) == n_splits
    for split in adata.uns["splits"].values():
        pairs = list(zip(split["source"], split["target"], strict=True))
        assert len(set(pairs)) == len(pairs)
        # Whether a pair is labelled 1 is the same question as whether it is in the network.
        assert [pair in edges for pair in pairs] == (split["label"] == 1).tolist()
        assert set(split["split"]) == {"train", "validation", "test"}
