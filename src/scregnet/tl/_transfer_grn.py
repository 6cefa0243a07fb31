"""Score links in a cell type of which no link is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, check_writable, flags, resolve, write
from scregnet._anndata.evidence import check_no_layer, layer_names
from scregnet._anndata.groups import SLOTS, check_network_key
from scregnet._anndata.uns import check_key
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._progress import stages
from scregnet._validate import check_choice, check_integer, check_text, seed_of
from scregnet.links.forms.saved import state_digest
from scregnet.tl._fit.task import AUTO, FitOptions

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scregnet.tl._fit.network import Network
    from scregnet.tl._transfer.models import Transferred

METHODS = ("zsum", "fitted")
# Below this share of genes that a layer covers, it says little.
_FEW = 0.5


@doc
def transfer_grn(
    adata: AnnData | MuData,
    *,
    evidence: str | Sequence[str] | None = None,
    networks: Mapping[str, AnnData | MuData] | None = None,
    method: Literal["zsum", "fitted"] = "zsum",
    source: AnnData | MuData | None = None,
    source_key: str = "grn",
    layer: str | None = None,
    n_bootstrap: int = 200,
    threshold: float | None = None,
    top_n_targets: int | Literal["auto"] | None = "auto",
    key_added: str | None = None,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    copy: bool = False,
    mod: str = "rna",
) -> AnnData | MuData | None:
    """Score the links of a cell type of which no link is known, from evidence or another network.

    With ``evidence``, pairs are scored by what experiments on other cells found
    (:ref:`transfer`). With ``source``, the method and the labels of a fitted network are fitted to
    these cells. What is written works with every function that reads a fitted network.

    Parameters
    ----------
    %(adata)s
    evidence
        Keys of layers that :func:`scregnet.pp.evidence` wrote.
    networks
        Other data sets by name, with the same layers under the same keys, each without the
        experiments of its own labels, and a known network that :func:`scregnet.pp.prior` or
        :func:`scregnet.pp.split` wrote. They calibrate the probabilities, and each is scored
        without its own labels for the metrics.
    method
        ``"zsum"`` adds, for each layer, the standardised log popularity of the target among other
        TFs and the TF's own track; nothing is learned. ``"fitted"`` learns weights of these, of
        similarity to the track and of the target's expression, on ``networks``.
    source
        Data with a network that :func:`scregnet.tl.fit_grn` fitted, on genes of the same names.
        Excludes ``evidence`` and ``networks``; ``method``, ``n_bootstrap`` and ``random_state`` are
        those of its fit.
    source_key
        Name of that network; for one of several groups, the group's own, such as ``"grn_B cells"``.
    %(layer)s With ``source``, ``None`` takes that of its fit.
    n_bootstrap
        Resamples for the 95 %% intervals of the metrics; 0 skips them.
    threshold, top_n_targets
        As of :func:`scregnet.tl.fit_grn`. With ``source``, ``None`` and ``"auto"`` are what its fit
        asked for.
    %(key_added)s Here ``"grn"``.
    %(random_state)s
    %(progress)s
    %(copy)s
    %(mod)s

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. With ``source``, the slots of
    :func:`scregnet.tl.fit_grn`. With ``evidence``, for ``key`` = ``key_added``:

    - ``adata.varp[key]``: float32 CSR (n_vars, n_vars), probabilities, row = regulator: genes with
      ``var["is_tf"]`` and TFs of the layers.
    - ``adata.varp[f"{key}_null"]``: those by popularity alone, at the same places.
    - ``adata.uns[key]``: ``params``, ``weights`` of the columns, ``metrics`` with a ``split`` for
      each data set of ``networks``, ``model``; ``pairs``, ``left_out`` and ``history`` are empty.

    Raises
    ------
    ValueError, KeyError, TypeError
        An argument is wrong, or a data set lacks a layer or a known network.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated()
    >>> sets = {"TF001_liver": adata.var_names[:40], "TF002_blood": adata.var_names[20:90]}
    >>> sr.pp.evidence(adata, sets, key="chip")
    >>> sr.tl.transfer_grn(adata, evidence="chip")
    """
    random_state = seed_of(random_state)
    data = resolve(adata, mod)
    check_names(data)
    check_writable(data, copy=copy)
    key = "grn" if key_added is None else key_added
    check_key(key)
    check_no_layer(data, key)
    check_network_key(data, key)
    check_choice("method", method, METHODS)
    check_text("source_key", source_key)
    check_integer("n_bootstrap", n_bootstrap, minimum=0)
    if source is not None:
        return _from_source(
            adata,
            resolve(source, mod, argument="source"),
            source_key,
            {"evidence": evidence, "networks": networks},
            {"layer": layer, "threshold": threshold, "top_n_targets": top_n_targets},
            key_added=key,
            show_progress_bar=show_progress_bar,
            copy=copy,
            mod=mod,
        )
    from scregnet.tl._transfer.labelled import describe, read_labelled
    from scregnet.tl._transfer.models import transferred

    # 1. What is asked for.
    keys = layer_names(evidence)
    if not keys:
        msg = (
            "evidence names no layer; name keys that sr.pp.evidence wrote. Without labels and "
            "without evidence nothing is known of any link."
        )
        raise ValueError(msg)
    options = FitOptions(
        n_bootstrap=n_bootstrap,
        threshold=threshold,
        top_n_targets=top_n_targets,
        random_state=random_state,
    )
    if method == "fitted" and not networks:
        msg = (
            "method='fitted' learns from data sets with labels: pass some with networks=, "
            "or use method='zsum'."
        )
        raise ValueError(msg)
    with stages(key, show=show_progress_bar):
        # 2. Layers and cells, here and of the data sets with labels.
        columns, n_experiments = describe(data, keys, layer)
        candidates = _candidates(data, n_experiments)
        labelled = read_labelled(networks, keys, layer, mod)
        # 3. Weights, calibration, figures.
        found = transferred(method, columns, n_experiments, labelled, options)
        # 4. Every link.
        network = _scored(found, candidates, options)
    _warn(data, keys, found, networks)
    params = {
        **{name: getattr(options, name) for name in ("n_bootstrap", "threshold", "top_n_targets")},
        "method": method,
        "values": "probability",
        "evidence": keys,
        "networks": [] if networks is None else list(map(str, networks)),
        "layer": layer,
        "random_state": random_state,
        "null": "popularity",
        "label_frequency": 1.0,
        "best_epoch": -1,
        "n_genes": data.n_vars,
        "n_candidate_tfs": len(candidates),
        "scregnet_version": version("scregnet"),
    }
    # 5. Commit.
    result = adata.copy() if copy else adata
    written = resolve(result, mod)
    varp = {key: network.probabilities, f"{key}_null": network.null}
    entry = {"varp_key": key, "params": params, **_results(found, keys, data.var_names)}
    earlier = [f"{key}_{slot}" for slot in SLOTS if key in written.uns]
    stale = [name for name in earlier if name not in varp]
    write(written, varp=varp, uns={key: entry}, remove={"varp": stale})
    return result if copy else None


def _from_source(
    adata: AnnData | MuData,
    source: AnnData,
    source_key: str,
    excluded: Mapping[str, object],
    own: Mapping[str, object],
    **how: Any,
) -> AnnData | MuData | None:
    """Fit the method and the labels of a fitted network to the cells of ``adata``.

    What ``own`` gives takes the place of what the fit of ``source`` was asked for.
    """
    for name, given in excluded.items():
        if given is not None:
            msg = (
                f"source and {name} exclude each other: with source, the layers are those that its "
                "fit named, and the labels are its own."
            )
            raise ValueError(msg)
    from scregnet.tl._fit_grn import fit_grn
    from scregnet.tl._transfer.refit import settings_of

    settings = settings_of(resolve(adata, how["mod"]), source, source_key)
    if own["top_n_targets"] == AUTO:
        own = {**own, "top_n_targets": None}
    settings |= {name: value for name, value in own.items() if value is not None}
    return fit_grn(adata, **settings, **how)


def _candidates(data: AnnData, n_experiments: Sequence[np.ndarray]) -> np.ndarray:
    """Return the positions of the TFs whose links are scored."""
    chosen = np.any([counts > 0 for counts in n_experiments], axis=0)
    if "is_tf" in data.var:
        chosen |= flags(data, "is_tf", "")
    if not chosen.any():
        msg = (
            "no gene of adata is known as a TF: call sr.pp.tfs(adata, names) first, or name layers "
            "whose TFs are in adata."
        )
        raise ValueError(msg)
    return np.flatnonzero(chosen)


def _scored(found: Transferred, candidates: np.ndarray, options: FitOptions) -> Network:
    from scregnet.tl._fit.network import all_links

    model, null = found.calibrated()
    return all_links(
        model,
        null,
        candidates,
        found.columns.n_genes,
        threshold=options.threshold,
        top_n_targets=options.targets_to_write(len(candidates), found.columns.n_genes),
    )


def _warn(
    data: AnnData, keys: Sequence[str], found: Transferred, networks: Mapping[str, Any] | None
) -> None:
    """Say what the probabilities mean, and which layer covers few genes."""
    for key in keys:
        share = float(data.var[f"{key}_covered"].mean())
        if share < _FEW:
            logger.warning(
                "transfer_grn: layer %r covers %.0f %% of the genes; the others count as never "
                "found, and their links are guesses",
                *(key, 100 * share),
            )
    if networks:
        meaning = f"edges are as frequent and as predictable as in {', '.join(map(str, networks))}"
    else:
        meaning = "they are those of being found by one more experiment of the layers"
    logger.warning(
        "transfer_grn: no link of these cells is known, so probabilities could not be checked on "
        "them; %s",
        f"they hold if {meaning}" if networks else meaning,
    )


def _results(found: Transferred, keys: Sequence[str], genes: pd.Index) -> dict[str, Any]:
    """Return what ``uns`` keeps beside the parameters; no pair has a label."""
    pairs = pd.DataFrame({"source": [], "target": []}, dtype=object)
    parts = pd.Categorical([], categories=["train", "validation", "test"])
    calibration = found.model.calibration
    state = found.model.links(found.columns).state()
    return {
        "weights": found.weights(keys),
        "metrics": found.metrics,
        "history": pd.DataFrame({"epoch": np.zeros(0, np.int64)}),
        "pairs": pairs.assign(label=np.zeros(0, np.int8), split=parts),
        "left_out": pairs,
        "model": {
            "method": "transfer",
            "n_models": 1,
            "n_folds": 1,
            "genes": genes.to_numpy(str).astype(object),
            "slope": calibration.slope,
            "intercept": calibration.intercept,
            "state": state,
            "digest": state_digest(state),
        },
    }
