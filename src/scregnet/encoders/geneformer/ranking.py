"""Rank the genes of every cell by scaled count, as Geneformer reads them; exact to the last bit.

Compiled, because ranking has to keep up with a GPU. NumPy takes 13 nanoseconds per stored value
for its sort alone, a loop over sparse rows about 100; all of the ranking here takes about 8.
``docs/results/embed.md`` has the measurement, ``benchmarks/embed.py`` repeats it.

The algorithm:

1. A count times the inverse factor of its gene is a positive double. Positive doubles sort like
   their bit patterns. The lowest bits are replaced by the code of the gene, so that one 64-bit key
   holds value and gene. Equal values then fall in the order of genes.
2. Keys are put into buckets by their leading bits. Then neighbours are swapped until all are in
   order. Swapping vectorises, and after the buckets few rounds are left.
3. The replaced bits make a key inexact. Cells with two neighbours that are closer than this error
   are sorted again by their exact values.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, no_type_check

import numba
import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp

# About as many as a cell has genes. It changes only the speed: by up to 10 % from 1,024 to 4,096.
_BUCKETS = 2048
# In units of the lowest bit that a key keeps. Replacing bits moves a key by at most two units for
# the factor and one for the value, so the difference of two keys by at most six.
_NEAR = 8


class _Cells(NamedTuple):
    """The CSR arrays of cells × genes."""

    indptr: np.ndarray
    columns: np.ndarray
    values: np.ndarray


class _Genes(NamedTuple):
    """One entry per gene of the data."""

    slots: np.ndarray
    """Slot, -1 without."""
    alone: np.ndarray
    """Whether it has a slot that no other gene has."""
    words: np.ndarray
    """Word of its slot if it is alone there, else 0."""
    shared: np.ndarray
    """Position of its slot among the shared slots, -1 if no other gene has that slot."""


class _Slots(NamedTuple):
    """One entry per slot, except ``shared``."""

    factors: np.ndarray
    words: np.ndarray
    """Inverse factor in the high bits, code of the slot in the low bits."""
    tokens: np.ndarray
    shared: np.ndarray
    """The slots that several genes have."""
    n_bits: int
    """How many low bits hold the code."""


class _Ranked(NamedTuple):
    """Where the result goes: the ``kept[i]`` first genes of cell ``i`` from ``starts[i]`` on."""

    starts: np.ndarray
    kept: np.ndarray
    slots: np.ndarray
    tokens: np.ndarray


class _Buffers(NamedTuple):
    """Memory of one thread."""

    keys: np.ndarray
    ordered: np.ndarray
    counters: np.ndarray
    sums: np.ndarray
    exact: np.ndarray


def rank_genes(
    matrix: sp.csr_matrix,
    slots: np.ndarray,
    factors: np.ndarray,
    tokens: np.ndarray,
    *,
    room: int,
    margin: int = 0,
    n_threads: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the slots of each cell's genes by falling ``count / total * 1e4 / factor``.

    Equal values are ordered by slot.

    Parameters
    ----------
    matrix
        Cells × genes, positive values only.
    slots
        Slot of every gene, ``-1`` for genes to leave out. Genes with the same slot are summed.
    factors
        What the values of each slot are divided by.
    tokens
        Token of every slot.
    room
        Most genes of a cell to return.
    margin
        Places to leave free before and after the genes of a cell that has any. They hold ``-1``.
    n_threads
        Threads to use.

    Returns
    -------
    ``indptr`` (int64, n_cells + 1), slots and their tokens (int32). Cell ``i`` has the places
    ``indptr[i]`` to ``indptr[i + 1]``.
    """
    cells = _Cells(
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32, copy=False),
        matrix.data.astype(np.float64, copy=False),
    )
    by_slot, by_gene = _tables(slots, factors, tokens)
    n_cells = matrix.shape[0]
    # Each thread gets cells with about as many values.
    ends = np.linspace(0, cells.indptr[-1], max(n_threads, 1) + 1)[1:-1]
    bounds = [0, *np.searchsorted(cells.indptr, ends).tolist(), n_cells]
    with ThreadPoolExecutor(max(n_threads, 1)) as pool:

        def in_parts(work: Callable[..., Any], *arguments: Any) -> None:
            # A list, so that an error in a thread is raised.
            list(pool.map(lambda *part: work(*arguments, *part), bounds[:-1], bounds[1:]))

        sizes = np.zeros(n_cells, dtype=np.int64)
        in_parts(_count, cells, by_gene, len(by_slot.shared), sizes)
        kept = np.minimum(sizes, room)
        indptr = np.concatenate([[0], np.cumsum(np.where(kept > 0, kept + 2 * margin, 0))])
        ranked = _Ranked(
            starts=indptr + margin,
            kept=kept,
            slots=np.full(indptr[-1], -1, dtype=np.int32),
            tokens=np.full(indptr[-1], -1, dtype=np.int32),
        )
        in_parts(_rank, cells, by_gene, by_slot, ranked, int(sizes.max(initial=0)))
    return indptr, ranked.slots, ranked.tokens


