"""What a method is given, read from an AnnData."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._anndata.features import embedding_features, expression_features
from scregnet._genes.families import gene_families
from scregnet.links import LinkMethod, LinkTask, Split

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def make_task(
    data: AnnData,
    method: LinkMethod,
    labelled: Split,
    *,
    embedding: str | pd.DataFrame | None,
    layer: str | None,
    n_pcs: int | None,
    random_state: int | None,
    random_embedding: bool = False,
    rows: np.ndarray | None = None,
    group: str | None = None,
) -> tuple[LinkTask, dict[str, Any]]:
    """The task with the features that ``method`` uses, and a record of how they were made.

    ``rows`` are the cells to read, ``None`` for all; ``group`` is the category they belong to, for embeddings that were made group by group.
    With ``random_embedding``, :func:`random_vectors` take the place of the embedding's.
    """
    expression, summary, vectors = None, None, None
    record: dict[str, Any] = {}
    if method.needs_expression:
        expression, summary, record = expression_features(
            data, layer, n_pcs=n_pcs, rows=rows, random_state=random_state
        )
    if method.uses_embedding:
        vectors, more = embedding_features(data, embedding, group)
        record |= more
    if random_embedding:
        if vectors is None:
            why = (
                "no embedding was found or named"
                if method.uses_embedding
                else "the method uses none"
            )
            msg = f"random_embedding=True needs an embedding to stand in for, but {why}; name one with embedding=, or leave random_embedding=False."
            raise ValueError(msg)
        vectors = random_vectors(vectors, random_state)
    families = gene_families(data.var_names)
    return LinkTask(
        data.n_vars, labelled.train, labelled.validation, expression, vectors, summary, families
    ), record


def random_vectors(vectors: np.ndarray, random_state: int | None) -> np.ndarray:
    """Normal vectors of the same shape and root mean square, float32; genes without a vector stay without."""
    there = np.any(vectors != 0, axis=1)
    # A stream of its own: the seed's first numbers already made the split.
    (rng,) = np.random.default_rng(random_state).spawn(1)
    scale = np.sqrt(np.mean(np.square(vectors[there], dtype=np.float64))) if there.any() else 0.0
    return np.where(there[:, None], scale * rng.standard_normal(vectors.shape), 0).astype(
        np.float32
    )
