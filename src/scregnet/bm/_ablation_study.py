"""What each part of a method contributes: the whole against versions that lack one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from scregnet._anndata.access import check_names, resolve
from scregnet._anndata.features import embedding_features
from scregnet._docs import doc
from scregnet._genes.split import labelled_pairs
from scregnet._logging import logger
from scregnet._progress import progress_bar
from scregnet._validate import check_integer, seed_of
from scregnet.bm._studies import (
    RANDOM,
    SET_BY_THE_STUDY,
    SHUFFLED,
    Study,
    own_ablations,
    without_evidence,
)
from scregnet.tl._fit.task import FitOptions, read_keywords

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scregnet.links import LinkMethod

WHOLE = "whole model"


@doc
def ablation_study(
    adata: AnnData | MuData,
    prior: Any = None,
    method: str = "joint",
    *,
    split: str | pd.DataFrame | None = None,
    variants: Mapping[str, Mapping[str, Any]] | None = None,
    n_seeds: int = 5,
    folder: str | os.PathLike[str] | None = None,
    device: str | None = None,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    mod: str = "rna",
    **fit_params: Any,
) -> pd.DataFrame:
    """Fit a method and versions of it that lack one part, each with several seeds.

    Removing a useful part lowers the metrics. All versions of a seed share the same pairs. Two
    versions are controls: expression shuffled among cells, and random vectors in place of the
    embedding. The ablation of :cite:t:`kommu2025scregnet` has neither controls nor null models.

    Parameters
    ----------
    %(adata)s
    %(prior)s

        ``None`` takes ``adata.varp["prior"]``, or the edges of ``split``.
    method
        Method of :func:`scregnet.tl.fit_grn`.
    split
        As in :func:`scregnet.tl.fit_grn`. Pairs are drawn anew for each seed, with the settings of
        :func:`scregnet.pp.split`; the pairs of a frame stay.
    variants
        Name of a version to the keyword arguments that make it. ``None`` takes the whole model, the
        method's own ablations, shuffled cells, versions without and with a random embedding if
        there is one, and the same of evidence layers.
    n_seeds
        Fits of each version.
    %(folder)s
    %(device)s
    random_state
        The first seed, the others follow it; ``None`` draws it.
    %(progress)s
    %(mod)s
    **fit_params
        For all versions: ``embedding``, ``evidence``, ``layer``, ``n_pcs``, ``random_embedding``,
        ``random_evidence``, ``shuffle_expression``, ``label_frequency``, ``n_models``, and
        hyper-parameters of the method.

    Returns
    -------
    Tidy frame: ``variant``, ``seed``, ``model`` (the method or a null model), ``split``,
    ``metric``, ``value`` (NaN for a fit that diverged or collapsed). ``adata`` is not changed. Draw
    it with :func:`scregnet.pl.ablation`.

    Raises
    ------
    ValueError
        ``variants`` is empty, or ``None`` for a method that has no part to take away.
    TypeError
        A keyword is not one of a fit or the method.
    RuntimeError
        Every fit diverged or collapsed.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.embed(adata, model="svd", n_components=8)
    >>> table = sr.bm.ablation_study(adata, adata.uns["network"], n_seeds=1, n_trees=20)
    >>> list(table["variant"].unique())[:3]
    ['whole model', 'no boosted trees', 'no forest']
    """
    first = seed_of(random_state)
    data = resolve(adata, mod)
    check_names(data)
    check_integer("n_seeds", n_seeds, minimum=1)
    base, _ = _read(method, fit_params, 0, "the call")
    chosen = _default_variants(method, base, data, fit_params) if variants is None else variants
    if not chosen:
        msg = "variants is empty; name at least one version, such as {'whole model': {}}."
        raise ValueError(msg)
    # All versions are read before the first fit, so that a wrong one costs no time.
    for name, keywords in chosen.items():
        merged = {**fit_params, **keywords}
        _read(merged.pop("method", method), merged, 0, f"variants[{name!r}]")
    labelled = labelled_pairs(data, prior, split, random_state=first)

    study = Study(data, device, folder)
    tables = []
    title, total = f"ablation of {method}", n_seeds * len(chosen)
    with progress_bar(title, total, show=show_progress_bar, unit="fit") as bar:
        for seed in range(first, first + n_seeds):
            pairs = labelled.redrawn(seed, data.n_vars)
            for name, keywords in chosen.items():
                merged = {**fit_params, **keywords}
                own = merged.pop("method", method)
                version, options = _read(own, merged, seed, f"variants[{name!r}]")
                table = study.figures(f"{name}, seed {seed}", own, version, pairs, options)
                tables.append(table.assign(variant=name, seed=seed))
                if bar is not None:
                    bar(len(tables) - 1, {})
    study.check()
    return _tidy(tables, list(chosen))


def _read(
    method: str, keywords: Mapping[str, Any], seed: int, where: str
) -> tuple[LinkMethod, FitOptions]:
    """Read the keywords of one version; intervals are not needed."""
    made, options = read_keywords(method, keywords, fixed=SET_BY_THE_STUDY, where=where)
    own = {name: getattr(options, name) for name in FitOptions.__dataclass_fields__}
    return made, FitOptions(**{**own, "n_bootstrap": 0, "random_state": seed})


def _tidy(tables: list[pd.DataFrame], order: list[str]) -> pd.DataFrame:
    """Join the tables, versions in the order in which they were named."""
    frame = pd.concat(tables, ignore_index=True)
    frame["variant"] = pd.Categorical(frame["variant"], categories=order)
    frame = frame.sort_values(["variant", "seed"], kind="stable", ignore_index=True)
    return frame.astype({"variant": str})[["variant", "seed", "model", "split", "metric", "value"]]


def _default_variants(
    name: str, method: LinkMethod, data: AnnData, fit_params: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    variants: dict[str, dict[str, Any]] = {WHOLE: {}, **own_ablations(method, fit_params)}
    if method.needs_expression and not fit_params.get("shuffle_expression"):
        variants[SHUFFLED] = {"shuffle_expression": True}
    if method.uses_embedding:
        vectors, _ = embedding_features(data, fit_params.get("embedding", "auto"))
        if vectors is None:
            # Of these methods nothing would be left.
            variants.pop("no graph network", None)
            logger.warning(
                "ablation_study: method=%r is fitted without an embedding, so none is taken away; "
                "call sr.tl.embed(adata) first, or name one with embedding=",
                name,
            )
        else:
            variants |= {
                "no embedding": {"embedding": None},
                RANDOM: {"random_embedding": True},
            }
    variants |= without_evidence(fit_params)
    if len(variants) == 1:
        msg = (
            f"method={name!r} names no part that could be taken away; "
            "say with variants= what to compare."
        )
        raise ValueError(msg)
    return variants