def _tables(slots: np.ndarray, factors: np.ndarray, tokens: np.ndarray) -> tuple[_Slots, _Genes]:
    """Return what the kernel looks up by slot and by gene."""
    n_slots = len(factors)
    n_bits = max(int(n_slots).bit_length(), 1)
    low = np.int64((1 << n_bits) - 1)
    # Keys descend, but slots of equal value must ascend: slot 0 has the highest code.
    codes = low - np.arange(n_slots, dtype=np.int64)
    words = ((1.0 / factors).view(np.int64) & ~low) | codes
    is_shared = np.bincount(slots[slots >= 0], minlength=n_slots) > 1
    shared = np.where((slots >= 0) & is_shared[slots], np.cumsum(is_shared)[slots] - 1, -1)
    alone = (slots >= 0) & (shared < 0)
    return (
        _Slots(
            factors,
            words,
            tokens.astype(np.int32),
            np.flatnonzero(is_shared).astype(np.int32),
            n_bits,
        ),
        _Genes(slots, alone, np.where(alone, words[slots], 0), shared.astype(np.int32)),
    )


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        # Without Python's lock, so that threads run at the same time.
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:
        # Neither the package's folder nor the user's cache can be written to: compile in every
        # session.
        return numba.njit(nogil=True)(function)


# In the loops below an index is made unsigned wherever it is read from an array: numba then leaves
# out the test for negative indices.


@_compiled
@no_type_check
def _count(cells, genes, n_shared, sizes, start, stop):
    """Count the distinct slots of the cells ``start`` to ``stop``."""
    # The last cell in which a shared slot was counted.
    last = np.full(n_shared, -1, np.int64)
    for cell in range(start, stop):
        n = 0
        for at in range(cells.indptr[cell], cells.indptr[cell + 1]):
            n += genes.alone[np.uint64(cells.columns[at])]
        if n_shared > 0:
            for at in range(cells.indptr[cell], cells.indptr[cell + 1]):
                which = genes.shared[cells.columns[at]]
                if which >= 0 and last[which] != cell:
                    last[which] = cell
                    n += 1
        sizes[cell] = n


@_compiled
@no_type_check
def _rank(cells, genes, slots, ranked, widest, start, stop):
    """Write the ranked slots of the cells ``start`` to ``stop``; none has more than ``widest``."""
    buffers = _Buffers(
        # One more than the genes: a gene to leave out writes a key, which the next overwrites.
        np.empty(widest + 1, np.float64),
        np.empty(widest + 1, np.int64),
        np.empty(_BUCKETS + 2, np.int32),
        np.zeros(len(slots.shared), np.float64),
        np.zeros(len(slots.factors), np.float64),
    )
    low = (np.int64(1) << slots.n_bits) - 1
    for cell in range(start, stop):
        if ranked.kept[cell] == 0:
            continue
        n = _fill_keys(cells, cell, genes, slots, buffers)
        keys = buffers.keys.view(np.int64)[:n]
        ordered = buffers.ordered[:n]
        _deal(keys, ordered, buffers.counters)
        _swap_until_sorted(ordered)
        near = _has_near(ordered, slots.n_bits)
        for i in range(n):
            ordered[i] = low - (ordered[i] & low)
        if near:
            _sort_exactly(cells, cell, genes.slots, slots.factors, ordered, buffers.exact)
        _write(ordered, slots.tokens, ranked, cell)


