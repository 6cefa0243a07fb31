"""Fit a network: labelled pairs and gene features in, calibrated probabilities out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from scregnet._anndata.access import check_names, check_writable, resolve, write
from scregnet._anndata.evidence import check_no_layer
from scregnet._anndata.groups import SLOTS, CellGroup, cell_groups, check_network_key
from scregnet._anndata.uns import check_key
from scregnet._docs import doc
from scregnet._genes.split import LabelledPairs, labelled_pairs
from scregnet._logging import logger
from scregnet._progress import stage, stages
from scregnet._validate import check_flags, check_integer, noted, seed_of
from scregnet.links import LinkMethod, get_method
from scregnet.tl._fit.estimate import announce_time
from scregnet.tl._fit.group import fit_group, matrices
from scregnet.tl._fit.inputs import Inputs
from scregnet.tl._fit.kinds import check_kinds, labelled_kinds
from scregnet.tl._fit.network import candidate_tfs
from scregnet.tl._fit.plan import Plan
from scregnet.tl._fit.task import (
    MAX_CELLS,
    FitOptions,
    check_method_params,
    device_of,
    layers_of,
    log_unread,
)
from scregnet.tl._fit.unlabelled import check_alone, no_pairs, reads_cells_alone, score_networks
from scregnet.tl._fit.verdict import Verdict, judge_layers, judge_nulls, warn_if_behind

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

    from scregnet.links.evidence import EvidenceLayer
    from scregnet.tl._fit.differences import NoiseFloor
    from scregnet.tl._fit.folds import Folds


@doc
def fit_grn(
    adata: AnnData | MuData,
    prior: Any = None,
    method: str = "joint",
    *,
    priors: Mapping[str, Any] | None = None,
    split: str | pd.DataFrame | None = None,
    embedding: str | pd.DataFrame | None = "auto",
    layer: str | None = None,
    n_pcs: int | None = None,
    max_cells: int | None = MAX_CELLS,
    random_embedding: bool = False,
    evidence: str | Sequence[str] | None = None,
    random_evidence: bool = False,
    shuffle_expression: bool = False,
    pseudotime: str | None = None,
    label_frequency: float = 1.0,
    n_models: int = 1,
    n_folds: int | Literal["auto"] = "auto",
    n_bootstrap: int = 200,
    groupby: str | None = None,
    min_cells: int = 50,
    noise_floor: bool = True,
    threshold: float | None = None,
    top_n_targets: int | Literal["auto"] | None = "auto",
    gene_symbols: str | None = None,
    key_added: str | None = None,
    device: str | None = None,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    copy: bool = False,
    mod: str = "rna",
    **method_params: Any,
) -> AnnData | MuData | None:
    """Learn from a partly known network which TF regulates which gene, and score every pair.

    Validation pairs choose the epoch and calibrate. Test pairs are scored once, at the end, next to
    the null models, which use no expression. A fit that is not ahead of them within TFs logs a
    warning (:ref:`differences`). :doc:`/methods` describes the methods and :doc:`/probabilities`
    what a probability means.

    Parameters
    ----------
    %(adata)s
    %(prior)s

        ``None`` takes ``adata.varp["prior"]``, or the edges of ``split``. A method that reads no
        labels then works without any (:ref:`expression-alone`).
    method
        ``"joint"``; another one that learns from labels, such as ``"scregnet"``; one that reads no
        labels, such as ``"pearson"``; or a null model, ``"degree"`` or ``"label_factors"``.
        :func:`scregnet.get.methods` has the table.
    priors
        Known networks of several kinds instead of ``prior``, such as ``{"chip": bound,
        "knockdown": changed}``: one network is fitted to each, named ``f"{key}_{kind}"``. Training
        labels of the other kinds are evidence; a pair is in the same part of the split for all of
        them. ``split`` then says which part a pair is in, and its labels are not read; ``None``
        divides anew (:ref:`kinds`).
    split
        Labelled pairs: a key written by :func:`scregnet.pp.split`, or a frame with ``source``,
        ``target``, ``label`` and ``split``. ``None`` takes ``adata.uns["split"]`` if it is there
        and ``prior`` is ``None``, else it draws the default split, with half a million labelled
        pairs at most.
    embedding
        Key of ``adata.varm``, or a frame indexed by gene. ``"auto"`` takes the only one that
        :func:`scregnet.tl.embed` wrote; ``None`` fits without.
    %(layer)s Raw counts become log1p of counts per 10,000, in memory.
    n_pcs
        Principal components of the cells to use as features of a gene; ``None`` takes all cells.
    max_cells
        Of more cells, so many random ones say how genes vary together; ``None`` takes all. Mean,
        deviation and detection rate are those of all cells. With ``groupby``, of each group.
    random_embedding
        Replace the embedding by random vectors of the same scale, as a control.
    evidence
        Keys of layers that :func:`scregnet.pp.evidence` wrote, never read unless named. The metrics
        have a row ``"evidence:<key>"`` for each layer alone. Methods without evidence take the
        profiles as part of the embedding. See :doc:`/evidence`.
    random_evidence
        Permute the genes of the layers, as a control.
    shuffle_expression
        Permute each gene's values among the cells, as a control: mean and detection stay,
        co-expression does not. An embedding stays as it is.
    pseudotime
        Column of ``adata.obs`` with the place of each cell in time, for methods that need it.
    label_frequency
        Share of the true edges that the prior lists; below 1, probabilities are those of being an
        edge, not of being listed.
    n_models
        Fits with different seeds; their calibrated logits are averaged.
    n_folds
        Divide the labelled pairs into so many folds, so that no probability that is written comes
        from a fit that saw the pair's label (:ref:`out-of-fold`). 1 writes those of the one fit
        that is evaluated, up to ``n_folds`` times as fast. ``"auto"`` takes 5, or 4 of more than
        200,000 pairs.
    n_bootstrap
        Resamples for the 95 %% intervals; 0 skips them.
    groupby
        Column of ``adata.obs``: fit one network for each category, on the same pairs, with
        features that are shrunk to those of all cells (:ref:`groups`).
    min_cells
        With ``groupby``: categories with fewer cells are named in the log and left out.
    noise_floor
        With ``groupby``: also fit random halves of the groups, and report whether networks of two
        groups differ by more than those of two halves. ``False`` saves these fits.
    threshold, top_n_targets
        Links to write: those of at least this probability, and this many of the most probable of
        each TF. ``None`` writes all. ``"auto"`` writes all of up to 5 million; of more, without
        ``threshold``, the 500 most probable of each TF and all known edges.
    gene_symbols
        Column of ``adata.var`` with the names that ``prior`` and ``split`` use.
    %(key_added)s Here ``"grn"``.
    %(device)s Not read by methods without torch.
    %(random_state)s
    %(progress)s
    %(copy)s
    %(mod)s
    **method_params
        Hyper-parameters of the method, the fields of its class.

    Returns
    -------
    ``None`` if ``copy=False``, else the changed copy. Sets, with ``key`` for ``key_added``:

    - ``adata.varp[key]``: float32 CSR (n_vars, n_vars), probabilities, row = regulator.
    - ``adata.varp[f"{key}_null"]``: those of the better null model, at the same places; and for
      ``n_models`` above 1 ``adata.varp[f"{key}_sd"]``, standard deviations.
    - ``adata.varp[f"{key}_sign"]``, if edges of the prior repress: the sign of the same links, 1 or
      -1 where known, between where predicted, NaN where it cannot be told (:ref:`signs`).
    - ``adata.uns[key]``: ``params``, ``metrics``, ``history``, ``pairs``, ``left_out``, ``model``,
      and of a large closed world ``world`` (:ref:`slots`). With ``groupby`` one such family for
      each group, ``f"{key}_{group}"``, and ``adata.uns[key]`` names them and has ``differences``.

    Without a known network, ``adata.varp[key]`` holds scores, ``params["values"]`` is ``"score"``,
    and metrics, pairs and the other slots are empty or missing (:ref:`expression-alone`).

    Raises
    ------
    ValueError, KeyError, TypeError
        An argument is wrong, or does not fit the data; the message names it.
    RuntimeError
        The training diverged, or collapsed to a constant score.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    """
    random_state = seed_of(random_state)
    data = resolve(adata, mod)
    check_names(data)
    check_writable(data, copy=copy)
    key = "grn" if key_added is None else key_added
    check_key(key)
    check_no_layer(data, key)
    check_network_key(data, key)
    # 1. What is asked for.
    check_flags(noise_floor=noise_floor)
    check_integer("min_cells", min_cells, minimum=1)
    check_method_params(method, method_params, fit_grn)
    chosen = get_method(method, **method_params)
    alone = reads_cells_alone(data, chosen, prior, split)
    options = FitOptions(
        embedding=embedding,
        layer=layer,
        n_pcs=n_pcs,
        max_cells=max_cells,
        random_embedding=random_embedding,
        evidence=evidence,
        random_evidence=random_evidence,
        shuffle_expression=shuffle_expression,
        pseudotime=pseudotime,
        label_frequency=label_frequency,
        n_models=n_models,
        n_folds=n_folds,
        n_bootstrap=n_bootstrap,
        # Of scores, which have no upper limit, it is not a probability.
        threshold=None if alone else threshold,
        top_n_targets=top_n_targets,
        random_state=random_state,
    )
    log_unread(method, chosen, options)
    if priors is not None:
        check_kinds(data, priors, prior, groupby, chosen, options, key)
    groups, small, floor = [CellGroup(key)], dict[str, int](), None
    if groupby is not None:
        groups, small = cell_groups(data, groupby, key, min_cells=min_cells)
    place, asked = device_of(device, chosen), {"min_cells": min_cells}
    with stages(key, show=show_progress_bar):
        if alone:
            check_alone(threshold, label_frequency)
            inputs = Inputs.of(data, chosen, options, no_pairs(), groups)
            varp, uns, params = score_networks(inputs, method, groups, groupby, threshold, place)
        elif priors is not None:
            labels = labelled_kinds(data, priors, split, options, gene_symbols)
            named = method, key, place, show_progress_bar
            varp, uns = _kinds(data, chosen, options, labels, named)
        else:
            # 2. The labelled pairs.
            labelled = labelled_pairs(
                data, prior, split, random_state=random_state, gene_symbols=gene_symbols
            )
            options = options.for_pairs(labelled)
            # 3. What the method is given. Bad input raises before anything is fitted.
            inputs = Inputs.of(data, chosen, options, labelled, groups)
            # 4. The null models. They see the pairs only, which are the same for every group.
            plan = _plan(inputs, method, place)
            # 5. The method, for each group.
            announce_time(inputs, plan.folds, n_groups=len(groups), device=place)
            floor = _noise_floor(inputs, plan, groups) if noise_floor else None
            varp, uns = _networks(
                inputs, plan, groups, groupby, floor, show_progress_bar=show_progress_bar
            )
            params = plan.params(data)
            asked["noise_floor"] = noise_floor
    if groupby is not None:
        uns[key] = {"groupby": groupby, **_names(groups, small, params | asked)}
    if floor is not None:
        uns[key]["differences"] = floor.compare(key)
    # 6. Commit.
    result = adata.copy() if copy else adata
    written = resolve(result, mod)
    # What an earlier fit of the same name wrote and this one does not.
    earlier = [f"{name}_{slot}" for name in uns if name in written.uns for slot in SLOTS]
    stale = [name for name in earlier if name not in varp]
    write(written, varp=varp, uns=uns, remove={"varp": stale})
    return result if copy else None


def _kinds(
    data: AnnData,
    chosen: LinkMethod,
    options: FitOptions,
    labels: Mapping[str, LabelledPairs],
    named: tuple[str, str, Any, bool | None],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fit a network to each kind of labels; ``named``: method, key, device, and the bar."""
    method, key, place, show = named
    varp: dict[str, Any] = {}
    uns: dict[str, Any] = {}
    for name, labelled in labels.items():
        with noted(f"with the labels priors[{name!r}]"):
            own = options.for_pairs(labelled)
            groups = [CellGroup(f"{key}_{name}")]
            inputs = Inputs.of(data, chosen, own, labelled, groups)
            plan = _plan(inputs, method, place)
            announce_time(inputs, plan.folds, n_groups=len(labels), device=place)
            found, entries = _networks(inputs, plan, groups, None, None, show_progress_bar=show)
        varp |= found
        for entry in entries.values():
            entry["params"] |= {"kind": name, "kinds": list(labels)}
        uns |= entries
    return varp, uns


