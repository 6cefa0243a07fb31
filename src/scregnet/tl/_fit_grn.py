"""Fit a network: labelled pairs and gene features in, calibrated probabilities and their evaluation out."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._adata import check_names, resolve, write
from scregnet._device import resolve_device, torch_threads
from scregnet._docs import doc
from scregnet._groups import group_keys, groups_of
from scregnet._logging import logger
from scregnet._progress import progress_bar
from scregnet._uns import check_key
from scregnet.links import NULL_MODELS, get_method
from scregnet.tl._all_links import all_links, check_keep
from scregnet.tl._evaluation import evaluate_links
from scregnet.tl._labelled import labelled_pairs
from scregnet.tl._make_task import make_task

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


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
    check_keep(keep)
    groups, codes = groups_of(data, groupby)
    keys = group_keys(key, groups) if groups else [key]
    target_device = resolve_device(device)

    labelled, candidates, network = labelled_pairs(
        data,
        prior,
        split,
        test_fraction=test_fraction,
        validation_fraction=validation_fraction,
        random_state=random_state,
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
        task, record = make_task(
            data,
            chosen,
            labelled,
            embedding=embedding,
            layer=layer,
            n_pcs=n_pcs,
            random_state=random_state,
            rows=rows,
            group=group,
        )
        with (
            torch_threads(),
            progress_bar(f"fit {name}", getattr(chosen, "max_epochs", 0), show=show_progress_bar) as bar,
        ):
            fit = chosen.fit(task, rng=np.random.default_rng(random_state), device=target_device, progress=bar)
        figures, pairs, calibration = evaluate_links(method, fit.links, task, labelled, data.var_names)
        varp[name] = all_links(fit.links, calibration, candidates, data.n_vars, keep)
        uns[name] = {
            "varp_key": name,
            "params": {
                **common,
                **record,
                "best_epoch": fit.best_epoch,
                **({} if group is None else {"groupby": groupby, "group": group}),
            },
            "metrics": figures,
            "history": _history(fit.history),
            "pairs": pairs,
            "model": {
                "method": method,
                "genes": data.var_names.to_numpy(str).astype(object),
                "slope": calibration.slope,
                "intercept": calibration.intercept,
                "state": fit.links.state(),
            },
        }
        _log(name, figures, method)
    if groupby is not None:
        uns[key] = {"groupby": groupby, "groups": groups, "keys": keys, "params": common}

    result = adata.copy() if copy else adata
    write(resolve(result, mod), varp=varp, uns=uns)
    return result if copy else None


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
