"""Read an AnnData (which matrix, in which blocks), and write all slots at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy.sparse as sp

from scregnet._anndata.rows import BackedCscRows, CscRows, DaskRows
from scregnet._anndata.uns import check_key, to_uns
from scregnet._validate import (
    check_flags,
    check_name,
    check_text,
    check_unmasked,
    listed,
    shortened,
)

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

Expected = Literal["counts", "expression", "any"]

MOST_VALUE = 1e30
"""Largest size of an expression value."""


def resolve(data: AnnData | MuData, mod: str = "rna", *, argument: str = "adata") -> AnnData:
    """Return the AnnData of ``data``: itself, or the modality ``mod`` of a MuData."""
    from anndata import AnnData

    if isinstance(data, AnnData):
        return data
    if type(data).__name__ == "MuData":
        if mod not in data.mod:
            msg = f"mod={mod!r} is not a modality of the MuData; it has {listed(data.mod)}."
            raise KeyError(msg)
        return data.mod[mod]
    msg = f"{argument} must be an AnnData or a MuData, got {type(data).__name__}."
    raise TypeError(msg)


def check_names(adata: AnnData) -> None:
    """Raise unless ``adata`` has genes and their names are unique."""
    if adata.n_vars == 0 or adata.n_obs == 0:
        msg = f"adata is empty: {adata.n_obs} cells × {adata.n_vars} genes."
        raise ValueError(msg)
    check_unique(adata)


def check_unique(adata: AnnData) -> None:
    """Raise unless the names of the genes are unique."""
    if not adata.var_names.is_unique:
        twice = adata.var_names[adata.var_names.duplicated()].unique()
        msg = (
            f"adata.var_names are not unique: {listed(twice, 5)}. "
            "Call adata.var_names_make_unique() or sum the duplicates first."
        )
        raise ValueError(msg)


def check_writable(adata: AnnData, *, copy: bool) -> None:
    """Raise if results cannot be written into ``adata``, or into a copy of it, afterwards."""
    check_flags(copy=copy)
    if adata.isbacked and (adata.is_view or copy):
        what = "is a view of a file" if adata.is_view else "is in a file, and copy=True copies it"
        msg = (
            f"adata {what} ({str(adata.filename)!r}), which anndata does not copy: nothing could "
            "be written. Call adata.to_memory(), or adata.copy(filename=...), and take what it "
            "returns."
        )
        raise ValueError(msg)


def flags(adata: AnnData, key: str, hint: str) -> np.ndarray:
    """Return a true/false column of ``adata.var``; ``hint`` says how to get one."""
    check_text("a column of adata.var", key)
    if key not in adata.var:
        msg = f"adata.var has no column {key!r}. {hint}"
        raise KeyError(msg)
    column = adata.var[key]
    if column.dtype == bool:
        return column.to_numpy()
    values = column.to_numpy(dtype=object)
    wrong = np.flatnonzero([not isinstance(value, (bool, np.bool_)) for value in values])
    if len(wrong):
        value = values[wrong[0]]
        cure = f"adata.var[{key!r}].fillna(False).astype(bool)"
        if isinstance(value, str):
            cure = f"adata.var[{key!r}] == {value!r}, if that means True"
        msg = (
            f"adata.var[{key!r}] must hold True or False for every gene, but {len(wrong):,} hold "
            f"something else, such as {value!r} of {adata.var_names[wrong[0]]!r} (an outer "
            f"ad.concat leaves such gaps). Set adata.var[{key!r}] = {cure}."
        )
        raise ValueError(msg)
    return values.astype(bool)


def matrix(adata: AnnData, layer: str | None) -> Any:
    """Return ``adata.layers[layer]`` or ``adata.X`` as it is: dense, sparse or backed."""
    check_name("layer", layer)
    # Newer anndata lists X among the layers, under None.
    named = [name for name in adata.layers if name is not None]
    if layer is None:
        if adata.X is None:
            msg = f"adata.X is empty; name a layer with layer=: {listed(named)}."
            raise ValueError(msg)
        return unmasked(adata.X, "adata.X")
    if layer not in named:
        msg = f"layer={shortened(layer)} is not in adata.layers; it has {listed(named)}."
        raise KeyError(msg)
    return unmasked(adata.layers[layer], f"adata.layers[{layer!r}]")


def unmasked(values: Any, where: str) -> Any:
    """Return values as they are; raise for those that are no real numbers, or under a mask."""
    check_unmasked(where, values)
    kind = getattr(values, "dtype", np.dtype(float)).kind
    if kind not in "biuf":
        msg = f"{where} must hold real numbers, found the type {values.dtype}."
        raise ValueError(msg)
    return np.asarray(values) if isinstance(values, np.ma.MaskedArray) else values


def blocks(
    adata: AnnData,
    layer: str | None,
    *,
    block_size: int = 1024,
    expect: Expected = "any",
    rows: np.ndarray | None = None,
) -> Iterator[tuple[np.ndarray, sp.csr_matrix]]:
    """Yield ``(cell positions, block)`` with blocks as float64 CSR, cells in ascending order.

    Only one block is in memory at a time, also for a backed file or a dask array. Every block is
    checked (:func:`check_values`). ``rows`` (positions, or a mask over cells) selects cells; a
    position that is given twice comes twice.
    """
    where = "adata.X" if layer is None else f"adata.layers[{layer!r}]"
    source = matrix(adata, layer)
    yield from blocks_of(source, where, block_size=block_size, expect=expect, rows=rows)


def blocks_of(
    matrix: Any,
    where: str,
    *,
    block_size: int = 1024,
    expect: Expected = "any",
    rows: np.ndarray | None = None,
) -> Iterator[tuple[np.ndarray, sp.csr_matrix]]:
    """Yield the blocks of a matrix, cells × genes, as :func:`blocks`; ``where`` is its name."""
    source = by_cells(matrix)
    positions = np.arange(matrix.shape[0])
    if rows is not None:
        positions = np.sort(positions[np.asarray(rows)])
    for start in range(0, len(positions), block_size):
        chosen = positions[start : start + block_size]
        # A file can be asked for a row once only, and in ascending order.
        unique, repeats = np.unique(chosen, return_inverse=True)
        contiguous = len(unique) == unique[-1] - unique[0] + 1
        block = source[int(unique[0]) : int(unique[-1]) + 1] if contiguous else source[unique]
        csr = sp.csr_matrix(block, dtype=np.float64)
        if len(unique) < len(chosen):
            csr = csr[repeats]
        # A copy is made only where summing or dropping would change the user's own arrays.
        if not csr.has_canonical_format or (csr.data == 0).any():
            csr = csr.copy()
            csr.sum_duplicates()
            csr.eliminate_zeros()
        check_values(csr.data, where, expect)
        yield chosen, csr


def by_cells(source: Any) -> Any:
    """Return what gives some cells of a matrix without going through all of it each time."""
    if isinstance(source, (sp.csc_matrix, sp.csc_array)):
        return CscRows(source)
    if getattr(source, "format", None) == "csc":
        return BackedCscRows(source)
    if hasattr(source, "compute"):
        return DaskRows(source)
    return source


def check_values(values: np.ndarray, where: str, expect: Expected) -> None:
    """Raise ``ValueError`` for values that are not finite, or not what is expected.

    ``"expression"`` is anything but negative values, ``"counts"`` are non-negative integers.
    """
    if not np.isfinite(values).all():
        n = int((~np.isfinite(values)).sum())
        msg = (
            f"{where} holds NaN or infinite values ({n} of them in one block); "
            "remove or impute them first."
        )
        raise ValueError(msg)
    if (np.abs(values) > MOST_VALUE).any():
        largest = values[np.abs(values).argmax()]
        msg = (
            f"{where} holds values beyond {MOST_VALUE:.0e}, such as {largest:.4g}, which no "
            "measurement gives."
        )
        raise ValueError(msg)
    if expect == "expression" and (values < 0).any():
        msg = (
            f"{where} holds negative values (lowest {values.min():.4g}), as scaled data do. Name "
            "raw counts or log-normalised expression with layer=, for example layer='counts'; "
            "adata.raw.to_adata() may hold them."
        )
        raise ValueError(msg)
    if expect == "counts":
        found = None
        if (values < 0).any():
            found = f"negative values (lowest {values.min():.4g})"
        elif not np.equal(values, np.rint(values)).all():
            found = (
                f"values that are not integers (such as {values[values != np.rint(values)][0]:.4g})"
            )
        if found is not None:
            msg = (
                f"raw counts are needed, but {where} holds {found}. "
                "Name the matrix of raw counts with layer=, for example layer='counts'."
            )
            raise ValueError(msg)


def is_counts(adata: AnnData, layer: str | None) -> bool:
    """Whether the matrix holds only non-negative integers (an all-zero matrix does)."""
    return only_counts(block for _, block in blocks(adata, layer))


def only_counts(matrices: Iterable[sp.csr_matrix]) -> bool:
    """Whether blocks of a matrix hold only non-negative integers."""
    return all(
        not (block.data < 0).any() and np.equal(block.data, np.rint(block.data)).all()
        for block in matrices
    )


def write(
    adata: AnnData,
    *,
    obs: Mapping[str, Any] | None = None,
    obsm: Mapping[str, Any] | None = None,
    var: Mapping[str, Any] | None = None,
    varm: Mapping[str, Any] | None = None,
    varp: Mapping[str, Any] | None = None,
    uns: Mapping[str, Any] | None = None,
    remove: Mapping[str, Iterable[str]] | None = None,
) -> None:
    """Write complete results, all or nothing.

    All are checked before the first slot changes. An interrupt between two slots undoes those
    that were written. ``remove`` names what goes, by slot; names that are not there are left out.
    """
    kept = {key: to_uns(value) for key, value in (uns or {}).items()}
    n = adata.n_vars
    shaped: list[tuple[str, Any, tuple[int | None, ...]]] = [
        (name, value, (n,)) for name, value in (var or {}).items()
    ]
    shaped += [(name, value, (adata.n_obs,)) for name, value in (obs or {}).items()]
    shaped += [(name, value, (n, None)) for name, value in (varm or {}).items()]
    shaped += [(name, value, (adata.n_obs, None)) for name, value in (obsm or {}).items()]
    shaped += [(name, value, (n, n)) for name, value in (varp or {}).items()]
    for name in (*(name for name, _, _ in shaped), *kept):
        check_key(name)
    for name, value, expected in shaped:
        shape = np.shape(value)
        if len(shape) != len(expected) or any(
            want not in (None, got) for got, want in zip(shape, expected, strict=True)
        ):
            msg = f"{name!r} has shape {shape}, which does not fit {adata.n_obs} cells × {n} genes."
            raise ValueError(msg)
    gone = {slot: list(names) for slot, names in (remove or {}).items()}
    given = {"obs": obs, "obsm": obsm, "varm": varm, "varp": varp, "var": var, "uns": kept}
    with undone_on_failure(
        adata, {slot: [*(given[slot] or {}), *gone.get(slot, ())] for slot in given}
    ):
        for slot, values in given.items():
            for key, value in (values or {}).items():
                getattr(adata, slot)[key] = value
            for key in gone.get(slot, ()):
                getattr(adata, slot).pop(key, None)


@contextmanager
def undone_on_failure(adata: AnnData, names: Mapping[str, Iterable[str]]) -> Iterator[None]:
    """Undo changes of the named members of slots, or of the genes, if the block fails.

    ``KeyboardInterrupt`` counts as a failure. ``names`` are by slot, such as ``"varp"``.
    """
    # References: nothing is copied. A subset, or the first change of a view, replaces these.
    attributes = dict(vars(adata))
    was_view = adata.is_view
    before = {
        slot: {name: getattr(adata, slot)[name] for name in of_slot if name in getattr(adata, slot)}
        for slot, of_slot in names.items()
    }
    try:
        yield
    except BaseException:
        vars(adata).clear()
        vars(adata).update(attributes)
        # What a view shows was never changed: the first change makes a copy.
        for slot, of_slot in names.items() if not was_view else ():
            members = getattr(adata, slot)
            for name in of_slot:
                if name in before[slot]:
                    members[name] = before[slot][name]
                elif name in members:
                    del members[name]
        raise
