"""The table of foundation models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scregnet.encoders.registry import entries

if TYPE_CHECKING:
    import pandas as pd


def models() -> pd.DataFrame:
    """Return what is known about every model and variant that ``sr.tl.embed`` runs.

    Encoders that a user registered are in it. Nothing is fetched, and no model is imported.

    Returns
    -------
    Frame with one row per model and variant:

    - ``model`` and ``variant``: ``sr.tl.embed(adata, model="model:variant")``; a model without weights has no variant;
    - ``default``: whether the bare name of the model stands for this variant;
    - ``dimension`` and ``n_layers``: width of the vectors and number of layers, missing where they are a parameter;
    - ``gene_ids``: by which ids the model finds genes;
    - ``hub_id`` and ``revision``: the repository of Hugging Face and its commit; empty where the user has to get the files;
    - ``licence_code`` and ``licence_weights``;
    - ``size_mb``: size of the files in 10^6 bytes, missing where the publisher does not state it;
    - ``source``: where a person finds the files;
    - ``description`` and ``reference``.

    Examples
    --------
    >>> import scregnet as sr
    >>> table = sr.get.models()
    >>> table.loc[table["default"], ["model", "variant"]].to_numpy().tolist()[0]
    ['geneformer', 'V1-10M']
    """
    import pandas as pd

    rows = []
    for entry in entries():
        known = {
            "gene_ids": entry.gene_ids,
            "licence_code": entry.licence,
            "licence_weights": entry.weights_licence,
            "description": entry.description,
            "reference": entry.reference,
        }
        for variant, checkpoint in entry.checkpoints.items():
            complete = any(file.role == "weights" for file in checkpoint.files)
            rows.append(
                {
                    **known,
                    "model": entry.name,
                    "variant": variant,
                    "default": variant == entry.default_variant,
                    "dimension": checkpoint.dimension,
                    "n_layers": checkpoint.n_layers,
                    "hub_id": checkpoint.hub_id,
                    "revision": checkpoint.revision,
                    "size_mb": round(checkpoint.size / 1e6, 1) if complete else None,
                    "source": checkpoint.page,
                }
            )
        if not entry.checkpoints:
            empty = dict.fromkeys(("variant", "hub_id", "revision", "source"), "")
            rows.append({**known, **empty, "model": entry.name, "default": True})
    columns = [
        "model",
        "variant",
        "default",
        "dimension",
        "n_layers",
        "gene_ids",
        "hub_id",
        "revision",
    ]
    columns += ["licence_code", "licence_weights", "size_mb", "source", "description", "reference"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype(
        {"default": bool, "dimension": "Int64", "n_layers": "Int64", "size_mb": "Float64"}
    )
