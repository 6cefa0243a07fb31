from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pytest


@pytest.fixture(params=["h5ad", "zarr"])
def round_trip(request, tmp_path: Path) -> Callable[[ad.AnnData], ad.AnnData]:
    """Write to a file and read back."""

    def there_and_back(adata: ad.AnnData) -> ad.AnnData:
        path = tmp_path / f"file.{request.param}"
        if request.param == "h5ad":
            adata.write_h5ad(path)
            return ad.read_h5ad(path)
        with warnings.catch_warnings():
            # anndata and zarr warn of the future of their formats on every write.
            warnings.simplefilter("ignore")
            adata.write_zarr(path)
        return ad.read_zarr(path)

    return there_and_back


@pytest.fixture
def mudata_of() -> Callable:
    def build(**mods: ad.AnnData):
        from mudata import MuData

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return MuData(mods)

    return build


@pytest.fixture
def snapshot() -> Callable[[ad.AnnData], tuple]:
    """What an AnnData holds, to compare before and after an error."""

    def take(adata: ad.AnnData) -> tuple:
        X = adata.X if isinstance(adata.X, np.ndarray) else adata.X.toarray()
        return (
            adata.shape,
            X.tobytes(),
            adata.var.to_csv(),
            adata.obs.to_csv(),
            sorted(adata.varm),
            sorted(adata.varp),
            sorted(map(str, adata.layers)),
            repr(dict(adata.uns)),
        )

    return take
