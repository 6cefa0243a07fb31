"""The table of methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scregnet.links import LINK_METHODS, LinkMethod, method_class

if TYPE_CHECKING:
    import pandas as pd

_RUN = ("genes", "cells", "tfs", "pairs", "seconds", "gib")
"""What ``largest_run`` of a method's class may hold."""


def methods() -> pd.DataFrame:
    """Return what is known about the methods that ``sr.tl.fit_grn`` runs.

    Methods that a user registered are included. Their classes are imported for this.

    Returns
    -------
    Frame with one row per method, in the order of their registration:

    - ``method``: what ``sr.tl.fit_grn(adata, method=)`` takes, and ``summary``, one line;
    - ``supervised``: whether it is fitted to labelled pairs; ``null_model``: whether it is one;
    - ``needs``: what a fit has to be given: ``"prior"``, ``"expression"``, ``"pseudotime"``;
    - ``uses``: what it takes if it is there: ``"embedding"``, ``"evidence"``;
    - ``gpu``: whether it can compute on one;
    - ``reference``: key of its paper in the references of the documentation; empty for our own;
    - ``licence_code``: of the code that was published with the paper, none of which is here;
    - ``largest_genes``, ``largest_cells``, ``largest_tfs``, ``largest_pairs``: the largest data
      that it was run on here, and there ``largest_seconds`` of CPU and ``largest_gib`` of memory at
      its peak; missing where it was not measured. Slow methods may have run with smaller images or
      fewer epochs than their defaults; the page of the benchmark says which.

    Examples
    --------
    >>> import scregnet as sr
    >>> table = sr.get.methods().set_index("method")
    >>> table.loc["scode", "needs"]
    'expression, pseudotime'
    >>> table.index[~table["supervised"]].tolist()[:2]
    ['pearson', 'genie3']
    """
    import pandas as pd

    table = pd.DataFrame([_row(name, method_class(name)) for name in LINK_METHODS])
    kinds = {name: "Float64" if name in ("seconds", "gib") else "Int64" for name in _RUN}
    return table.astype({f"largest_{name}": kind for name, kind in kinds.items()})


def _row(name: str, method: type[LinkMethod]) -> dict[str, Any]:
    needs = {
        "prior": method.needs_labels,
        "expression": method.needs_expression,
        "pseudotime": method.needs_pseudotime,
    }
    uses = {"embedding": method.uses_embedding, "evidence": method.uses_evidence}
    run = method.largest_run
    return {
        "method": name,
        "summary": method.summary,
        "supervised": method.needs_labels,
        "null_model": method.is_null,
        "needs": ", ".join(part for part, wanted in needs.items() if wanted),
        "uses": ", ".join(part for part, wanted in uses.items() if wanted),
        "gpu": method.uses_torch,
        "reference": method.citation,
        "licence_code": method.code_licence,
        **{f"largest_{part}": run.get(part) for part in _RUN},
    }