def _plan(inputs: Inputs, name: str, device: Any) -> Plan:
    """Judge the null models and draw the folds."""
    data, method, options = inputs.data, inputs.method, inputs.options
    labelled = inputs.labelled
    kept = labelled.kept
    nulls = judge_nulls(labelled.parts, data.n_vars, options, but=name, kept=kept)
    layers, _ = layers_of(data, options, labelled)
    folds, fold_nulls = _folds(labelled, method, options, list(nulls), layers, data.n_vars)
    nulls |= judge_layers(labelled.parts, data.n_vars, options, layers, kept=kept)
    return Plan(name, method, options, labelled, nulls, device, folds, fold_nulls)


def _folds(
    labelled: LabelledPairs,
    method: LinkMethod,
    options: FitOptions,
    nulls: list[str],
    layers: Sequence[EvidenceLayer],
    n_genes: int,
) -> tuple[Folds | None, dict[str, Verdict]]:
    """Draw the folds of the delivered probabilities, and judge null models and layers on them."""
    if options.n_folds == 1:
        return None, {}
    from scregnet.tl._fit.folds import Folds, judge_layer_folds, judge_null_folds

    folds = Folds.draw(labelled, options, method)
    judged = judge_null_folds(nulls, n_genes, folds, options)
    return folds, judged | judge_layer_folds(layers, n_genes, folds, options)


