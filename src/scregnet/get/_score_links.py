"""Score any pairs with a fitted network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import fitted, holds_scores, key_of_group, stored_model
from scregnet._docs import doc
from scregnet._genes.names import gene_ids, places_of, positions
from scregnet._genes.world import read_world
from scregnet._logging import logger
from scregnet._validate import listed, shortened
from scregnet.links import EnsembleLinks, Pairs
from scregnet.links.calibration import read_calibrations
from scregnet.links.folded import FoldedLinks
from scregnet.links.pairs.fold_table import FoldTable, fold_table
from scregnet.links.stored import fold_count, model_count, read_stored

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scregnet.links import FittedLinks
    from scregnet.links.forms.regulator_scores import RegulatorScores

PAIR = ("source", "target")
MANY_PAIRS = 100_000
"""Pairs from which on several fits score at a time."""


@doc
def score_links(
    adata: AnnData | MuData,
    pairs: pd.DataFrame | Iterable[tuple[str, str]],
    *,
    key: str = "grn",
    group: str | None = None,
    gene_symbols: str | None = None,
    mod: str = "rna",
) -> pd.DataFrame:
    """Score pairs of genes with a fitted network, whether or not their links were written.

    Works from the state in ``adata.uns[key]`` alone: after reading a file, and after genes were
    dropped or re-ordered. With ``n_folds`` above 1 at the fit, a pair gets the probability that
    ``adata.varp`` holds: a labelled pair that of the fits that did not see its label, any other
    pair that of all fits.

    Parameters
    ----------
    %(adata)s
    pairs
        Frame with columns ``source`` and ``target``; or pairs of names.
    %(key)s
    %(group)s
    gene_symbols
        Column of ``adata.var`` with the names that ``pairs`` uses; ``None`` takes the names that
        the network was fitted with.
    %(mod)s

    Returns
    -------
    A copy of ``pairs`` with new columns; further columns and the index are kept:

    - ``probability``: float32, that the source regulates the target. NaN, with a warning, for a
      pair with a gene that the network was not fitted to. A network without labels has a column
      ``score`` in its place, NaN also where the source is no candidate TF; see
      :func:`scregnet.get.grn`.
    - ``probability_sd``: its standard deviation, for an ensemble (``n_models`` above 1) only;
    - ``is_out_of_fold``: for ``n_folds`` above 1 only; whether the pair has a label and its
      probability comes from the fits that did not see it.

    Raises
    ------
    KeyError
        There is no fitted network named ``key``, or it was fitted to the genes of no pair.
    ValueError
        ``pairs`` has no columns ``source`` and ``target``, or ``group`` is missing.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> scores = sr.get.score_links(adata, adata.uns["network"])
    """
    data = resolve(adata, mod)
    key = key_of_group(data, key, group)
    entry = fitted(data, key)
    # Scores of a fit without labels are not calibrated.
    calibrated = () if holds_scores(entry) else ("slope", "intercept")
    model = stored_model(data, key, "genes", *calibrated)
    frame = pairs.copy() if isinstance(pairs, pd.DataFrame) else _frame_of(pairs)
    missing = [column for column in ("source", "target") if column not in frame]
    if missing:
        msg = f"pairs lacks the columns {listed(missing)}; it has {listed(frame.columns)}."
        raise ValueError(msg)
    genes = pd.Index([str(gene) for gene in model["genes"]])
    sources, targets = _positions(frame, genes, data, gene_symbols, key)
    known = (sources >= 0) & (targets >= 0)
    links = stored_links(entry, genes)
    # Folds of a single model differ in their labels; that is no deviation between fits.
    with_sd = not holds_scores(entry) and model_count(model) > 1
    scores, deviations = _scores(links, sources[known], targets[known], with_sd=with_sd)
    if not np.isfinite(scores).all():
        msg = (
            f"the network {key!r} gives scores that are not finite: its saved arrays are damaged. "
            "Fit the network again."
        )
        raise ValueError(msg)
    if holds_scores(entry):
        # Without labels there is no null model and no calibration; other genes were not scored.
        known_tf = cast("RegulatorScores", links).scored(sources[known])
        frame["score"] = _filled(known, np.where(known_tf, scores, np.float32(np.nan)))
        return frame
    (calibration,) = read_calibrations(model["slope"], model["intercept"])
    frame["probability"] = _filled(known, calibration(scores))
    if deviations is not None:
        frame["probability_sd"] = _filled(known, deviations)
    if isinstance(links, FoldedLinks):
        # The labelled pairs in uns have a column out_of_fold: probabilities, hence another name.
        out_of_fold = known.copy()
        out_of_fold[known] = links.folds_of(sources[known], targets[known])[:, 0] >= 0
        frame["is_out_of_fold"] = out_of_fold
    return frame


def _frame_of(pairs: Any) -> pd.DataFrame:
    """Return pairs of names as a frame, or raise."""
    wrong = isinstance(pairs, (str, bytes)) or not isinstance(pairs, Iterable)
    frame = pd.DataFrame([] if wrong else list(pairs))
    if wrong or (len(frame) and frame.shape[1] != len(PAIR)):
        msg = (
            "pairs must be a frame with the columns source and target, or pairs of names, such as "
            f"[('GATA1', 'KLF1')]; got {shortened(pairs)}."
        )
        raise TypeError(msg)
    return frame.set_axis(list(PAIR), axis=1) if len(frame) else pd.DataFrame(columns=list(PAIR))


def _filled(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the values of the known pairs, and NaN for the others, float32."""
    filled = np.full(len(known), np.nan, np.float32)
    filled[known] = values
    return filled


