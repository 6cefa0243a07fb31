"""How far the vectors of other genes move if a TF is taken out of a cell, or put first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scregnet.encoders.pairs.run import Arrays, PairOptions, computing, each_cell, run_key
from scregnet.encoders.protocol import CellBlock, CellTokens

if TYPE_CHECKING:
    from scregnet.encoders.protocol import CellStream, GeneMatch
    from scregnet.encoders.token_encoder import TokenEncoder

MODES = ("delete", "overexpress")
# Genes on each side of the TF, by rank in the cell, that its control is drawn from.
NEAR = 10
_MAX_TOKENS = 16_384


@dataclass(frozen=True, eq=False)
class Shifts:
    """Mean shifts, float64 of TFs × slots, of the TF and of its controls; 0 where never seen.

    ``n_changed`` is the number of cells in which each TF was changed: fewer than were drawn where
    it lies beyond what the model reads of a long cell.
    """

    of_tf: np.ndarray
    of_control: np.ndarray
    n_both: np.ndarray
    n_changed: np.ndarray


@dataclass(frozen=True)
class _Asked:
    mode: str
    n_cells: int
    seed: int
    chosen: dict[int, np.ndarray]


def knockout_shifts(
    encoder: TokenEncoder,
    cells: CellStream,
    match: GeneMatch,
    tf_slots: np.ndarray,
    *,
    n_cells: int,
    mode: str = "delete",
    seed: int = 0,
    options: PairOptions | None = None,
) -> tuple[Shifts, ...]:
    """Encode cells with and without each TF, and compare the vectors of their other genes.

    The shift of a gene is 1 - cosine of its vectors before and after. In the same cells the same is
    done with a control: a gene drawn from the ten on each side of the TF by rank in the cell. Every
    vector of a cell changes with every token, so all is computed anew; the unchanged cell once.

    Parameters
    ----------
    encoder
        The model.
    cells
        The cells; gone through three times.
    match
        The genes of the data in its vocabulary.
    tf_slots
        Slots of the TFs.
    n_cells
        Most cells of each TF and group, drawn from those that express it.
    mode
        ``"delete"`` takes the gene out. ``"overexpress"`` puts it first, or gives it the highest
        value of the cell.
    seed
        Of the draws.
    options
        Where to compute, and what to save.

    Returns
    -------
    The shifts of each group.
    """
    options = PairOptions() if options is None else options
    if cells.engine is not None:
        options = replace(options, folder=None, progress=False)
    # Which cells are drawn depends on all of them; they are counted here, which reads no model.
    chosen = _chosen_cells(cells, match, tf_slots, n_cells, seed)
    asked = _Asked(mode, n_cells, seed, chosen)
    *sums, n_changed = cells.summed(_of_cells, encoder, match, tf_slots, asked, options)
    of_tf, of_control, n_both, n_control = sums
    means = [
        np.divide(total, n, out=np.zeros_like(total), where=n > 0)
        for total, n in ((of_tf, n_both), (of_control, n_control))
    ]
    return tuple(map(Shifts, *means, n_both, n_changed))


def _of_cells(
    cells: CellStream,
    encoder: TokenEncoder,
    match: GeneMatch,
    tf_slots: np.ndarray,
    asked: _Asked,
    options: PairOptions,
) -> tuple[np.ndarray, ...]:
    """Return sums of shifts, numbers of cells, and of changed cells, of each group."""
    shape = cells.n_groups, len(tf_slots), len(match.tokens)
    sums = Arrays(
        of_tf=np.zeros(shape),
        of_control=np.zeros(shape),
        n_both=np.zeros(shape, np.int64),
        n_control=np.zeros(shape, np.int64),
        n_changed=np.zeros(shape[:2], np.int64),
    )
    with computing(encoder, options.device):
        key: dict[str, Any] = {}
        if options.folder is not None:
            what = ["knockout", asked.mode, asked.n_cells, asked.seed, tf_slots.tolist(), shape[0]]
            key = run_key(encoder, match, what=what, device=str(encoder.device()))
        for number, block, row in each_cell(cells, sums, options, key, "Knock-out"):
            tfs = asked.chosen.get(number)
            if tfs is not None:
                seeds = asked.seed, number
                _add_cell(encoder, match, block, row, tf_slots, tfs, sums, asked.mode, seeds)
    return tuple(sums.state().values())


def _chosen_cells(
    cells: CellStream, match: GeneMatch, tf_slots: np.ndarray, n_cells: int, seed: int
) -> dict[int, np.ndarray]:
    """Return the TFs of each cell that is to be changed, by the number of the cell.

    The cells of a TF are counted first and found then: a list of all of them would grow with cells
    × TFs.
    """
    expressed = lambda block: match.collapse(block.matrix).tocsc()[:, tf_slots]
    n = np.zeros((cells.n_groups, len(tf_slots)), np.int64)
    for block in cells:
        found = expressed(block)
        tfs = np.repeat(np.arange(len(tf_slots)), np.diff(found.indptr))
        np.add.at(n, (block.groups[found.indices], tfs), 1)
    drawn = np.empty(n.shape, object)
    for group, tf in np.ndindex(n.shape):
        rng = np.random.default_rng([seed, int(match.tokens[tf_slots[tf]])])
        drawn[group, tf] = np.sort(rng.permutation(int(n[group, tf]))[:n_cells])
    wanted: dict[int, list[int]] = {}
    passed = np.zeros_like(n)
    before = 0
    for block in cells:
        columns = expressed(block)
        for tf in range(len(tf_slots)):
            every = np.sort(columns.indices[columns.indptr[tf] : columns.indptr[tf + 1]])
            for group in np.unique(block.groups[every]):
                rows, numbers = every[block.groups[every] == group], drawn[group, tf]
                start = passed[group, tf]
                first, end = np.searchsorted(numbers, [start, start + len(rows)])
                for row in rows[numbers[first:end] - start]:
                    wanted.setdefault(int(row) + before, []).append(tf)
                passed[group, tf] += len(rows)
        before += block.matrix.shape[0]
    return {cell: np.array(tfs) for cell, tfs in wanted.items()}


def _add_cell(
    encoder: TokenEncoder,
    match: GeneMatch,
    block: CellBlock,
    row: int,
    tf_slots: np.ndarray,
    tfs: np.ndarray,
    sums: Arrays,
    mode: str,
    seeds: tuple[int, int],
) -> None:
    """Add what some TFs do in one cell."""
    one = CellBlock(block.matrix[row], block.groups[row : row + 1], block.counts)
    tokens = encoder.tokenise(one, match)
    place_of = {int(slot): place for place, slot in enumerate(tokens.slots) if slot >= 0}
    ranked = _ranked(tokens)
    # A TF may be beyond what the model reads of a long cell.
    found = [int(tf) for tf in tfs if int(tf_slots[tf]) in place_of]
    if len(ranked) < 2 or not found:
        return
    group = int(block.groups[row])
    sums["n_changed"][group, found] += 1
    places = [place_of[int(tf_slots[tf])] for tf in found]
    rng = np.random.default_rng(seeds)
    places += [_control(ranked, place, rng) for place in places]
    before = _vectors(encoder, match, [tokens])[0]
    after = _vectors(encoder, match, [_changed(tokens, place, mode) for place in places])
    for number, (place, vectors) in enumerate(zip(places, after, strict=True)):
        tf = found[number % len(found)]
        name, n = ("of_tf", "n_both") if number < len(found) else ("of_control", "n_control")
        changed = int(tokens.slots[place])
        slots = np.array([s for s in before if s in vectors and s not in (changed, tf_slots[tf])])
        if len(slots):
            a, b = (np.stack([x[s] for s in slots]) for x in (before, vectors))
            lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
            cosine = (a * b).sum(axis=1) / np.maximum(lengths, np.finfo(float).tiny)
            sums[name][group, tf, slots] += np.maximum(1 - cosine, 0)
            sums[n][group, tf, slots] += 1


def _ranked(tokens: CellTokens) -> np.ndarray:
    """Return the places of a cell's genes, the highest first."""
    places = np.flatnonzero(tokens.slots >= 0)
    if tokens.values is None:
        return places
    return places[np.argsort(-tokens.values[places], kind="stable")]