def _networks(
    inputs: Inputs,
    plan: Plan,
    groups: list[CellGroup],
    groupby: str | None,
    floor: NoiseFloor | None,
    *,
    show_progress_bar: bool | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fit the method to each group; return what ``varp`` and ``uns`` get of all of them."""
    data = inputs.data
    candidates = candidate_tfs(data, plan.labelled)
    common = plan.params(data)
    varp: dict[str, Any] = {}
    uns: dict[str, Any] = {}
    behind: dict[str, str | None] = {}
    for number, group in enumerate(groups):
        with group.named_in_errors():
            task, record = inputs.task(group)
            fit = fit_group(task, plan, group, show_progress_bar=show_progress_bar)
            found, extra = matrices(fit, task, candidates, data.var_names, group.key)
        varp |= found
        params = {**common, **record, "best_epoch": fit.best_epoch(), "null": fit.null}
        if groupby is not None:
            params |= {"groupby": groupby, "group": group.name}
        entry = {"varp_key": group.key, "params": params, **fit.to_uns(data.var_names), **extra}
        uns[group.key] = entry
        fit.log(group.key)
        behind[group.key] = fit.behind()
        if floor is not None:
            with stage(f"halves of {group.name}"), group.named_in_errors():
                floor.add(number, plan.method, task, plan.device)
    warn_if_behind(plan.name, behind)
    return varp, uns


def _noise_floor(inputs: Inputs, plan: Plan, groups: list[CellGroup]) -> NoiseFloor | None:
    """Draw halves of the groups; ``None`` where networks cannot differ or halves lack features."""
    data, shared = inputs.data, inputs.shared
    if shared is None or len(groups) == 1:
        return None
    from scregnet._anndata.features import is_of_groups
    from scregnet.tl._fit.differences import NoiseFloor

    if plan.method.uses_embedding and is_of_groups(data, plan.options.embedding):
        logger.info(
            "noise_floor: not computed, since the embedding was made group by group and halves of "
            "a group have none of their own; embed all cells together to have it"
        )
        return None
    return NoiseFloor.of(groups, plan.labelled, candidate_tfs(data, plan.labelled), shared)


def _names(
    groups: list[CellGroup], small: dict[str, int], params: dict[str, Any]
) -> dict[str, Any]:
    """Return what ``uns`` keeps of all groups together."""
    left_out = {"groups_left_out": list(small), "n_cells_left_out": list(small.values())}
    return {
        "groups": [group.name for group in groups],
        "keys": [group.key for group in groups],
        "params": {**params, **left_out},
    }
