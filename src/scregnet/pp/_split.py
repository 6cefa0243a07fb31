"""Divide labelled pairs once, for every method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from scregnet._anndata.access import check_names, check_writable, resolve, write
from scregnet._anndata.taken import check_free
from scregnet._docs import doc
from scregnet._genes.frames import PARTS
from scregnet._genes.split import (
    KEY,
    MAX_PAIRS,
    SplitOptions,
    is_split,
    pairs_of_prior,
)
from scregnet._logging import logger
from scregnet._validate import seed_of

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@doc
def split(
    adata: AnnData | MuData,
    prior: Any = None,
    *,
    kind: Literal["pairs", "targets", "tfs", "both"] = "pairs",
    negatives: Literal["all", "sampled", "hard", "degree_matched"] = "all",
    negative_ratio: float = 1.0,
    test_fraction: float = 0.33,
    validation_fraction: float | None = None,
    max_pairs: int | None = MAX_PAIRS,
    gene_symbols: str | None = None,
    random_state: int | None = 0,
    key_added: str | None = None,
    copy: bool = False,
    mod: str = "rna",
) -> AnnData | MuData | None:
    """Label pairs from a known network and divide them into training, validation and test.

    Every function that fits takes the result as ``split=``, so all methods are judged on the same
    pairs. Validation pairs are of the same kind as test pairs. See :doc:`/methods`.

    Parameters
    ----------
    %(adata)s
    %(prior)s

        ``None`` takes ``adata.varp["prior"]``.
    kind
        What is held out: ``"pairs"`` (a share of every TF's edges and non-edges), ``"targets"`` or
        ``"tfs"`` (all pairs of some genes in that role), or ``"both"`` (pairs of held-out TFs with
        held-out targets; pairs with only one of them are discarded).
    negatives
        Which non-edges are negatives: ``"all"``; ``"sampled"``, at random; ``"hard"``, at random
        within each TF; ``"degree_matched"``, such that degrees tell nothing.
    negative_ratio
        Negatives per edge, with ``"sampled"`` and ``"hard"``.
    test_fraction
        Share of the pairs, targets, TFs, or of both TFs and targets, for testing.
    validation_fraction
        The same share of the rest for validation. ``None`` takes 0.1 of pairs and targets, 0.2 of
        TFs, and 0.3 of both.
    max_pairs
        With ``negatives="all"``, pairs to label at most: all edges and a random share of the
        non-edges, at least 5 for each edge. Each drawn non-edge then counts for those that were
        not, in calibration and metrics, so that probabilities mean the same. ``None`` labels all.
    gene_symbols
        Column of ``adata.var`` with the names that the network uses.
    %(random_state)s
    %(key_added)s Here ``"split"``.
    %(copy)s
    %(mod)s

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. Sets the following field:

    - ``adata.uns[key_added]``: ``pairs``, a frame with ``source``, ``target``, ``label``,
      ``split`` and, where non-edges were drawn, ``stands_for``, how many pairs each counts for;
      ``left_out``, a frame of the known edges in no part; ``params``; and ``prior``, the report on
      what of the network matched. Of a closed world of more than a million pairs, ``pairs`` has all
      edges and some non-edges, and ``world`` has all pairs in few bytes (:ref:`how
      <closed-worlds>`).

    Raises
    ------
    ValueError
        Nothing of the prior matches, too few TFs have edges, a part would have one kind of label
        only, an argument is out of range, or ``key_added`` names what is no split.
    KeyError
        ``prior`` is ``None`` or a key, and ``adata.varp`` does not have it.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.pp.split(adata, adata.uns["network"], kind="targets")
    >>> sr.tl.fit_grn(adata, method="degree")
    """
    random_state = seed_of(random_state)
    data = resolve(adata, mod)
    check_names(data)
    check_writable(data, copy=copy)
    key = KEY if key_added is None else key_added
    own = is_split(data.uns.get(key)) if isinstance(key, str) else False
    check_free(data, "key_added", key, [] if own else [("uns", key)], "a split of sr.pp.split")
    options = SplitOptions(
        kind=kind,
        negatives=negatives,
        negative_ratio=negative_ratio,
        test_fraction=test_fraction,
        validation_fraction=validation_fraction,
        max_pairs=max_pairs,
        random_state=random_state,
    )
    labelled = pairs_of_prior(data, prior, options, gene_symbols=gene_symbols)
    sizes = [f"{len(getattr(labelled.parts, part)):,} {part}" for part in PARTS]
    logger.info(
        "split: %s pairs; %d known edges left out", ", ".join(sizes), len(labelled.left_out[0])
    )
    changed = adata.copy() if copy else adata
    write(resolve(changed, mod), uns={key: labelled.to_uns(data.var_names)})
    return changed if copy else None
