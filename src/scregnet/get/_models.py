"""The table of foundation models, and the page of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from scregnet.encoders.registry import entries, find
from scregnet.get._model_card import make_card

if TYPE_CHECKING:
    import pandas as pd

    from scregnet.encoders.entry import EncoderEntry
    from scregnet.get._model_card import ModelCard

_COLUMNS = (
    *("model", "variant", "default", "dimension", "n_layers", "gene_ids", "hub_id", "revision"),
    *("licence_code", "licence_weights", "size_mb", "source", "description", "reference"),
)


@overload
def models(model: None = None) -> pd.DataFrame: ...
@overload
def models(model: str) -> ModelCard: ...
def models(model: str | None = None) -> pd.DataFrame | ModelCard:
    """Return what is known about the models that ``sr.tl.embed`` runs, or about one of them.

    Encoders that a user registered are included. Nothing is downloaded.

    Parameters
    ----------
    model
        Name of a model; ``None`` returns the table of all.

    Returns
    -------
    With ``model``, a :class:`~scregnet.get._model_card.ModelCard`. It prints as a page with the
    model's variants, files, licences and parameters, and has each of them as an attribute. Its
    class is imported for this.

    Else a frame with one row per model and variant:

    - ``model`` and ``variant``: ``sr.tl.embed(adata, model="model:variant")``; a model without
      weights has no variant;
    - ``default``: whether the bare name of the model means this variant;
    - ``dimension`` and ``n_layers``: width of the vectors and number of layers, missing where they
      are a parameter;
    - ``gene_ids``: by which ids the model finds genes;
    - ``hub_id`` and ``revision``: the repository on Hugging Face and its commit; empty where the
      user has to get the files;
    - ``licence_code`` and ``licence_weights``;
    - ``size_mb``: size of the files in 10^6 bytes, missing where the publisher does not state it;
    - ``source``: where a person finds the files;
    - ``description`` and ``reference``.

    Raises
    ------
    ValueError
        If ``model`` is unknown.

    Examples
    --------
    >>> import scregnet as sr
    >>> table = sr.get.models()
    >>> table.loc[table["default"], ["model", "variant"]].to_numpy().tolist()[0]
    ['geneformer', 'V1-10M']
    >>> sr.get.models("svd").parameters["default"].tolist()
    [64]
    """
    import pandas as pd

    rows = [row for entry in entries() for row in _rows(entry)]
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(
        {"default": bool, "dimension": "Int64", "n_layers": "Int64", "size_mb": "Float64"}
    )
    return table if model is None else make_card(find(model)[0], table)


def _rows(entry: EncoderEntry) -> list[dict[str, Any]]:
    """Return a row for each variant, or one for a model without weights."""
    known = {
        "model": entry.name,
        "gene_ids": entry.gene_ids,
        "licence_code": entry.licence,
        "licence_weights": entry.weights_licence,
        "description": entry.description,
        "reference": entry.reference,
    }
    if not entry.checkpoints:
        empty = dict.fromkeys(("variant", "hub_id", "revision", "source"), "")
        return [{**known, **empty, "default": True}]
    rows = []
    for variant, checkpoint in entry.checkpoints.items():
        # Where the hashes of some files are unknown, so is the size of all.
        complete = any(file.role == "weights" for file in checkpoint.files)
        rows.append(
            {
                **known,
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
    return rows
