"""Names of encoders: which class stands behind a name, and which checkpoints it has."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scregnet._validate import check_choice, listed
from scregnet.encoders.weights.checkpoints import (
    GENEFORMER,
    SCBERT,
    SCFOUNDATION,
    SCGPT,
    Checkpoint,
)
from scregnet.encoders.weights.files import locate

if TYPE_CHECKING:
    from scregnet.encoders.protocol import GeneEncoder


@dataclass(frozen=True)
class EncoderEntry:
    """An encoder's name, its class (or ``"module:Class"``, imported when first used), and what is known about it.

    ``licence`` is the code's, ``weights_licence`` that of the weights; ``gene_ids`` says by which ids the model finds genes.
    """

    name: str
    target: str | type
    description: str = ""
    reference: str = ""
    licence: str = ""
    weights_licence: str = ""
    gene_ids: str = ""
    checkpoints: Mapping[str, Checkpoint] = field(default_factory=dict)
    default_variant: str | None = None

    def load_class(self) -> Any:
        """Import and return the encoder's class."""
        if not isinstance(self.target, str):
            return self.target
        module, _, name = self.target.partition(":")
        return getattr(import_module(module), name)


_ENTRIES: dict[str, EncoderEntry] = {
    entry.name: entry
    for entry in (
        EncoderEntry(
            name="geneformer",
            target="scregnet.encoders.geneformer.encoder:GeneformerEncoder",
            description="BERT over genes ranked by scaled expression",
            reference="Theodoris et al. 2023, doi:10.1038/s41586-023-06139-9",
            licence="Apache-2.0",
            weights_licence="Apache-2.0",
            gene_ids="human Ensembl ids or symbols",
            checkpoints=GENEFORMER,
            # 41 MB and six layers: the one that a laptop without a GPU can run.
            default_variant="V1-10M",
        ),
        EncoderEntry(
            name="scbert",
            target="scregnet.encoders.scbert.encoder:ScBertEncoder",
            description="Performer over all genes, expression in bins",
            reference="Yang et al. 2022, doi:10.1038/s42256-022-00534-z",
            licence="GPL-3.0",
            weights_licence="GPL-3.0",
            gene_ids="human symbols",
            checkpoints=SCBERT,
            default_variant="panglao",
        ),
        EncoderEntry(
            name="scfoundation",
            target="scregnet.encoders.scfoundation.encoder:ScFoundationEncoder",
            description="Encoder of expressed genes and decoder of all, expression as continuous values",
            reference="Hao et al. 2024, doi:10.1038/s41592-024-02305-7",
            licence="Apache-2.0",
            weights_licence="scFoundation License: non-commercial research only, no redistribution",
            gene_ids="human symbols",
            checkpoints=SCFOUNDATION,
            default_variant="100M",
        ),
        EncoderEntry(
            name="scgpt",
            target="scregnet.encoders.scgpt.encoder:ScGptEncoder",
            description="Transformer over expressed genes, expression in bins within the cell",
            reference="Cui et al. 2024, doi:10.1038/s41592-024-02201-0",
            licence="MIT",
            weights_licence="MIT (no other terms are published)",
            gene_ids="human symbols; Ensembl ids with Geneformer's gene_name_id_dict beside the weights",
            checkpoints=SCGPT,
            default_variant="whole-human",
        ),
        EncoderEntry(
            name="svd",
            target="scregnet.encoders.svd:SvdEncoder",
            description="Gene loadings of a truncated SVD of log-normalised counts; no weights",
            reference="Halko, Martinsson and Tropp 2011, doi:10.1137/090771806",
            gene_ids="any",
        ),
    )
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
    build = getattr(encoder, "from_weights", None)
    takes = list(inspect.signature(build or encoder).parameters)[1 if build else 0 :]
    if unknown := [name for name in parameters if name not in takes]:
        msg = f"model={entry.name!r} takes no parameter {listed(unknown)}; its parameters: {listed(takes)}."
        raise TypeError(msg)
    if build is None:
        if weights is not None:
            msg = f"model={entry.name!r} has no weights; leave weights= out."
            raise ValueError(msg)
        return encoder(**parameters)
    located = locate(
        entry.name, encoder.roles, entry.checkpoints, variant=variant, named=named, folder=weights
    )
    return build(located, **parameters)
