"""Attention between TFs and genes, added up over cells; a whole attention matrix is never kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scregnet._validate import listed
from scregnet.encoders.layers.performer import EPSILON
from scregnet.encoders.layers.watching import watching
from scregnet.encoders.pairs.run import Arrays, PairOptions, computing, each_cell, run_key
from scregnet.encoders.protocol import CellBlock

if TYPE_CHECKING:
    from scregnet.encoders.protocol import CellStream, GeneMatch, TokenBatch
    from scregnet.encoders.token_encoder import TokenEncoder

DIRECTIONS = ("both", "to_tf", "from_tf")
# Queries whose products with all keys are in memory at once.
_QUERIES = 256


@dataclass(frozen=True, eq=False)
class PairSums:
    """Sums over cells, float64 of TFs × slots, and in how many cells both genes were seen."""

    sums: np.ndarray
    n_both: np.ndarray
    n_cells: int
    n_layers: int


@dataclass(frozen=True)
class _Asked:
    layers: Sequence[int] | None
    heads: Sequence[int] | None
    direction: str


def attention_sums(
    encoder: TokenEncoder,
    cells: CellStream,
    match: GeneMatch,
    tf_slots: np.ndarray,
    *,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    direction: str = "both",
    options: PairOptions | None = None,
) -> tuple[PairSums, ...]:
    """Add up the attention between some slots and all, over the cells of a group that express both.

    In a cell it is the mean over layers and heads: ``"to_tf"`` what the gene, as a query, gives to
    the TF, ``"from_tf"`` what the TF gives to the gene, ``"both"`` the sum of the two. Shares are
    of all positions of the cell, special tokens and unexpressed genes included.

    Parameters
    ----------
    encoder
        The model.
    cells
        The cells.
    match
        The genes of the data in its vocabulary.
    tf_slots
        Slots of the TFs.
    layers, heads
        Which to use, counted from 0; negative ones from the last. ``None`` uses all.
    direction
        Which way.
    options
        Where to compute, and what to save.

    Returns
    -------
    The sums of each group.

    Raises
    ------
    ValueError
        If there is no such layer or head, or no layer at all.
    """
    options = PairOptions() if options is None else options
    if cells.engine is not None:
        options = replace(options, folder=None, progress=False)
    asked = _Asked(layers, heads, direction)
    sums, n_both, n = cells.summed(_of_cells, encoder, match, tf_slots, asked, options)
    itself = slice(None), np.arange(len(tf_slots)), tf_slots
    sums[itself], n_both[itself] = 0, 0
    # Where no cell has a TF, the number of layers is not known.
    n_layers = int(n[:, 1].sum() // max(n[:, 2].sum(), 1))
    every = zip(sums, n_both, n[:, 0].tolist(), strict=True)
    return tuple(PairSums(own, both, n_cells, n_layers) for own, both, n_cells in every)


def _of_cells(
    cells: CellStream,
    encoder: TokenEncoder,
    match: GeneMatch,
    tf_slots: np.ndarray,
    asked: _Asked,
    options: PairOptions,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sums and numbers of cells, of each group; all add up with those of other cells.

    The last are the numbers of cells that were read, the layers of those with a TF, and how many
    these are.
    """
    row_of = np.full(len(match.tokens), -1)
    row_of[tf_slots] = np.arange(len(tf_slots))
    shape = cells.n_groups, len(tf_slots), len(match.tokens)
    kept = Arrays(
        sums=np.zeros(shape),
        n_both=np.zeros(shape, np.int64),
        n=np.zeros((cells.n_groups, 3), np.int64),
    )
    with computing(encoder, options.device):
        key: dict[str, Any] = {}
        if options.folder is not None:
            what = ["attention", *astuple(asked), tf_slots.tolist(), cells.n_groups]
            key = run_key(encoder, match, what=what, device=str(encoder.device()))
        for _, block, row in each_cell(cells, kept, options, key, "Attention"):
            group = int(block.groups[row])
            one = CellBlock(block.matrix[row], block.groups[row : row + 1], block.counts)
            # One cell at a time: its attention is as much work as the rest of the model.
            for batch in encoder.batches(one, match, 1):
                places = np.flatnonzero(batch.slots[0] >= 0)
                slots = batch.slots[0, places]
                tfs = np.flatnonzero(row_of[slots] >= 0)
                kept["n"][group, 0] += 1
                if len(tfs):
                    found, n_layers = _of_cell(encoder, batch, places, tfs, *astuple(asked))
                    at = (group, *np.ix_(row_of[slots[tfs]], slots))
                    kept["sums"][at] += found
                    kept["n_both"][at] += 1
                    kept["n"][group, 1:] += n_layers, 1
    return kept["sums"], kept["n_both"], kept["n"]


