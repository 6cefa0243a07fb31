"""What a method is given, read from an AnnData."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scregnet._features import embedding_features, expression_features
from scregnet.links import LinkMethod, LinkTask, Split

if TYPE_CHECKING:
    import numpy as np
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
    rows: np.ndarray | None = None,
    group: str | None = None,
) -> tuple[LinkTask, dict[str, Any]]:
    """The task with the features that ``method`` uses, and a record of how they were made.

    ``rows`` are the cells to read, ``None`` for all; ``group`` is the category they belong to, for embeddings that were made group by group.
    """
    expression, vectors = None, None
    record: dict[str, Any] = {}
    if method.needs_expression:
        expression, record = expression_features(data, layer, n_pcs=n_pcs, rows=rows, random_state=random_state)
    if method.uses_embedding:
        vectors, more = embedding_features(data, embedding, group)
        record |= more
    return LinkTask(data.n_vars, labelled.train, labelled.validation, expression, vectors), record
