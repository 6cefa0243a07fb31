"""Write the small file that later versions have to read, and what they have to find in it.

::

    python tests/stored/write.py        # tests/data/stored-<version>.h5ad.gz and .json

CONTRIBUTING.md says when. Cells and network are simulated. A file that is there is never replaced:
it stands for what that version wrote. Packed, since HDF5 takes a megabyte for so many small arrays.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np

import scregnet as sr

FOLDER = Path(__file__).resolve().parents[1] / "data"
QUIET = {"show_progress_bar": False, "random_state": 0}
NETWORKS: dict[str, dict[str, Any]] = {
    # Folds, signs, an embedding and an evidence layer: the most that a file holds.
    "grn": {"n_folds": 2, "n_trees": 10, "embedding": "svd", "evidence": "association"},
    "degree": {"method": "degree"},
    "factors": {"method": "label_factors", "n_folds": 1},
    "pearson": {"method": "pearson", "n_folds": 1},
    "neural": {
        "method": "scregnet",
        "n_folds": 1,
        "gnn_dims": (4,),
        "mlp_dims": (4,),
        "max_epochs": 3,
        "n_pcs": 8,
        "device": "cpu",
    },
}


def fitted() -> ad.AnnData:
    """Simulated cells with a split and a network of each kind."""
    data = sr.datasets.simulated(n_obs=150, n_vars=60, n_tfs=8, random_state=0)
    known = data.uns.pop("network")
    known["weight"] = np.where(np.arange(len(known)) % 4, 1.0, -1.0)
    data.uns.pop("simulated", None)
    sr.tl.embed(data, model="svd", n_components=8, show_progress_bar=False)
    sr.pp.association(data, known["source"].astype(str).unique())
    sr.pp.split(data, known, random_state=0)
    for key, how in NETWORKS.items():
        sr.tl.fit_grn(data, split="split", key_added=key, n_bootstrap=20, **QUIET, **how)
    return data


def contents(data: ad.AnnData, keys: Iterable[str]) -> dict[str, Any]:
    """What the functions that read a file find of its networks, to five digits."""
    return {key: _of_network(data, key) for key in keys}


def _of_network(data: ad.AnnData, key: str) -> dict[str, Any]:
    links = sr.get.grn(data, key=key, top_n=6)
    metrics = sr.get.metrics(data, key=key, split="test", wide=True)
    # Written links, and some of TFs and targets in the order of the genes.
    genes = data.var_names.astype(str)
    tfs = genes[np.diff(data.varp[key].indptr) > 0]
    pairs = [
        *zip(links["source"], links["target"], strict=True),
        *zip(tfs, genes[::-9], strict=False),
    ]
    return {
        "n_links": int(data.varp[key].nnz),
        "links": _plain(links),
        "metrics": _plain(metrics[["auroc", "auprc", "brier"]].reset_index(names="model")),
        "pairs": _plain(sr.get.score_links(data, pairs, key=key)),
        "history": len(sr.get.history(data, key=key)),
    }


def _plain(frame: Any) -> dict[str, list[Any]]:
    return {str(name): [_value(value) for value in frame[name]] for name in frame}


def _value(value: Any) -> Any:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return None if np.isnan(value) else float(f"{value:.5g}")
    return str(value)


def unpacked(path: Path, folder: Path) -> ad.AnnData:
    """Read a packed file by way of a folder."""
    plain = folder / path.stem
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    return ad.read_h5ad(plain)


def main() -> None:
    """Write both files."""
    path = FOLDER / f"stored-{sr.__version__}.h5ad.gz"
    if path.exists():
        sys.exit(f"{path} is there: a new one belongs to a new version")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.h5ad"
        fitted().write_h5ad(plain)
        # Without a time: the same calls give the same bytes.
        path.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
        found = contents(unpacked(path, Path(folder)), NETWORKS)
    text = json.dumps(found, indent=None, separators=(",", ":")).replace("},", "},\n")
    path.with_suffix("").with_suffix(".json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
