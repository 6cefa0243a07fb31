"""Cytoscape's simple interaction format: source, interaction, targets; attributes beside it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd

from scregnet._text import read_text

EDGES = ".edges.tsv"
"""What the name of the table of attributes ends in, in place of ``.sif``."""

KEY = "shared name"
"""Cytoscape's key of an edge: ``A (activates) B``."""

SIGNS = {"activates": 1.0, "represses": -1.0}


def edge_name(source: str, interaction: str, target: str) -> str:
    """Return what Cytoscape calls an edge."""
    return f"{source} ({interaction}) {target}"


def read_sif(path: Path, name: str) -> pd.DataFrame:
    """Return the links of a SIF file, with the attributes of the table beside it, if it is there.

    Fields are divided by tabs, or by blanks if the file has no tab. Lines with one field are genes
    without a link.
    """
    text = read_text(path, name)
    tabs = "\t" in text
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        fields = line.rstrip("\r").split("\t") if tabs else line.split()
        if len(fields) < 2:
            continue
        source, interaction, *targets = fields
        if not targets or "" in (source, *targets):
            msg = (
                f"{name}: line {number} is {line[:60]!r}, but a SIF file has a source, an "
                "interaction and targets."
            )
            raise ValueError(msg)
        rows += [(source, target, interaction) for target in targets]
    if not rows:
        msg = f"{name} has no edges."
        raise ValueError(msg)
    frame = pd.DataFrame(rows, columns=["source", "target", "interaction"])
    table = path.with_name(path.name[: -len(".sif")] + EDGES)
    if table.is_file():
        return _with_attributes(frame, table)
    known = frame["interaction"].map(SIGNS)
    if known.notna().any():
        frame["sign"] = known
    return frame


def _with_attributes(frame: pd.DataFrame, table: Path) -> pd.DataFrame:
    name = repr(str(table))
    attributes = pd.read_csv(
        io.StringIO(read_text(table, name)),
        sep="\t",
        quoting=csv.QUOTE_MINIMAL,
        keep_default_na=False,
        na_values=[""],
    )
    if KEY not in attributes or attributes[KEY].duplicated().any():
        msg = f"{name} needs a column {KEY!r}, with each edge once."
        raise ValueError(msg)
    keys = [edge_name(s, i, t) for s, t, i in frame.itertuples(index=False, name=None)]
    found = attributes.set_index(KEY).reindex(keys).reset_index(drop=True)
    # The two must not say different things of one edge.
    return pd.concat([frame, found.drop(columns=frame.columns, errors="ignore")], axis=1)
