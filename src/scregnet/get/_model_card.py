"""What a user needs to know about one foundation model, as an object that prints as a page."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from textwrap import fill, indent
from typing import TYPE_CHECKING, Any

from scregnet.encoders.parameters import parameters_of, summary

if TYPE_CHECKING:
    import pandas as pd

    from scregnet.encoders.entry import EncoderEntry

_WIDTH = 88


@dataclass(frozen=True, repr=False)
class ModelCard:
    """One model of ``sr.tl.embed``; print it to read it.

    Parameters
    ----------
    model
        Name of the model.
    description, about
        What it is, in one line; and the text of its class.
    reference
        Its paper.
    gene_ids
        By which ids it finds genes.
    poolings
        The values of ``pooling`` that it takes; empty for a model that does not pool over cells.
    trainable
        Whether ``sr.tl.finetune`` trains it.
    licence_code, licence_weights
        Licences of code and weights.
    variants
        Frame of its variants: the rows of ``sr.get.models()``.
    files
        Frame of the files in a folder for ``weights``: ``role``, ``file``, ``required``.
    parameters
        Frame of its own parameters: ``name``, ``default``, ``description``.
    """

    model: str
    description: str
    about: str
    reference: str
    gene_ids: str
    poolings: tuple[str, ...]
    trainable: bool
    licence_code: str
    licence_weights: str
    variants: pd.DataFrame
    files: pd.DataFrame
    parameters: pd.DataFrame

    def __repr__(self) -> str:
        """Return the page."""
        facts = {
            "gene ids": self.gene_ids,
            "pooling": ", ".join(self.poolings) or "none",
            "trainable": "yes, with sr.tl.finetune" if self.trainable else "no",
            "code": self.licence_code,
            "weights": self.licence_weights,
        }
        lines = [f"{name:<11}{value}" for name, value in facts.items() if value]
        about = (fill(paragraph, _WIDTH) for paragraph in self.about.split("\n\n"))
        parts = [
            f"{self.model}: {self.description}\n{self.reference}".strip(),
            *(paragraph for paragraph in about if paragraph),
            "\n".join(lines),
            _block("Variants", [_variant(row) for row in self._rows(self.variants)]),
            _block("Files in the folder weights=", [_file(row) for row in self._rows(self.files)]),
            _block("Parameters", [_parameter(row) for row in self._rows(self.parameters)]),
        ]
        return "\n\n".join(part for part in parts if part)

    @staticmethod
    def _rows(frame: pd.DataFrame) -> list[dict[Any, Any]]:
        # As objects, so that a missing number is None and a whole number stays whole.
        return frame.astype(object).where(frame.notna(), None).to_dict("records")


def make_card(entry: EncoderEntry, table: pd.DataFrame) -> ModelCard:
    """Import the class of an encoder and describe it; ``table`` has a row for each variant."""
    import pandas as pd

    encoder = entry.load_class()
    variants = table[(table["model"] == entry.name) & (table["variant"] != "")]
    files = [
        {"role": role.name, "file": " or ".join(role.patterns), "required": role.required}
        for role in getattr(encoder, "roles", ())
    ]
    parameters = [
        {"name": own.name, "default": own.default, "description": own.description}
        for own in parameters_of(encoder)
    ]
    return ModelCard(
        model=entry.name,
        description=entry.description,
        about=summary(encoder),
        reference=entry.reference,
        gene_ids=entry.gene_ids,
        poolings=tuple(encoder.poolings),
        trainable=entry.training is not None,
        licence_code=entry.licence,
        licence_weights=entry.weights_licence,
        variants=variants.reset_index(drop=True),
        files=pd.DataFrame(files, columns=["role", "file", "required"]),
        parameters=pd.DataFrame(
            parameters, columns=["name", "default", "description"], dtype=object
        ),
    )


def _block(title: str, items: list[str]) -> str:
    return "\n".join([title, *(indent(item, "  ") for item in items)]) if items else ""


def _variant(row: dict[Any, Any]) -> str:
    facts = [f"{row['dimension']} wide, {row['n_layers']} layers"]
    if row["size_mb"] is not None:
        facts.append(f"{row['size_mb']:,.0f} MB")
    default = " (default)" if row["default"] else ""
    return f"{row['variant']}{default}: {', '.join(facts)}, {row['source']}".rstrip(", ")


def _file(row: dict[Any, Any]) -> str:
    return f"{row['role']}: {row['file']}{'' if row['required'] else ' (optional)'}"


def _parameter(row: dict[Any, Any]) -> str:
    default = row["default"]
    value = "" if default is inspect.Parameter.empty else f"={default!r}"
    return f"{row['name']}{value}\n{indent(fill(row['description'], _WIDTH - 4), '  ')}".rstrip()
