"""Which models can be trained, and where a training starts: published weights or random ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scregnet._validate import check_choice, check_integer
from scregnet.encoders.registry import entries, find
from scregnet.encoders.weights.files import Weights, locate

if TYPE_CHECKING:
    import numpy as np

    from scregnet.encoders.entry import EncoderEntry
    from scregnet.encoders.protocol import CellStream
    from scregnet.encoders.training.protocol import MaskedModel

HUB = "hub"
"""Value of ``weights`` that means the published ones."""

# Small enough to train on a laptop's CPU.
_SIZES = {"n_layers": 4, "hidden_size": 128, "n_heads": 4}


@dataclass(frozen=True)
class Start:
    """Where a training starts: from ``weights``, or from random ones of these ``sizes``.

    ``record`` identifies the start, as plain values.
    """

    entry: EncoderEntry
    weights: Weights | None
    sizes: dict[str, int]
    record: dict[str, Any]

    def build(self, cells: CellStream, genes: np.ndarray, seed: int) -> MaskedModel:
        """Make the model in training, which is then to read the cells."""
        training = self.entry.load_training()
        model: MaskedModel
        if self.weights is None:
            model = training.from_scratch(cells, genes, seed=seed, **self.sizes)
        else:
            model = training.from_weights(self.weights)
        return model


def plan(model: str, weights: str | Path | None, **sizes: int | None) -> Start:
    """Say where a training starts, after checking that the arguments go together.

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
        If the model cannot be trained, or sizes do not go with each other or with ``weights``.
    FileNotFoundError
        If the weights are not there.
    """
    trainable = [entry.name for entry in entries() if entry.training is not None]
    check_choice("model", model.partition(":")[0] if isinstance(model, str) else model, trainable)
    entry, variant, named = find(model)
    given = {name: value for name, value in sizes.items() if value is not None}
    if weights is None:
        if named:
            msg = (
                f"model={model!r} names published weights, but weights=None starts from random "
                f"ones: give weights='{HUB}' or a folder, or name the model without its variant."
            )
            raise ValueError(msg)
        chosen = _check_sizes(_SIZES | given)
        return Start(entry, None, chosen, {"start": "random", **chosen})
    if given:
        listed = ", ".join(f"{name}={value}" for name, value in given.items())
        msg = (
            f"{listed} has no meaning with weights=, which have sizes of their own; leave one out."
        )
        raise ValueError(msg)
    located = locate(
        entry.name,
        entry.load_class().roles,
        entry.checkpoints,
        variant=variant,
        named=named,
        folder=None if weights == HUB else weights,
    )
    record = {"start": "weights", "weights_sha256": located.record["weights_sha256"]}
    return Start(entry, located, {}, record)


def _check_sizes(sizes: dict[str, int]) -> dict[str, int]:
    for name, value in sizes.items():
        check_integer(name, value, minimum=1)
    if sizes["hidden_size"] % sizes["n_heads"]:
        msg = (
            f"hidden_size={sizes['hidden_size']} must be a multiple of n_heads={sizes['n_heads']}."
        )
        raise ValueError(msg)
    return sizes
