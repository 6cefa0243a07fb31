"""Why a link has its probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import check_probabilities, fitted, key_of_group, stored_model
from scregnet._docs import doc
from scregnet._genes.world import pairs_of
from scregnet._validate import check_integer, listed
from scregnet.get._explained.alike import similar_targets, similar_tfs
from scregnet.get._explained.card import LinkEvidence
from scregnet.get._explained.expressed import expression_by_group
from scregnet.get._names import find_genes, shown_names
from scregnet.get._score_links import stored_links
from scregnet.get._stored import StoredNetwork
from scregnet.links.calibration import read_calibrations
from scregnet.links.terms import MEANINGS, terms_of

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@doc
def evidence(
    adata: AnnData | MuData,
    source: str | None = None,
    target: str | None = None,
    *,
    links: pd.DataFrame | None = None,
    key: str = "grn",
    group: str | None = None,
    groupby: str | None = None,
    layer: str | None = None,
    n_similar: int = 5,
    gene_symbols: str | None = None,
    mod: str = "rna",
) -> LinkEvidence | pd.DataFrame:
    """Say why a link has its probability: the terms of its logit, similar genes, and expression.

    The terms add up to the logit; :ref:`terms-of-a-link` says what each is. Of a labelled pair in a
    fit with folds, they are those of the fits that did not see its label.

    Parameters
    ----------
    %(adata)s
    source, target
        The TF and its target.
    links
        In place of both: a frame with ``source`` and ``target``, such as
        :func:`scregnet.get.grn` returns, for the terms of many links.
    %(key)s
    %(group)s
    groupby
        Column of ``adata.obs``: tell expression for each of its categories. ``None`` takes that of
        the fit, or all cells together.
    layer
        Key of ``adata.layers`` with the expression to tell of; ``None`` takes that of the fit.
    n_similar
        Similar genes and TFs to list.
    %(gene_symbols)s
    %(mod)s

    Returns
    -------
    A :class:`~scregnet.get._explained.card.LinkEvidence`, which prints as a page and has the frames
    of it. With ``links``, a frame with one row for each, in their order: ``source``, ``target``,
    ``probability``, ``logit``, and one column for each term.

    Raises
    ------
    KeyError
        ``key``, ``group``, a gene, the layer or the column is not there.
    ValueError
        Neither a link nor ``links`` is given, the network holds scores and no probabilities, or
        its genes have other names than at the fit.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], n_folds=1, n_trees=20)
    >>> first = sr.get.grn(adata, new_only=True, top_n=1).iloc[0]
    >>> why = sr.get.evidence(adata, first["source"], first["target"])
    >>> abs(round(float(why.parts["logit"].sum() - why.summary["logit"]), 6))
    0.0
    """
    data = resolve(adata, mod)
    check_integer("n_similar", n_similar, minimum=0)
    key = key_of_group(data, key, group)
    network = StoredNetwork(data, key)
    check_probabilities(data, key, "sr.get.evidence")
    asked = _asked(source, target, links)
    shown = shown_names(data, gene_symbols)
    ends = [_places(name, asked[name], data, gene_symbols, shown) for name in ("source", "target")]
    model = _Model(data, key)
    terms = model.terms(*ends)
    if links is not None:
        return _frame(asked, terms)
    sources, targets = ends
    return _one(
        model,
        network,
        shown,
        terms,
        (int(sources[0]), int(targets[0])),
        groupby=groupby,
        layer=layer,
        n_similar=n_similar,
    )


def _asked(source: str | None, target: str | None, links: pd.DataFrame | None) -> pd.DataFrame:
    """Return the links that are asked for."""
    if links is None:
        for name, value in (("source", source), ("target", target)):
            if not isinstance(value, str):
                msg = (
                    f"{name} must be the name of a gene, got {value!r}; or pass a frame as links=."
                )
                raise TypeError(msg) if value is not None else ValueError(msg)
        return pd.DataFrame({"source": [source], "target": [target]})
    if source is not None or target is not None:
        msg = "links is given together with source or target; give the one or the other."
        raise ValueError(msg)
    if not isinstance(links, pd.DataFrame):
        msg = f"links must be a frame with source and target, got {type(links).__name__}."
        raise TypeError(msg)
    if missing := [column for column in ("source", "target") if column not in links]:
        msg = f"links lacks the columns {listed(missing)}; it has {listed(links.columns)}."
        raise ValueError(msg)
    return links[["source", "target"]].reset_index(drop=True)


def _places(
    argument: str, names: pd.Series, data: AnnData, gene_symbols: str | None, shown: pd.Index
) -> np.ndarray:
    """Return the position of each name; one that no gene goes by raises."""
    if len(names):
        find_genes(argument, names.astype(str).tolist(), data, gene_symbols, shown)
    return shown.get_indexer(pd.Index(names.astype(str), dtype=object))


class _Model:
    """The stored model of a network."""

    def __init__(self, data: AnnData, key: str) -> None:
        self.data, self.entry = data, fitted(data, key)
        model = stored_model(data, key, "genes", "slope", "intercept")
        self.genes = pd.Index([str(gene) for gene in model["genes"]])
        self.links = stored_links(self.entry, self.genes)
        (self.calibration,) = read_calibrations(model["slope"], model["intercept"])

    def places(self, positions: np.ndarray) -> np.ndarray:
        """Return positions among the genes of the fit."""
        return self.genes.get_indexer(pd.Index(self.data.var_names[positions].astype(str)))

    def terms(self, sources: np.ndarray, targets: np.ndarray) -> pd.DataFrame:
        """Return the terms of the logits, a column each."""
        found = terms_of(self.links, self.places(sources), self.places(targets), self.calibration)
        return pd.DataFrame(found)


def _frame(asked: pd.DataFrame, terms: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each link, with its terms."""
    from scipy.special import expit

    logit = terms.sum(axis=1)
    head = asked.assign(probability=expit(logit).astype(np.float32), logit=logit)
    return pd.concat([head, terms], axis=1)