def stored_links(
    entry: Mapping[str, Any], genes: pd.Index
) -> FittedLinks | EnsembleLinks | FoldedLinks:
    """Make the fitted links again from what ``uns`` keeps of them."""
    model = entry["model"]
    if fold_count(model) == 1:
        return read_stored(model, len(genes))
    return read_stored(model, len(genes), table=_folds(entry, genes))


def _scores(
    links: FittedLinks | EnsembleLinks | FoldedLinks,
    sources: np.ndarray,
    targets: np.ndarray,
    *,
    with_sd: bool,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the scores of pairs, and their deviations if ``with_sd``."""
    if not isinstance(links, (FoldedLinks, EnsembleLinks)):
        return links.score(sources, targets), None
    parallel = len(sources) >= MANY_PAIRS
    if with_sd:
        return links.score_and_sd(sources, targets, parallel=parallel)
    return links.score(sources, targets, parallel=parallel), None


def _folds(entry: Mapping[str, Any], genes: pd.Index) -> FoldTable:
    """Return the folds of the labelled pairs of a fit, by positions among its genes."""
    world = read_world(entry)
    if world is not None:
        if not world.genes.equals(genes):
            msg = "the closed world of the stored model is not about its genes."
            raise ValueError(msg)
        return world.world.fold_table()
    frame = entry["pairs"]
    sources, targets = (places_of(frame[end], genes) for end in PAIR)
    columns = [frame[name].to_numpy() for name in frame if str(name).startswith("fold_")]
    sound = bool(columns) and all(
        column.dtype.kind in "iu" and ((column >= 0) & (column < 2**15)).all() for column in columns
    )
    if not sound or (sources < 0).any() or (targets < 0).any():
        msg = "the labelled pairs of the stored model do not belong to its genes and folds."
        raise ValueError(msg)
    pairs = Pairs(sources, targets, frame["label"].to_numpy(bool))
    return fold_table(pairs, np.stack(columns, axis=1), len(genes))


def _positions(
    frame: pd.DataFrame, genes: pd.Index, data: AnnData, gene_symbols: str | None, key: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of sources and targets among the genes of the fit, -1 for others.

    A warning names the others, or a ``KeyError`` if no pair can be scored.
    """
    faults: list[str] = []
    where = []
    for column in PAIR:
        names = frame[column].astype(str)
        known = np.ones(len(names), bool)
        if gene_symbols is not None:
            names, known = _own_names(names, column, data, gene_symbols, faults)
        place = np.where(known, genes.get_indexer(pd.Index(names)), -1)
        fault = f"were not among those that {key!r} was fitted to"
        _note(faults, names[known & (place < 0)], column, fault)
        where.append(place)
    sources, targets = where
    if faults:
        unscored = (sources < 0) | (targets < 0)
        found = f"pairs: {'; '.join(faults)}."
        if unscored.all():
            raise KeyError(found)
        logger.warning("%s The probability of %d pairs is NaN.", found, int(unscored.sum()))
    return sources, targets


def _own_names(
    names: pd.Series, column: str, data: AnnData, gene_symbols: str, faults: list[str]
) -> tuple[pd.Series, np.ndarray]:
    """Return the names in ``adata.var_names`` of genes named as in a column of ``var``.

    Also returns which of them were found; faults are added to the list.
    """
    where = positions(names, gene_ids(data, gene_symbols))
    for code, fault in ((-1, "are not in"), (-2, "are the names of several genes in")):
        _note(faults, names[where == code], column, f"{fault} adata.var[{gene_symbols!r}]")
    own = pd.Series(data.var_names[where].astype(str), index=names.index)
    return own, where >= 0


def _note(faults: list[str], names: pd.Series, column: str, fault: str) -> None:
    """Add what is wrong with some names to the list, if there are any."""
    if len(names):
        unique = names.unique()
        faults.append(f"{len(unique)} genes of its column {column!r} {fault}: {listed(unique, 5)}")
