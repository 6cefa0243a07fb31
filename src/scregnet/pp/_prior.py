"""Align a known network to the genes of an AnnData."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scregnet._anndata.access import check_writable, flags, resolve, write
from scregnet._anndata.taken import check_free
from scregnet._anndata.uns import check_key
from scregnet._docs import doc
from scregnet._genes.network import read_network
from scregnet._genes.set_aside import set_aside_to_uns
from scregnet._genes.signs import signs_to_uns
from scregnet._genes.support import check_support, with_support
from scregnet._validate import check_choice

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
    complexes: Literal["drop", "expand"] = "drop",
    support: str | None = None,
    unsupported: Literal["set_aside", "drop", "mark"] = "set_aside",
    copy: bool = False,
    mod: str = "rna",
) -> AnnData | MuData | None:
    """Align a known network to the genes and store it, row = regulator, column = target.

    Edges with a gene that is not in the data, self-loops and edges of weight 0 are dropped and
    counted.

    Parameters
    ----------
    %(adata)s
    %(prior)s
    %(key_added)s
    gene_symbols
        Column of ``adata.var`` with the names that the network uses; ``None`` takes
        ``adata.var_names``. Ignored for a matrix. Names that several genes share are dropped.
    complexes
        What becomes of complexes, which are not genes: CollecTRI's ``AP1`` and ``NFKB``, OmniPath's
        ``COMPLEX:JUN_FOS``. ``"expand"`` gives their edges to their members, unless the network has
        the member's own edge. Ignored for a matrix.
    support
        Key of an evidence layer, such as that of :func:`scregnet.pp.chromatin`. An edge whose TF
        and target it knows and whose value is 0 has no support.
    unsupported
        What becomes of edges without support: ``"set_aside"``, neither edges nor non-edges;
        ``"drop"``, non-edges as all other pairs; ``"mark"``, edges still, and listed.
    %(copy)s
    %(mod)s

    Returns
    -------
    Returns `None` if `copy=False`, else the changed copy. Sets the following fields:

    - ``.varp["prior"]`` (or ``key_added``): float32 CSR matrix (n_vars, n_vars); an edge that
      represses has a negative weight.
    - ``.var["is_tf"]``: bool, the regulators and the genes that you had marked before; marks of an
      earlier call with the same key are removed.
    - ``.uns["prior"]`` (or ``key_added``): counts of edges, TFs and targets, given and matched;
      ``complexes``, if there are any, with their members and their number of edges; ``signs``, if
      some edges repress: which edges have a known sign; ``support``, with ``support=``: counts, and
      the frame ``without_support``; ``set_aside``, the pairs that are no edges and no non-edges.

    Raises
    ------
    ValueError
        If no edge matches (the message names the likely cause), the network is malformed, or
        ``key_added`` names what is no prior.
    KeyError, FileNotFoundError
        If a key of ``adata.varp``, a column of ``adata.var`` or a file does not exist.
    TypeError
        If ``prior`` has none of the forms.

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
    check_writable(source, copy=copy)
    key = "prior" if key_added is None else key_added
    check_key(key)
    slots = [] if _is_report(source.uns.get(key)) else ["uns", "varp"]
    if isinstance(prior, str) and prior == key and "varp" in slots:
        # The user's own matrix, which the prior is read from.
        slots.remove("varp")
    names = [(slot, key) for slot in slots]
    check_free(source, "key_added", key, names, "a prior of sr.pp.prior")
    check_choice("complexes", complexes, ("drop", "expand"))
    check_support(source, support, unsupported)
    network = read_network(
        prior, source, gene_symbols=gene_symbols, expand_complexes=complexes == "expand"
    )

    regulators = np.zeros(source.n_vars, dtype=bool)
    regulators[network.sources] = True
    candidates = _candidates(source, key)
    kept: dict[str, Any] = {}
    if support is not None:
        network, kept = with_support(network, source, support, unsupported)
    report = {
        "varp_key": key,
        **network.report,
        **kept,
        **set_aside_to_uns(network.set_aside, source.var_names),
        "tfs_added": source.var_names[regulators & ~candidates].to_numpy(dtype=object),
    }
    if network.signs is not None:
        report["signs"] = signs_to_uns(network.signs, source.var_names)

    data = adata.copy() if copy else adata
    write(
        resolve(data, mod),
        varp={key: network.matrix(source.n_vars)},
        var={"is_tf": candidates | regulators},
        uns={key: report},
    )
    return data if copy else None


def _is_report(entry: object) -> bool:
    """Return whether an entry of ``uns`` is what this function wrote of a prior."""
    return isinstance(entry, Mapping) and {"varp_key", "tfs_added"} <= set(entry)


def _candidates(adata: AnnData, key: str) -> np.ndarray:
    """Genes marked as TFs, except those that only an earlier prior of this ``key`` had marked."""
    if "is_tf" not in adata.var:
        return np.zeros(adata.n_vars, dtype=bool)
    marked = flags(adata, "is_tf", "")
    # By name, not by position: genes may have been dropped or reordered since.
    added = adata.var_names.isin(_stored_names(adata, key, "tfs_added"))
    given = adata.var_names.isin(_stored_names(adata, "is_tf", "given"))
    return marked & (~added | given)


def _stored_names(adata: AnnData, key: str, name: str) -> Any:
    """Names in a report under ``adata.uns``; none if the entry is not a report."""
    report = adata.uns.get(key)
    return report.get(name, []) if isinstance(report, Mapping) else []
