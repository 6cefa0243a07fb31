"""Compiled loops of the trees. Numbers are drawn here: the same seed gives the same trees."""

from __future__ import annotations

from functools import partial
from typing import no_type_check

import numpy as np

from scregnet._compiled import compiled
from scregnet.links.methods.levels import MOST_LEVELS

# Checks of divisors take a third of the time. Each counts cells of a node, and there are some.
compiled = partial(compiled, error_model="numpy")

# All 64 windows of six bits of this number differ, so that the product with a power of two says
# which power it is (de Bruijn).
_WINDOWS = np.uint64(0x03F79D71B4CB0A89)
_BIT = np.zeros(MOST_LEVELS, np.int64)
for _bit in range(MOST_LEVELS):
    _BIT[((int(_WINDOWS) << _bit) % 2**64) >> 58] = _bit


@compiled
@no_type_check
def _next(state: np.ndarray) -> np.uint64:
    """Return the next number of the generator splitmix64."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@compiled
@no_type_check
def _below(state: np.ndarray, n: int) -> int:
    """Return a random number from 0 to n - 1."""
    # 32 bits times n: the bias is below n / 2^32.
    return np.int64(((_next(state) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@compiled
@no_type_check
def _best_cut(levels, feature, cells, values, weights, total, count, sums):
    """Return gain and level of the best cut of one feature; level -1 where no cut gains anything.

    ``sums`` is a histogram of zeros, and is left so. Most nodes hold fewer cells than there are
    levels: bits say which levels are filled, and only those are looked at.
    """
    filled = np.uint64(0)
    for i in range(len(cells)):
        level = levels[feature, cells[i]]
        sums[level, 0] += values[i]
        sums[level, 1] += weights[i]
        filled |= np.uint64(1) << np.uint64(level)
    best, cut, last = 0.0, -1, -1
    left_sum, left_count = 0.0, 0.0
    while filled:
        lowest = filled & (~filled + np.uint64(1))
        filled ^= lowest
        level = _BIT[(lowest * _WINDOWS) >> np.uint64(58)]
        if last >= 0:
            right_count = count - left_count
            apart = left_sum * right_count - (total - left_sum) * left_count
            # Both sides' squares less the node's, over its cells: with one division, and without
            # the difference of large numbers.
            gain = apart * apart / (left_count * right_count)
            if gain > best:
                best, cut = gain, last
        left_sum += sums[level, 0]
        left_count += sums[level, 1]
        sums[level, 0] = sums[level, 1] = 0.0
        last = level
    return best / count, cut


@compiled
@no_type_check
def _split(levels, n_levels, y, weight, cells, total, count, m, order, state, work):
    """Return feature, level and gain of the best cut among ``m`` features drawn at random.

    At least one feature that varies in the node is looked at, as scikit-learn does.
    """
    sums, values, weights = work
    n = len(cells)
    for i in range(n):
        # In the order of the node, so that each feature reads them one after the other.
        weights[i] = weight[cells[i]]
        values[i] = weights[i] * y[cells[i]]
    n_features = len(order)
    best, feature, cut = 0.0, -1, -1
    seen, varies = 0, False
    while seen < n_features and (seen < m or not varies):
        pick = seen + _below(state, n_features - seen)
        order[seen], order[pick] = order[pick], order[seen]
        f = order[seen]
        seen += 1
        if n_levels[f] < 2:
            continue
        gain, level = _best_cut(levels, f, cells, values, weights, total, count, sums)
        if level >= 0:
            varies = True
            if gain > best:
                best, feature, cut = gain, f, level
    return feature, cut, best


@compiled
@no_type_check
def _part(levels, cells, cut):
    """Put the cells up to the cut first, in place; return how many they are."""
    first, last = 0, len(cells) - 1
    while first <= last:
        if levels[cells[first]] <= cut:
            first += 1
        else:
            cells[first], cells[last] = cells[last], cells[first]
            last -= 1
    return first


@compiled
@no_type_check
def boosted(levels, n_levels, y, rate, n_rounds, m, n_drawn, depth, window, seed, gains):
    """Add the gains of each feature over all trees to ``gains``; return the number of trees.

    Stochastic gradient boosting of squared error: each tree is grown on ``n_drawn`` cells drawn
    without replacement. It stops when the mean improvement on the cells that were left out, over
    ``window`` trees, is negative.
    """
    n_features, n_cells = levels.shape
    state = np.array([seed], np.uint64)
    order = np.arange(n_features)
    cells = np.arange(n_cells)
    ones = np.ones(n_cells)
    residual = y - y.mean()
    improvement = np.zeros(n_rounds)
    work = np.zeros((MOST_LEVELS, 2)), np.zeros(n_cells), np.zeros(n_cells)
    # Deep trees have fewer nodes than their depth allows.
    most = min(2 ** (min(depth, 40) + 1), 2 * n_cells)
    start, end, level_of = np.zeros(most, np.int64), np.zeros(most, np.int64), np.zeros(most)
    n_left_out = n_cells - n_drawn
    for number in range(n_rounds):
        # The cells that are left out are moved to the end.
        for i in range(n_left_out):
            last = n_cells - 1 - i
            pick = _below(state, last + 1)
            cells[last], cells[pick] = cells[pick], cells[last]
        # Nodes wait in a list; those of the drawn cells come in pairs with the cells left out.
        start[0], end[0], level_of[0] = 0, n_drawn, 0
        out_start, out_end = np.zeros(most, np.int64), np.zeros(most, np.int64)
        out_start[0], out_end[0] = n_drawn, n_cells
        n_nodes, node, change = 1, 0, 0.0
        while node < n_nodes:
            here = cells[start[node] : end[node]]
            out = cells[out_start[node] : out_end[node]]
            total = 0.0
            for cell in here:
                total += residual[cell]
            count = float(len(here))
            feature, cut, gain = -1, -1, 0.0
            if level_of[node] < depth and len(here) > 1:
                feature, cut, gain = _split(
                    levels, n_levels, residual, ones, here, total, count, m, order, state, work
                )
            if feature < 0:
                step = rate * total / count
                for cell in here:
                    residual[cell] -= step
                for cell in out:
                    before = residual[cell]
                    residual[cell] = before - step
                    change += before * before - residual[cell] * residual[cell]
            else:
                gains[feature] += gain
                middle = start[node] + _part(levels[feature], here, cut)
                out_middle = out_start[node] + _part(levels[feature], out, cut)
                start[n_nodes], end[n_nodes] = start[node], middle
                start[n_nodes + 1], end[n_nodes + 1] = middle, end[node]
                out_start[n_nodes], out_end[n_nodes] = out_start[node], out_middle
                out_start[n_nodes + 1], out_end[n_nodes + 1] = out_middle, out_end[node]
                level_of[n_nodes] = level_of[n_nodes + 1] = level_of[node] + 1
                n_nodes += 2
            node += 1
        improvement[number] = change / max(n_left_out, 1)
        if number >= window - 1 and improvement[number - window + 1 : number + 1].mean() < 0:
            return number + 1
    return n_rounds


@compiled
@no_type_check
def forest(levels, n_levels, y, n_trees, m, seed, gains):
    """Add the share of each feature in the gains of each tree to ``gains``.

    Each tree is grown on a bootstrap of the cells until its nodes are pure.
    """
    n_features, n_cells = levels.shape
    state = np.array([seed], np.uint64)
    order = np.arange(n_features)
    work = np.zeros((MOST_LEVELS, 2)), np.zeros(n_cells), np.zeros(n_cells)
    cells = np.zeros(n_cells, np.int64)
    start, end = np.zeros(2 * n_cells, np.int64), np.zeros(2 * n_cells, np.int64)
    weight, own = np.zeros(n_cells), np.zeros(n_features)
    for _ in range(n_trees):
        weight[:] = 0
        own[:] = 0
        for _ in range(n_cells):
            weight[_below(state, n_cells)] += 1
        n_drawn = 0
        for cell in range(n_cells):
            if weight[cell] > 0:
                cells[n_drawn] = cell
                n_drawn += 1
        start[0], end[0] = 0, n_drawn
        n_waiting = 1
        while n_waiting > 0:
            n_waiting -= 1
            first, last = start[n_waiting], end[n_waiting]
            here = cells[first:last]
            total, count, low, high = 0.0, 0.0, np.inf, -np.inf
            for cell in here:
                total += weight[cell] * y[cell]
                count += weight[cell]
                low = min(low, y[cell])
                high = max(high, y[cell])
            if len(here) < 2 or low == high:
                continue
            feature, cut, gain = _split(
                levels, n_levels, y, weight, here, total, count, m, order, state, work
            )
            if feature < 0:
                continue
            own[feature] += gain
            middle = first + _part(levels[feature], here, cut)
            start[n_waiting], end[n_waiting] = first, middle
            start[n_waiting + 1], end[n_waiting + 1] = middle, last
            n_waiting += 2
        whole = own.sum()
        if whole > 0:
            gains += own / whole
