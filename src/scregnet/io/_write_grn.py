"""The fitted network as a file of another tool."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import key_of_group
from scregnet._docs import doc
from scregnet._genes.files.read import suffix_of
from scregnet._logging import logger
from scregnet._validate import check_choice, listed, shortened
from scregnet.get import grn
from scregnet.get._graph import to_graph
from scregnet.io._formats import graphs, tables

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

Tool = Literal["pyscenic", "celloracle", "scenicplus"]
TOOLS = {
    "pyscenic": tables.pyscenic,
    "celloracle": tables.celloracle,
    "scenicplus": tables.scenicplus,
}
SEPARATORS = {".csv": ",", ".tsv": "\t"}
GRAPHS = {".graphml": graphs.graphml, ".gexf": graphs.gexf, ".cyjs": graphs.cyjs}
SUFFIXES = (*SEPARATORS, ".parquet", ".gmt", *GRAPHS, ".sif")


@doc
def write_grn(
    adata: AnnData | MuData,
    path: str | PathLike[str],
    *,
    tool: Literal["pyscenic", "celloracle", "scenicplus"] | None = None,
    key: str = "grn",
    group: str | None = None,
    sources: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    by: Literal["probability", "lift"] = "probability",
    threshold: float | None = None,
    min_lift: float | None = None,
    max_q: float | None = None,
    top_n: int | None = None,
    top_n_targets: int | None = None,
    new_only: bool = False,
    gene_symbols: str | None = None,
    mod: str = "rna",
) -> None:
    """Write the links of a fitted network to a file; its ending says which form.

    - ``.csv``, ``.tsv``, ``.parquet``: the frame of :func:`scregnet.get.grn`, or the columns of a
      ``tool``;
    - ``.graphml``, ``.gexf`` (Gephi), ``.cyjs`` (Cytoscape): a graph with all attributes;
    - ``.sif``: Cytoscape's simple form, with ``.edges.tsv`` and ``.nodes.tsv`` beside it, tables to
      import under the key ``shared name``;
    - ``.gmt``: regulons, ``TF(+)`` and ``TF(-)`` as pySCENIC's, ``TF`` where no sign is known.

    ``.csv``, ``.tsv`` and ``.gmt`` may end in ``.gz``. :func:`scregnet.io.read_grn` reads all of
    them, and so does ``prior=``.

    Parameters
    ----------
    %(adata)s
    path
        File to write; one that is there is replaced.
    tool
        Columns of the table: ``"pyscenic"``, its adjacencies (``TF``, ``target``, ``importance``);
        ``"celloracle"``, its links (``coef_mean`` is the probability, negative where the TF
        represses; ``p`` holds ``q``); ``"scenicplus"``, the TF-to-gene columns of its eRegulons
        (``regulation`` is 0 where no sign is known). ``None`` writes all that is known.
    %(key)s
    %(groups)s Graphs and gene sets are of one group.
    %(links)s
    %(gene_symbols)s
    %(mod)s

    Raises
    ------
    KeyError
        There is no such network, group or gene.
    ValueError
        Ending, ``tool``, group or the name of a gene do not fit, or no link passes the filters.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.io.write_grn(adata, "network.graphml", top_n=100)
    >>> len(sr.io.read_grn("network.graphml"))
    100
    """
    file = _checked_path(path, tool)
    data = resolve(adata, mod)
    is_table = suffix_of(file) in (*SEPARATORS, ".parquet")
    member = None if is_table else key_of_group(data, key, group)
    frame = grn(
        data,
        key=key,
        group=group,
        sources=sources,
        targets=targets,
        by=by,
        threshold=threshold,
        min_lift=min_lift,
        max_q=max_q,
        top_n=top_n,
        top_n_targets=top_n_targets,
        new_only=new_only,
        gene_symbols=gene_symbols,
    )
    if frame.empty:
        msg = f"no link of {key!r} passes the filters: there is nothing to write. Loosen them."
        raise ValueError(msg)
    if member is None or suffix_of(file) == ".gmt":
        content = {"": _table(file, frame, tool)}
    else:
        graph = to_graph(data, member, frame, gene_symbols)
        suffix = suffix_of(file)
        content = graphs.sif(graph) if suffix == ".sif" else {"": GRAPHS[suffix](graph)}
    for ending, part in content.items():
        name = file.name if not ending else file.name[: -len(".sif")] + ending
        _write(file.with_name(name), part)
    logger.info("write_grn: %s links in %r", f"{len(frame):,}", str(file))


def _checked_path(path: str | PathLike[str], tool: str | None) -> Path:
    """Return where to write; raise if the ending or the folder will not do."""
    if not isinstance(path, (str, PathLike)):
        msg = f"path must be the name of a file, got {shortened(path)}."
        raise TypeError(msg)
    file = Path(path).expanduser()
    suffix = suffix_of(file)
    zipped = file.name.lower().endswith(".gz")
    if suffix not in SUFFIXES or (zipped and suffix not in (*SEPARATORS, ".gmt")):
        msg = (
            f"path={shortened(str(file))} must end in one of {listed(SUFFIXES, 20)}; .csv, .tsv "
            "and .gmt may have .gz after it."
        )
        raise ValueError(msg)
    if tool is not None:
        check_choice("tool", tool, TOOLS)
        if suffix not in (*SEPARATORS, ".parquet"):
            msg = f"tool={tool!r} is a table: let path end in .csv, .tsv or .parquet."
            raise ValueError(msg)
    if not file.parent.is_dir():
        msg = f"path={shortened(str(file))}: the folder {str(file.parent)!r} does not exist."
        raise FileNotFoundError(msg)
    return file


def _table(file: Path, frame: pd.DataFrame, tool: str | None) -> bytes:
    suffix = suffix_of(file)
    if suffix == ".gmt":
        return tables.gmt(frame)
    # Names as texts: categories would be read back as such.
    columns = {name: object for name in ("group", "source", "target", "split") if name in frame}
    frame = frame.astype(columns) if tool is None else TOOLS[tool](frame)
    if suffix == ".parquet":
        return tables.parquet(frame)
    return tables.text(frame, SEPARATORS[suffix])


def _write(file: Path, content: bytes) -> None:
    """Write a whole file, or leave what was there."""
    if file.name.lower().endswith(".gz"):
        # Without the time, the same network gives the same file.
        content = gzip.compress(content, mtime=0)
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_bytes(content)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
