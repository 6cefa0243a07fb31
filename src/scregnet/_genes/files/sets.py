"""Regulons as gene sets: GMT, as pySCENIC's, Enrichr's and this package's."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from scregnet._text import read_text

UNSIGNED = "scregnet regulon of unknown sign"
"""Description of the sets of this package whose names are TFs as they are."""

# pySCENIC's: "GATA1(+)", "GATA1 (-)", "GATA1_(+)"; older versions add the number of genes.
_SIGNED = re.compile(r"^(?P<tf>.*?)[_ ]?\((?P<sign>[+-])\)(?:[_ ]?\(\d+ ?g\))?$", re.DOTALL)
_SIZE = re.compile(r"[_ ]?\(\d+ ?g\)$")
_AFTER_TF = re.compile(r"[_\s]+")


def read_regulons(path: Path, name: str) -> pd.DataFrame:
    """Return source, target and, if a set has one, sign and weight of the genes of a GMT file.

    The TF is the name of a set without ``(+)`` or ``(-)``. Of other sets it is what comes before
    the first blank or ``_``: ``GATA1_K562_HG19``. Sets of one TF are joined.
    """
    rows: list[tuple[str, str, float, float]] = []
    for number, line in enumerate(read_text(path, name).split("\n"), start=1):
        if not line.strip():
            continue
        title, *rest = line.rstrip("\r").split("\t")
        if len(rest) < 2 or not title.strip():
            msg = (
                f"{name}: line {number} is {line[:60]!r}, but a GMT file has a name, "
                "a description and genes, divided by tabs."
            )
            raise ValueError(msg)
        tf, sign = _tf(title, is_tf=rest[0] == UNSIGNED)
        rows += [(tf, *_gene(gene), sign) for gene in rest[1:] if gene.strip()]
    if not rows:
        msg = f"{name} has no genes."
        raise ValueError(msg)
    frame = pd.DataFrame(rows, columns=["source", "target", "weight", "sign"])
    if not (frame["sign"] != 0).any():
        frame = frame.drop(columns="sign")
    # The highest weight of an edge that several sets have.
    frame = frame.sort_values("weight", ascending=False, kind="stable")
    keys = [column for column in ("source", "target", "sign") if column in frame]
    return frame.drop_duplicates(keys).sort_index().reset_index(drop=True)


def _tf(title: str, *, is_tf: bool) -> tuple[str, float]:
    if is_tf:
        return title, 0.0
    signed = _SIGNED.match(title)
    if signed is not None:
        return signed["tf"], 1.0 if signed["sign"] == "+" else -1.0
    return _AFTER_TF.split(_SIZE.sub("", title.strip()), maxsplit=1)[0], 0.0


def _gene(field: str) -> tuple[str, float]:
    """Return a gene and its weight: Enrichr writes ``GATA1,1.0``."""
    gene, comma, weight = field.rpartition(",")
    try:
        return (gene, float(weight)) if comma else (field, 1.0)
    except ValueError:
        return field, 1.0