def _control(ranked: np.ndarray, place: int, rng: np.random.Generator) -> int:
    at = int(np.flatnonzero(ranked == place)[0])
    near = np.concatenate([ranked[max(at - NEAR, 0) : at], ranked[at + 1 : at + 1 + NEAR]])
    return int(rng.choice(near))


def _changed(tokens: CellTokens, place: int, mode: str) -> CellTokens:
    """Return a cell without the gene at a place, or with it as its first."""
    order = np.delete(np.arange(len(tokens.ids)), place)
    values = tokens.values
    if mode == "overexpress":
        if values is None:
            order = np.insert(order, np.flatnonzero(tokens.slots >= 0)[0], place)
        else:
            order = np.arange(len(tokens.ids))
            values = values.copy()
            values[place] = values[tokens.slots >= 0].max()
    return CellTokens(
        indptr=np.array([0, len(order)]),
        ids=tokens.ids[order],
        slots=tokens.slots[order],
        values=None if values is None else values[order],
    )


def _vectors(
    encoder: TokenEncoder, match: GeneMatch, cells: list[CellTokens]
) -> list[dict[int, np.ndarray]]:
    """Return the vector of each slot in each cell."""
    n = max(_MAX_TOKENS // len(cells[0].ids), 1)
    found = []
    for start in range(0, len(cells), n):
        part = cells[start : start + n]
        lengths = [len(cell.ids) for cell in part]
        joined = CellTokens(
            indptr=np.concatenate([[0], np.cumsum(lengths)]),
            ids=np.concatenate([cell.ids for cell in part]),
            slots=np.concatenate([cell.slots for cell in part]),
            values=None
            if part[0].values is None
            else np.concatenate([cell.values for cell in part if cell.values is not None]),
        )
        encoded = encoder.encode(encoder.padded(joined, np.arange(len(part)), match, "mean"))
        hidden, slots = encoded.hidden.double().cpu().numpy(), encoded.slots.cpu().numpy()
        for vectors, own in zip(hidden, slots, strict=True):
            found.append({int(s): vectors[at] for at, s in enumerate(own) if s >= 0})
    return found


def over_control(shifts: Shifts) -> np.ndarray:
    """Return the TF's share of its own shift and its controls', 0 to 1; 0 where not measured.

    One half is no more than a control. One cell with the mean shift is added on both sides: the
    ratio of two small numbers from few cells would be anything.
    """
    seen = shifts.n_both > 0
    mean = shifts.of_control[seen].mean() if seen.any() else 0.0
    own, control = (shifts.n_both * x + mean for x in (shifts.of_tf, shifts.of_control))
    return np.divide(own, own + control, out=np.zeros_like(own), where=seen & (own + control > 0))


def cosines(vectors: torch.Tensor, rows: np.ndarray) -> np.ndarray:
    """Return (1 + cosine) / 2 of some rows with all, float64; 0 of a row with itself."""
    unit = torch.nn.functional.normalize(vectors.double(), dim=-1)
    found = ((1 + unit[torch.as_tensor(rows)] @ unit.T) / 2).clamp(0, 1).cpu().numpy()
    found[np.arange(len(rows)), rows] = 0
    return np.asarray(found)
