"""Attention of a foundation model between TFs and genes, as an evidence layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scregnet._docs import doc
from scregnet._validate import check_choice, seed_of, shortened
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
def attention_links(
    adata: AnnData | MuData,
    model: str = "geneformer",
    tfs: Sequence[str] | None = None,
    *,
    weights: str | Path | None = None,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    direction: Literal["both", "to_tf", "from_tf"] = "both",
    layer: str | None = None,
    counts: bool = True,
    gene_ids: str | None = None,
    orthologues: pd.DataFrame | Mapping[str, Any] | Literal["upper"] | None = None,
    groupby: str | None = None,
    min_cells: int = 50,
    max_cells: int | None = None,
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
    """Write how much TFs and genes attend to each other in a foundation model.

    In a cell that expresses both it is the mean over layers and heads; it is added up over cells,
    in memory of TFs × genes. For ``fit_grn(evidence=...)``; :doc:`/results/pairs` says what it is
    worth.

    Parameters
    ----------
    %(adata)s
    model
        ``"name"`` or ``"name:variant"``, as in :func:`scregnet.tl.embed`.
    tfs
        Names of the TFs; ``None`` takes ``adata.var["is_tf"]``.
    weights
        Folder with the model's files; ``None`` takes the published ones.
    layers, heads
        Layers and heads to use, counted from 0, negative from the last; ``None`` uses all. Of
        scFoundation the layers of the decoder follow those of the encoder. Geneformer runs no layer
        after ``hidden_layer``, by default the second to last.
    direction
        ``"to_tf"``: what the gene gives to the TF. ``"from_tf"``: what the TF gives to the gene.
        ``"both"``: their sum.
    %(cells)s
    groupby
        Column of ``adata.obs``: layers for each category, with ``f"{key_added}_{category}"`` in
        place of ``key_added``. Cells without one are left out.
    min_cells
        With ``groupby``: categories with fewer cells are named in the log and left out.
    max_cells
        Most cells to use, drawn at random; with ``groupby`` of each category.
    %(key_added)s Here ``f"{model}_attention"``.
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
    ``None`` if ``copy=False``, else the changed copy. Writes three evidence layers, with the slots
    of :func:`scregnet.pp.evidence`: ``key_added``, the sum over what the totals of the TF and of
    the gene would give; ``f"{key_added}_raw"``, the sum over the number of all cells; and
    ``f"{key_added}_mean"``, the sum over the number of cells that express both, which does not
    count how often that is. How they were made is in ``uns[key_added]["made_by"]``.

    Raises
    ------
    ValueError, KeyError, TypeError
        If cells, genes, TFs or files do not fit, there is no such layer or head, or a key holds
        something else.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=60, n_vars=50, n_tfs=5)
    >>> small = {"n_layers": 1, "hidden_size": 8, "n_heads": 2, "max_epochs": 1}
    >>> sr.tl.finetune(adata, "geneformer", output="small", **small, show_progress_bar=False)
    >>> tfs = adata.uns["network"]["source"].unique()
    >>> sr.tl.attention_links(adata, tfs=tfs, weights="small", hidden_layer=0)
    >>> adata.varp["geneformer_attention"].shape
    (50, 50)
    """
    random_state = seed_of(random_state)
    check_choice("direction", direction, ("both", "to_tf", "from_tf"))
    layers, heads = _numbers("layers", layers), _numbers("heads", heads)
    key = key_of(model, "attention", key_added)
    cells = CellsAsked(layer, counts, max_cells, groupby, min_cells)
    data, keys = check_keys(adata, key, ("raw", "mean"), mod, copy=copy, cells=cells)
    asked = Asked(gene_ids, orthologues, random_state, cells, client)
    pairs = prepared(data, model, tfs, asked, weights, model_parameters, attention_links, keys)
    # Imports torch.
    from scregnet.encoders.pairs.attention import attention_sums, over_expected

    found = attention_sums(
        pairs.encoder,
        pairs.stream,
        pairs.match,
        pairs.tf_slots,
        layers=layers,
        heads=heads,
        direction=direction,
        options=options_of(device=device, resume=resume, bar=show_progress_bar),
    )
    record = {
        "function": "attention_links",
        "model": model,
        "direction": direction,
        "layers": layers,
        "heads": heads,
    }
    records = [{**record, "n_layers": s.n_layers, "n_cells_used": s.n_cells} for s in found]
    values = []
    for sums in found:
        per_cell = sums.sums / max(sums.n_cells, 1), sums.sums / np.maximum(sums.n_both, 1)
        values.append([pairs.per_gene(v) for v in (over_expected(sums.sums), *per_cell)])
    return write_layers(adata, pairs, keys, values, records, mod, copy=copy)


def _numbers(argument: str, given: object) -> list[int] | None:
    """Return the numbers of layers or heads; raise before any work unless they are integers."""
    if given is None:
        return None
    found = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else None
    if found is None or any(not isinstance(x, Integral) or isinstance(x, bool) for x in found):
        msg = f"{argument} must be a sequence of integers or None, got {shortened(given)}."
        raise TypeError(msg)
    if not found:
        msg = f"{argument}=[] leaves nothing to average; give numbers from 0, or None for all."
        raise ValueError(msg)
    return [int(number) for number in found]
