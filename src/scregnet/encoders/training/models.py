"""Which models can be trained, and from what: their own weights, or random ones at a chosen size."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scregnet._validate import check_choice, check_integer
from scregnet.encoders.registry import find
from scregnet.encoders.weights.files import Weights, locate

if TYPE_CHECKING:
    import numpy as np

    from scregnet.encoders.protocol import CellStream
    from scregnet.encoders.training.protocol import MaskedModel

TRAININGS = {
    "geneformer": "scregnet.encoders.geneformer.training:GeneformerTraining",
    "scbert": "scregnet.encoders.scbert.training:ScBertTraining",
}
"""Class behind every name, imported when first used."""

HUB = "hub"
"""Value of ``weights`` that stands for the published ones."""

_SIZES = {"n_layers": 4, "hidden_size": 128, "n_heads": 4}


def plan(
    model: str, weights: str | Path | None, **sizes: int | None
) -> tuple[Weights | None, dict[str, int], dict[str, Any]]:
    """Return the located weights, or ``None`` and the sizes of a network to make; and what identifies the start.

    Parameters
    ----------
    model
        ``"name"`` or ``"name:variant"``.
    weights
        Folder, :data:`HUB`, or ``None`` for random weights.
    sizes
        ``n_layers``, ``hidden_size`` and ``n_heads``; ``None`` takes the default.

    Raises
    ------
    ValueError
        If the model is not one that can be trained, or sizes do not go with each other or with ``weights``.
    FileNotFoundError
        If the weights are not there.
    """
    check_choice("model", model.partition(":")[0] if isinstance(model, str) else model, TRAININGS)
    entry, variant, named = find(model)
    given = {name: value for name, value in sizes.items() if value is not None}
    if weights is not None:
        if given:
            msg = f"{', '.join(f'{name}={value}' for name, value in given.items())} has no meaning with weights=, which have sizes of their own; leave one out."
            raise ValueError(msg)
        folder = None if weights == HUB else weights
        located = locate(
            entry.name,
            entry.load_class().roles,
            entry.checkpoints,
            variant=variant,
            named=named,
            folder=folder,
        )
        return located, {}, {"start": "weights", "weights_sha256": located.record["weights_sha256"]}
    if named:
        msg = f"model={model!r} names published weights, but weights=None starts from random ones: give weights='{HUB}' or a folder, or name the model without its variant."
        raise ValueError(msg)
    chosen = _SIZES | given
    for name, value in chosen.items():
        check_integer(name, value, minimum=1)
    if chosen["hidden_size"] % chosen["n_heads"]:
        msg = f"hidden_size={chosen['hidden_size']} must be a multiple of n_heads={chosen['n_heads']}."
        raise ValueError(msg)
    return None, chosen, {"start": "random", **chosen}


def build(
    model: str,
    weights: Weights | None,
    sizes: dict[str, int],
    cells: CellStream,
    genes: np.ndarray,
    seed: int,
) -> MaskedModel:
    """Make the model in training and let it read the cells."""
    module, _, name = TRAININGS[model.partition(":")[0]].partition(":")
    training = getattr(import_module(module), name)
    if weights is None:
        made = training.from_scratch(cells, genes, seed=seed, **sizes)
    else:
        made = training.from_weights(weights)
    made.read(cells, genes)
    return made
