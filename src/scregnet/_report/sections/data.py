"""What the cells and genes are, and what the fit took of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._anndata.groups import groups_of
from scregnet._report.html import Html, facts, join, number, paragraph, table, tag
from scregnet._report.page import Section

if TYPE_CHECKING:
    from scregnet._report.subject import Subject


def data(subject: Subject) -> Section:
    """Return cells, genes, what was read of them, and the groups."""
    adata, params = subject.adata, subject.params
    layer, cells = params.get("layer"), params.get("n_cells")
    then = None if subject.is_grouped or cells in (None, adata.n_obs) else number(cells)
    known = [
        ("Cells", number(adata.n_obs)),
        ("Cells at the fit", then),
        ("Genes", number(adata.n_vars)),
        ("Candidate TFs", number(params.get("n_candidate_tfs"))),
        ("Expression", f"layers[{str(layer)!r}]" if layer is not None else "X"),
        ("Values", params.get("expression")),
        ("Embedding", _embedding(subject)),
    ]
    told = [(name, value) for name, value in known if value != "–"]
    return Section("data", "Data", join(facts(told), _evidence(subject), _groups(subject)))


def _embedding(subject: Subject) -> object:
    """Return which vectors of genes the method was given."""
    name = subject.params.get("embedding")
    if name in (None, "none", "auto"):
        return "none"
    entry = subject.adata.uns.get(str(name))
    params = entry.get("params", {}) if isinstance(entry, Mapping) else {}
    told = [
        f"{part} {params[part]}" for part in ("model", "variant", "revision") if params.get(part)
    ]
    if "n_genes_covered" in params:
        told.append(f"{number(params['n_genes_covered'])} genes have a vector")
    return join(str(name), tag("small", ", ".join(told)) if told else None)


def _evidence(subject: Subject) -> Html | None:
    """Return the layers of evidence, and how many genes each covers."""
    if not (names := evidence_of(subject)):
        return None
    rows = []
    for name in names:
        entry = subject.adata.uns.get(name)
        entry = entry if isinstance(entry, Mapping) else {}
        covered = subject.adata.var.get(f"{name}_covered")
        experiments = subject.adata.var.get(f"{name}_n_experiments")
        rows.append(
            (
                name,
                number(None if covered is None else int(np.sum(covered.astype(bool)))),
                number(None if experiments is None else int((experiments > 0).sum())),
                number(entry.get("n_experiments")),
            )
        )
    return join(
        tag("h3", "Evidence"),
        table(("Layer", "Genes covered", "TFs with experiments", "Experiments"), rows),
    )


def _groups(subject: Subject) -> Html | None:
    """Return how many cells each group has, and which were left out."""
    if subject.groupby is None:
        return None
    names, codes = groups_of(subject.adata, subject.groupby)
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    cells = [(name, number(int(count))) for name, count in zip(names, counts, strict=True)]
    entry = subject.adata.uns[subject.key]
    left = entry.get("params", {}).get("groups_left_out", []) if subject.is_grouped else []
    note = None
    if len(left):
        limit = entry["params"].get("min_cells")
        note = paragraph(
            f"Left out of the fit, with fewer than {limit} cells: {', '.join(map(str, left))}.",
            class_="note",
        )
    unnamed = int((codes < 0).sum())
    if unnamed:
        cells.append(("no group", number(unnamed)))
    return join(tag("h3", f"Cells of each {subject.groupby}"), facts(cells), note)


def evidence_of(subject: Subject) -> list[str]:
    """Return the names of the layers of evidence that the fit was given."""
    given = subject.params.get("evidence")
    return [] if given is None else [str(name) for name in np.atleast_1d(given)]


def stability_of(entry: Mapping[str, object]) -> pd.DataFrame | None:
    """Return the table that ``sr.bm.stability`` left with a network."""
    kept = entry.get("stability")
    found = kept.get("table") if isinstance(kept, Mapping) else None
    return found if isinstance(found, pd.DataFrame) else None
