"""Read what other experiments know about the genes as one evidence layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from scregnet._anndata.access import check_names, check_writable, resolve, write
from scregnet._anndata.evidence import check_layer_slots
from scregnet._docs import doc
from scregnet._genes.evidence.experiments import without
from scregnet._genes.evidence.names import names_in_evidence
from scregnet._genes.evidence.place import match_genes, place_layer, profile_of
from scregnet._genes.evidence.read import read_experiments
from scregnet._logging import logger
from scregnet._validate import check_flags, check_integer, name_list, seed_of

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@doc
def evidence(
    adata: AnnData | MuData,
    net: Any,
    *,
    key: str,
    context: str | None = None,
    exclude: str | Sequence[str] | None = None,
    gene_symbols: str | None = None,
    orthologues: pd.DataFrame | Mapping[str, Any] | Literal["upper"] | None = None,
    n_components: int = 60,
    balance: bool = False,
    random_state: int | None = 0,
    copy: bool = False,
    mod: str = "rna",
) -> AnnData | MuData | None:
    """Read experiments from elsewhere, such as a ChIP library, as an evidence layer.

    All genes and TFs of ``net`` are read, whether ``adata`` has them or not. See :doc:`/evidence`.

    Parameters
    ----------
    %(adata)s
    net
        A frame ``source``, ``target`` and, optional, ``weight``; a frame experiments × genes with
        TFs in its index; an AnnData experiments × genes with a column ``tf`` in ``obs``; a dict of
        gene sets, named ``TF_context``; or a file: gene sets as GMT, or a csv or tsv of such a
        first frame, plain or ``.gz``.
    key
        Name of the slots that are written.
    context
        Column of the frame or of ``obs``, or level of the index, that tells experiments of a TF
        apart. Sets take it from their names.
    exclude
        Regular expressions, searched in the contexts without regard to case. Leave out the
        experiments that your labels were made from, else scores are circular.
    gene_symbols
        Column of ``adata.var`` with the names that ``net`` uses; ``None`` takes
        ``adata.var_names``. Names that several genes share are left out.
    orthologues
        Names for genes of another organism, as in :func:`scregnet.tl.embed`; ``"upper"`` for
        upper-cased symbols.
    n_components
        Width of the profile; smaller if there are fewer experiments or genes.
    balance
        Let the TFs count equally in the profile, not the experiments. Popularity is always that of
        TFs.
    %(random_state)s
    %(copy)s
    %(mod)s

    Returns
    -------
    Returns `None` if `copy=False`, else the changed copy. Sets the following fields:

    - ``.varm[key]``: float32, profile of each gene over the experiments; zeros if not covered.
    - ``.var[f"{key}_covered"]``: bool, genes with an entry in an experiment that was kept.
    - ``.var[f"{key}_popularity"]``: mean over TFs; NaN if not covered.
    - ``.var[f"{key}_n_experiments"]``: number of experiments of each TF; 0 for other genes.
    - ``.varp[key]``: float32 CSR, row = TF, column = gene, mean over the TF's experiments. A value
      is known, also if 0, where the row has experiments and the column is covered.
    - ``.uns[key]``: coverage, contexts left out, explained variance.

    Raises
    ------
    ValueError, KeyError, TypeError, FileNotFoundError
        If ``net`` cannot be read, no gene matches, or ``key`` holds something else.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated()
    >>> sets = {"TF001_liver": adata.var_names[:40], "TF002_blood": adata.var_names[20:90]}
    >>> sr.pp.evidence(adata, sets, key="chip", exclude="liver")
    >>> adata.uns["chip"]["contexts_left_out"].tolist()
    ['liver']
    """
    random_state = seed_of(random_state)
    source = resolve(adata, mod)
    check_names(source)
    check_writable(source, copy=copy)
    check_layer_slots(source, key)
    check_integer("n_components", n_components, minimum=1)
    check_flags(balance=balance)
    given = read_experiments(net, context)
    kept, left_out = without(given, exclude)
    names, asked = names_in_evidence(source, gene_symbols, orthologues)
    where, matched = match_genes(kept, names, source, gene_symbols, orthologues)

    profile = profile_of(kept, n_components, balance=balance, random_state=random_state)
    slots, about = place_layer(kept, names, where, profile, key)
    report = {
        "kind": "evidence",
        "form": kept.form,
        "context": context,
        "exclude": [] if exclude is None else name_list("exclude", exclude),
        **asked,
        **matched,
        "n_experiments_given": len(given.tfs),
        "n_experiments": len(kept.tfs),
        "contexts_left_out": left_out,
        **about,
        "balance": balance,
        "random_state": random_state,
        "versions": {"scregnet": version("scregnet")},
    }
    _log(key, report, source.n_vars)
    data = adata.copy() if copy else adata
    write(resolve(data, mod), **slots, uns={key: report})
    return data if copy else None


def _log(key: str, report: Mapping[str, Any], n_vars: int) -> None:
    logger.info(
        "evidence: %r has %d of %d experiments, of %d TFs (%d in adata); %d of %d genes covered",
        *(key, report["n_experiments"], report["n_experiments_given"], report["n_tfs"]),
        *(report["n_tfs_matched"], report["n_genes_matched"], n_vars),
    )
