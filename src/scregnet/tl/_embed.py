"""Embeddings of genes and cells by a foundation model, from the user's cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scregnet._anndata.access import check_names, check_writable, resolve
from scregnet._anndata.groups import group_keys, large_groups
from scregnet._anndata.ranks import Ranks
from scregnet._anndata.shards import check_client
from scregnet._anndata.uns import check_key
from scregnet._docs import doc
from scregnet._progress import bar_asked
from scregnet._settings import settings
from scregnet._validate import (
    check_choice,
    check_flags,
    check_integer,
    check_text,
    own_arguments,
    seed_of,
)
from scregnet.encoders import CellStream, Embedding, EmbedOptions, GeneEncoder, create
from scregnet.encoders.aliases import AliasTable
from scregnet.encoders.registry import check_parameters, find
from scregnet.tl._encoding.cells import Cells, drawn
from scregnet.tl._encoding.genes import genes_of, with_aliases
from scregnet.tl._encoding.result import (
    check_result,
    check_used,
    coverage,
    covered_cells,
    covered_genes,
)
from scregnet.tl._encoding.slots import check_slots, write_embedding

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

    from scregnet.encoders.entry import EncoderEntry


@doc
def embed(
    adata: AnnData | MuData,
    model: str = "geneformer",
    *,
    of: Literal["genes", "cells", "both"] = "genes",
    weights: str | Path | None = None,
    layer: str | None = None,
    counts: bool = True,
    gene_ids: str | None = None,
    orthologues: pd.DataFrame | Mapping[str, Any] | Literal["upper"] | None = None,
    aliases: pd.DataFrame | Mapping[str, Any] | str | Path | None = None,
    groupby: str | None = None,
    min_cells: int = 50,
    max_cells: int | None = None,
    batch_size: int | None = None,
    pooling: str = "mean",
    cell_pooling: str | None = None,
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
    """Embed genes or cells with a single-cell foundation model, or an SVD that needs no weights.

    See :doc:`/models`. ``sr.get.models()`` lists the models; ``sr.get.models("geneformer")``
    returns the variants, files and parameters of one.

    Parameters
    ----------
    %(adata)s
    model
        ``"name"``, or ``"name:variant"`` for another variant than the model's default.
    of
        Whose vectors: of ``"genes"``, of ``"cells"``, or of ``"both"`` in one run.
    weights
        Folder with the model's files; ``None`` takes the published ones, downloaded on first use.
    %(cells)s
    aliases
        Other names of genes that the model does not know: a mapping or a frame, previous symbol to
        symbol; or HGNC's table (columns ``symbol``, ``prev_symbol``, ``alias_symbol``) or its path.
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
    cell_pooling
        How a cell gets its vector, see :ref:`cell-vectors`; ``None`` takes the model's usual way.
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
    ``None``, or a changed copy if ``copy=True``. Of genes it sets ``varm[key_added]``, zeros
    without a vector, and ``var[f"{key_added}_covered"]``; of cells ``obsm[key_added]``, for
    ``sc.pp.neighbors(adata, use_rep=key_added)``, and ``obs[f"{key_added}_covered"]``; and
    ``uns[key_added]``, see :ref:`slots`.

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
    random_state = seed_of(random_state)
    entry = find(model).entry
    name = entry.name
    if model_parameters:
        check_parameters(entry, model_parameters, own_arguments(embed))
    key = name if key_added is None else key_added
    check_key(key)
    _check_numbers(batch_size=batch_size, max_cells=max_cells, min_cells=min_cells)
    check_flags(counts=counts, resume=resume)
    check_text("pooling", pooling)
    check_choice("precision", precision, ("auto", "float32", "bfloat16", "float16"))
    check_choice("of", of, ("genes", "cells", "both"))
    if of == "cells":
        _check_genes_only(groupby=groupby, pooling=None if pooling == "mean" else pooling)
    source = resolve(adata, mod)
    check_names(source)
    check_writable(source, copy=copy)
    client = check_client(client, source, layer)
    if isinstance(client, Ranks):
        device = client.device(device)
    genes, ids = genes_of(source, gene_ids, orthologues)
    other_names = None if aliases is None else AliasTable.read(aliases)
    groups: list[str] = []
    codes, small = np.zeros(source.n_obs, np.int64), dict[str, int]()
    if groupby is not None:
        groups, codes, small = large_groups(source, groupby, min_cells)
    keys = [key] if groupby is None else group_keys(key, groups)
    check_slots(source, key, keys, with_genes=of != "cells", with_cells=of != "genes")
    cells = Cells(source, layer, counts, drawn(codes, max_cells, random_state), codes)
    # Wrong input should not wait for the weights to be read.
    next(iter(cells))

    encoder = create(model, weights=weights, **_with_usual(entry, of, model_parameters))
    genes, more = with_aliases(name, encoder, genes, other_names)
    ids |= more
    if of != "cells":
        _check_pooling(name, encoder, pooling)
    cell_pooling = _cell_pooling(name, encoder, of, cell_pooling, groupby)
    engine = None if client is None else _engine(name, encoder, cells, client, len(keys))
    options = EmbedOptions(
        pooling=pooling,
        batch_size=batch_size,
        device=device,
        random_state=random_state,
        progress=bar_asked(show=show_progress_bar),
        precision=precision,
        partial_sums=settings.cache_dir / "embed" if resume else None,
        of=of,
        cell_pooling=cell_pooling,
    )
    stream = CellStream(cells, len(cells.rows), len(keys), counts, engine)
    embedding = encoder.embed(stream, genes, options)
    n_wanted = len(cells.rows) if options.with_cells else None
    check_result(name, embedding, options.with_genes * len(keys), len(genes), n_wanted)
    cells.finish()
    check_used(name, embedding, cells)
    shared = {"layer": layer, "counts": counts, **ids, "max_cells": max_cells}
    shared |= {"random_state": random_state, **coverage(name, embedding, cells)}
    record: dict[str, Any] = {}
    if options.with_genes:
        asked: dict[str, Any] = {
            "pooling": pooling if encoder.poolings else "none",
            "groupby": groupby,
        }
        asked |= {"min_cells": min_cells, "groups_left_out": list(small), **shared}
        asked |= covered_genes(name, embedding, groups)
        record = {"varm_key": key} if groupby is None else {"groups": groups, "varm_keys": keys}
        record["params"] = _params(name, encoder, embedding, asked)
    if options.with_cells:
        asked = {"cell_pooling": cell_pooling, **shared}
        asked |= covered_cells(name, key, embedding, source.n_obs)
        record |= {"obsm_key": key, "cell_params": _params(name, encoder, embedding, asked)}

    changed = adata.copy() if copy else adata
    write_embedding(resolve(changed, mod), key, keys, embedding, cells.rows, record)
    return changed if copy else None


