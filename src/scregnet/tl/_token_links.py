"""Likeness of the vectors with which a foundation model reads genes, as an evidence layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scregnet._docs import doc
from scregnet._validate import seed_of
from scregnet.tl._encoding.pairs import Asked, check_keys, key_of, prepared, write_layers

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@doc
def token_links(
    adata: AnnData | MuData,
    model: str = "geneformer",
    tfs: Sequence[str] | None = None,
    *,
    weights: str | Path | None = None,
    gene_ids: str | None = None,
    orthologues: pd.DataFrame | Mapping[str, Any] | Literal["upper"] | None = None,
    key_added: str | None = None,
    random_state: int | None = 0,
    copy: bool = False,
    mod: str = "rna",
    **model_parameters: Any,
) -> AnnData | MuData | None:
    """Write how alike the vectors of TFs and genes are before a model has read any cell.

    These are Geneformer's word embeddings, the gene encoder of scGPT, gene2vec in scBERT, the
    position embeddings of scFoundation. :doc:`/results/pairs` says what it is worth.

    Parameters
    ----------
    %(adata)s
    model
        ``"name"`` or ``"name:variant"``, as in :func:`scregnet.tl.embed`.
    tfs
        Names of the TFs; ``None`` takes ``adata.var["is_tf"]``.
    weights
        Folder with the model's files; ``None`` takes the published ones.
    gene_ids, orthologues
        As in :func:`scregnet.tl.embed`.
    %(key_added)s Here ``f"{model}_token"``.
    %(random_state)s
    %(copy)s
    %(mod)s
    **model_parameters
        The model's own parameters.

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. Writes an evidence layer, with the slots of
    :func:`scregnet.pp.evidence`: (1 + cosine) / 2 of every TF and gene that the model knows.

    Raises
    ------
    ValueError, KeyError, TypeError
        If genes, TFs or files do not fit, or the key holds something else.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=60, n_vars=50, n_tfs=5)
    >>> small = {"n_layers": 1, "hidden_size": 8, "n_heads": 2, "max_epochs": 1}
    >>> sr.tl.finetune(adata, "geneformer", output="small", **small, show_progress_bar=False)
    >>> sr.tl.token_links(adata, tfs=adata.uns["network"]["source"].unique(), weights="small")
    >>> adata.varp["geneformer_token"].shape
    (50, 50)
    """
    random_state = seed_of(random_state)
    key = key_of(model, "token", key_added)
    data, keys = check_keys(adata, key, (), mod, copy=copy)
    asked = Asked(gene_ids, orthologues, random_state)
    pairs = prepared(data, model, tfs, asked, weights, model_parameters, token_links, keys)
    # Imports torch.
    from scregnet.encoders.pairs.knockout import cosines
    from scregnet.encoders.pairs.run import computing

    with computing(pairs.encoder, "cpu"):
        likeness = cosines(
            pairs.encoder.static(pairs.match.tokens), np.asarray(pairs.tf_slots, np.int64)
        )
    record = {"function": "token_links", "model": model}
    values = [[pairs.per_gene(likeness)]]
    return write_layers(adata, pairs, keys, values, [record], mod, copy=copy)
