"""A network from a file of another tool, as a frame."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from scregnet._genes.edges import file_links
from scregnet._genes.files.read import READERS, suffix_of
from scregnet._genes.forms import SUFFIXES
from scregnet._validate import listed, shortened

if TYPE_CHECKING:
    import pandas as pd


def read_grn(path: str | PathLike[str]) -> pd.DataFrame:
    """Read a network that :func:`scregnet.io.write_grn` or another tool wrote.

    ``prior=`` of :func:`scregnet.pp.prior` and :func:`scregnet.tl.fit_grn` takes the same paths, so
    the file need not be read first.

    Parameters
    ----------
    path
        File that ends in ``.csv``, ``.tsv``, ``.txt`` (each also with ``.gz``), ``.parquet``,
        ``.graphml``, ``.gexf``, ``.cyjs``, ``.sif`` or ``.gmt``. Tables may be those of pySCENIC,
        CellOracle, SCENIC+, TRRUST, RegNetwork, decoupler or BEELINE: their columns tell. XML that
        declares a document type is refused, because entities can unfold without end.

    Returns
    -------
    Frame with ``source``, ``target``, and what else the file says of each link, such as ``weight``
    and ``sign`` (1 activates, -1 represses). A missing value is NaN.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The ending is unknown, or the file is damaged or holds no network.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.io.write_grn(adata, "links.tsv", tool="pyscenic", top_n=10)
    >>> list(sr.io.read_grn("links.tsv"))
    ['source', 'target', 'weight']
    """
    if not isinstance(path, (str, PathLike)):
        msg = f"path must be the name of a file, got {shortened(path)}."
        raise TypeError(msg)
    file = Path(path).expanduser()
    known = (*SUFFIXES, *READERS)
    if suffix_of(file) not in known:
        msg = f"path={shortened(str(file))} must end in one of {listed(known, 20)}."
        raise ValueError(msg)
    if not file.is_file():
        msg = f"path={shortened(str(file))} is not a file."
        raise FileNotFoundError(msg)
    return file_links(file)