def _one(
    model: _Model,
    network: StoredNetwork,
    shown: pd.Index,
    terms: pd.DataFrame,
    link: tuple[int, int],
    *,
    groupby: str | None,
    layer: str | None,
    n_similar: int,
) -> LinkEvidence:
    """Gather the card of one link."""
    data, params = model.data, model.entry["params"]
    own = (str(data.var_names[link[0]]), str(data.var_names[link[1]]))
    named = [str(name) for name in terms.columns]
    parts = pd.DataFrame(
        {
            "part": named,
            "logit": terms.iloc[0].to_numpy(),
            "meaning": [MEANINGS[name] for name in named],
        }
    )
    of_tf, of_target = pairs_of(model.entry, *own)
    alike = [
        similar_targets(model.links, of_tf, model.genes, own, n_similar),
        similar_tfs(model.links, of_target, model.genes, own, n_similar),
    ]
    # Names as they are shown.
    symbols = {str(name): str(other) for name, other in zip(data.var_names, shown, strict=True)}
    for frame, column in zip(alike, ("gene", "tf"), strict=True):
        frame[column] = [symbols.get(str(name), name) for name in frame[column]]
    expression = expression_by_group(
        data,
        params.get("layer") if layer is None else layer,
        *link,
        params.get("groupby") if groupby is None else groupby,
    )
    return LinkEvidence(
        str(shown[link[0]]),
        str(shown[link[1]]),
        _summary(network, of_tf, of_target, own, link, float(terms.iloc[0].sum())),
        parts,
        alike[0],
        alike[1],
        expression,
    )


def _summary(
    network: StoredNetwork,
    of_tf: pd.DataFrame,
    of_target: pd.DataFrame,
    own: tuple[str, str],
    link: tuple[int, int],
    logit: float,
) -> pd.Series:
    """Return the figures of a link."""
    from scipy.special import expit

    source, target = own
    labelled = of_tf[of_tf["target"] == target]
    known = bool(labelled["label"].any())
    left_out = network.results["left_out"]
    found = {
        "probability": float(expit(logit)),
        "logit": logit,
        "in_prior": known
        or bool(((left_out["source"] == source) & (left_out["target"] == target)).any()),
        "split": str(labelled["split"].iloc[0]) if len(labelled) else "none",
    }
    written = network.links(np.array([link[0]]), np.array([link[1]]))
    found["is_written"] = bool(len(written))
    if len(written):
        row = written.frame(network.names).iloc[0]
        found |= {
            name: float(row[name])
            for name in ("null", "lift", "sd", "sign", "stability", "q")
            if name in row
        }
    found["n_targets"] = int(of_tf["label"].sum()) - known
    found["n_regulators"] = int(of_target["label"].sum()) - known
    return pd.Series(found, dtype=object)
