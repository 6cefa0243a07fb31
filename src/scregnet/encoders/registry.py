"""The encoders by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scregnet._validate import check_choice, listed
from scregnet.encoders.entry import EncoderEntry
from scregnet.encoders.geneformer.entry import GENEFORMER
from scregnet.encoders.parameters import builder, parameters_of
from scregnet.encoders.scbert.entry import SCBERT
from scregnet.encoders.scfoundation.entry import SCFOUNDATION
from scregnet.encoders.scgpt.entry import SCGPT
from scregnet.encoders.svd import SVD
from scregnet.encoders.weights.files import locate

if TYPE_CHECKING:
    from scregnet.encoders.protocol import GeneEncoder
    from scregnet.encoders.weights.checkpoints import Checkpoint


_ENTRIES: dict[str, EncoderEntry] = {
    entry.name: entry for entry in (GENEFORMER, SCBERT, SCFOUNDATION, SCGPT, SVD)
}


def names() -> list[str]:
    """Return the registered names."""
    return list(_ENTRIES)


def register(
    name: str,
    encoder: str | type,
    *,
    description: str = "",
    reference: str = "",
    licence: str = "",
    weights_licence: str = "",
    gene_ids: str = "",
    checkpoints: Mapping[str, Checkpoint] | None = None,
    default_variant: str | None = None,
    overwrite: bool = False,
) -> None:
    """Give an encoder a name that ``sr.tl.embed(adata, model=name)`` knows.

    Parameters
    ----------
    name
        Name; also the default slot name in AnnData.
    encoder
        A class that satisfies :class:`scregnet.encoders.GeneEncoder`, or ``"module:Class"`` to import it when first used.
    description, reference
        One line each, for people.
    licence, weights_licence
        Licence of the code, and of the weights.
    gene_ids
        Which ids the encoder finds genes by.
    checkpoints
        Published weights by variant, fetched on first use; the class then has ``roles`` and ``from_weights``.
    default_variant
        Variant that the bare name stands for.
    overwrite
        Replace an encoder of that name.

    Raises
    ------
    ValueError
        If the name is taken or contains ``":"`` or ``"/"``.

    Examples
    --------
    >>> import numpy as np
    >>> from scregnet.encoders import Embedding, GeneVectors, register
    >>> class MeanExpression:
    ...     poolings = ()
    ...     def describe(self):
    ...         return {}
    ...     def embed(self, cells, genes, options):
    ...         total = sum(np.asarray(block.matrix.sum(axis=0)).ravel() for block in cells)
    ...         vectors = (total / cells.n_cells).astype(np.float32)[:, None]
    ...         return Embedding((GeneVectors(vectors, total > 0, cells.n_cells),), np.ones(len(genes), bool))
    >>> register("mean_expression", MeanExpression, overwrite=True)
    """
    if not name or ":" in name or "/" in name:
        msg = f"name={name!r} must not be empty nor contain ':' or '/'."
        raise ValueError(msg)
    if name in _ENTRIES and not overwrite:
        msg = f"name={name!r} is taken; choose another, or pass overwrite=True."
        raise ValueError(msg)
    if default_variant is not None:
        check_choice("default_variant", default_variant, checkpoints or {})
    _ENTRIES[name] = EncoderEntry(
        name=name,
        target=encoder,
        description=description,
        reference=reference,
        licence=licence,
        weights_licence=weights_licence,
        gene_ids=gene_ids,
        checkpoints=dict(checkpoints or {}),
        default_variant=default_variant,
    )


def entries() -> tuple[EncoderEntry, ...]:
    """Return what is known about every registered encoder."""
    return tuple(_ENTRIES.values())


def find(model: str) -> tuple[EncoderEntry, str | None, bool]:
    """Return the entry of ``"name"`` or ``"name:variant"``, the variant, and whether the user named it."""
    if not isinstance(model, str):
        msg = f"model must be a string, got {type(model).__name__}; valid names: {listed(_ENTRIES, 30)}."
        raise TypeError(msg)
    name, colon, variant = model.partition(":")
    check_choice("model", name, _ENTRIES)
    entry = _ENTRIES[name]
    if not colon:
        return entry, entry.default_variant, False
    if not entry.checkpoints:
        msg = f"model={name!r} has no variants, but {variant!r} was asked for."
        raise ValueError(msg)
    check_choice(f"the variant in model='{name}:...'", variant, entry.checkpoints)
    return entry, variant, True


def create(model: str, *, weights: str | Path | None = None, **parameters: Any) -> GeneEncoder:
    """Build the encoder that ``model`` names.

    Parameters
    ----------
    model
        ``"name"`` or ``"name:variant"``.
    weights
        Local folder with the weights, or the weight file itself with the model's other files beside it; ``None`` takes the hub's.
    parameters
        The encoder's own parameters.

    Raises
    ------
    ValueError
        If the name or variant is unknown, or ``weights`` is given to a model that has none.
    TypeError
        If the encoder does not take a parameter.
    FileNotFoundError
        If the weights are not there; the message tells how to get them.
    """
    entry, variant, named = find(model)
    encoder = entry.load_class()
    build, takes_weights = builder(encoder)
    takes = [parameter.name for parameter in parameters_of(encoder)]
    if unknown := [name for name in parameters if name not in takes]:
        msg = f"model={entry.name!r} takes no parameter {listed(unknown)}; its parameters: {listed(takes)}."
        raise TypeError(msg)
    if not takes_weights:
        if weights is not None:
            msg = f"model={entry.name!r} has no weights; leave weights= out."
            raise ValueError(msg)
        return build(**parameters)
    located = locate(
        entry.name, encoder.roles, entry.checkpoints, variant=variant, named=named, folder=weights
    )
    return build(located, **parameters)
