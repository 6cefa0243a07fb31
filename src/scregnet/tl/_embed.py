"""Gene embeddings of a foundation model, from the cells at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scregnet._anndata.access import blocks, check_names, resolve, write
from scregnet._anndata.groups import group_keys, groups_of
from scregnet._anndata.uns import check_key
from scregnet._docs import doc
from scregnet._logging import logger
from scregnet._settings import settings
from scregnet._validate import check_choice, check_integer
from scregnet.encoders import CellBlock, CellStream, Embedding, EmbedOptions, create
from scregnet.encoders.registry import find
from scregnet.tl._gene_ids import genes_of

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp
    from anndata import AnnData
    from mudata import MuData


@doc
def embed(
    adata: AnnData | MuData,
    model: str = "geneformer",
    *,
    weights: str | Path | None = None,
    layer: str | None = None,
    counts: bool = True,
    gene_ids: str | None = None,
    orthologues: pd.DataFrame | Mapping[str, Any] | Literal["upper"] | None = None,
    groupby: str | None = None,
    max_cells: int | None = None,
    batch_size: int | None = None,
    pooling: str = "mean",
    key_added: str | None = None,
    device: str | None = None,
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    resume: bool = True,
    random_state: int | None = 0,
    show_progress_bar: bool | None = None,
    copy: bool = False,
    mod: str = "rna",
    **model_parameters: Any,
) -> AnnData | MuData | None:
    """Embed genes with a single-cell foundation model, or without one.

    ``"geneformer"`` :cite:p:`theodoris2023geneformer` reads every cell as its genes ranked by expression, ``"scbert"``
    :cite:p:`yang2022scbert` all its genes in bins of expression, ``"scfoundation"`` :cite:p:`hao2024scfoundation` with their values, and
    ``"scgpt"`` :cite:p:`cui2024scgpt` those that it expresses in bins within the cell. The vector of a gene is the mean of its contextual
    vectors over the cells in which it was seen. ``"svd"`` needs no weights: scaled gene loadings of a truncated SVD of log-normalised counts.
    Cells stream through a foundation model, so memory does not grow with their number. ``sr.get.models()`` lists models and variants.

    Parameters
    ----------
    %(adata)s
    model
        Name of the encoder, or ``"name:variant"`` for another of its checkpoints. ``"geneformer"`` alone is
        ``"geneformer:V1-10M"``, 41 MB and 6 layers, which runs on a CPU; scRegNet :cite:p:`kommu2025scregnet` used
        ``"geneformer:gf-20L-95M-i4096"``.
    weights
        Folder with the model's files; ``None`` takes them from ``sr.settings.cache_dir``, fetching them from the hub on first
        use. For Geneformer: ``config.json``, ``model.safetensors`` or ``pytorch_model.bin``, ``token_dictionary*.pkl``,
        ``gene_median_dictionary*.pkl`` and, where there are, ``ensembl_mapping_dict*.pkl`` and ``gene_name_id_dict*.pkl``. For
        scGPT: ``best_model.pt``, ``args.json`` and ``vocab.json``. For scBERT, which is on no hub: ``panglao_pretrain.pth`` and
        ``gene_order*.txt``. For scFoundation, whose licence forbids to pass it on: ``models.ckpt`` and
        ``OS_scRNA_gene_index.19264.tsv``. If ``model`` names a variant, the files must be that variant's, byte for byte.
    %(layer)s
    counts
        ``True`` demands raw counts. ``False`` takes any non-negative values as they are, such as log-normalised ones: models
        were trained on counts, so the ranks or bins they see then differ; it is recorded. scBERT takes them for log2(1 + x) of counts
        scaled to 10,000 (natural logarithms must be divided by ln 2 first).
    gene_ids
        Column of ``adata.var`` with the ids that the model knows genes by; ``None`` takes ``adata.var_names``. Symbols and
        Ensembl ids are told apart by their form and may be mixed; versions of Ensembl ids do not count. Which of them a model
        knows is in ``sr.get.models()``.
    orthologues
        For data that are not human, because the models are: a frame with columns ``mouse`` and ``human``, or a mapping from one
        to the other, of the ids that the data have. Genes that are not in it are unknown; of several human genes the one of
        the same name is taken, and where there is none the gene is left out; several genes with the same human one are summed
        and share its vector. ``"upper"`` takes the upper-cased symbol instead, right for most genes of the mouse and for none
        whose name differs. ``None`` never changes an id.
    groupby
        Column of ``adata.obs``: one embedding per category, in one pass. Cells without a category are left out.
    max_cells
        Use at most this many cells, of each category with ``groupby``, drawn at random.
    batch_size
        Most cells that a foundation model reads at once. ``None`` takes as many as make about 8,192 tokens on a CPU and 65,536 on
        a GPU: many short cells, few long ones. It changes speed and memory, not the result.
    pooling
        How a gene's vectors in single cells become one: ``"mean"`` over the cells in which it was seen; ``"mean_all"`` over all cells, for
        models that give every gene a vector, expressed or not (scBERT, scFoundation); ``"attentive"``, a mean over all cells weighted by the
        attention that the gene receives, as scTransNet :cite:p:`kommu2024sctransnet` pools (scBERT).
    key_added
        Name of the slots that are written; ``None`` takes the name of the encoder, without its variant.
    %(device)s
    precision
        Numbers that a foundation model computes with. ``"auto"`` is ``"bfloat16"`` for Geneformer on a GPU that has it, else
        ``"float32"``. Vectors are summed as float64 in any case.
    resume
        Save the sums of a run of more than a minute now and then in ``sr.settings.cache_dir / "embed"``, and go on from there if the
        same call was made before and ended early: the same cells, model, parameters and versions. On a CPU the numbers are then the
        same to the last bit. The file is removed when the run is done.
    %(random_state)s
    %(progress)s
    %(copy)s
    %(mod)s
    **model_parameters
        Parameters of the encoder. ``"geneformer"``: ``hidden_layer`` (``-1``, upstream's default, is the second to last, ``0``
        the last) and ``attention`` (``"sdpa"`` or ``"eager"``). ``"scbert"``: ``gene_order``, the file with the genes in its order.
        ``"scfoundation"``: ``target_resolution``, the depth that it is asked to read cells at (``"f1"`` a cell's own, ``"f2"`` twice that,
        ``"t4"`` 10,000 counts, ``"a1"`` ten times its own), and ``section`` of the file (``"gene"``). ``"scgpt"``: ``gene_vectors``
        (``"contextual"``, or ``"static"``: its dictionary's, the same for any data) and ``max_length`` (1200; of cells with more genes,
        some are drawn by ``random_state``). ``"svd"``: ``n_components`` (64).

    Returns
    -------
    Returns ``None`` if ``copy=False``, else a changed copy of ``adata``. Sets the following fields:

    - ``adata.varm[key_added]``: float32 array, genes × dimension; zeros for genes that the model does not know or never saw;
    - ``adata.var[f"{key_added}_covered"]``: ``False`` for those genes;
    - ``adata.uns[key_added]``: dict with ``varm_key`` and ``params`` (model, variant, revision, hash of the weights, layers,
      pooling, numbers of cells and genes, versions).

    With ``groupby`` the first two are ``adata.varm[f"{key_added}_{group}"]`` and
    ``adata.var[f"{key_added}_{group}_covered"]``, one for each category, and ``adata.uns[key_added]`` holds ``groups`` and
    ``varm_keys`` in the same order instead of ``varm_key``. A ``/`` in a category, which no file can hold in a key, is ``_`` in
    the keys.

    Raises
    ------
    ValueError
        If values are negative, not finite, or not counts where counts are needed; if the model knows none of the genes; if
        the model, variant or pooling is unknown; if weight files are damaged.
    KeyError
        If ``layer``, ``gene_ids``, ``groupby`` or ``mod`` is not there.
    FileNotFoundError
        If the weights are not there; the message tells how to get them.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated()
    >>> sr.tl.embed(adata, model="svd", n_components=16)
    >>> adata.varm["svd"].shape[1]
    16
    """
    entry, _, _ = find(model)
    key = entry.name if key_added is None else key_added
    check_key(key)
    options = EmbedOptions(
        pooling=pooling,
        batch_size=batch_size,
        device=device,
        random_state=random_state,
        progress=settings.progress_bar if show_progress_bar is None else show_progress_bar,
        precision=precision,
        partial_sums=settings.cache_dir / "embed" if resume else None,
    )
    if batch_size is not None:
        check_integer("batch_size", batch_size, minimum=1)
    check_choice("precision", precision, ("auto", "float32", "bfloat16", "float16"))
    if max_cells is not None:
        check_integer("max_cells", max_cells, minimum=1)
    source = resolve(adata, mod)
    check_names(source)
    genes, ids = genes_of(source, gene_ids, orthologues)
    groups, codes = groups_of(source, groupby)
    keys = [key] if groupby is None else group_keys(key, groups)
    cells = _Cells(source, layer, counts, codes, _draw(codes, max_cells, random_state))
    # Wrong input should not wait for the weights to be read.
    next(iter(cells))

    encoder = create(model, weights=weights, **model_parameters)
    if encoder.poolings:
        check_choice("pooling", pooling, encoder.poolings)
    elif pooling != "mean":
        msg = f"model={entry.name!r} does not pool over cells, so pooling={pooling!r} has no meaning; leave it out."
        raise ValueError(msg)
    stream = CellStream(cells, len(cells.rows), len(keys), counts)
    embedding = encoder.embed(stream, genes, options)
    _check_result(entry.name, embedding, len(keys), len(genes))
    cells.finish()
    _check_used(entry.name, embedding, cells)
    described = encoder.describe()
    params = {
        "model": entry.name,
        **described,
        **embedding.report,
        "pooling": pooling if encoder.poolings else "none",
        "layer": layer,
        "counts": counts,
        **ids,
        "groupby": groupby,
        "max_cells": max_cells,
        "random_state": random_state,
        **_coverage(entry.name, embedding, cells, groups),
        "versions": {"scregnet": version("scregnet"), **described.get("versions", {})},
    }
    record = {"varm_key": key} if groupby is None else {"groups": groups, "varm_keys": keys}

    changed = adata.copy() if copy else adata
    write(
        resolve(changed, mod),
        varm={
            name: group.vectors.astype(np.float32, copy=False)
            for name, group in zip(keys, embedding.groups, strict=True)
        },
        var={
            f"{name}_covered": group.covered
            for name, group in zip(keys, embedding.groups, strict=True)
        },
        uns={key: {**record, "params": params}},
    )
    return changed if copy else None


@dataclass
class _Cells:
    """The chosen cells as blocks for an encoder; after a pass, ``totals`` is the sum of every gene and ``n_empty`` the empty cells."""

    adata: AnnData
    layer: str | None
    counts: bool
    codes: np.ndarray
    rows: np.ndarray
    totals: np.ndarray = field(init=False)
    n_empty: int = field(init=False)
    complete: bool = field(init=False)

    def finish(self) -> None:
        """Read all cells unless that was done: an encoder may need no cells, or not all of them."""
        if not self.complete:
            for _ in self:
                pass

    def __iter__(self) -> Iterator[CellBlock]:
        self.complete = False
        self.totals = np.zeros(self.adata.n_vars)
        self.n_empty = 0
        for positions, block in blocks(self.adata, self.layer, rows=self.rows):
            self._check(block)
            self.totals += np.asarray(block.sum(axis=0)).ravel()
            self.n_empty += int((np.diff(block.indptr) == 0).sum())
            yield CellBlock(block, self.codes[positions])
        self.complete = True

    def _check(self, block: sp.csr_matrix) -> None:
        where = "adata.X" if self.layer is None else f"adata.layers[{self.layer!r}]"
        if (block.data < 0).any():
            msg = f"{where} holds negative values (lowest {block.data.min():.4g}), as scaled data do. Name the matrix of raw counts with layer=, for example layer='counts'."
            raise ValueError(msg)
        fractions = block.data[block.data != np.rint(block.data)]
        if self.counts and len(fractions):
            msg = (
                f"raw counts are needed, but {where} holds values that are not integers (such as {fractions[0]:.4g}). Name the "
                "matrix of raw counts with layer=, for example layer='counts'; or, if there are no counts, allow "
                "log-normalised values with counts=False."
            )
            raise ValueError(msg)


def _draw(codes: np.ndarray, max_cells: int | None, random_state: int | None) -> np.ndarray:
    """Return the positions of the cells to use."""
    rows = np.flatnonzero(codes >= 0)
    if max_cells is None:
        return rows
    rng = np.random.default_rng(random_state)
    members = (rows[codes[rows] == code] for code in np.unique(codes[rows]))
    return np.sort(np.concatenate([rng.permutation(cells)[:max_cells] for cells in members]))


def _check_result(name: str, embedding: Embedding, n_groups: int, n_genes: int) -> None:
    """Hold an encoder, which may be the user's own, to its promise."""
    fault = ""
    if len(embedding.groups) != n_groups or len(embedding.known) != n_genes:
        fault = f"{len(embedding.groups)} groups of {len(embedding.known)} genes instead of {n_groups} of {n_genes}"
    for group in embedding.groups:
        if (
            group.vectors.ndim != 2
            or len(group.vectors) != n_genes
            or group.covered.shape != (n_genes,)
        ):
            fault = f"vectors of shape {group.vectors.shape} for {n_genes} genes"
        elif group.vectors.dtype.kind != "f" or group.covered.dtype != bool:
            fault = f"{group.vectors.dtype} vectors and a {group.covered.dtype} mask instead of floating point and bool"
        elif not np.isfinite(group.vectors).all():
            fault = "vectors with NaN or infinite values"
        elif group.vectors[~group.covered].any():
            fault = "vectors that are not zero for genes that are not covered"
    if fault:
        msg = f"model={name!r} returned {fault}."
        raise ValueError(msg)


