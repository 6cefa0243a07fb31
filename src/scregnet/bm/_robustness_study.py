"""How much wrong labels in the known network cost."""

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
from scregnet._progress import progress_bar
from scregnet._validate import (
    check_choice,
    check_flags,
    check_integer,
    check_interval,
    seed_of,
)
from scregnet.bm._studies import SET_BY_THE_STUDY, Study
from scregnet.links.pairs.corruption import FLIPS, flip_labels
from scregnet.tl._fit.task import read_keywords

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scregnet.links import Pairs


@doc
def robustness_study(
    adata: AnnData | MuData,
    prior: Any = None,
    method: str = "joint",
    *,
    split: str | pd.DataFrame | None = None,
    noise: Sequence[float] = (0.01, 0.02, 0.03, 0.04, 0.05),
    n_priors: int = 10,
    flip: str = "pairs",
    flip_validation: bool = True,
    folder: str | os.PathLike[str] | None = None,
    device: str | None = None,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    mod: str = "rna",
    **fit_params: Any,
) -> pd.DataFrame:
    """Fit with ever more wrong labels and score the test pairs, whose labels stay right.

    Follows section 4.4 of :cite:t:`kommu2025scregnet`. All fits share pairs, features and seed, so
    two priors differ in their labels alone. With few edges, flips among all pairs add more false
    edges than there are true ones; ``flip="edges"`` says how many of the edges are wrong.

    Parameters
    ----------
    %(adata)s
    %(prior)s

        ``None`` takes ``adata.varp["prior"]``, or the edges of ``split``.
    method
        Method of :func:`scregnet.tl.fit_grn`.
    split
        As in :func:`scregnet.tl.fit_grn`.
    noise
        Shares of wrong labels, above 0 and up to 0.5. The prior as it is (0) is always fitted once.
    n_priors
        Corrupted priors for each level. A prior's wrong labels stay wrong at higher levels.
    flip
        ``"pairs"``: flip this share of all labels, as in the paper. ``"edges"``: turn this share of
        the edges into non-edges, and as many non-edges into edges.
    flip_validation
        Flip labels of validation pairs too, as a wrong prior would.
    %(folder)s
    %(device)s
    %(random_state)s
    %(progress)s
    %(mod)s
    **fit_params
        ``embedding``, ``evidence``, ``layer``, ``n_pcs``, ``random_embedding``,
        ``random_evidence``, ``shuffle_expression``,
        ``label_frequency``, ``n_models``, and hyper-parameters of the method.

    Returns
    -------
    Tidy frame of the figures on the test pairs: ``noise``, ``prior`` (number of the corrupted
    prior), ``model``, ``metric``, ``value`` (NaN for a fit that diverged or collapsed). ``adata``
    is not changed. Draw it with :func:`scregnet.pl.robustness`.

    Raises
    ------
    ValueError
        A level of noise is out of range or flips no label, or what a fit raises.
    RuntimeError
        Every fit diverged or collapsed.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> table = sr.bm.robustness_study(
    ...     adata, adata.uns["network"], "degree", noise=(0.01, 0.05), n_priors=2
    ... )
    >>> table.groupby("noise")["prior"].nunique().tolist()
    [1, 2, 2]
    """
    seed = seed_of(random_state)
    data = resolve(adata, mod)
    check_names(data)
    check_integer("n_priors", n_priors, minimum=1)
    check_choice("flip", flip, FLIPS)
    check_flags(flip_validation=flip_validation)
    chosen, options = read_keywords(method, fit_params, fixed=SET_BY_THE_STUDY)
    options = replace(options, n_bootstrap=0, random_state=seed)
    levels = _levels(noise)
    labelled = labelled_pairs(data, prior, split, random_state=seed)
    _check_some_flipped(labelled.parts.train, levels, flip)

    parts = ("train", "validation") if flip_validation else ("train",)
    # A seed of its own for each prior, used again at every level: priors are nested, and do not
    # depend on which levels are asked for.
    seeds = np.random.SeedSequence(seed).spawn(n_priors)
    runs = [(0.0, 0), *((level, number) for level in levels for number in range(n_priors))]
    study = Study(data, device, folder)
    tables = []
    title = f"robustness of {method}"
    with progress_bar(title, len(runs), show=show_progress_bar, unit="fit") as bar:
        for done, (level, number) in enumerate(runs):
            rng = np.random.default_rng(seeds[number])
            wrong = _corrupted(labelled, level, parts, flip, rng)
            title = f"noise {level:g}, prior {number}"
            figures = study.figures(title, method, chosen, wrong, options)
            tables.append(figures[figures["split"] == "test"].assign(noise=level, prior=number))
            if bar is not None:
                bar(done, {})
    study.check()
    return pd.concat(tables, ignore_index=True)[["noise", "prior", "model", "metric", "value"]]


def _levels(noise: Sequence[float]) -> list[float]:
    if isinstance(noise, str) or not isinstance(noise, Sequence | np.ndarray) or len(noise) == 0:
        msg = f"noise must be a sequence of shares such as (0.01, 0.05), got {noise!r}."
        raise ValueError(msg)
    for level in noise:
        check_interval("noise", level, 0, 0.5)
    return sorted({float(level) for level in noise} - {0.0})


def _check_some_flipped(train: Pairs, levels: list[float], flip: str) -> None:
    n = len(train) if flip == "pairs" else train.n_positive
    if levels and round(levels[0] * n) == 0:
        msg = (
            f"noise={levels[0]:g} flips none of {n} training {flip}; "
            f"the lowest level that flips one is {1 / n:.2g}."
        )
        raise ValueError(msg)


def _corrupted(
    labelled: LabelledPairs,
    level: float,
    parts: Sequence[str],
    flip: str,
    rng: np.random.Generator,
) -> LabelledPairs:
    """Return the same pairs with wrong labels in the given parts."""
    flipped = {}
    for part in parts:
        pairs: Pairs = getattr(labelled.parts, part)
        labels = flip_labels(pairs.labels, level, how=flip, rng=rng)
        flipped[part] = replace(pairs, labels=labels)
    return replace(labelled, parts=replace(labelled.parts, **flipped))
