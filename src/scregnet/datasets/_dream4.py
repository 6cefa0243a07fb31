"""A network of the DREAM4 challenge with its simulated expression."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from scregnet._text import read_text
from scregnet._validate import listed

FILES = ("expression", "gold_standard", "tf_names")
_KINDS = {"": "wild type", "(-/-)": "knock-out", "(+/-)": "knock-down"}


def dream4(path: str | Path) -> AnnData:
    """Read a network of the DREAM4 challenge, 100 genes, with its simulated expression.

    The challenge is that of :cite:t:`marbach2010dream`. All edges are known and nothing else is
    true, so that a method can be judged without a doubt about its labels.

    Parameters
    ----------
    path
        Folder with ``expression.tsv.gz`` (genes × samples), ``gold_standard.tsv.gz`` (targets ×
        regulators, 1 for an edge) and ``tf_names.tsv.gz``, as Inferelator publishes them.

    Returns
    -------
    Samples × genes, with:

    - ``X``: float32, between 0 and 1; no counts.
    - ``obs["kind"]``: ``"wild type"``, ``"knock-out"``, ``"knock-down"`` or ``"time series"``;
      ``obs["perturbation"]``: the gene that is knocked out or down, ``"control"`` for none;
      ``obs["series"]`` and ``obs["time"]``: number and time of a time series, -1 and NaN for none.
    - ``var["is_tf"]``: genes that are regulators.
    - ``uns["network"]``: frame ``source``, ``target``.

    Raises
    ------
    FileNotFoundError, ValueError
        A file is missing; or the files are about different genes.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.dream4("gold/dream4")  # doctest: +SKIP
    """
    folder = Path(path)
    files = {name: folder / f"{name}.tsv.gz" for name in FILES}
    if missing := [file.name for file in files.values() if not file.exists()]:
        msg = f"path: {folder} lacks {listed(missing)}."
        raise FileNotFoundError(msg)
    expression, gold = (_matrix(files[name]) for name in ("expression", "gold_standard"))
    tfs = [name.strip('"') for name in read_text(files["tf_names"], "path").split()]
    genes = expression.index
    if set(gold.index) != set(genes) or not set(gold.columns) | set(tfs) <= set(genes):
        msg = (
            f"path: the files of {folder} are about different genes: {len(genes)} in expression, "
            f"{len(gold.index)} targets and {len(gold.columns)} regulators in gold_standard."
        )
        raise ValueError(msg)
    target, source = np.nonzero(gold.to_numpy())
    obs = pd.DataFrame([_condition(name) for name in expression.columns], index=expression.columns)
    return AnnData(
        expression.to_numpy(np.float32).T.copy(),
        obs=obs.astype({"kind": "category", "perturbation": "category"}),
        var=pd.DataFrame({"is_tf": genes.isin(tfs)}, index=genes),
        uns={
            "network": pd.DataFrame({"source": gold.columns[source], "target": gold.index[target]})
        },
    )


def _matrix(path: Path) -> pd.DataFrame:
    """Read numbers with names of rows and columns."""
    text = read_text(path, "path")
    try:
        frame = pd.read_csv(io.StringIO(text), sep="\t", index_col=0)
        frame = frame.astype(np.float64)
    except (ValueError, pd.errors.ParserError) as error:
        msg = f"path: {path} is no table of numbers with names, separated by tabs: {error}"
        raise ValueError(msg) from error
    names = frame.index, frame.columns
    if (
        frame.empty
        or not np.isfinite(frame.to_numpy()).all()
        or not all(axis.is_unique and axis.notna().all() for axis in names)
    ):
        msg = f"path: {path} must hold finite numbers with names that occur once, and some of them."
        raise ValueError(msg)
    return frame.set_axis(names[0].astype(str)).set_axis(names[1].astype(str), axis="columns")


def _condition(name: str) -> dict[str, Any]:
    """Return what the name of a sample says, such as ``G3(-/-)`` or ``TS_2delt_50``."""
    found: dict[str, Any] = {
        "kind": "wild type",
        "perturbation": "control",
        "series": -1,
        "time": np.nan,
    }
    if series := re.fullmatch(r"TS_(\d+)delt_(\d+)", name):
        return found | {
            "kind": "time series",
            "series": int(series[1]),
            "time": float(series[2]),
        }
    if knocked := re.fullmatch(r"(.+?)(\([-+]/-\))", name):
        return found | {"kind": _KINDS[knocked[2]], "perturbation": knocked[1]}
    return found
