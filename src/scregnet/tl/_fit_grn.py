"""Fit a network: labelled pairs and gene features in, calibrated probabilities and their evaluation out."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, resolve, write
from scregnet._anndata.groups import group_keys, groups_of
from scregnet._anndata.split import left_out
from scregnet._anndata.uns import check_key
from scregnet._device import resolve_device, torch_threads
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._progress import progress_bar
from scregnet._validate import check_integer, check_interval
from scregnet.links import fit_members, get_method, join
from scregnet.tl._fit.all_links import all_links, check_keep
from scregnet.tl._fit.evaluation import frames, judge, judge_nulls
from scregnet.tl._fit.labelled import labelled_pairs
from scregnet.tl._fit.task import make_task

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scregnet.links.task import Progress


@doc
def fit_grn(
    adata: AnnData | MuData,
    prior: Any = None,
    method: str = "joint",
    *,
    embedding: str | pd.DataFrame | None = "auto",
    layer: str | None = None,
    n_pcs: int | None = None,
    split: str | pd.DataFrame = "pairs",
    negatives: str = "all",
    negative_ratio: float = 1.0,
    label_frequency: float = 1.0,
    test_fraction: float = 0.33,
    validation_fraction: float | None = None,
    random_embedding: bool = False,
    n_models: int = 1,
    n_bootstrap: int = 200,
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

    The known edges are positives; other pairs of a TF that has edges with a gene of ``adata`` are negatives. Part of the pairs is
    hidden and scored once, at the end, beside the null models: what they score without having seen a single cell is in the same table. The epoch,
    the calibration and every choice that a method makes use validation pairs only, and messages pass along training edges only.

    A probability is that of an edge *like those of the prior*, in a world with as many edges among the pairs as there are among those used: it
    depends on ``negatives``, is low wherever the prior is incomplete, and carries no sign and no causal claim. :doc:`/probabilities` says what that means for
    priors that list only what is known, such as CollecTRI, and what ``label_frequency`` does about it.

    Parameters
    ----------
    %(adata)s
    %(prior)s

        ``None`` takes ``adata.varp["prior"]``, or the positives of ``split`` if that is a frame.
    method
        :doc:`/methods` describes them.

        - ``"joint"``: a Gaussian process over pairs (similar TFs have similar targets, similar genes have similar regulators) and factors of the labels, corrected by boosted
          trees; for targets without labels, its mean with a forest of genes. Genes whose symbols in ``adata.var_names`` have the same root, such as ``HOXB4`` and ``HOXB13``, count as similar (``family=0`` leaves that out). Runs on the processor.
        - ``"scregnet"`` (:cite:p:`kommu2025scregnet`): a frozen embedding beside a graph network whose node features are the genes' expression.
        - ``"sctransnet"`` (:cite:p:`kommu2024sctransnet`): a frozen embedding beside attention over the known network, and hard negatives.
        - ``"degree"``, ``"label_factors"``: the null models, which never see a cell. How often is this TF a regulator, and this gene a target; and which TFs have targets in common.
    embedding
        Gene embedding: a key of ``adata.varm``, or a frame indexed by gene name. ``"auto"`` takes the one that :func:`scregnet.tl.embed`
        wrote, if there is exactly one; ``None`` fits without.
    %(layer)s
        Raw counts are brought to log1p of counts per 10,000 in memory; other values are used as they are.
    n_pcs
        Use this many principal components of the cells as node features in place of all cells. ``None`` keeps every cell, as the
        paper does, and needs ``4 * n_vars * n_obs`` bytes.
    split
        Which pairs are hidden. Validation pairs are of the same kind as test pairs.

        - ``"pairs"``: every TF's edges and non-edges divided at random in the same proportions, as in the papers.
        - ``"targets"``: all pairs of some targets; these genes are never labelled as targets in training.
        - ``"tfs"``: all pairs of some TFs.
        - ``"both"``: the pairs of some TFs with some targets; the pairs of which one half is held out are in no part.
        - a frame with columns ``source``, ``target``, ``label`` (0 or 1) and ``split`` (``"train"``, ``"validation"``, ``"test"``), such as the frames of
          ``adata.uns["splits"]`` from :func:`scregnet.datasets.beeline`. Without ``"validation"`` pairs, some are drawn from each TF's training pairs at random.

        A gene is held out in its role only: a held-out target that is also a TF keeps its pairs as a TF. Where edges mostly run both ways, as in STRING, the
        reverse of a pair would tell its label: ``"pairs"`` keeps both directions in one part there, the others drop from training the pairs whose reverse is held out.
    negatives
        Which non-edges are negatives, in training, validation and test alike; ``"all"`` when ``split`` is a frame.

        - ``"all"``: all of them, the closed world of BEELINE.
        - ``"sampled"``: ``negative_ratio`` per edge, at random.
        - ``"hard"``: ``negative_ratio`` per edge, at random among those of the same TF.
        - ``"degree_matched"``: every TF and every target is in as many negatives as edges, so that degrees tell nothing and the null model ``"degree"``
          scores 0.5. Edges that cannot be matched, many of those of large regulons, are left out as well.
    negative_ratio
        Negatives per edge, with ``negatives="sampled"`` and ``"hard"``; fewer where there are not so many.
    label_frequency
        Share of the true edges among the pairs that the prior lists, taken to be a random sample of them. Below 1, probabilities are those of being
        an edge, not of being listed (:cite:p:`elkan2008`); the order of links does not change. With ``negatives="all"`` or a frame only.
    test_fraction
        Share of the pairs, the targets, the TFs, or both the TFs and the targets for testing; not read when ``split`` is a frame.
    validation_fraction
        The same share of the remainder for validation; not read when ``split`` is a frame that names validation pairs. ``None`` takes 0.1
        of pairs and targets, 0.2 of TFs, and with ``"both"`` 0.3 of the TFs and of the targets.
    random_embedding
        Put normal random vectors in the place of the embedding's, of the same width and scale; genes without a vector stay without. The control of the
        embedding: what is not lost by this did not come from the foundation model.
    n_models
        Fit this many times with different seeds and take the mean of the calibrated logits; the standard deviation of the probabilities is kept per link.
    n_bootstrap
        Resamples of the pairs for the 95 %% intervals of the figures (:func:`scregnet.metrics.bootstrap`); 0 gives none, and saves the time that they take where
        there are millions of pairs.
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
        Hyper-parameters of the method, the fields of its class; an unknown one raises ``TypeError`` with the valid names. For ``"joint"`` among others ``n_trees``
        and ``learning_rate``; for ``"scregnet"`` ``gnn``, ``gnn_dims``, ``dropout``, ``max_epochs``; for ``"degree"`` ``pseudo_count``.

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. Sets the following fields, with ``key`` for ``key_added``:

    - ``adata.varp[key]``: float32 CSR, row = regulator, column = target: calibrated probability of every link of a candidate TF (``adata.var["is_tf"]``,
      and every regulator of the prior).
    - ``adata.varp[f"{key}_sd"]``, with ``n_models`` above 1: float32 CSR with the same places, standard deviation of the members' probabilities.
    - ``adata.uns[key]``: ``params``; ``metrics``, a frame of the method's and the null models' figures on validation and test pairs, with intervals
      (:func:`scregnet.get.metrics`); ``history``, a frame with one row an epoch, empty for methods without epochs such as ``"joint"`` (and a column ``model`` if ``n_models`` is above 1); ``pairs``, a frame of the labelled pairs
      with label, split and probabilities; ``left_out``, a frame of the known edges that are in no part; ``model``, the fitted state
      as plain arrays, from which :func:`scregnet.get.score_links` scores pairs, also after reading a file.
    - With ``groupby``: all of these under ``f"{key}_{group}"`` for every group, and ``adata.uns[key]["groups"]`` with their names.

    Raises
    ------
    ValueError
        Nothing of the prior is in ``adata``, fewer than two TFs have edges, or too few to hold some out, a part of the split has only one kind of label,
        ``negatives`` or ``label_frequency`` does not go with the split, there is no embedding to stand in for, the matrix holds NaN or infinite values,
        gene names are not unique, or an argument is out of range.
    KeyError
        ``layer``, ``embedding``, ``groupby`` or a key of ``adata.varp`` is not there.
    RuntimeError
        The training diverged or collapsed to a constant score.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.get.metrics(adata).query("split == 'test' and metric == 'auroc'")["model"].tolist()
    ['degree', 'label_factors']
    """
    data = resolve(adata, mod)
    check_names(data)
    key = "grn" if key_added is None else key_added
    check_key(key)
    chosen = get_method(method, **method_params)
    check_keep(keep)
    check_integer("n_models", n_models, minimum=1)
    check_integer("n_bootstrap", n_bootstrap, minimum=0)
    _check_label_frequency(label_frequency, negatives)
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
        negatives=negatives,
        negative_ratio=negative_ratio,
    )
    unused = left_out(labelled, network, data.var_names)
    common = {
        "method": method,
        "method_params": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(chosen).items()
        },
        "split": split if isinstance(split, str) else "frame",
        "negatives": negatives,
        "negative_ratio": negative_ratio,
        "label_frequency": label_frequency,
        "layer": layer,
        "n_pcs": n_pcs,
        "random_embedding": random_embedding,
        "n_models": n_models,
        "n_bootstrap": n_bootstrap,
        "keep": keep,
        "random_state": random_state,
        "n_genes": data.n_vars,
        "n_candidate_tfs": len(candidates),
        "n_tfs": len(np.unique(labelled.train.sources[labelled.train.labels])),
        "n_edges_left_out": len(unused),
        "scregnet_version": version("scregnet"),
        **({"prior": network.report} if network is not None else {}),
    }
    how: dict[str, Any] = {
        "n_bootstrap": n_bootstrap,
        "random_state": random_state,
        "label_frequency": label_frequency,
    }
    # They see the pairs only, which are the same for every group of cells.
    nulls = judge_nulls(labelled, data.n_vars, but=method, **how)
    varp: dict[str, Any] = {}
    uns: dict[str, Any] = {}
    for position, name in enumerate(keys):
        group, rows = (
            (groups[position], np.flatnonzero(codes == position)) if groups else (None, None)
        )
        task, record = make_task(
            data,
            chosen,
            labelled,
            embedding=embedding,
            layer=layer,
            n_pcs=n_pcs,
            random_state=random_state,
            random_embedding=random_embedding,
            rows=rows,
            group=group,
        )
        n_epochs = getattr(chosen, "max_epochs", 0)
        with (
            torch_threads(),
            progress_bar(f"fit {name}", n_models * n_epochs, show=show_progress_bar) as bar,
        ):
            fits = fit_members(
                chosen,
                task,
                n_models,
                random_state=random_state,
                device=target_device,
                progress=None if bar is None else partial(_member_progress, bar, n_epochs),
            )
        links = join(fits, task, label_frequency=label_frequency)
        verdict = judge(links, labelled, **how)
        figures, pairs = frames({method: verdict, **nulls}, labelled, data.var_names)
        varp[name], deviations = all_links(
            links, verdict.calibration, candidates, data.n_vars, keep
        )
        if deviations is not None:
            varp[f"{name}_sd"] = deviations
        best = [fit.best_epoch for fit in fits]
        uns[name] = {
            "varp_key": name,
            "params": {
                **common,
                **record,
                "best_epoch": best[0] if n_models == 1 else best,
                **({} if group is None else {"groupby": groupby, "group": group}),
            },
            "metrics": figures,
            "history": _history([fit.history for fit in fits]),
            "pairs": pairs,
            "left_out": unused,
            "model": {
                "method": method,
                "n_models": n_models,
                "genes": data.var_names.to_numpy(str).astype(object),
                "slope": verdict.calibration.slope,
                "intercept": verdict.calibration.intercept,
                "state": links.state(),
            },
        }
        _log(name, figures)
    if groupby is not None:
        uns[key] = {"groupby": groupby, "groups": groups, "keys": keys, "params": common}

    result = adata.copy() if copy else adata
    written = resolve(result, mod)
    stale = [f"{name}_sd" for name in keys if name in written.uns and f"{name}_sd" not in varp]
    write(written, varp=varp, uns=uns)
    for name in stale:
        # The deviations of an ensemble that was fitted before under the same name.
        written.varp.pop(name, None)
    return result if copy else None


