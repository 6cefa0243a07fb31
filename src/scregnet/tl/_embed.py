"""Gene embeddings of a foundation model, from the user's cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scregnet._anndata.access import check_names, check_writable, resolve, write
from scregnet._anndata.features import is_embedding
from scregnet._anndata.groups import group_keys, large_groups
from scregnet._anndata.shards import check_client
from scregnet._anndata.uns import check_key
from scregnet._docs import doc
from scregnet._settings import settings
from scregnet._validate import check_choice, check_integer, check_random_state, own_arguments
from scregnet.encoders import CellStream, Embedding, EmbedOptions, GeneEncoder, create
from scregnet.encoders.registry import check_parameters, find
from scregnet.tl._cells import Cells
from scregnet.tl._embed_result import check_result, check_used, coverage
from scregnet.tl._gene_ids import genes_of

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@doc
def embed(
    adata: AnnData | MuData,
    model: str = "geneformer",
    *,
    weights: str | Path | None = None,
    layer: str | None = None,
    counts: bool = True,
    gene_ids: str | None = None,
    orthologues: pd.DataFrame | Mapping[str, Any] | Literal["upper"] | None = None,
    groupby: str | None = None,
    min_cells: int = 50,
    max_cells: int | None = None,
    batch_size: int | None = None,
    pooling: str = "mean",
    key_added: str | None = None,
    device: str | None = None,
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    resume: bool = True,
    client: Any = None,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    copy: bool = False,
    mod: str = "rna",
    **model_parameters: Any,
) -> AnnData | MuData | None:
    """Embed genes with a single-cell foundation model, or with an SVD that needs no weights.

    See :doc:`/models`. ``sr.get.models()`` lists the models; ``sr.get.models("geneformer")``
    returns the variants, files and parameters of one.

    Parameters
    ----------
    %(adata)s
    model
        ``"name"``, or ``"name:variant"`` for another variant than the model's default.
    weights
        Folder with the model's files; ``None`` takes the published ones, downloaded on first use.
    %(cells)s
    groupby
        Column of ``adata.obs``: one embedding per category. Cells without one are left out.
    min_cells
        With ``groupby``: categories with fewer cells are named in the log and left out.
    max_cells
        Most cells to use, drawn at random; with ``groupby`` of each category.
    batch_size
        Most cells that the model reads at once. It changes speed and memory, not the result.
    pooling
        ``"mean"`` over the cells that express a gene; some models have ``"mean_all"`` (cells) or
        ``"attentive"``.
    %(key_added)s Here the name of the model.
    %(precision)s Also ``"float16"`` (CUDA only).
    resume
        Save sums of a long run in ``sr.settings.cache_dir``, and continue a run that was stopped;
        not with ``client``.
    %(client)s
    %(run)s
    **model_parameters
        The model's own parameters.

    Returns
    -------
    ``None``, or a changed copy if ``copy=True``. Sets ``varm[key_added]`` (zeros without a vector),
    ``var[f"{key_added}_covered"]`` and ``uns[key_added]``, see :ref:`slots`.

    Raises
    ------
    ValueError
        If counts, genes or files do not fit, or no cell can be used; the message says what to do.
    MemoryError
        If a single cell does not fit the memory of the device.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated()
    >>> sr.tl.embed(adata, model="svd", n_components=16)
    """
    check_random_state(random_state)
    entry = find(model).entry
    name = entry.name
    if model_parameters:
        check_parameters(entry, model_parameters, own_arguments(embed))
    key = name if key_added is None else key_added
    check_key(key)
    _check_numbers(batch_size=batch_size, max_cells=max_cells)
    check_choice("precision", precision, ("auto", "float32", "bfloat16", "float16"))
    source = resolve(adata, mod)
    check_names(source)
    check_writable(source, copy=copy)
    _check_free(source, key)
    check_client(client, source, layer)
    genes, ids = genes_of(source, gene_ids, orthologues)
    groups: list[str] = []
    codes, small = np.zeros(source.n_obs, np.int64), dict[str, int]()
    if groupby is not None:
        groups, codes, small = large_groups(source, groupby, min_cells)
    keys = [key] if groupby is None else group_keys(key, groups)
    cells = Cells(source, layer, counts, _draw(codes, max_cells, random_state), codes)
    # Wrong input should not wait for the weights to be read.
    next(iter(cells))

    encoder = create(model, weights=weights, **model_parameters)
    _check_pooling(name, encoder, pooling)
    engine = None if client is None else _engine(name, encoder, cells, client, len(keys))
    options = EmbedOptions(
        pooling=pooling,
        batch_size=batch_size,
        device=device,
        random_state=random_state,
        progress=settings.progress_bar if show_progress_bar is None else show_progress_bar,
        precision=precision,
        partial_sums=settings.cache_dir / "embed" if resume else None,
    )
    stream = CellStream(cells, len(cells.rows), len(keys), counts, engine)
    embedding = encoder.embed(stream, genes, options)
    check_result(name, embedding, len(keys), len(genes))
    cells.finish()
    check_used(name, embedding, cells)
    asked = {
        "pooling": pooling if encoder.poolings else "none",
        "layer": layer,
        "counts": counts,
        **ids,
        "groupby": groupby,
        "min_cells": min_cells,
        "groups_left_out": list(small),
        "max_cells": max_cells,
        "random_state": random_state,
    }
    params = _params(name, encoder, embedding, asked | coverage(name, embedding, cells, groups))
    record = {"varm_key": key} if groupby is None else {"groups": groups, "varm_keys": keys}

    changed = adata.copy() if copy else adata
    _write(resolve(changed, mod), keys, embedding, {key: {**record, "params": params}})
    return changed if copy else None


def _check_numbers(**numbers: int | None) -> None:
    for name, value in numbers.items():
        if value is not None:
            check_integer(name, value, minimum=1)


def _check_pooling(name: str, encoder: GeneEncoder, pooling: str) -> None:
    if encoder.poolings:
        check_choice("pooling", pooling, encoder.poolings)
    elif pooling != "mean":
        msg = (
            f"model={name!r} does not pool over cells, so pooling={pooling!r} has no meaning; "
            "leave it out."
        )
        raise ValueError(msg)


def _engine(
    name: str, encoder: GeneEncoder, cells: Cells, client: Any, n_groups: int
) -> Callable[..., Any]:
    if not getattr(encoder, "sums_parts", False):
        msg = f"model={name!r} does not add up parts of the cells, so it cannot take client=."
        raise ValueError(msg)
    return cells.elsewhere(client, n_groups)


def _draw(codes: np.ndarray, max_cells: int | None, random_state: int | None) -> np.ndarray:
    """Return the positions of the cells to use: at most ``max_cells`` of each group."""
    rows = np.flatnonzero(codes >= 0)
    if max_cells is None:
        return rows
    rng = np.random.default_rng(random_state)
    members = (rows[codes[rows] == code] for code in np.unique(codes[rows]))
    return np.sort(np.concatenate([rng.permutation(cells)[:max_cells] for cells in members]))


def _params(
    name: str, encoder: GeneEncoder, embedding: Embedding, more: dict[str, Any]
) -> dict[str, Any]:
    """Return the record of a run: what the model is, what it did, what was asked for."""
    described = encoder.describe()
    versions = {"scregnet": version("scregnet"), **described.get("versions", {})}
    return {"model": name, **described, **embedding.report, **more, "versions": versions}


def _check_free(adata: AnnData, key: str) -> None:
    """Raise if ``uns`` holds something else under this name, such as an evidence layer."""
    if key in adata.uns and not is_embedding(adata.uns[key]):
        msg = (
            f"key_added={key!r} is taken: adata.uns[{key!r}] is not an embedding. "
            "Choose another name, or delete it."
        )
        raise ValueError(msg)


def _write(adata: AnnData, keys: list[str], embedding: Embedding, uns: dict[str, Any]) -> None:
    groups = dict(zip(keys, embedding.groups, strict=True))
    write(
        adata,
        varm={key: group.vectors.astype(np.float32, copy=False) for key, group in groups.items()},
        var={f"{key}_covered": group.covered for key, group in groups.items()},
        uns=uns,
    )
