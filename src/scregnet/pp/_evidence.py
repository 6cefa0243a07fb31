"""Read what other experiments know about the genes as one evidence layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy.sparse as sp

from scregnet._anndata.access import check_names, check_writable, resolve, write
from scregnet._anndata.evidence import is_layer
from scregnet._anndata.uns import check_key
from scregnet._docs import doc
from scregnet._genes.evidence.experiments import Experiments, without
from scregnet._genes.evidence.names import names_in_evidence
from scregnet._genes.evidence.read import read_experiments
from scregnet._genes.evidence.reduce import popularity, profiles, tf_weights, tracks
from scregnet._genes.names import (
    likely_cause,
    place_of_names,
    positions,
    warn_if_ambiguous,
)
from scregnet._logging import logger
from scregnet._validate import check_integer, check_random_state

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

# Below this share of genes with a profile, a layer says little and names may be of another kind.
_FEW = 0.5


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
    check_random_state(random_state)
    source = resolve(adata, mod)
    check_names(source)
    check_writable(source, copy=copy)
    check_layer_slots(source, key)
    check_integer("n_components", n_components, minimum=1)
    given = read_experiments(net, context)
    kept, left_out = without(given, exclude)
    names, asked = names_in_evidence(source, gene_symbols, orthologues)
    where, matched = _match(kept, names, source, gene_symbols, orthologues)

    profile = _profile(kept, n_components, balance=balance, random_state=random_state)
    slots, about = _layer(kept, names, where, profile)
    report = {
        "kind": "evidence",
        "form": kept.form,
        "context": context,
        "exclude": [] if exclude is None else [exclude] if isinstance(exclude, str) else [*exclude],
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
    write(
        resolve(data, mod),
        varm={key: slots["profile"]},
        var={f"{key}_{name}": slots[name] for name in ("covered", "popularity", "n_experiments")},
        varp={key: slots["tracks"]},
        uns={key: report},
    )
    return data if copy else None


def check_layer_slots(adata: AnnData, key: str) -> None:
    """Raise unless ``key`` is free, or holds an evidence layer, which is replaced."""
    check_key(key)
    entry = adata.uns.get(key)
    if is_layer(entry):
        return
    taken = [slot for slot in ("uns", "varm", "varp") if key in getattr(adata, slot)]
    if taken:
        msg = (
            f"key={key!r} is taken: adata.{taken[0]}[{key!r}] is not an evidence layer. "
            "Choose another key, or delete it."
        )
        raise ValueError(msg)


def _match(
    kept: Experiments,
    names: pd.Index,
    adata: AnnData,
    gene_symbols: str | None,
    orthologues: object,
) -> tuple[np.ndarray, dict[str, int]]:
    """Return the position in ``adata`` of each gene of the layer, and the counts."""
    where = positions(kept.genes, names)
    n_matched, n_genes = int((where >= 0).sum()), len(kept.genes)
    n_ambiguous = int((where == -2).sum())
    if n_matched < _FEW * adata.n_vars:
        cause = likely_cause(kept.genes, adata, gene_symbols, "the evidence")
        better = f" Likely cause: {cause.text}" if cause.n_matched > n_matched else ""
        if orthologues is None and cause.text.startswith("letter case"):
            better += " To compare upper-cased symbols, pass orthologues='upper'."
        if not n_matched:
            msg = (
                f"none of the {n_genes:,} genes of the evidence is in "
                f"{place_of_names(gene_symbols)}.{better or ' Likely cause: ' + cause.text}"
            )
            raise ValueError(msg)
        logger.warning(
            "evidence: only %d of %d genes of adata are covered by the %d genes of the layer.%s",
            *(n_matched, adata.n_vars, n_genes, better),
        )
    warn_if_ambiguous("evidence", n_ambiguous, "genes")
    return where, {"n_genes": n_genes, "n_genes_matched": n_matched, "n_ambiguous": n_ambiguous}


def _profile(
    kept: Experiments, n_components: int, *, balance: bool, random_state: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the profile of every gene of the layer, genome-wide, and its explained variance."""
    width = min(n_components, *kept.table.shape)
    if width < n_components:
        logger.info(
            "evidence: %d components instead of %d, as many as experiments and genes allow",
            *(width, n_components),
        )
    weights = tf_weights(kept.tfs) if balance else np.ones(len(kept.tfs))
    return profiles(kept.table, weights, width, random_state)


def _layer(
    kept: Experiments, names: pd.Index, where: np.ndarray, profile: tuple[np.ndarray, np.ndarray]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Place a layer at the genes of the data: the slots, and the counts for the report."""
    vectors, explained = profile
    weights = tf_weights(kept.tfs)
    n_vars, there = len(names), where >= 0
    placed = np.zeros((n_vars, vectors.shape[1]), np.float32)
    placed[where[there]] = vectors[there]
    covered = np.zeros(n_vars, dtype=bool)
    covered[where[there]] = True
    popular = np.full(n_vars, np.nan)
    popular[where[there]] = popularity(kept.table, weights)[there]

    track, tfs, counts = tracks(kept.table, kept.tfs, weights)
    rows = positions(tfs, names)
    n_experiments = np.zeros(n_vars, dtype=np.int32)
    n_experiments[rows[rows >= 0]] = counts[rows >= 0]
    slots = {
        "profile": placed,
        "covered": covered,
        "popularity": popular,
        "n_experiments": n_experiments,
        "tracks": _placed(track, rows, where, n_vars),
    }
    about = {
        "n_tfs": len(tfs),
        "n_tfs_matched": int((rows >= 0).sum()),
        "n_components": vectors.shape[1],
        "explained_variance": explained,
    }
    return slots, about


def _placed(track: sp.csr_matrix, rows: np.ndarray, columns: np.ndarray, n: int) -> sp.csr_matrix:
    """Return the tracks at the genes of the data, (n, n); TFs and genes not there are dropped."""
    entries = track.tocoo()
    row, column = rows[entries.row], columns[entries.col]
    there = (row >= 0) & (column >= 0)
    return sp.csr_matrix(
        (entries.data[there], (row[there], column[there])), shape=(n, n), dtype=np.float32
    )


def _log(key: str, report: Mapping[str, Any], n_vars: int) -> None:
    logger.info(
        "evidence: %r has %d of %d experiments, of %d TFs (%d in adata); %d of %d genes covered",
        *(key, report["n_experiments"], report["n_experiments_given"], report["n_tfs"]),
        *(report["n_tfs_matched"], report["n_genes_matched"], n_vars),
    )
