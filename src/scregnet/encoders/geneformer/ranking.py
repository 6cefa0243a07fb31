"""Genes of every cell in descending order of count over a factor of the gene: a compiled kernel, exact to the last bit.

A count times the inverse factor is a double, and positive doubles sort like their bit patterns. Their last bits make way for the
gene's code, so that one 64-bit word holds value and gene, and ties fall in the order of genes. Words are dealt into buckets by
their leading bits, and neighbours swapped until none is out of order, which vectorises and takes few rounds. Only where two
neighbours differ by no more than the bits that were given up may cut the order short of the exact one: those cells are
put right with the exact values.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, no_type_check

import numba
import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp

_BUCKETS = 2048
# Giving up the low bits moves a key by at most two units for the factor, one for the value; two keys then differ by at most six.
_NEAR = 8


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:
        # Neither the package's folder nor the user's cache can be written to: compile anew in every session.
        return numba.njit(nogil=True)(function)


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
    """Return the slots of each cell's genes by falling ``count / total * 1e4 / factor``, equal values by slot.

    Parameters
    ----------
    matrix
        Cells × genes, positive values only.
    slots
        Slot of every gene, ``-1`` for genes to leave out; genes with the same slot are summed.
    factors
        What the values of each slot are divided by.
    tokens
        Token of every slot.
    room
        Most genes of a cell to return.
    margin
        Places to leave free before and after the genes of a cell that has any; slots and tokens hold ``-1`` there.
    n_threads
        Threads to use.

    Returns
    -------
    ``indptr`` (int64, n_cells + 1), slots and their tokens (int32), cell ``i`` at ``indptr[i]`` to ``indptr[i + 1]``.
    """
    n_slots = len(factors)
    bits = max(int(n_slots).bit_length(), 1)
    low = np.int64((1 << bits) - 1)
    shared = np.bincount(slots[slots >= 0], minlength=n_slots) > 1
    place = np.where((slots >= 0) & shared[slots], np.cumsum(shared)[slots] - 1, -1)
    shared_slots = np.flatnonzero(shared).astype(np.int32)
    # Slot 0 has the highest code: words descend, slots ascend.
    codes = low - np.arange(n_slots, dtype=np.int64)
    words = ((1.0 / factors).view(np.int64) & ~low) | codes
    alone = (slots >= 0) & (place < 0)
    table = np.where(alone, words[slots], 0)

    source = matrix.indptr.astype(np.int64)
    columns = matrix.indices.astype(np.int32, copy=False)
    values = matrix.data.astype(np.float64, copy=False)
    n_cells = matrix.shape[0]
    sizes = np.zeros(n_cells, dtype=np.int64)
    cuts = np.searchsorted(source, np.linspace(0, source[-1], max(n_threads, 1) + 1)[1:-1])
    bounds = np.concatenate([[0], cuts, [n_cells]]).tolist()

    place = place.astype(np.int32)
    n_shared = len(shared_slots)
    with ThreadPoolExecutor(max(n_threads, 1)) as pool:

        def split(work: Callable[[int, int], Any]) -> None:
            list(pool.map(work, bounds[:-1], bounds[1:]))

        split(
            lambda start, stop: _count(source, columns, alone, place, n_shared, sizes, start, stop)
        )
        kept = np.minimum(sizes, room)
        indptr = np.concatenate([[0], np.cumsum(np.where(kept > 0, kept + 2 * margin, 0))])
        ranked = np.full(indptr[-1], -1, dtype=np.int32)
        ids = np.full(indptr[-1], -1, dtype=np.int32)
        tokens = tokens.astype(np.int32)
        widest = int(sizes.max(initial=0))
        starts = indptr + margin
        split(
            lambda start, stop: _rank(
                *(source, columns, values, table, place, shared_slots, words, slots, factors),
                *(kept, starts, ranked, tokens, ids, low, bits, widest, start, stop),
            )
        )
    return indptr, ranked, ids


@_compiled
@no_type_check
def _count(indptr, columns, alone, place, n_shared, sizes, start, stop):
    """Count the distinct slots of cells."""
    last = np.full(n_shared, -1, np.int64)
    for row in range(start, stop):
        n = 0
        for at in range(indptr[row], indptr[row + 1]):
            n += alone[np.uint64(columns[at])]
        if n_shared > 0:
            for at in range(indptr[row], indptr[row + 1]):
                which = place[columns[at]]
                if which >= 0 and last[which] != row:
                    last[which] = row
                    n += 1
        sizes[row] = n


@_compiled
@no_type_check
def _rank(
    indptr,
    columns,
    values,
    table,
    place,
    shared_slots,
    words,
    slots,
    factors,
    kept,
    starts,
    ranked,
    tokens,
    ids,
    low,
    bits,
    widest,
    start,
    stop,
):
    """Write the ranked slots of cells."""
    one = np.uint64(1)
    high = ~low
    factor_of = table.view(np.float64)
    word_factor = words.view(np.float64)
    product = np.empty(widest + 1, np.float64)
    keys = product.view(np.int64)
    ordered = np.empty(widest + 2, np.int64)
    after = ordered[1:]
    count = np.empty(_BUCKETS + 2, np.int32)
    sums = np.zeros(len(shared_slots), np.float64)
    exact = np.zeros(len(factors), np.float64)
    for row in range(start, stop):
        if kept[row] == 0:
            continue
        n = np.uint64(0)
        for at in range(indptr[row], indptr[row + 1]):
            gene = np.uint64(columns[at])
            word = table[gene]
            product[n] = values[at] * factor_of[gene]
            keys[n] = (keys[n] & high) | (word & low)
            # An unknown gene's key is overwritten by the next one: no branch to mispredict.
            n += np.uint64(word != 0)
        if len(shared_slots) > 0:
            for at in range(indptr[row], indptr[row + 1]):
                which = place[columns[at]]
                if which >= 0:
                    sums[which] += values[at]
            for which in range(len(shared_slots)):
                if sums[which] > 0:
                    slot = shared_slots[which]
                    product[n] = sums[which] * word_factor[slot]
                    keys[n] = (keys[n] & high) | (words[slot] & low)
                    sums[which] = 0.0
                    n += one

        size = np.intp(n)
        lowest = highest = keys[0]
        for i in range(size):
            lowest = min(lowest, keys[i])
            highest = max(highest, keys[i])
        shift = np.int64(0)
        while (highest - lowest) >> shift >= _BUCKETS:
            shift += 1
        n_buckets = ((highest - lowest) >> shift) + 1
        for bucket in range(n_buckets + 1):
            count[np.uint64(bucket)] = 0
        for i in range(n):
            count[np.uint64((highest - keys[np.uint64(i)]) >> shift) + one] += 1
        total = np.int32(0)
        for bucket in range(n_buckets + 1):
            total += count[np.uint64(bucket)]
            count[np.uint64(bucket)] = total
        for i in range(n):
            key = keys[np.uint64(i)]
            bucket = np.uint64((highest - key) >> shift)
            ordered[np.uint64(count[bucket])] = key
            count[bucket] += 1

        while True:
            unsorted = 0
            for i in range(size - 1):
                unsorted |= np.int64(ordered[i] < after[i])
            if unsorted == 0:
                break
            for i in range(size >> 1):
                first, second = ordered[2 * i], ordered[2 * i + 1]
                ordered[2 * i], ordered[2 * i + 1] = max(first, second), min(first, second)
            for i in range((size - 1) >> 1):
                first, second = after[2 * i], after[2 * i + 1]
                after[2 * i], after[2 * i + 1] = max(first, second), min(first, second)

        near = 0
        for i in range(size - 1):
            near |= np.int64((ordered[i] >> bits) - (after[i] >> bits) <= _NEAR)
        for i in range(size):
            ordered[i] = low - (ordered[i] & low)
        if near != 0:
            total_count = 0.0
            for at in range(indptr[row], indptr[row + 1]):
                total_count += values[at]
                if slots[columns[at]] >= 0:
                    exact[slots[columns[at]]] = 0.0
            for at in range(indptr[row], indptr[row + 1]):
                if slots[columns[at]] >= 0:
                    exact[slots[columns[at]]] += values[at]
            for i in range(size):
                slot = ordered[i]
                exact[slot] = exact[slot] / total_count * 1e4 / factors[slot]
            for i in range(1, size):
                slot = ordered[i]
                to = i
                while to > 0 and (
                    exact[ordered[to - 1]] < exact[slot]
                    or (exact[ordered[to - 1]] == exact[slot] and ordered[to - 1] > slot)
                ):
                    ordered[to] = ordered[to - 1]
                    to -= 1
                ordered[to] = slot
        first_place, last_place = starts[row], starts[row] + kept[row]
        out = ranked[first_place:last_place]
        named = ids[first_place:last_place]
        for i in range(kept[row]):
            out[i] = ordered[i]
            named[i] = tokens[np.uint64(ordered[i])]
