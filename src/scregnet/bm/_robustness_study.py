"""How much wrong labels in the known network cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, resolve
from scregnet._anndata.split import pairs_frame
from scregnet._docs import doc
from scregnet._progress import progress_bar
from scregnet._validate import check_choice, check_integer, check_interval
from scregnet.bm._studies import Study
from scregnet.links import get_method
from scregnet.links.pairs.corruption import FLIPS, flip_labels
from scregnet.tl._fit.labelled import labelled_pairs

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@doc
def robustness_study(
    adata: AnnData | MuData,
    prior: Any = None,
    method: str = "joint",
    *,
    noise: Sequence[float] = (0.01, 0.02, 0.03, 0.04, 0.05),
    n_priors: int = 10,
    flip: str = "pairs",
    flip_validation: bool = True,
    embedding: str | pd.DataFrame | None = "auto",
    layer: str | None = None,
    n_pcs: int | None = None,
    split: str | pd.DataFrame = "pairs",
    negatives: str = "all",
    negative_ratio: float = 1.0,
    test_fraction: float = 0.33,
    validation_fraction: float | None = None,
    random_embedding: bool = False,
    n_models: int = 1,
    device: str | None = None,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    mod: str = "rna",
    **method_params: Any,
) -> pd.DataFrame:
    """Fit with ever more wrong labels and score the test pairs, whose labels stay right.

    This is section 4.4 of :cite:t:`kommu2025scregnet`: labels of the training data are flipped, edges to non-edges and the reverse, ten corrupted priors for each level
    of noise. The paper takes its validation pairs from the training data and does not say that they are spared; here they have wrong labels
    too, as they would if the prior were wrong. Every fit has the same pairs, features and seed, so what differs between two priors is due to the labels alone.

    With few edges, flips among all pairs add more false edges than there are true ones: at 4 %% edges, 5 %% flips make more than half of the training edges wrong. ``flip="edges"``
    says how many of the *edges* are wrong, whatever their number.

    Parameters
    ----------
    %(adata)s
    %(prior)s

        ``None`` takes ``adata.varp["prior"]``, or the positives of ``split`` if that is a frame.
    method
        Method of :func:`scregnet.tl.fit_grn`.
    noise
        Levels of noise, shares above 0 and up to 0.5. The prior as it is (level 0) is always fitted once.
    n_priors
        Corrupted priors for each level. The same prior at two levels has the wrong labels of the lower level also at the higher.
    flip
        ``"pairs"``: flip this share of all labels, as in the paper. ``"edges"``: make non-edges of this share of the edges, and edges of as many non-edges.
    flip_validation
        Flip labels of validation pairs too; ``False`` gives early stopping and calibration the right ones.
    embedding, layer, n_pcs, split, negatives, negative_ratio, test_fraction, validation_fraction, random_embedding, n_models
        As in :func:`scregnet.tl.fit_grn`.
    %(device)s
    %(random_state)s
    %(progress)s
    %(mod)s
    **method_params
        Hyper-parameters of the method.

    Returns
    -------
    Tidy frame, one row per figure on the test pairs; ``adata`` is not changed. ``noise``, the level; ``prior``, the number of the corrupted
    prior; ``model``, the method or a null model; ``metric``; ``value``, NaN for a fit that diverged or collapsed. Draw it with :func:`scregnet.pl.robustness`.

    Raises
    ------
    ValueError
        A level of noise is out of range or so small that no label is flipped, or what :func:`scregnet.tl.fit_grn` raises.
    RuntimeError
        Every fit diverged or collapsed.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> table = sr.bm.robustness_study(adata, adata.uns["network"], "degree", noise=(0.01, 0.05), n_priors=2)
    >>> table.groupby("noise")["prior"].nunique().tolist()
    [1, 2, 2]
    """
    data = resolve(adata, mod)
    check_names(data)
    check_integer("n_priors", n_priors, minimum=1)
    check_choice("flip", flip, FLIPS)
    get_method(method, **method_params)
    levels = _levels(noise)
    labelled, _, _ = labelled_pairs(
        data,
        prior,
        split,
        test_fraction=test_fraction,
        validation_fraction=validation_fraction,
        random_state=random_state,
        negatives=negatives,
        negative_ratio=negative_ratio,
    )
    pairs = pairs_frame(labelled, data.var_names)
    parts = ("train", "validation") if flip_validation else ("train",)
    _check_some_flipped(pairs, levels, flip)

    common: dict[str, Any] = {
        "method": method,
        "embedding": embedding,
        "layer": layer,
        "n_pcs": n_pcs,
        "random_embedding": random_embedding,
        "n_models": n_models,
        "device": device,
        "random_state": random_state,
        **method_params,
    }
    # A seed of its own for each prior, used again at every level: priors are nested, and do not depend on which levels are asked for.
    seeds = np.random.SeedSequence(random_state).spawn(n_priors)
    runs = [(0.0, 0), *((level, number) for level in levels for number in range(n_priors))]
    study = Study(data)
    tables = []
    with progress_bar(
        f"robustness of {method}", len(runs), show=show_progress_bar, unit="fit"
    ) as bar:
        for done, (level, number) in enumerate(runs):
            corrupted = _corrupted(pairs, level, parts, flip, np.random.default_rng(seeds[number]))
            figures = study.figures(
                None, f"noise {level:g}, prior {number}", split=corrupted, **common
            )
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


def _check_some_flipped(pairs: pd.DataFrame, levels: list[float], flip: str) -> None:
    train = pairs.loc[pairs["split"] == "train", "label"]
    n = len(train) if flip == "pairs" else int(train.sum())
    if levels and round(levels[0] * n) == 0:
        msg = f"noise={levels[0]:g} flips none of {n} training {flip}; the lowest level that flips one is {1 / n:.2g}."
        raise ValueError(msg)


def _corrupted(
    pairs: pd.DataFrame, level: float, parts: Sequence[str], flip: str, rng: np.random.Generator
) -> pd.DataFrame:
    labels = pairs["label"].to_numpy(bool).copy()
    for part in parts:
        here = (pairs["split"] == part).to_numpy()
        labels[here] = flip_labels(labels[here], level, how=flip, rng=rng)
    return pairs.assign(label=labels.astype(np.int8))