def _check_genes_only(**given: Any) -> None:
    """Raise for arguments that are about vectors of genes."""
    for name, value in given.items():
        if value is not None:
            msg = (
                f"{name}={value!r} is about vectors of genes, which of='cells' does not ask for; "
                "leave it out, or give of='both'."
            )
            raise ValueError(msg)


def _with_usual(entry: EncoderEntry, of: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the model's parameters: for cells alone, those that its authors use for cells."""
    usual = getattr(entry.load_class(), "cell_parameters", {}) if of == "cells" else {}
    return {**usual, **given}


def _cell_pooling(
    name: str, encoder: GeneEncoder, of: str, cell_pooling: str | None, groupby: str | None
) -> str | None:
    """Return how cells get their vectors, ``None`` if they are not asked for."""
    if of == "genes":
        if cell_pooling is not None:
            msg = (
                f"cell_pooling={cell_pooling!r} is about vectors of cells; "
                "give of='cells' or of='both'."
            )
            raise ValueError(msg)
        return None
    known = getattr(encoder, "cell_poolings", ())
    if not known:
        msg = f"of={of!r}: model={name!r} with these parameters makes vectors of genes alone."
        raise ValueError(msg)
    if groupby is not None and not getattr(encoder, "groups_cells", True):
        msg = (
            f"of={of!r}: with groupby=, model={name!r} has axes of its own for each category, so "
            "cells of different categories could not be compared. Leave groupby= out."
        )
        raise ValueError(msg)
    if cell_pooling is None:
        return str(known[0])
    check_choice("cell_pooling", cell_pooling, known)
    return cell_pooling


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


def _params(
    name: str, encoder: GeneEncoder, embedding: Embedding, more: dict[str, Any]
) -> dict[str, Any]:
    """Return the record of a run: what the model is, what it did, what was asked for."""
    described = encoder.describe()
    versions = {"scregnet": version("scregnet"), **described.get("versions", {})}
    return {"model": name, **described, **embedding.report, **more, "versions": versions}
