"""A disk that is full, a cache that cannot be written to, two processes in one cache."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import scregnet as sr
from scregnet.datasets import _chip_library_files as files
from scregnet.datasets._fetch import SHA256, fetch_file
from scregnet.encoders import partial, register, registry


@contextmanager
def full_after(n_bytes):
    """Let no file grow beyond so many bytes: writes then fail as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def powers(monkeypatch, killed):
    """The encoder of the job that is killed; it saves its sums after every batch."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    monkeypatch.setattr(partial, "INTERVAL", 0)
    monkeypatch.setattr(partial, "_SHARE", 0)
    register("powers", killed.Powers)


def embed(adata):
    sr.tl.embed(adata, "powers", device="cpu", batch_size=8, show_progress_bar=False)
    return adata.varm["powers"]


@pytest.mark.parametrize("n_bytes", [0, 100, 600, 2_000])
def test_sums_that_do_not_fit_on_the_disk_are_left_out(powers, adata, tmp_path, caplog, n_bytes):
    expected = embed(adata.copy())
    with sr.settings.override(cache_dir=tmp_path), full_after(n_bytes):
        np.testing.assert_array_equal(embed(adata), expected)
    assert list((tmp_path / "embed").iterdir()) == []
    assert any("was not written" in message for message in caplog.messages)


def test_sums_in_a_folder_that_is_none(powers, adata, tmp_path, caplog):
    expected = embed(adata.copy())
    (tmp_path / "file").touch()
    with sr.settings.override(cache_dir=tmp_path / "file"):
        np.testing.assert_array_equal(embed(adata), expected)
    (message,) = caplog.messages
    assert str(tmp_path / "file" / "embed") in message


@pytest.mark.parametrize("n_bytes", [0, 100, 2_000, 20_000])
def test_a_search_whose_trials_do_not_fit_names_the_error_and_goes_on(
    adata, net, tmp_path, n_bytes
):
    pytest.importorskip("optuna")
    more = {"method": "degree", "n_trials": 3, "random_state": 0, "show_progress_bar": False}
    whole = sr.tl.tune_grn(adata, net, copy=True, **more).uns["tune"]["trials"]
    try:
        with full_after(n_bytes):
            sr.tl.tune_grn(adata, net, storage=tmp_path / "trials.log", **more)
    except OSError:
        assert "tune" not in adata.uns
    sr.tl.tune_grn(adata, net, storage=tmp_path / "trials.log", **more)
    trials = adata.uns["tune"]["trials"]
    assert trials["validation_auroc"].tolist() == whole["validation_auroc"].tolist()


def test_a_file_that_is_no_journal_is_named_and_stays_as_it_is(adata, net, tmp_path):
    pytest.importorskip("optuna")
    path = tmp_path / "notes.txt"
    for content in (b"notes without an end", b"notes\nof mine\n", b"\xff\xfe\n"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"storage='.*notes\.txt' is no journal"):
            sr.tl.tune_grn(adata, net, "degree", n_trials=1, storage=path, show_progress_bar=False)
        assert path.read_bytes() == content
    path.write_bytes(b'{"op_code":0}\n')
    with pytest.raises(ValueError, match=r"notes\.txt' is a damaged journal \('study_name'\)"):
        sr.tl.tune_grn(adata, net, "degree", n_trials=1, storage=path, show_progress_bar=False)


@pytest.fixture
def site(tmp_path, serve):
    """A published file on a local server; what fetches it."""
    (tmp_path / "site").mkdir()
    path = tmp_path / "site" / "published.txt"
    path.write_bytes(np.random.default_rng(0).bytes(50_000))
    address, digest = serve(tmp_path / "site"), SHA256.of(path)

    def fetch(root):
        url = f"{address}/published.txt"
        return fetch_file(root, "published.txt", url, SHA256, digest, otherwise="copy it.")

    return fetch


@pytest.mark.parametrize("n_bytes", [0, 10_000])
def test_a_file_that_does_not_fit_is_not_kept(site, tmp_path, n_bytes):
    root = tmp_path / "cache"
    with (
        full_after(n_bytes),
        pytest.raises(OSError, match="cache.* could not be written .*cache_dir"),
    ):
        site(root)
    assert [path.name for path in root.iterdir()] == []
    assert site(root).stat().st_size == 50_000


def test_a_cache_that_is_no_folder_is_named_before_anything_is_fetched(site, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/deep could not be written .*sr\.settings\.cache_dir"):
        site(tmp_path / "file" / "deep")


def test_a_library_that_cannot_be_kept_is_read_all_the_same(monkeypatch, caplog, tmp_path):
    library, published = object(), files.PUBLISHED["encode"]
    monkeypatch.setattr(files, "read_rda", lambda *_: {})
    monkeypatch.setattr(files, "_from_sets", lambda *_: library)
    monkeypatch.setattr(files, "_check_counts", lambda *_: None)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_npz", full)
    with sr.settings.override(cache_dir=tmp_path):
        assert files._parsed(tmp_path / "ENCODE.rda", published) is library
    (message,) = caplog.messages
    assert "could not be written ([Errno 28] No space left" in message


def test_two_processes_may_fetch_the_same_file_at_once(site, tmp_path):
    root = tmp_path / "cache"
    root.mkdir()
    # Both find a damaged file and take it away.
    (root / "published.txt").write_text("damaged")
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=site, args=(root,)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4
    assert [path.name for path in root.iterdir()] == ["published.txt"]
    assert site(root).stat().st_size == 50_000


def test_two_processes_may_save_the_same_sums_at_once(powers, adata, tmp_path):
    expected = embed(adata.copy())

    def same():
        sys.exit(not np.array_equal(embed(adata), expected))

    context = multiprocessing.get_context("fork")
    with sr.settings.override(cache_dir=tmp_path):
        children = [context.Process(target=same) for _ in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join()
    assert [child.exitcode for child in children] == [0, 0]
    assert list((tmp_path / "embed").iterdir()) == []


FIT = """
import scregnet as sr
sr.settings.verbosity = "error"
adata = sr.datasets.simulated(n_obs=60, n_vars=40, random_state=3)
sr.tl.fit_grn(adata, adata.uns["network"], "label_factors", n_folds=1, n_bootstrap=2)
print(sr.__file__, adata.varp["grn"].nnz > 0)
"""


def test_a_package_folder_that_cannot_be_written_to(tmp_path):
    source, package = Path(sr.__file__).parent, tmp_path / "scregnet"
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
    # Root writes to any folder, but not into a file.
    for folder in (package, *(path for path in package.rglob("*") if path.is_dir())):
        (folder / "__pycache__").touch()
    environment = {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "HOME": os.devnull}
    done = subprocess.run(
        [sys.executable, "-c", FIT], cwd="/", env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == f"{package / '__init__.py'} True", done.stderr
    assert all(path.is_file() for path in tmp_path.rglob("__pycache__"))
