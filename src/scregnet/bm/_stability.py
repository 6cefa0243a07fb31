"""How many of the first new links survive another seed, fewer cells or fewer known edges."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, resolve
from scregnet._docs import doc
from scregnet._genes.split import LabelledPairs, labelled_pairs
from scregnet._logging import logger
from scregnet._progress import progress_bar
from scregnet._validate import (
    check_choice,
    check_flags,
    check_integer,
    name_list,
    seed_of,
)
from scregnet.bm._kept.digest import digest_of_cells, of_fit
from scregnet.bm._kept.plain import plain
from scregnet.bm._kept.store import Store, file_name
from scregnet.bm._new_links import known_codes
from scregnet.bm._perturbations import PERTURBATIONS, Given, Perturbed, cells_of_donors
from scregnet.bm._refits import Network, Refits, read_refit
from scregnet.bm._stored_stability import check_network, write_stability
from scregnet.links.pairs.codes import decode_pairs
from scregnet.tl._fit.network import candidate_tfs
from scregnet.tl._fit.task import device_of, read_keywords

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scregnet.links import LinkMethod

SET_BY_STABILITY = ("n_bootstrap", "threshold", "top_n_targets", "random_state")
"""Options of a fit that are set here, or that concern what is written."""

COLUMNS = ["perturbation", "repeat", "overlap", "rank_correlation"]


@doc
def stability(
    adata: AnnData | MuData,
    prior: Any = None,
    method: str = "joint",
    *,
    split: str | pd.DataFrame | None = None,
    perturbations: Sequence[str] | None = None,
    donor: str | None = None,
    top_n: int = 100,
    by: str = "probability",
    n_repeats: int = 3,
    return_links: bool = False,
    key_added: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    device: str | None = None,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    mod: str = "rna",
    **fit_params: Any,
) -> pd.DataFrame | tuple[pd.DataFrame, pd.DataFrame]:
    """Compare the network with those of refits to slightly other data, or with other seeds.

    Each refit changes one thing; pairs, split, folds and seed stay otherwise. :ref:`stability` says
    how to read the table. With the defaults there are 22 fits.

    Parameters
    ----------
    %(adata)s
    %(prior)s

        ``None`` takes ``adata.varp["prior"]``, or the edges of ``split``.
    method
        Method of :func:`scregnet.tl.fit_grn`.
    split
        As in :func:`scregnet.tl.fit_grn`.
    perturbations
        What to change, one or more of the following. ``None`` takes the first six, and ``"donors"``
        if ``donor`` is given.

        - ``"seed"``: split, folds and fit have another seed; the pairs of a frame stay.
        - ``"fit"``: the fit alone has another seed.
        - ``"cell"``, ``"cells"``: drop one cell, or 10 %% of the cells.
        - ``"halves"``: fit two random halves of the cells, and compare them with each other.
        - ``"edges"``: drop 10 %% of the known edges.
        - ``"donors"``: draw donors with replacement, and take all cells of each.
    donor
        Column of ``adata.obs`` with the donor of each cell, for ``"donors"``.
    top_n
        Number of the first new links to compare. New are links that ``prior`` does not list, also
        where a refit dropped the edge.
    by
        What orders links: ``"probability"``, or ``"lift"`` over the null model.
    n_repeats
        Refits of each kind.
    return_links
        Return the first new links of the full fit, too.
    key_added
        Key of a network in ``adata`` that :func:`scregnet.tl.fit_grn` fitted with the same method,
        arguments and known edges: the stability of its links is written next to it. ``None`` writes
        nothing.
    %(folder)s The full fit is made each time.
    %(device)s
    random_state
        Seed of the full fit, and of what is drawn; ``None`` draws it.
    %(progress)s
    %(mod)s
    **fit_params
        ``embedding``, ``evidence``, ``layer``, ``n_pcs``, ``n_folds``, ``n_models`` and other
        options of :func:`scregnet.tl.fit_grn`, and hyper-parameters of the method. An embedding
        stays as it is, whatever cells are dropped.

    Returns
    -------
    Frame with one row per refit: ``perturbation``, ``repeat``, ``overlap`` (share of the first
    ``top_n`` new links that both fits have), ``rank_correlation`` (median over TFs of Spearman's
    correlation of a TF's links). NaN for a fit that diverged or collapsed.

    With ``return_links`` also a frame of the first new links of the full fit, in falling order:
    ``source``, ``target``, the value of ``by``, and for each perturbation the share of its fits
    that have the link among their first ``top_n`` new ones.

    ``adata`` is changed only with ``key_added``, here ``key``. Sets the following fields:

    - ``adata.varp[f"{key}_stability"]``: float32 CSR, row = regulator, column = target, at the
      places of ``adata.varp[key]``: share of all refits that have the link among their first
      ``top_n`` new ones; NaN for known edges. :func:`scregnet.get.grn` shows it.
    - ``adata.uns[key]["stability"]``: ``params``, and the ``table`` that is returned.

    Raises
    ------
    KeyError
        ``donor`` is not a column of ``adata.obs``, or there is no network ``key_added``.
    ValueError
        A perturbation is not known, ``"donors"`` lacks ``donor``, there are no more than ``top_n``
        new links, ``by="lift"`` is asked of a null model, the network ``key_added`` is of another
        fit or its genes have other names, or what a fit raises.
    RuntimeError
        The full fit or every refit diverged or collapsed.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> table = sr.bm.stability(
    ...     adata, adata.uns["network"], n_repeats=1, perturbations=["cell"], n_folds=1, n_trees=20
    ... )
    >>> table.columns.tolist()
    ['perturbation', 'repeat', 'overlap', 'rank_correlation']
    """
    seed = seed_of(random_state)
    data = resolve(adata, mod)
    check_names(data)
    check_integer("top_n", top_n, minimum=1)
    check_integer("n_repeats", n_repeats, minimum=1)
    check_flags(return_links=return_links)
    check_choice("by", by, ("probability", "lift"))
    names = _names(perturbations, donor)
    donors = [] if donor is None else cells_of_donors(data, donor)
    chosen, options = read_keywords(method, fit_params, fixed=SET_BY_STABILITY)
    _check_order(by, method, chosen)
    options = replace(options, n_bootstrap=0, random_state=seed)
    labelled = labelled_pairs(data, prior, split, random_state=seed)
    options = options.for_pairs(labelled)
    tfs, known = candidate_tfs(data, labelled), known_codes(labelled, data.n_vars)
    _check_enough(top_n, len(tfs) * (data.n_vars - 1) - len(known))
    if key_added is not None:
        check_network(data, key_added, method, chosen, options, known)

    store = Store(folder, read_refit)
    place = device_of(device, chosen)
    fits = Refits(data, method, chosen, options, by, tfs, known, top_n, place, store)
    given = Given(labelled, fits.folds(labelled, seed), None, seed)
    perturbed = Perturbed(given, data.n_obs, data.n_vars, fits.folds, donors)
    runs = [(name, repeat) for name in names for repeat in range(n_repeats)]
    parts = [] if folder is None else _texts(fits, labelled, donor)
    rows, kept = [], {name: np.zeros((0, top_n), bool) for name in names}
    tops: list[np.ndarray] = []
    title = f"stability of {method}"
    with progress_bar(title, len(runs) + 1, show=show_progress_bar, unit="fit") as bar:
        full = fits.fit(given)
        for done, (name, repeat) in enumerate(runs):
            if bar is not None:
                bar(done, {})
            key = file_name((method, name, str(repeat)), [*parts, name, str(repeat)])
            versions = perturbed.versions(name, repeat)
            found = fits.repeat(f"{name}, repeat {repeat}", key, versions, full)
            rows.append((name, repeat, found.overlap, found.rank_correlation))
            tops += found.tops
            kept[name] = np.vstack([kept[name], *(np.isin(full.top, top) for top in found.tops)])
            logger.info("%s: %s, repeat %d: overlap %.2f, rank correlation %.3f", title, *rows[-1])
    fits.check(len(runs))
    table = pd.DataFrame(rows, columns=COLUMNS)
    if key_added is not None:
        asked = {"perturbations": names, "n_repeats": n_repeats, "top_n": top_n, "by": by}
        asked |= {"donor": donor, "random_state": seed}
        write_stability(data, key_added, tops, known, table, asked)
    return (table, _links(full, kept, data.var_names, by)) if return_links else table


def _names(perturbations: Sequence[str] | None, donor: str | None) -> list[str]:
    """Return what to change; the default is all that can be changed."""
    if perturbations is None:
        return [name for name in PERTURBATIONS if name != "donors" or donor is not None]
    if isinstance(perturbations, str) or not name_list("perturbations", perturbations):
        msg = (
            "perturbations must be a sequence of names such as ('cell', 'edges'), "
            f"got {perturbations!r}."
        )
        raise ValueError(msg)
    for name in perturbations:
        check_choice("perturbations", name, PERTURBATIONS)
    if donor is None and "donors" in perturbations:
        msg = "perturbations: 'donors' needs donor=, the column of adata.obs with the donors."
        raise ValueError(msg)
    if donor is not None and "donors" not in perturbations:
        msg = f"donor={donor!r} is for 'donors', which perturbations does not name."
        raise ValueError(msg)
    return list(dict.fromkeys(perturbations))


def _check_order(by: str, name: str, method: LinkMethod) -> None:
    if by == "lift" and method.is_null:
        msg = (
            f"by='lift' compares with the null models, and method={name!r} is one itself: "
            "use by='probability'."
        )
        raise ValueError(msg)


def _check_enough(top_n: int, n_new: int) -> None:
    if top_n >= n_new:
        msg = (
            f"top_n={top_n} takes all {n_new} new links, which are the same in every fit; "
            "choose a smaller one."
        )
        raise ValueError(msg)


def _texts(fits: Refits, labelled: LabelledPairs, donor: str | None) -> list[str]:
    """Return the texts of all that what comes of a repeat hangs on."""
    data = fits.data
    return [
        digest_of_cells(data).hexdigest(),
        *of_fit(fits.name, fits.method, labelled, fits.options, data),
        repr(labelled.options),
        *(plain(ends) for ends in labelled.set_aside or ()),
        plain(fits.tfs),
        "" if donor is None else plain(data.obs[donor].astype(str).to_numpy()),
        fits.by,
        str(fits.top_n),
    ]


def _links(full: Network, kept: dict[str, np.ndarray], genes: pd.Index, by: str) -> pd.DataFrame:
    """Return the first new links of the full fit, and how many fits of each kind have them."""
    source, target = decode_pairs(full.top, len(genes))
    names = genes.to_numpy()
    # Of no positions, scipy gives a matrix.
    value = np.asarray(full.values[source, target]).ravel() if len(source) else np.zeros(0)
    frame = pd.DataFrame({"source": names[source], "target": names[target], by: value})
    # Without a fit that succeeded, the share is not known.
    shares = {name: had.mean(axis=0) if len(had) else np.nan for name, had in kept.items()}
    return frame.assign(**shares)