def _check_used(name: str, embedding: Embedding, cells: _Cells) -> None:
    """Raise ``ValueError`` unless the model could use a cell."""
    n_cells, n_genes = len(cells.rows), len(embedding.known)
    if cells.n_empty == n_cells or not any(group.n_cells for group in embedding.groups):
        msg = (
            f"none of the {n_cells} cells could be used by model={name!r}: {cells.n_empty} are "
            f"empty, and the others have no counts, or too few, in the "
            f"{int(embedding.known.sum())} of {n_genes} genes that the model knows."
        )
        raise ValueError(msg)


def _coverage(name: str, embedding: Embedding, cells: _Cells, groups: list[str]) -> dict[str, Any]:
    """Say in the log, and return for the record, how much of the data the model took in."""
    n_genes = len(embedding.known)
    n_known = int(embedding.known.sum())
    share = float(cells.totals[embedding.known].sum() / max(cells.totals.sum(), 1e-12))
    covered = np.array([int(group.covered.sum()) for group in embedding.groups])
    used = np.array([group.n_cells for group in embedding.groups])
    logger.info(
        "%s: %d of %d genes (%.0f %%), %.0f %% of the %s",
        *(
            name,
            n_known,
            n_genes,
            100 * n_known / n_genes,
            100 * share,
            "counts" if cells.counts else "expression",
        ),
    )
    # Wrong organism or wrong ids show as a small remainder of chance matches.
    if n_known < 0.2 * n_genes:
        logger.warning(
            "%s knows only %d of %d genes: are adata.var_names (or gene_ids=) the ids and the organism it was trained on?",
            *(name, n_known, n_genes),
        )
    never = np.flatnonzero(covered < n_known)
    for group in never:
        of = f" in {groups[group]!r}" if groups else ""
        logger.info(
            "%s: %d known genes were seen in no cell%s: their vectors are zero",
            name,
            n_known - covered[group],
            of,
        )
    if cells.n_empty:
        logger.info("%s: %d cells are empty and were left out", name, cells.n_empty)
    for group in np.flatnonzero(used == 0):
        logger.warning(
            "%s: no cell of %r could be used: all its vectors are zero", name, groups[group]
        )
    return {
        "n_cells": len(cells.rows),
        "n_cells_empty": cells.n_empty,
        "n_cells_used": used if groups else int(used[0]),
        "n_genes": n_genes,
        "n_genes_known": n_known,
        "n_genes_covered": covered if groups else int(covered[0]),
        "share_known": share,
    }
