"""Fixtures shared by all tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scregnet as sr
from fitted_by_hand import build_fitted, build_grouped

mpl.use("Agg")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development data next to the repository; without them the test is skipped."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir():
        pytest.skip(f"development data are not at {folder}")
    return folder


QUICK = {
    "n_folds": 1,
    "method": "scregnet",
    "gnn_dims": (8,),
    "mlp_dims": (8,),
    "max_epochs": 4,
    "n_bootstrap": 10,
    "show_progress_bar": False,
    "device": "cpu",
}


def _with_objects(frame: pd.DataFrame) -> pd.DataFrame:
    texts = [name for name in frame if isinstance(frame[name].dtype, pd.StringDtype)]
    frame = frame.astype(dict.fromkeys(texts, object))
    is_text = isinstance(frame.index.dtype, pd.StringDtype)
    return frame.set_axis(frame.index.astype(object)) if is_text else frame


@pytest.fixture
def same_frames() -> Callable[..., None]:
    """Compare frames; texts may be objects or, as pandas 3 reads them from a file, texts."""

    def compare(one: pd.DataFrame, other: pd.DataFrame, **how: bool) -> None:
        pd.testing.assert_frame_equal(_with_objects(one), _with_objects(other), **how)

    return compare


def _frozen(value):
    """Return what a value holds, so that two can be compared."""
    if isinstance(value, Mapping):
        return {str(key): _frozen(item) for key, item in value.items()}
    if isinstance(value, (pd.DataFrame, pd.Series, pd.Index)):
        frame = value.to_frame() if not isinstance(value, pd.DataFrame) else value
        return [str(frame.dtypes.to_dict()), frame.to_csv(float_format="%.17g")]
    if sp.issparse(value):
        return [value.format, *(_frozen(getattr(value, n)) for n in ("data", "indices", "indptr"))]
    if isinstance(value, np.ndarray):
        return [
            str(value.dtype),
            value.shape,
            value.tolist() if value.dtype == object else value.tobytes(),
        ]
    return [type(value).__name__, repr(value)]


def _contents(adata):
    slots = ("layers", "obsm", "varm", "obsp", "varp", "uns")
    return {
        "X": _frozen(adata.X),
        "obs": _frozen(adata.obs),
        "var": _frozen(adata.var),
        **{slot: _frozen(dict(getattr(adata, slot))) for slot in slots},
    }


@pytest.fixture(scope="session")
def contents() -> Callable[..., dict[str, object]]:
    """Return all that an AnnData holds, so that two can be compared."""
    return _contents


@pytest.fixture(scope="session")
def _simulated():
    return sr.datasets.simulated(n_obs=120, n_vars=80, random_state=3)


@pytest.fixture
def adata(_simulated):
    return _simulated.copy()


@pytest.fixture
def net(_simulated):
    return _simulated.uns["network"].copy()


@pytest.fixture(scope="session")
def _fitted(_simulated):
    data = _simulated.copy()
    sr.tl.embed(data, model="svd", n_components=8, show_progress_bar=False)
    sr.tl.fit_grn(data, data.uns["network"], **QUICK)
    return data


@pytest.fixture
def fitted(_fitted):
    return _fitted.copy()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], str]]:
    """Serve a folder; return the address. Servers stop when the test ends."""
    running = []

    def start(folder: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def fitted_adata():
    return build_fitted()


@pytest.fixture
def lifted_adata():
    """With the slots of a null model, of standard deviations and of signs."""
    return build_fitted(null=True)


@pytest.fixture
def grouped_adata():
    return build_grouped()
