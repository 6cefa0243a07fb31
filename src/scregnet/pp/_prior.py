"""Put a known network on an AnnData."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._anndata.access import flags, resolve, write
from scregnet._docs import doc
from scregnet._genes.network import read_network

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@doc
def prior(
    adata: AnnData | MuData,
    prior: Any,
    *,
    key_added: str | None = None,
    gene_symbols: str | None = None,
    copy: bool = False,
    mod: str = "rna",
) -> AnnData | MuData | None:
    """Align a known network to the genes and keep it on ``adata``, row = regulator, column = target.

    Edges whose regulator or target is not among the genes, self-loops and edges of weight 0 are left out and counted. When
    nothing matches, the error names the likely cause: letter case, Ensembl ids against symbols, version suffixes, names in
    another column of ``adata.var``, or another organism.

    Parameters
    ----------
    %(adata)s
    %(prior)s
    %(key_added)s
    gene_symbols
        Column of ``adata.var`` with the names that the network uses; ``None`` takes ``adata.var_names``. Edges of a name
        that several genes share are left out, counted and warned of. Not read for a matrix, which goes by position.
    %(copy)s
    %(mod)s

    Returns
    -------
    Returns `None` if `copy=False`, else the changed copy. Sets the following fields:

    - ``.varp["prior"]`` (or ``key_added``): float32 CSR matrix (n_vars, n_vars), row = regulator, column = target.
    - ``.var["is_tf"]``: bool, the regulators with at least one edge, and besides them every gene marked before: candidates
      given by the user stay. What an earlier call with the same key had marked is taken back first.
    - ``.uns["prior"]`` (or ``key_added``): what was given and what matched, as counts of edges, TFs and targets.

    Raises
    ------
    ValueError
        If no edge matches, if the network is empty, undirected, has an edge twice or names or weights missing, or if
        ``adata.var_names`` are not unique.
    KeyError
        If a key of ``adata.varp`` or a column of ``adata.var`` does not exist.
    TypeError
        If ``prior`` is none of the forms.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd, scregnet as sr
    >>> adata = anndata.AnnData(np.ones((5, 3)), var=pd.DataFrame(index=["GATA1", "KLF1", "HBB"]))
    >>> net = pd.DataFrame({"source": ["GATA1", "KLF1"], "target": ["KLF1", "HBB"]})
    >>> sr.pp.prior(adata, net)
    >>> adata.var["is_tf"].tolist()
    [True, True, False]
    """
    source = resolve(adata, mod)
    key = "prior" if key_added is None else key_added
    network = read_network(prior, source, gene_symbols=gene_symbols)

    regulators = np.zeros(source.n_vars, dtype=bool)
    regulators[network.sources] = True
    candidates = _candidates(source, key)
    report = {
        "varp_key": key,
        **network.report,
        "tfs_added": source.var_names[regulators & ~candidates].to_numpy(dtype=object),
    }

    data = adata.copy() if copy else adata
    write(
        resolve(data, mod),
        varp={key: network.matrix(source.n_vars)},
        var={"is_tf": candidates | regulators},
        uns={key: report},
    )
    return data if copy else None


def _candidates(adata: AnnData, key: str) -> np.ndarray:
    """Genes marked as TFs by the user or another prior: all that are marked, less what this key's former prior added."""
    if "is_tf" not in adata.var:
        return np.zeros(adata.n_vars, dtype=bool)
    marked = flags(adata, "is_tf", "")
    added = adata.var_names.isin(_kept_names(adata, key, "tfs_added"))
    given = adata.var_names.isin(_kept_names(adata, "is_tf", "given"))
    return marked & (~added | given)


def _kept_names(adata: AnnData, key: str, name: str) -> Any:
    report = adata.uns.get(key)
    return report.get(name, []) if isinstance(report, Mapping) else []
