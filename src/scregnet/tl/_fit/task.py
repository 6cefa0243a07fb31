"""What a fit is asked for, and what a method is given, read from an AnnData."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from scregnet._anndata.evidence import evidence_layers, layer_names
from scregnet._device import check_device_name, resolve_device
from scregnet._genes.split import PARTS
from scregnet._logging import logger
from scregnet._validate import (
    check_flags,
    check_integer,
    check_interval,
    check_name,
    did_you_mean,
    listed,
    own_arguments,
    shortened,
)
from scregnet.links import LinkMethod, LinkTask, get_method, method_class
from scregnet.tl._fit.network import candidate_tfs

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet._genes.split import LabelledPairs
    from scregnet.links.evidence import EvidenceLayer
    from scregnet.tl._fit.shared import SharedCells


AUTO = "auto"

MAX_CELLS = 10_000
"""Cells that say how genes vary together, by default; a correlation has an error of 0.01."""

ALL_LINKS, MANY_TARGETS = 5_000_000, 500
"""Links that ``top_n_targets="auto"`` writes all of; of more, so many of each TF."""

N_FOLDS, N_FOLDS_OF_MANY, MANY_PAIRS = 5, 4, 200_000
"""Folds that ``n_folds="auto"`` draws, and of how many labelled pairs it draws fewer.

