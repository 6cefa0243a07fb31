"""Ranges of the cells of a file, which other processes read and add up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._anndata.access import Expected, blocks_of
from scregnet._anndata.ranks import Ranks
from scregnet._validate import listed

if TYPE_CHECKING:
    import scipy.sparse as sp
    from anndata import AnnData

# Cells of a shard. Not a share of the workers: sums are the same whatever their number.
SHARD = 50_000


@dataclass(frozen=True)
class Shard:
    """Some cells of ``X`` in an ``h5ad`` file, as a worker finds them."""

    path: str
    n_bytes: int
    shape: tuple[int, int]
    rows: np.ndarray | range
    """Positions of the cells, ascending."""

    def blocks(self, *, expect: Expected = "any") -> Iterator[tuple[np.ndarray, sp.csr_matrix]]:
        """Yield positions and values, as :func:`scregnet._anndata.access.blocks` does."""
        with self._matrix() as matrix:
            yield from blocks_of(matrix, "adata.X", expect=expect, rows=np.asarray(self.rows))

    @contextmanager
    def _matrix(self) -> Iterator[Any]:
        """Open the matrix alone: names of a hundred million cells take a while to read."""
        import h5py
        from anndata.io import sparse_dataset

        path = Path(self.path)
        if not path.is_file() or path.stat().st_size != self.n_bytes:
            what = "another file" if path.is_file() else "no file"
            msg = (
                f"a worker of client= finds {what} at {self.path!r}; all workers must reach the "
                "file of adata by the same path."
            )
            raise FileNotFoundError(msg)
        with h5py.File(path, "r") as file:
            found = file["X"]
            matrix = sparse_dataset(found) if isinstance(found, h5py.Group) else found
            if tuple(matrix.shape) != self.shape:
                msg = f"{self.path!r} changed while it was read: X was {self.shape}."
                raise ValueError(msg)
            yield matrix


def check_client(client: Any, adata: AnnData, layer: str | None) -> Any:
    """Raise unless ``client`` can be given tasks, and others can read the cells of ``adata``.

    Returns the client; for ``"torchrun"`` the processes that were started with this one.
    """
    if client is None:
        return None
    named = isinstance(client, str) and client == "torchrun"
    if not (named or callable(getattr(client, "submit", None))):
        msg = (
            "client must be a dask.distributed.Client, or an executor with a method submit such as "
            f"concurrent.futures.ProcessPoolExecutor, or 'torchrun', got {type(client).__name__}."
        )
        raise TypeError(msg)
    if not adata.isbacked or adata.is_view:
        msg = (
            "client= needs cells in a file, which each worker opens: "
            "adata = anndata.read_h5ad(path, backed='r')."
        )
        raise ValueError(msg)
    if layer is not None:
        msg = (
            f"layer={layer!r}: client= reads X of the file only, since anndata holds layers in "
            "memory. Write a file with this matrix as X."
        )
        raise ValueError(msg)
    if not adata.file.is_open:
        # As anndata itself does for adata.X, for instance after to_memory().
        adata.file.open()
    mode = adata.file["X"].file.mode
    if mode != "r":
        msg = (
            f"client= needs a file that nobody writes to, but adata was opened for {mode!r}; "
            "open it with backed='r'."
        )
        raise ValueError(msg)
    return Ranks() if named else client


def shards(adata: AnnData, rows: np.ndarray | None = None) -> list[Shard]:
    """Return the cells of a backed file, or some of them, as shards of a size."""
    path = Path(str(adata.filename)).resolve()
    n_bytes = path.stat().st_size
    parts: Iterable[np.ndarray | range]
    if rows is None:
        starts = range(0, adata.n_obs, SHARD)
        parts = [range(start, min(start + SHARD, adata.n_obs)) for start in starts]
    else:
        parts = np.array_split(np.sort(rows), max(-(-len(rows) // SHARD), 1))
    return [Shard(str(path), n_bytes, adata.shape, part) for part in parts]


def submitted(client: Any, function: Callable[..., Any], tasks: Iterable[tuple], *args: Any) -> Any:
    """Return what ``function(*task, *args)`` gives for each task, added up in their order.

    Results that are tuples are added member by member. ``args`` go to each worker once, if the
    client can send them ahead, as dask's does.
    """
    if hasattr(client, "scatter"):
        # As a list: dask takes a dictionary, or a tuple, apart.
        args = tuple(client.scatter([arg], broadcast=True)[0] for arg in args)
    futures = [client.submit(function, *task, *args) for task in tasks]
    total = None
    try:
        while futures:
            result = futures[0].result()
            # A sum may be large: none is held longer than it takes to add it.
            del futures[0]
            total = result if total is None else merged(total, result)
    finally:
        for future in futures:
            future.cancel()
    return total


def merged(one: Any, other: Any) -> Any:
    """Return the sums over the cells of both."""
    if not isinstance(one, tuple):
        return add(one, other)
    if len(one) != len(other):
        msg = f"sums of {len(one)} and {len(other)} kinds: {listed([type(one), type(other)])}."
        raise ValueError(msg)
    return tuple(map(merged, one, other))
