"""Public ChIP experiments of many cell types, for an evidence layer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from anndata import AnnData

from scregnet._logging import logger
from scregnet._validate import check_choice
from scregnet.datasets._chip_library_files import PUBLISHED, read_given, read_published

# The last part of a name: a genome, or an organism.
_ORGANISMS = {
    **dict.fromkeys(("hg18", "hg19", "hg38", "human"), "human"),
    **dict.fromkeys(("mm8", "mm9", "mm10", "mouse"), "mouse"),
    "rat": "rat",
}
_ASSAY = re.compile(r"chip-?(seq|chip|pet|pcr)", re.IGNORECASE)
_ARTICLE = re.compile(r"^\d{7,8}")


def chip_library(
    source: Literal["encode", "chea"] = "encode", *, path: str | PathLike[str] | None = None
) -> AnnData:
    """Return a public library of ChIP experiments, to give to :func:`scregnet.pp.evidence`.

    Both are those that ChEA3 :cite:p:`keenan2019chea3` uses, human and mouse together by symbols in
    upper case. They hold experiments that labels are made from: leave these out with ``exclude=``.

    Parameters
    ----------
    source
        ``"encode"``: 552 experiments of ENCODE. ``"chea"``: 307 experiments from the literature;
        its licence, CC BY-NC-SA, excludes commercial use.
    path
        A file that you have: the published ``ENCODE.rda`` or ``chea.rda``, another one of that
        form, a GMT file whose sets are named in the same way, or what an earlier call kept.
        ``None`` fetches the published file into ``sr.settings.cache_dir`` and checks it. R's files
        need ``pip install scregnet[rdata]``, and are read once.

    Returns
    -------
    Experiments × genes, with:

    - ``X``: float32 CSR, 1 where the experiment has a peak near the gene.
    - ``obs["tf"]``, ``obs["context"]`` (the cell type), ``obs["organism"]`` (``"human"``,
      ``"mouse"``, ``"rat"`` or ``"unknown"``), ``obs["source"]``, ``obs["name"]`` (the whole name)
      and ``obs["n_genes"]``.
    - ``uns["chip_library"]``: where it is from, and its licence.

    Raises
    ------
    ValueError, FileNotFoundError
        If a file is damaged, is not what it should be, or does not exist; the message names it.
    ConnectionError
        If the file cannot be fetched.
    ImportError
        If R's file has to be read and the package rdata is not installed.

    Examples
    --------
    >>> import scregnet as sr
    >>> library = sr.datasets.chip_library("encode")  # doctest: +SKIP
    >>> sr.pp.evidence(
    ...     adata, library, key="chip", context="context", exclude="HEPG2|LIVER"
    ... )  # doctest: +SKIP
    """
    check_choice("source", source, PUBLISHED)
    published = PUBLISHED[source]
    if path is None:
        library, origin = read_published(source), published.url
    else:
        file = Path(path).expanduser()
        library, origin = read_given(file, source), str(file)
    n_genes = np.diff(library.table.indptr)
    obs = _described(library.names).assign(
        source=published.name, name=library.names.astype(object), n_genes=n_genes
    )
    obs.index = pd.Index(library.names.astype(object))
    adata = AnnData(
        library.table, obs=obs, var=pd.DataFrame(index=pd.Index(library.genes.astype(object)))
    )
    adata.uns["chip_library"] = {
        "source": source,
        "origin": origin,
        "licence": published.licence,
    }
    # A restriction is a warning, so that it is seen without settings.verbosity.
    log = logger.info if published.is_open else logger.warning
    log("chip_library: the licence of %s: %s", published.name, published.licence)
    return adata


def _described(names: Iterable[str]) -> pd.DataFrame:
    """Return TF, context and organism of each name."""
    return pd.DataFrame(
        [_parts(str(name)) for name in names], columns=["tf", "context", "organism"]
    )


def _parts(name: str) -> tuple[str, str, str]:
    """Divide ``TF_CELL_GENOME`` or ``TF_ARTICLE_ASSAY_CELL_ORGANISM``, with ``_`` or spaces.

    Some names lack a part, or have two for the cell type. What is no article, assay or organism is
    context: a pattern that leaves out experiments must find all that is known of the cells.
    """
    mark = " " if " " in name else "_"
    tf, *rest = name.split(mark)
    organism = _ORGANISMS.get(rest[-1].lower(), "unknown") if rest else "unknown"
    if organism != "unknown":
        rest = rest[:-1]
    # One article's number has the cell type at its end: 18804426ESC.
    rest[:1] = [_ARTICLE.sub("", part) for part in rest[:1]]
    cells = [part for part in rest if part and not _ASSAY.fullmatch(part)]
    return tf, mark.join(cells), organism