Of so many pairs, a fit of ``"joint"`` takes a sample anyway, so that four folds train it on as many
as five do. Their fits take two thirds of the time.
"""

LAYER_STREAM = 8
"""Number of the random stream that shuffles layers; split, fits, folds and cells have others."""


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """The arguments of :func:`scregnet.tl.fit_grn` that decide the result: the one list of them.

    The record in ``uns``, the studies and the search all go by it.
    """

    embedding: str | pd.DataFrame | None = "auto"
    layer: str | None = None
    n_pcs: int | None = None
    max_cells: int | None = MAX_CELLS
    random_embedding: bool = False
    evidence: str | Sequence[str] | None = None
    random_evidence: bool = False
    shuffle_expression: bool = False
    pseudotime: str | None = None
    label_frequency: float = 1.0
    n_models: int = 1
    n_folds: int | str = AUTO
    n_bootstrap: int = 200
    threshold: float | None = None
    top_n_targets: int | str | None = AUTO
    random_state: int | None = 0

    def __post_init__(self) -> None:
        check_flags(
            random_embedding=self.random_embedding,
            random_evidence=self.random_evidence,
            shuffle_expression=self.shuffle_expression,
        )
        check_name("layer", self.layer)
        check_name("pseudotime", self.pseudotime)
        if not isinstance(self.embedding, (str, pd.DataFrame, type(None))):
            msg = (
                "embedding must be a key of adata.varm, a frame of vectors of genes, 'auto' or "
                f"None, got {shortened(self.embedding)}."
            )
            raise TypeError(msg)
        if self.n_pcs is not None:
            check_integer("n_pcs", self.n_pcs, minimum=1)
        if self.random_evidence and not layer_names(self.evidence):
            msg = "random_evidence=True needs layers to shuffle; name them with evidence=."
            raise ValueError(msg)
        check_interval("label_frequency", self.label_frequency, 0, 1, closed="right")
        if self.max_cells is not None:
            check_integer("max_cells", self.max_cells, minimum=2)
        check_integer("n_models", self.n_models, minimum=1)
        if not (isinstance(self.n_folds, str) and self.n_folds == AUTO):
            check_integer("n_folds", self.n_folds, minimum=1)
        check_integer("n_bootstrap", self.n_bootstrap, minimum=0)
        if self.threshold is not None:
            check_interval("threshold", self.threshold, 0, 1)
        auto = isinstance(self.top_n_targets, str) and self.top_n_targets == AUTO
        if self.top_n_targets is not None and not auto:
            check_integer("top_n_targets", self.top_n_targets, minimum=1)

    @property
    def fold_count(self) -> int:
        """Number of folds, of options that :meth:`for_pairs` returned."""
        return cast("int", self.n_folds)

    def targets_to_write(self, n_candidates: int, n_genes: int) -> int | None:
        """Return how many links of each TF are written, ``None`` for all; say so if not asked."""
        if self.top_n_targets != AUTO:
            return cast("int | None", self.top_n_targets)
        if self.threshold is not None or n_candidates * n_genes <= ALL_LINKS:
            return None
        logger.info(
            "top_n_targets: of the %d links of each of %d TFs, the %d most probable and all known "
            "edges are written; top_n_targets=None writes all",
            *(n_genes - 1, n_candidates, MANY_TARGETS),
        )
        return MANY_TARGETS

    def params(self) -> dict[str, Any]:
        """All of them as ``uns`` keeps them; a frame goes by the word ``"frame"``."""
        frame = isinstance(self.embedding, pd.DataFrame)
        shown = {field.name: getattr(self, field.name) for field in fields(self)}
        evidence = layer_names(self.evidence) or None
        return {**shown, "embedding": "frame" if frame else self.embedding, "evidence": evidence}

    def for_pairs(self, labelled: LabelledPairs) -> FitOptions:
        """Return the options with the number of folds that ``"auto"`` stands for.

        Raises ``ValueError`` where ``label_frequency`` does not go with the negatives.
        """
        if self.label_frequency < 1 and labelled.negatives != "all":
            msg = (
                f"label_frequency={self.label_frequency!r} needs negatives='all', "
                f"not {labelled.negatives!r}: among chosen negatives the share of hidden edges is "
                "another one."
            )
            raise ValueError(msg)
        if self.n_folds != AUTO:
            return self
        n_pairs = sum(len(getattr(labelled.parts, part)) for part in PARTS)
        return replace(self, n_folds=N_FOLDS if n_pairs <= MANY_PAIRS else N_FOLDS_OF_MANY)


def read_keywords(
    method: str, keywords: Mapping[str, Any], *, fixed: Iterable[str] = (), where: str = "the call"
) -> tuple[LinkMethod, FitOptions]:
    """Divide keyword arguments into the method's hyper-parameters and :class:`FitOptions`.

    ``fixed`` are options that the caller sets by itself and does not take.
    """
    options = {field.name for field in fields(FitOptions)}
    if refused := sorted(set(keywords) & set(fixed)):
        msg = f"{where} sets {listed(refused)}, which the study sets itself or does not take."
        raise TypeError(msg)
    own = {name: value for name, value in keywords.items() if name in options}
    rest = {name: value for name, value in keywords.items() if name not in options}
    _check_names(method, rest, (options - set(fixed)) | {"random_state", "show_progress_bar"})
    return get_method(method, **rest), FitOptions(**own)


def check_method_params(method: str, parameters: Iterable[str], function: Any) -> None:
    """Raise ``TypeError`` for an unknown keyword, with a hint from both lists of arguments."""
    _check_names(method, parameters, own_arguments(function))


def _check_names(method: str, parameters: Iterable[str], others: Iterable[str]) -> None:
    """Raise ``TypeError`` for a name that is no hyper-parameter; ``others`` are for the hint."""
    own = [f.name for f in fields(method_class(method))]  # type: ignore[arg-type]
    for name in parameters:
        if name not in own:
            hint = did_you_mean(name, [*own, *others])
            msg = (
                f"{name!r} is not a parameter of method={method!r}; "
                f"it takes {', '.join(own) or 'none'}.{hint}"
            )
            raise TypeError(msg)


def device_of(device: str | None, method: LinkMethod) -> Any:
    """Return the torch device, or ``None`` for a method that needs none."""
    if not method.uses_torch:
        check_device_name(device)
        return None
    return resolve_device(device)


UNREAD_EMBEDDING = {"embedding": "none"}
UNREAD_CELLS = {"layer": None, "n_pcs": None, "max_cells": None}


def unread(method: LinkMethod) -> dict[str, Any]:
    """Return what is kept of the options about features that a method does not read."""
    cells = {} if method.needs_expression else UNREAD_CELLS
    return cells | ({} if method.uses_embedding else UNREAD_EMBEDDING)


def log_unread(name: str, method: LinkMethod, options: FitOptions) -> None:
    """Warn of features that were asked for and that the method does not read."""
    asked = options.params()
    usual = {field.name: field.default for field in fields(FitOptions)}
    for key in unread(method):
        if asked[key] in (None, usual[key]):
            continue
        frame = key == "embedding" and asked[key] == "frame"
        logger.warning(
            "%s: method=%r does not read it, so %s is left out. sr.get.methods() says under 'uses' "
            "what a method reads.",
            *(key, name, "the frame" if frame else repr(asked[key])),
        )


def make_task(
    data: AnnData,
    method: LinkMethod,
    labelled: LabelledPairs,
    options: FitOptions,
    *,
    rows: np.ndarray | None = None,
    group: str | None = None,
    shared: SharedCells | None = None,
) -> tuple[LinkTask, dict[str, Any]]:
    """Return the task with the features that ``method`` uses, and a record of how they were made.

    ``rows`` are the cells to read, ``None`` for all. ``group`` is the category they belong to, for
    embeddings that were made group by group. With ``shared``, features of expression are shrunk to
    those of all groups.
    """
    parts = labelled.parts
    bare = LinkTask(data.n_vars, parts.train, parts.validation)
    _check_cells(method, options, grouped=shared is not None)
    if options.shuffle_expression and not method.needs_expression:
        msg = (
            "shuffle_expression=True needs a method that uses expression, and this one uses none; "
            "leave shuffle_expression=False."
        )
        raise ValueError(msg)
    if not (method.needs_expression or method.uses_embedding):
        _check_random(options, None, method)
        _check_evidence(options)
        return bare, unread(method)
    from scregnet._anndata.features import embedding_features, expression_features, log_unseen
    from scregnet._genes.families import gene_families

    expression, summary, vectors = None, None, None
    of_cells: dict[str, Any] = {}
    of_vectors: dict[str, Any] = {}
    if method.needs_expression and shared is not None and rows is not None:
        expression, summary, of_cells = shared.features(rows)
        log_unseen(of_cells)
    elif method.needs_expression:
        expression, summary, of_cells = expression_features(
            data,
            options.layer,
            n_pcs=options.n_pcs,
            rows=rows,
            random_state=options.random_state,
            shuffle=options.shuffle_expression,
            max_cells=options.max_cells,
        )
    if method.uses_embedding:
        vectors, of_vectors = embedding_features(data, options.embedding, group)
    _check_random(options, vectors, method)
    if options.random_embedding and vectors is not None:
        vectors = random_vectors(vectors, options.random_state)
    layers, of_layers = layers_of(data, options, labelled)
    if layers and not method.uses_evidence:
        if not method.uses_embedding:
            _check_evidence(options)
        vectors, layers = _joined(vectors, layers), ()
    families = gene_families(data.var_names)
    for name, matrix in (("expression", expression), ("embedding", vectors)):
        if matrix is not None:
            logger.debug("features: %s of %d genes, %d columns", name, *matrix.shape)
    task = replace(
        bare,
        expression=expression,
        embedding=vectors,
        summary=summary,
        families=families,
        evidence=layers,
        regulators=None if method.needs_labels else candidate_tfs(data, labelled),
        pseudotime=_time(data, options, rows) if method.needs_pseudotime else None,
    )
    return task, unread(method) | of_cells | of_vectors | of_layers


def _check_cells(method: LinkMethod, options: FitOptions, *, grouped: bool) -> None:
    """Raise where an argument about cells does not go with what the method reads."""
    if method.needs_pseudotime and options.pseudotime is None:
        msg = (
            "pseudotime=None, and this method needs the place of each cell in time: name a column "
            "of adata.obs, such as pseudotime='dpt_pseudotime' (scanpy's sc.tl.dpt writes it)."
        )
        raise ValueError(msg)
    if options.pseudotime is not None and not method.needs_pseudotime:
        msg = (
            f"pseudotime={options.pseudotime!r} is read by methods that need it, such as 'scode', "
            "or 'dgrns' with cell_order='pseudotime', and this one does not; leave pseudotime=None."
        )
        raise ValueError(msg)
    if method.needs_pseudotime and method.needs_labels and (grouped or options.n_pcs is not None):
        what = "groups of cells" if grouped else f"n_pcs={options.n_pcs!r}"
        msg = (
            f"pseudotime={options.pseudotime!r} orders cells, and with {what} the features of a "
            "gene are not its cells; fit without, to an AnnData of one group, or in another order "
            "(cell_order=) with pseudotime=None."
        )
        raise ValueError(msg)
    if options.n_pcs is not None and not method.needs_labels:
        msg = (
            f"n_pcs={options.n_pcs!r} replaces cells by components, and a method without labels "
            "reads the cells themselves; leave n_pcs=None."
        )
        raise ValueError(msg)


def _time(data: AnnData, options: FitOptions, rows: np.ndarray | None) -> np.ndarray:
    """Return the pseudotime of the cells that are the columns of ``expression``."""
    from scregnet._anndata.streamed import cell_numbers, draw_cells

    times = cell_numbers(data, "pseudotime", str(options.pseudotime), rows)
    drawn = draw_cells(len(times), options.max_cells, options.random_state)
    return times if drawn is None else times[drawn]


def layers_of(
    data: AnnData, options: FitOptions, labelled: LabelledPairs
) -> tuple[tuple[EvidenceLayer, ...], dict[str, Any]]:
    """Return the evidence layers of a fit, shuffled if it is a control, and a record.

    Labels of other kinds are layers as well, after those that are named.
    """
    layers, record = evidence_layers(data, options.evidence)
    layers += labelled.layers
    if options.random_evidence:
        seed = np.random.SeedSequence(options.random_state, spawn_key=(LAYER_STREAM,))
        rng = np.random.default_rng(seed)
        layers = tuple(layer.shuffled(rng) for layer in layers)
    return layers, record


def _joined(vectors: np.ndarray | None, layers: Sequence[EvidenceLayer]) -> np.ndarray:
    """Return an embedding with the profiles of layers beside it, each of root mean square 1."""
    blocks = [layer.profile for layer in layers]
    if vectors is not None:
        blocks.insert(0, vectors)
    sizes = [np.sqrt(np.mean(np.square(block, dtype=np.float64))) for block in blocks]
    scaled = [block / max(size, 1e-12) for block, size in zip(blocks, sizes, strict=True)]
    return np.concatenate(scaled, axis=1).astype(np.float32)


def _check_evidence(options: FitOptions) -> None:
    if layer_names(options.evidence):
        msg = (
            "evidence= needs a method that reads evidence layers or an embedding, such as "
            "'joint', and this one reads neither; leave evidence=None."
        )
        raise ValueError(msg)


def random_vectors(vectors: np.ndarray, random_state: int | None) -> np.ndarray:
    """Return normal vectors of the same shape and root mean square, float32.

    Genes without a vector stay without.
    """
    there = np.any(vectors != 0, axis=1)
    # A stream of its own: the seed's first numbers already made the split.
    (rng,) = np.random.default_rng(random_state).spawn(1)
    scale = np.sqrt(np.mean(np.square(vectors[there], dtype=np.float64))) if there.any() else 0.0
    drawn = scale * rng.standard_normal(vectors.shape)
    return np.where(there[:, None], drawn, 0).astype(np.float32)


def _check_random(options: FitOptions, vectors: np.ndarray | None, method: LinkMethod) -> None:
    if options.random_embedding and vectors is None:
        why = "no embedding was found or named" if method.uses_embedding else "the method uses none"
        msg = (
            f"random_embedding=True needs an embedding to replace, but {why}; "
            "name one with embedding=, or leave random_embedding=False."
        )
        raise ValueError(msg)
