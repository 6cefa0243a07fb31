"""What each part of a method contributes: the whole against versions that lack one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, resolve
from scregnet._anndata.features import embedding_features
from scregnet._docs import doc
from scregnet._progress import progress_bar
from scregnet._validate import check_integer, listed
from scregnet.bm._studies import Study
from scregnet.links import get_method
from scregnet.tl._fit_grn import fit_grn

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scregnet.links import LinkMethod

WHOLE = "whole model"

_SET_BY_THE_STUDY = {
    "adata",
    "prior",
    "groupby",
    "keep",
    "key_added",
    "n_bootstrap",
    "random_state",
    "show_progress_bar",
    "copy",
    "mod",
}


@doc
def ablation_study(
    adata: AnnData | MuData,
    prior: Any = None,
    method: str = "joint",
    *,
    variants: Mapping[str, Mapping[str, Any]] | None = None,
    n_seeds: int = 5,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    mod: str = "rna",
    **fit_params: Any,
) -> pd.DataFrame:
    """Fit a method and versions of it that lack one part, each with several seeds, on the same pairs.

    A part that is worth something is missed. Random vectors in place of the embedding tell whether a gain is due to what the
    embedding knows or to its mere presence, and the null models tell how much needs no model at all; both are absent from the ablation study of :cite:t:`kommu2025scregnet`,
    which removes the graph network and the foundation model.

    Parameters
    ----------
    %(adata)s
    %(prior)s

        ``None`` takes ``adata.varp["prior"]``, or the positives of ``split`` if that is a frame.
    method
        Method of :func:`scregnet.tl.fit_grn`.
    variants
        Name of a version to the keyword arguments of :func:`scregnet.tl.fit_grn` that make it. ``None`` takes ``"whole model"``; for ``"joint"`` ``"no boosted trees"``
        (``n_trees=0``), ``"no forest"`` (``n_forest_trees=0``), ``"no similarity"`` (neither forest nor, in the process, what similar genes share) and ``"no families"`` (``family=0``), for ``"scregnet"`` and ``"sctransnet"`` ``"no graph network"`` (``gnn=None`` and ``graph_dims=()``);
        ``"no embedding"`` (``embedding=None``) and ``"random embedding"`` (``random_embedding=True``).
    n_seeds
        Fits of each version. A seed draws the split, unless that is a frame, and starts the fit: versions with the same seed have the same pairs.
    random_state
        The first seed, the others follow it; ``None`` draws them.
    %(progress)s
    %(mod)s
    **fit_params
        Further keyword arguments of :func:`scregnet.tl.fit_grn` for all versions, such as ``embedding``, ``split`` or ``n_trees``.

    Returns
    -------
    Tidy frame, one row per figure; ``adata`` is not changed. ``variant``, in the order of ``variants``; ``seed``; ``model``, the method or
    a null model (the same for all versions that have the same pairs); ``split``; ``metric``; ``value``, NaN for a fit that diverged or collapsed. Draw it with :func:`scregnet.pl.ablation`.

    Raises
    ------
    ValueError
        ``variants`` is empty, or is ``None`` while there is no embedding to take away.
    TypeError
        A keyword is not one of :func:`scregnet.tl.fit_grn` or the method.
    RuntimeError
        Every fit diverged or collapsed.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.embed(adata, model="svd", n_components=8)
    >>> table = sr.bm.ablation_study(adata, adata.uns["network"], n_seeds=1, n_trees=20)
    >>> list(table["variant"].unique())
    ['whole model', 'no boosted trees', 'no forest', 'no similarity', 'no families', 'no embedding', 'random embedding']
    """
    data = resolve(adata, mod)
    check_names(data)
    check_integer("n_seeds", n_seeds, minimum=1)
    base = _check_keywords(method, "the call", fit_params)
    chosen = (
        _default_variants(method, base, data, fit_params) if variants is None else dict(variants)
    )
    if not chosen:
        msg = "variants is empty; name at least one version, such as {'whole model': {}}."
        raise ValueError(msg)
    for name, keywords in chosen.items():
        merged = {**fit_params, **keywords}
        _check_keywords(merged.pop("method", method), f"variants[{name!r}]", merged)
    first = int(np.random.default_rng().integers(2**31)) if random_state is None else random_state

    study = Study(data)
    tables = []
    with progress_bar(
        f"ablation of {method}", n_seeds * len(chosen), show=show_progress_bar, unit="fit"
    ) as bar:
        for seed in range(first, first + n_seeds):
            for name, keywords in chosen.items():
                merged = {"method": method, **fit_params, **keywords, "random_state": seed}
                figures = study.figures(prior, f"{name}, seed {seed}", **merged)
                tables.append(figures.assign(variant=name, seed=seed))
                if bar is not None:
                    bar(len(tables) - 1, {})
    study.check()
    frame = pd.concat(tables, ignore_index=True)
    frame["variant"] = pd.Categorical(frame["variant"], categories=list(chosen))
    frame = frame.sort_values(["variant", "seed"], kind="stable", ignore_index=True)
    return frame.astype({"variant": str})[["variant", "seed", "model", "split", "metric", "value"]]


def _default_variants(
    name: str, method: LinkMethod, data: AnnData, fit_params: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    variants: dict[str, dict[str, Any]] = {WHOLE: {}}
    # What the user took away already is no ablation of the rest.
    variants |= {
        key: dict(value)
        for key, value in method.ablations.items()
        if not value.items() <= fit_params.items()
    }
    if method.uses_embedding:
        vectors, _ = embedding_features(data, fit_params.get("embedding", "auto"))
        if vectors is None:
            msg = (
                f"method={name!r} is to be fitted without its embedding, but there is none to take away: call sr.tl.embed(adata) first, name one with embedding=, "
                "or say with variants= what to compare."
            )
            raise ValueError(msg)
        variants |= {
            "no embedding": {"embedding": None},
            "random embedding": {"random_embedding": True},
        }
    if len(variants) == 1:
        msg = f"nothing is known that could be taken away from method={name!r}; say with variants= what to compare."
        raise ValueError(msg)
    return variants


def _check_keywords(method: str, where: str, keywords: Mapping[str, Any]) -> LinkMethod:
    """Raise before the first fit where a keyword is not known; return the method with its hyper-parameters."""
    own = {
        n
        for n, p in inspect.signature(fit_grn).parameters.items()
        if p.kind is not inspect.Parameter.VAR_KEYWORD
    }
    if refused := sorted(set(keywords) & _SET_BY_THE_STUDY):
        msg = f"{where} sets {listed(refused)}, which the study sets itself or does not take."
        raise TypeError(msg)
    return get_method(
        method, **{name: value for name, value in keywords.items() if name not in own}
    )