def over_expected(sums: np.ndarray) -> np.ndarray:
    """Return each sum over what the totals of its row and its column would give."""
    rows, columns = sums.sum(axis=1, keepdims=True), sums.sum(axis=0, keepdims=True)
    expected = rows * columns / max(sums.sum(), np.finfo(float).tiny)
    return np.divide(sums, expected, out=np.zeros_like(sums), where=expected > 0)


def _of_cell(
    encoder: TokenEncoder,
    batch: TokenBatch,
    places: np.ndarray,
    tfs: np.ndarray,
    layers: Sequence[int] | None,
    heads: Sequence[int] | None,
    direction: str,
) -> tuple[np.ndarray, int]:
    """Return the attention of one cell, TFs × genes of the cell, and the number of layers."""
    # Of a Performer, every gene of the model is a position.
    positions = batch.ids[0, places]
    found: list[np.ndarray] = []

    def watch(
        queries: torch.Tensor,
        keys: torch.Tensor,
        scaling: float | None,
        features: torch.Tensor | None,
    ) -> None:
        q, k = (_chosen(x[0].float(), heads) for x in (queries, keys))
        at = torch.as_tensor(places if features is None else positions, device=q.device)
        some = at[torch.as_tensor(tfs, device=q.device)]
        shares = (
            _softmax(q, k, at, some, scaling)
            if features is None
            else _performer(q, k, at, some, features.float(), all_keys=keys[0].float())
        )
        taken = {"both": shares, "to_tf": shares[:1], "from_tf": shares[1:]}[direction]
        # Heads are averaged.
        found.append(torch.stack([share.double().mean(0) for share in taken]).sum(0).cpu().numpy())

    with watching(watch):
        encoder.encode(batch)
    if not found:
        msg = (
            "the model runs no layer with attention that can be seen: hidden_layer= leaves out "
            "those after it, and networks that attend within windows (ModernBERT) show none."
        )
        raise ValueError(msg)
    chosen = _indices("layers", layers, len(found))
    return np.mean([found[number] for number in chosen], axis=0), len(chosen)


def _chosen(x: torch.Tensor, heads: Sequence[int] | None) -> torch.Tensor:
    return x if heads is None else x[_indices("heads", heads, len(x))]


def _indices(what: str, asked: Sequence[int] | None, n: int) -> list[int]:
    if asked is None:
        return list(range(n))
    if wrong := [number for number in asked if not -n <= number < n]:
        msg = (
            f"{what}={list(asked)}: the model has {n}, numbered from 0; it has no {listed(wrong)}."
        )
        raise ValueError(msg)
    return sorted({number % n for number in asked})


def _softmax(
    q: torch.Tensor,
    k: torch.Tensor,
    at: torch.Tensor,
    some: torch.Tensor,
    scaling: float | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return shares that genes give to TFs, and TFs to genes, both heads × TFs × genes."""
    scale = q.shape[-1] ** -0.5 if scaling is None else scaling
    keys = k.transpose(1, 2) * scale
    totals = [(q[:, part] @ keys).logsumexp(-1) for part in at.split(_QUERIES)]
    given = (q[:, at] @ keys[..., some] - torch.cat(totals, 1)[..., None]).exp()
    back = (q[:, some] @ keys).softmax(-1)[..., at]
    return given.transpose(1, 2), back


def _performer(
    q: torch.Tensor,
    k: torch.Tensor,
    at: torch.Tensor,
    some: torch.Tensor,
    features: torch.Tensor,
    *,
    all_keys: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the same of implicit attention: the share of a key's features in a query's total."""
    scaled, half = features * q.shape[-1] ** -0.25, 0.5 * q.shape[-1] ** -0.5
    # The constant beside the exponential keeps the maximum, that of all heads, from cancelling.
    highest = torch.stack([(head @ scaled.T).amax() for head in all_keys]).amax()

    def of_keys(rows: torch.Tensor) -> torch.Tensor:
        squares = half * rows.square().sum(-1, keepdim=True)
        return (rows @ scaled.T - squares - highest).exp() + EPSILON

    def of_queries(rows: torch.Tensor) -> torch.Tensor:
        projected = rows @ scaled.T
        squares = half * rows.square().sum(-1, keepdim=True)
        return (projected - squares - projected.amax(-1, keepdim=True)).exp() + EPSILON

    total = torch.stack([of_keys(part).sum(1) for part in k.split(_QUERIES, 1)]).sum(0)
    asking, asked = of_queries(q[:, at]), of_queries(q[:, some])
    given = asking @ of_keys(k[:, some]).transpose(1, 2) / (asking @ total[..., None])
    back = asked @ of_keys(k[:, at]).transpose(1, 2) / (asked @ total[..., None])
    return given.transpose(1, 2), back
