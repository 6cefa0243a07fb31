"""Fit a network: labelled pairs and gene features in, calibrated probabilities and their evaluation out."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scregnet._adata import check_names, resolve, write
from scregnet._device import resolve_device, torch_threads
from scregnet._docs import doc
from scregnet._features import embedding_features, expression_features
from scregnet._groups import group_keys, groups_of
from scregnet._logging import logger
from scregnet._network import Network, read_network
from scregnet._progress import progress_bar
from scregnet._split import PARTS, check_split, pairs_frame, read_split
from scregnet._uns import check_key
from scregnet._validate import check_choice, check_integer, check_interval
from scregnet.links import NULL_MODELS, LinkMethod, LinkTask, PlattCalibration, Split, get_method, split_pairs
from scregnet.metrics import evaluate

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scregnet.links import FittedLinks

SPLITS = ("pairs",)


@doc
def fit_grn(
    adata: AnnData | MuData,
    prior: Any = None,
    method: str = "scregnet",
    *,
    embedding: str | pd.DataFrame | None = "auto",
    layer: str | None = None,
    n_pcs: int | None = None,
    split: str | pd.DataFrame = "pairs",
    test_fraction: float = 0.33,
    validation_fraction: float = 0.1,
    groupby: str | None = None,
    keep: str | float | int = "all",
    key_added: str | None = None,
    device: str | None = None,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    copy: bool = False,
    mod: str = "rna",
    **method_params: Any,
) -> AnnData | MuData | None:
    """Learn from a partly known network which TF regulates which gene, and score every TF → gene pair.

    The known edges are positives; every other pair of a TF that has edges with a gene of ``adata`` is a negative (the closed world
    of BEELINE). Part of the pairs is hidden and scored once, at the end, beside the null models: what they score without having seen a single cell
    is in the same table. The epoch, the calibration and every choice that a method makes use validation pairs only, and messages pass along training edges only.

    With a prior that lists only what is known, such as CollecTRI, negatives are pairs not known to be edges. A
    probability is then that of an edge *like those of the prior*: it is low wherever the prior is incomplete, and carries no sign and no causal claim.

    Parameters
    ----------
    %(adata)s
    %(prior)s

        ``None`` takes ``adata.varp["prior"]``, or the positives of ``split`` if that is a frame.
    method
        ``"scregnet"`` (:cite:p:`kommu2025scregnet`: a frozen embedding beside a graph network; the graph network's node features are the gene's expression) or
        ``"degree"`` (the null model: how often is this TF a regulator, how often is this gene a target).
    embedding
        Gene embedding: a key of ``adata.varm``, or a frame indexed by gene name. ``"auto"`` takes the one that :func:`scregnet.tl.embed`
        wrote, if there is exactly one; ``None`` fits without.
    %(layer)s
        Raw counts are brought to log1p of counts per 10,000 in memory; other values are used as they are.
    n_pcs
        Use this many principal components of the cells as node features in place of all cells. ``None`` keeps every cell, as the
        paper does, and needs ``4 * n_vars * n_obs`` bytes.
    split
        ``"pairs"``: every TF's edges and non-edges divided at random in the same proportions, as in the papers. Or a frame with columns
        ``source``, ``target``, ``label`` (0 or 1) and ``split`` (``"train"``, ``"validation"``, ``"test"``), such as the frames of
        ``adata.uns["splits"]`` from :func:`scregnet.datasets.beeline`.
    test_fraction
        Share of the pairs for testing; not read when ``split`` is a frame.
    validation_fraction
        Share of the remaining pairs for validation; not read when ``split`` is a frame that names validation pairs.
    groupby
        Column of ``adata.obs``: fit one network for the cells of each category, on the same pairs. An embedding that was made with the same ``groupby`` is used
        group by group.
    keep
        Links to write: ``"all"``, a float for those of at least this probability, or an integer for that many of the most probable per TF.
    %(key_added)s Here ``"grn"``.
    %(device)s
    %(random_state)s
    %(progress)s
    %(copy)s
    %(mod)s
    **method_params
        Hyper-parameters of the method, for ``"scregnet"``: ``gnn``, ``gnn_dims``, ``mlp_dims``, ``dropout``, ``optimizer``, ``learning_rate``,
        ``weight_decay``, ``batch_size``, ``max_epochs``, ``patience``; for ``"degree"``: ``pseudo_count``.

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. Sets the following fields, with ``key`` for ``key_added``:

    - ``adata.varp[key]``: float32 CSR, row = regulator, column = target: calibrated probability of every link of a candidate TF (``adata.var["is_tf"]``,
      and every regulator of the prior).
    - ``adata.uns[key]``: ``params``; ``metrics``, a frame of the method's and the null models' figures on validation and test pairs (:func:`scregnet.get.metrics`);
      ``history``, a frame with one row an epoch; ``pairs``, a frame of the labelled pairs with label, split and probabilities; ``model``, the fitted state
      as plain arrays, from which :func:`scregnet.tl.score_links` scores pairs, also after reading a file.
    - With ``groupby``: both under ``f"{key}_{group}"`` for every group, and ``adata.uns[key]["groups"]`` with their names.

    Raises
    ------
    ValueError
        Nothing of the prior is in ``adata``, fewer than two TFs have edges, a part of the split has only one kind of label, the matrix holds NaN or infinite values,
        gene names are not unique, or an argument is out of range.
    KeyError
        ``layer``, ``embedding``, ``groupby`` or a key of ``adata.varp`` is not there.
    RuntimeError
        The training diverged or collapsed to a constant score.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["truth"], method="degree")
    >>> sr.get.metrics(adata).query("split == 'test' and metric == 'auroc'")["model"].tolist()
    ['degree']
    """
    data = resolve(adata, mod)
    check_names(data)
    key = "grn" if key_added is None else key_added
    check_key(key)
    chosen = get_method(method, **method_params)
    _check_keep(keep)
    groups, codes = groups_of(data, groupby)
    keys = group_keys(key, groups) if groups else [key]
    target_device = resolve_device(device)

    labelled, candidates, network = _labelled_pairs(
        data, prior, split, test_fraction, validation_fraction, random_state
    )
    common = {
        "method": method,
        "method_params": {
            name: list(value) if isinstance(value, tuple) else value for name, value in vars(chosen).items()
        },
        "split": split if isinstance(split, str) else "frame",
        "negatives": "all",
        "layer": layer,
        "n_pcs": n_pcs,
        "keep": keep,
        "random_state": random_state,
        "n_genes": data.n_vars,
        "n_candidate_tfs": len(candidates),
        "n_tfs": len(np.unique(labelled.train.sources[labelled.train.labels])),
        "scregnet_version": version("scregnet"),
        **({"prior": network.report} if network is not None else {}),
    }
    varp: dict[str, Any] = {}
    uns: dict[str, Any] = {}
    for position, name in enumerate(keys):
        group, rows = (groups[position], np.flatnonzero(codes == position)) if groups else (None, None)
        task, record = _task(data, chosen, labelled, embedding, layer, n_pcs, rows, random_state, group)
        with (
            torch_threads(),
            progress_bar(f"fit {name}", getattr(chosen, "max_epochs", 0), show=show_progress_bar) as bar,
        ):
            fit = chosen.fit(task, rng=np.random.default_rng(random_state), device=target_device, progress=bar)
        results, probabilities = _results(method, chosen, fit.links, task, labelled, data, candidates, keep)
        varp[name] = probabilities
        uns[name] = {
            "varp_key": name,
            "params": {
                **common,
                **record,
                "best_epoch": fit.best_epoch,
                **({} if group is None else {"groupby": groupby, "group": group}),
            },
            "history": _history(fit.history),
            **results,
        }
        _log(name, uns[name]["metrics"], method)
    if groupby is not None:
        uns[key] = {"groupby": groupby, "groups": groups, "keys": keys, "params": common}

    result = adata.copy() if copy else adata
    write(resolve(result, mod), varp=varp, uns=uns)
    return result if copy else None


def _check_keep(keep: str | float | int) -> None:
    if isinstance(keep, str):
        check_choice("keep", keep, ("all",))
    elif isinstance(keep, float):
        check_interval("keep", keep, 0, 1)
    else:
        check_integer("keep", keep, minimum=1)


def _labelled_pairs(
    data: AnnData,
    prior: Any,
    split: str | pd.DataFrame,
    test_fraction: float,
    validation_fraction: float,
    random_state: int | None,
) -> tuple[Split, np.ndarray, Network | None]:
    """The split, the candidate TFs (positions, ascending) and the network as it was read."""
    check_interval("test_fraction", test_fraction, 0, 1, closed="neither")
    check_interval("validation_fraction", validation_fraction, 0, 1, closed="neither")
    rng = np.random.default_rng(random_state)
    network = None
    if isinstance(split, pd.DataFrame):
        network = None if prior is None else read_network(prior, data)
        labelled = read_split(split, data, validation_fraction=validation_fraction, rng=rng)
    else:
        check_choice("split", split, SPLITS)
        if prior is None and "prior" not in data.varp:
            msg = "prior is None and adata.varp['prior'] is not there: pass the network as prior=, or call sr.pp.prior(adata, network) first."
            raise KeyError(msg)
        network = read_network("prior" if prior is None else prior, data)
        labelled = split_pairs(
            network.sources,
            network.targets,
            data.n_vars,
            rng=rng,
            test_fraction=test_fraction,
            validation_fraction=validation_fraction,
        )
    check_split(labelled, "prior" if isinstance(split, str) else "split")
    is_candidate = data.var["is_tf"].to_numpy(bool).copy() if "is_tf" in data.var else np.zeros(data.n_vars, bool)
    for part in PARTS:
        is_candidate[getattr(labelled, part).sources] = True
    if network is not None:
        is_candidate[network.sources] = True
    return labelled, np.flatnonzero(is_candidate), network


def _task(
    data: AnnData,
    method: LinkMethod,
    labelled: Split,
    embedding: str | pd.DataFrame | None,
    layer: str | None,
    n_pcs: int | None,
    rows: np.ndarray | None,
    random_state: int | None,
    group: str | None,
) -> tuple[LinkTask, dict[str, Any]]:
    expression, vectors = None, None
    record: dict[str, Any] = {}
    if method.needs_expression:
        expression, record = expression_features(data, layer, n_pcs=n_pcs, rows=rows, random_state=random_state)
    if method.uses_embedding:
        vectors, more = embedding_features(data, embedding, group)
        record |= more
    return LinkTask(data.n_vars, labelled.train, labelled.validation, expression, vectors), record


def _results(
    name: str,
    method: LinkMethod,
    links: FittedLinks,
    task: LinkTask,
    labelled: Split,
    data: AnnData,
    candidates: np.ndarray,
    keep: str | float | int,
) -> tuple[dict[str, Any], sp.csr_matrix]:
    """Calibrate and evaluate the method and the null models; score every candidate TF against every gene."""
    models: dict[str, FittedLinks] = {name: links}
    for null in NULL_MODELS:
        if null != name:
            models[null] = get_method(null).fit(task, rng=np.random.default_rng(0), device=None).links
    pairs = pairs_frame(labelled, data.var_names)
    calibrations, rows = {}, []
    for model, fitted in models.items():
        check = labelled.validation
        calibration = PlattCalibration.fit(fitted.score(check.sources, check.targets), check.labels)
        calibrations[model] = calibration
        column = "probability" if model == name else f"probability_{model}"
        pairs[column] = np.concatenate(
            [calibration(fitted.score(part.sources, part.targets)) for part in (getattr(labelled, p) for p in PARTS)]
        )
        for part in ("validation", "test"):
            chosen = getattr(labelled, part)
            figures = evaluate(chosen.labels, fitted.score(chosen.sources, chosen.targets), chosen.sources)
            rows += [(model, part, metric, value) for metric, value in figures.items()]
    results = {
        "metrics": pd.DataFrame(rows, columns=["model", "split", "metric", "value"]),
        "pairs": pairs,
        "model": {
            "method": name,
            "genes": data.var_names.to_numpy(str).astype(object),
            "slope": calibrations[name].slope,
            "intercept": calibrations[name].intercept,
            "state": links.state(),
        },
    }
    return results, _all_links(links, calibrations[name], candidates, data.n_vars, keep)


def _all_links(
    links: FittedLinks, calibration: PlattCalibration, candidates: np.ndarray, n_genes: int, keep: str | float | int
) -> sp.csr_matrix:
    """Probabilities of the kept links, TF by TF, so that memory grows with what is kept."""
    genes = np.arange(n_genes)
    indptr = np.zeros(n_genes + 1, np.int64)
    indices, values = [], []
    for tf in candidates:
        targets = genes[genes != tf]
        probability = calibration(links.score(np.full(len(targets), tf), targets))
        if isinstance(keep, float):
            chosen = np.flatnonzero(probability >= keep)
        elif isinstance(keep, str) or keep >= len(targets):
            chosen = np.arange(len(targets))
        else:
            chosen = np.sort(np.argsort(-probability, kind="stable")[:keep])
        indices.append(targets[chosen].astype(np.int32))
        values.append(probability[chosen])
        indptr[tf + 1] = len(values[-1])
    data = np.concatenate(values) if values else np.zeros(0, np.float32)
    return sp.csr_matrix((data, np.concatenate(indices), np.cumsum(indptr)), shape=(n_genes, n_genes))


def _history(rows: list[dict[str, float]]) -> pd.DataFrame:
    columns = ["epoch", "train_loss", "validation_loss", "validation_auroc", "validation_auprc"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"epoch": np.int64, **dict.fromkeys(columns[1:], np.float64)})


def _log(name: str, metrics: pd.DataFrame, method: str) -> None:
    test = metrics[metrics["split"] == "test"].set_index(["model", "metric"])["value"]
    shown = [
        f"{model} AUROC {test[model, 'auroc']:.3f}, AUPRC {test[model, 'auprc']:.3f}, per TF {test[model, 'per_tf_auroc']:.3f}"
        for model in dict.fromkeys([method, *NULL_MODELS])
    ]
    logger.info("%s, test pairs: %s", name, "; ".join(shown))
