"""Shifts of gene vectors when a TF is taken out of a cell, as an evidence layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scregnet._docs import doc
from scregnet._validate import check_choice, check_integer, seed_of
from scregnet.tl._encoding.pairs import (
    Asked,
    CellsAsked,
    check_keys,
    key_of,
    options_of,
    prepared,
    write_layers,
)

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@doc
def knockout_links(
    adata: AnnData | MuData,
    model: str = "geneformer",
    tfs: Sequence[str] | None = None,
    *,
    n_cells: int = 100,
    mode: Literal["delete", "overexpress"] = "delete",
    weights: str | Path | None = None,
    layer: str | None = None,
    counts: bool = True,
    gene_ids: str | None = None,
    orthologues: pd.DataFrame | Mapping[str, Any] | Literal["upper"] | None = None,
    groupby: str | None = None,
    min_cells: int = 50,
    key_added: str | None = None,
    device: str | None = None,
    resume: bool = True,
    client: Any = None,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    copy: bool = False,
    mod: str = "rna",
    **model_parameters: Any,
) -> AnnData | MuData | None:
    """Write how far each TF's deletion from cells moves the vectors of the other genes.

    Cells that express the TF are encoded with and without it. The shift of a gene is 1 - cosine of
    its two vectors. The same is done with a control, a gene of the same cell that is drawn from the
    ten on each side of the TF by rank. :doc:`/results/pairs` says what it is worth.

    Parameters
    ----------
    %(adata)s
    model
        ``"name"`` or ``"name:variant"``, as in :func:`scregnet.tl.embed`.
    tfs
        Names of the TFs; ``None`` takes ``adata.var["is_tf"]``.
    n_cells
        Most cells of each TF, drawn from those that express it; with ``groupby`` of each category.
        For each TF of a cell two changed cells are encoded: that of the TF and that of its control.
    mode
        ``"delete"`` takes the TF out. ``"overexpress"`` puts it first, or gives it the highest
        value of the cell where the model reads values.
    weights
        Folder with the model's files; ``None`` takes the published ones.
    %(cells)s
    groupby
        Column of ``adata.obs``: layers for each category, with ``f"{key_added}_{category}"`` in
        place of ``key_added``. Cells without one are left out.
    min_cells
        With ``groupby``: categories with fewer cells are named in the log and left out.
    %(key_added)s Here ``f"{model}_knockout"``, or ``f"{model}_overexpress"``.
    %(device)s
    resume
        Save sums of a long run in ``sr.settings.cache_dir``, and continue a run that was stopped;
        not with ``client``.
    %(client)s
    %(random_state)s
    %(progress)s
    %(copy)s
    %(mod)s
    **model_parameters
        The model's own parameters.

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. Writes two evidence layers, with the slots of
    :func:`scregnet.pp.evidence`: ``key_added``, the TF's share of its shift and that of
    its controls (one half: no more than a control), and ``f"{key_added}_raw"``, the mean shift.
    ``uns[key_added]["made_by"]`` says how they were made.

    Raises
    ------
    ValueError, KeyError, TypeError
        If cells, genes, TFs or files do not fit, or a key holds something else.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=60, n_vars=50, n_tfs=5)
    >>> small = {"n_layers": 1, "hidden_size": 8, "n_heads": 2, "max_epochs": 1}
    >>> sr.tl.finetune(adata, "geneformer", output="small", **small, show_progress_bar=False)
    >>> tfs = adata.uns["network"]["source"].unique()
    >>> sr.tl.knockout_links(adata, tfs=tfs, n_cells=3, weights="small", hidden_layer=0)
    >>> adata.varp["geneformer_knockout"].shape
    (50, 50)
    """
    random_state = seed_of(random_state)
    check_choice("mode", mode, ("delete", "overexpress"))
    check_integer("n_cells", n_cells, minimum=1)
    key = key_of(model, "knockout" if mode == "delete" else mode, key_added)
    cells = CellsAsked(layer, counts, None, groupby, min_cells)
    data, keys = check_keys(adata, key, ("raw",), mod, copy=copy, cells=cells)
    asked = Asked(gene_ids, orthologues, random_state, cells, client)
    pairs = prepared(data, model, tfs, asked, weights, model_parameters, knockout_links, keys)
    # Imports torch.
    from scregnet.encoders.pairs.knockout import knockout_shifts, over_control

    found = knockout_shifts(
        pairs.encoder,
        pairs.stream,
        pairs.match,
        pairs.tf_slots,
        n_cells=n_cells,
        mode=mode,
        seed=int(np.random.default_rng(random_state).integers(2**31)),
        options=options_of(device=device, resume=resume, bar=show_progress_bar),
    )
    record = {"function": "knockout_links", "model": model, "mode": mode, "n_cells": n_cells}
    records = [{**record, "n_changed": int(shifts.n_changed.sum())} for shifts in found]
    values = [
        [pairs.per_gene(over_control(shifts)), pairs.per_gene(shifts.of_tf)] for shifts in found
    ]
    return write_layers(adata, pairs, keys, values, records, mod, copy=copy)
