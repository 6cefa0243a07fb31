"""The encoders by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from scregnet._validate import check_choice, did_you_mean, listed
from scregnet.encoders.entry import EncoderEntry
from scregnet.encoders.geneformer.entry import GENEFORMER
from scregnet.encoders.huggingface.entry import HUGGINGFACE
from scregnet.encoders.parameters import builder, parameters_of
from scregnet.encoders.scbert.entry import SCBERT
from scregnet.encoders.scfoundation.entry import SCFOUNDATION
from scregnet.encoders.scgpt.entry import SCGPT
from scregnet.encoders.svd.encoder import SVD
from scregnet.encoders.table import TABLE
from scregnet.encoders.weights.files import locate

if TYPE_CHECKING:
    from scregnet.encoders.protocol import GeneEncoder
    from scregnet.encoders.weights.checkpoints import Checkpoint

# What scregnet.encoders.GeneEncoder asks for.
_MEMBERS = ("poolings", "embed", "describe")

_ENTRIES: dict[str, EncoderEntry] = {
    entry.name: entry
    for entry in (GENEFORMER, SCBERT, SCFOUNDATION, SCGPT, SVD, TABLE, HUGGINGFACE)
}


class Found(NamedTuple):
    """An encoder as the user named it: ``named`` says whether the variant was in the name."""

    entry: EncoderEntry
    variant: str | None
    named: bool


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
    training: str | type | None = None,
    overwrite: bool = False,
) -> None:
    """Give an encoder a name that ``sr.tl.embed(adata, model=name)`` knows.

    Parameters
    ----------
    name
        Name; also the default name of the slots in AnnData.
    encoder
        A :class:`~scregnet.encoders.GeneEncoder` class, or ``"module:Class"`` to import when used.
    description, reference, gene_ids
        One line each for ``sr.get.models()``: what it is, its paper, by which ids it finds genes.
    licence, weights_licence
        Licence of the code, and of the weights.
    checkpoints, default_variant
        Published weights by variant, fetched on first use, and the variant that the bare name
        means. The class then has ``roles`` and ``from_weights``.
    training
        A class that trains the model, for :func:`scregnet.tl.finetune`.
    overwrite
        Replace an encoder of that name.

    Raises
    ------
    ValueError
        If the name is taken or contains ``":"`` or ``"/"``.

    Examples
    --------
    >>> from scregnet.encoders import register
    >>> from scregnet.encoders.svd.encoder import SvdEncoder
    >>> register("my_svd", SvdEncoder, description="the same by another name", overwrite=True)
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
        training=training,
    )


def entries() -> tuple[EncoderEntry, ...]:
    """Return what is known about every registered encoder."""
    return tuple(_ENTRIES.values())


def find(model: str) -> Found:
    """Return the encoder that ``"name"`` or ``"name:variant"`` means."""
    if not isinstance(model, str):
        msg = (
            f"model must be a string, got {type(model).__name__}; "
            f"valid names: {listed(_ENTRIES, 30)}."
        )
        raise TypeError(msg)
    name, colon, variant = model.partition(":")
    check_choice("model", name, _ENTRIES)
    entry = _ENTRIES[name]
    if not colon:
        return Found(entry, entry.default_variant, named=False)
    if not entry.checkpoints:
        msg = f"model={name!r} has no variants, but {variant!r} was asked for."
        raise ValueError(msg)
    check_choice(f"the variant in model='{name}:...'", variant, entry.checkpoints)
    return Found(entry, variant, named=True)


def check_parameters(entry: EncoderEntry, names: Iterable[str], others: Iterable[str] = ()) -> None:
    """Raise ``TypeError`` for a name that is no parameter of the encoder.

    ``others`` are arguments of the calling function, for the hint.
    """
    takes = [parameter.name for parameter in parameters_of(entry.load_class())]
    if unknown := [name for name in names if name not in takes]:
        msg = (
            f"model={entry.name!r} takes no parameter {listed(unknown)}; "
            f"its parameters: {listed(takes)}.{did_you_mean(unknown[0], [*takes, *others])}"
        )
        raise TypeError(msg)


def create(model: str, *, weights: str | Path | None = None, **parameters: Any) -> GeneEncoder:
    """Build the encoder that ``model`` names.

    Parameters
    ----------
    model
        ``"name"`` or ``"name:variant"``.
    weights
        Folder with the model's files, or the weight file itself with the other files next to it.
        ``None`` takes the published ones.
    parameters
        The encoder's own parameters.

    Raises
    ------
    ValueError
        If the name or variant is unknown, or ``weights`` is given to a model that has none.
    TypeError
        If the encoder does not take a parameter, or its class is no encoder.
    FileNotFoundError
        If the weights are not there; the message says how to get them.
    """
    entry, variant, named = find(model)
    encoder = entry.load_class()
    build, takes_weights = builder(encoder)
    check_parameters(entry, parameters)
    if weights is not None and not takes_weights:
        msg = f"model={entry.name!r} has no weights; leave weights= out."
        raise ValueError(msg)
    if takes_weights:
        located = locate(
            entry.name,
            encoder.roles,
            entry.checkpoints,
            variant=variant,
            named=named,
            folder=weights,
        )
        from scregnet._device import plain_torch

        # Weights read under the user's inference_mode or dtype would be others.
        with plain_torch():
            made = build(located, **parameters)
    else:
        made = build(**parameters)
    if missing := [member for member in _MEMBERS if not hasattr(made, member)]:
        msg = (
            f"model={entry.name!r} is no encoder: {type(made).__name__} lacks {listed(missing)}; "
            "see scregnet.encoders.GeneEncoder."
        )
        raise TypeError(msg)
    return made