def _check_label_frequency(label_frequency: float, negatives: str) -> None:
    check_interval("label_frequency", label_frequency, 0, 1, closed="right")
    if label_frequency < 1 and negatives != "all":
        msg = (
            f"label_frequency={label_frequency!r} needs negatives='all', not {negatives!r}: "
            "among chosen negatives the share of hidden edges is another one."
        )
        raise ValueError(msg)


def _member_progress(bar: Progress, n_epochs: int, number: int) -> Progress:
    return lambda epoch, row: bar(number * n_epochs + epoch, row)


def _history(histories: list[list[dict[str, float]]]) -> pd.DataFrame:
    columns = ["epoch", "train_loss", "validation_loss", "validation_auroc", "validation_auprc"]
    frame = pd.DataFrame([row for rows in histories for row in rows], columns=columns)
    frame = frame.astype({"epoch": np.int64, **dict.fromkeys(columns[1:], np.float64)})
    if len(histories) > 1:
        frame.insert(
            0, "model", np.repeat(np.arange(len(histories)), [len(rows) for rows in histories])
        )
    return frame


def _log(name: str, metrics: pd.DataFrame) -> None:
    test = metrics[metrics["split"] == "test"].set_index(["model", "metric"])["value"]
    shown = [
        f"{model} AUROC {test[model, 'auroc']:.3f}, AUPRC {test[model, 'auprc']:.3f}, per TF {test[model, 'per_tf_auroc']:.3f}"
        for model in metrics["model"].unique()
    ]
    logger.info("%s, test pairs: %s", name, "; ".join(shown))