@_compiled
@no_type_check
def _fill_keys(cells, cell, genes, slots, buffers):
    """Fill the keys of a cell's slots, in any order; return how many there are."""
    low = (np.int64(1) << slots.n_bits) - 1
    high = ~low
    # The same memory, as numbers and as bits. The code in the low bits of a factor changes the
    # product by less than the bits that the key gives up.
    products, keys = buffers.keys, buffers.keys.view(np.int64)
    factor_of_gene, factor_of_slot = genes.words.view(np.float64), slots.words.view(np.float64)
    n = np.uint64(0)
    for at in range(cells.indptr[cell], cells.indptr[cell + 1]):
        gene = np.uint64(cells.columns[at])
        word = genes.words[gene]
        products[n] = cells.values[at] * factor_of_gene[gene]
        keys[n] = (keys[n] & high) | (word & low)
        # An unknown gene's key is overwritten by the next one: no branch to mispredict.
        n += np.uint64(word != 0)
    if len(slots.shared) == 0:
        return np.int64(n)
    for at in range(cells.indptr[cell], cells.indptr[cell + 1]):
        which = genes.shared[cells.columns[at]]
        if which >= 0:
            buffers.sums[which] += cells.values[at]
    for which in range(len(slots.shared)):
        if buffers.sums[which] > 0:
            slot = slots.shared[which]
            products[n] = buffers.sums[which] * factor_of_slot[slot]
            keys[n] = (keys[n] & high) | (slots.words[slot] & low)
            buffers.sums[which] = 0.0
            n += np.uint64(1)
    return np.int64(n)


@_compiled
@no_type_check
def _deal(keys, ordered, counters):
    """Sort keys into buckets of about equal value, highest bucket first: a counting sort."""
    lowest = highest = keys[0]
    for i in range(len(keys)):
        lowest = min(lowest, keys[i])
        highest = max(highest, keys[i])
    shift = np.int64(0)
    while (highest - lowest) >> shift >= _BUCKETS:
        shift += 1
    n_buckets = ((highest - lowest) >> shift) + 1
    for bucket in range(n_buckets + 1):
        counters[np.uint64(bucket)] = 0
    # One place later, so that the running sum of the counters is where each bucket starts.
    for i in range(len(keys)):
        counters[np.uint64((highest - keys[i]) >> shift) + np.uint64(1)] += 1
    total = np.int32(0)
    for bucket in range(n_buckets + 1):
        total += counters[np.uint64(bucket)]
        counters[np.uint64(bucket)] = total
    for i in range(len(keys)):
        bucket = np.uint64((highest - keys[i]) >> shift)
        ordered[np.uint64(counters[bucket])] = keys[i]
        counters[bucket] += 1


@_compiled
@no_type_check
def _swap_until_sorted(ordered):
    """Sort descending by exchanging neighbours; fast where hardly anything is out of order."""
    after = ordered[1:]
    while True:
        unsorted = 0
        # Without leaving the loop early: it vectorises.
        for i in range(len(after)):
            unsorted |= np.int64(ordered[i] < after[i])
        if unsorted == 0:
            return
        _order_pairs(ordered)
        _order_pairs(after)


@_compiled
@no_type_check
def _order_pairs(values):
    """Order values 0 and 1, 2 and 3, and so on, the larger first."""
    for i in range(len(values) >> 1):
        first, second = values[2 * i], values[2 * i + 1]
        values[2 * i], values[2 * i + 1] = max(first, second), min(first, second)


@_compiled
@no_type_check
def _has_near(ordered, n_bits):
    """Whether two neighbours may be in the wrong order, or equal and look different."""
    near = 0
    for i in range(len(ordered) - 1):
        near |= np.int64((ordered[i] >> n_bits) - (ordered[i + 1] >> n_bits) <= _NEAR)
    return near != 0


@_compiled
@no_type_check
def _sort_exactly(cells, cell, slot_of_gene, factors, ordered, exact):
    """Sort nearly sorted slots by exact value, equal values by slot: an insertion sort."""
    total = 0.0
    for at in range(cells.indptr[cell], cells.indptr[cell + 1]):
        total += cells.values[at]
        slot = slot_of_gene[cells.columns[at]]
        if slot >= 0:
            exact[slot] = 0.0
    for at in range(cells.indptr[cell], cells.indptr[cell + 1]):
        slot = slot_of_gene[cells.columns[at]]
        if slot >= 0:
            exact[slot] += cells.values[at]
    for slot in ordered:
        # The order of these operations decides about ties, as upstream's does.
        exact[slot] = exact[slot] / total * 1e4 / factors[slot]
    for i in range(1, len(ordered)):
        slot = ordered[i]
        to = i
        while to > 0 and (
            exact[ordered[to - 1]] < exact[slot]
            or (exact[ordered[to - 1]] == exact[slot] and ordered[to - 1] > slot)
        ):
            ordered[to] = ordered[to - 1]
            to -= 1
        ordered[to] = slot


@_compiled
@no_type_check
def _write(ordered, tokens, ranked, cell):
    """Write the first slots of a cell and their tokens."""
    start, n = ranked.starts[cell], ranked.kept[cell]
    out, named = ranked.slots[start : start + n], ranked.tokens[start : start + n]
    for i in range(n):
        out[i] = ordered[i]
        named[i] = tokens[np.uint64(ordered[i])]
