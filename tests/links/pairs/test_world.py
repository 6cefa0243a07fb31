"""A closed world as bits: what goes in comes out, and a damaged one is refused."""

import numpy as np
import pytest

from scregnet.links.forms.saved import state_digest
from scregnet.links.pairs.digits import n_in_byte, pack, pick, unpack
from scregnet.links.pairs.fold_table import FoldCodes, FoldGrid, fold_table
from scregnet.links.pairs.folds import assign_folds
from scregnet.links.pairs.reciprocity import concatenate
from scregnet.links.pairs.splits import split_pairs
from scregnet.links.pairs.world import ClosedWorld
from scregnet.links.task import Split

N_GENES = 23
EVERY = np.divmod(np.arange(N_GENES**2), N_GENES)


@pytest.fixture(params=["pairs", "targets", "both"])
def split(request):
    rng = np.random.default_rng(4)
    edges = np.flatnonzero(rng.random(6 * N_GENES) < 0.3)
    row, target = np.divmod(edges, N_GENES)
    tfs = np.array([1, 4, 5, 11, 20, 22])
    kept = tfs[row] != target
    return split_pairs(
        tfs[row[kept]], target[kept], N_GENES, rng=rng, kind=request.param, test_fraction=0.4
    )


def folds_of(split, n_folds=3, n_repeats=2):
    pairs = concatenate(split.all)
    rng = np.random.default_rng(0)
    drawn = [assign_folds(pairs, n_folds, rng=rng) for _ in range(n_repeats)]
    return pairs, np.stack(drawn, axis=1)


def same(one: Split, other: Split) -> bool:
    return all(
        np.array_equal(getattr(a, name), getattr(b, name)) and getattr(b, name).dtype.itemsize <= 4
        for a, b in zip(one.all, other.all, strict=True)
        for name in ("sources", "targets", "labels")
    )


@pytest.mark.parametrize(
    ("base", "n"), [(2, 8), (3, 5), (4, 4), (5, 3), (16, 2), (17, 1), (256, 1)]
)
def test_numbers_are_packed_and_found_again(base, n):
    numbers = np.random.default_rng(base).integers(base, size=101)
    packed = pack(numbers, base)
    assert n_in_byte(base) == n
    assert len(packed) == -(-101 // n)
    np.testing.assert_array_equal(unpack(packed, base, 101), numbers)
    places = np.array([100, 0, 37, 37])
    np.testing.assert_array_equal(pick(packed, base, places), numbers[places])


def test_the_pairs_come_back_in_their_parts_and_order(split):
    pairs, folds = folds_of(split)
    made = ClosedWorld.of(split, N_GENES, folds, 3)
    # With "both" most pairs are in no part.
    if made is None:
        assert len(pairs) < 0.5 * 6 * N_GENES
        return
    world = ClosedWorld.from_state(made.state(), N_GENES)
    assert same(split, world.split())
    table = fold_table(pairs, folds, N_GENES).folds_of(*EVERY)
    np.testing.assert_array_equal(world.fold_table().folds_of(*EVERY), table)
    is_edge, part = world.of_pairs(*EVERY)
    expected = np.full((N_GENES, N_GENES), 3)
    for number, some in enumerate(split.all):
        expected[some.sources, some.targets] = number
    np.testing.assert_array_equal(part, expected.ravel())
    assert is_edge.sum() == pairs.n_positive
    found = world.of_pairs(*(ends[pairs.labels] for ends in (pairs.sources, pairs.targets)))
    assert found[0].all()
    # A gene that is gone from the data has the position -1.
    assert world.of_pairs(np.array([1, -1]), np.array([-1, 2]))[1].tolist() == [3, 3]


def test_genes_may_be_elsewhere(split):
    world = ClosedWorld.of(split, N_GENES)
    if world is None:
        return
    places = np.random.default_rng(1).permutation(N_GENES + 4)[:N_GENES]
    moved = world.renumbered(places, N_GENES + 4)
    for before, after in zip(world.split().all, moved.split().all, strict=True):
        there = set(zip(places[before.sources], places[before.targets], before.labels, strict=True))
        assert set(zip(after.sources, after.targets, after.labels, strict=True)) == there
    assert same(split, world.renumbered(np.arange(N_GENES), N_GENES).split())


def test_what_is_no_closed_world_is_none(split):
    few = Split(*(pairs.take(np.arange(0, len(pairs), 3)) for pairs in split.all))
    assert ClosedWorld.of(few, N_GENES) is None
    turned = Split(split.train.take(np.arange(len(split.train))[::-1]), *split.all[1:])
    assert ClosedWorld.of(turned, N_GENES) is None


def test_few_pairs_of_many_tfs_are_looked_up_alike(split):
    pairs, folds = folds_of(split)
    grid, codes = (form.of(pairs, folds, N_GENES) for form in (FoldGrid, FoldCodes))
    np.testing.assert_array_equal(grid.folds_of(*EVERY), codes.folds_of(*EVERY))
    assert grid.n_repeats == codes.n_repeats == 2
    assert isinstance(fold_table(pairs, folds, 100 * N_GENES), FoldCodes)


def damaged(state, rng):
    """One array changed: cut, turned, of another type, or with a number out of range."""
    names = [name for name, value in state.items() if name != "digest" and np.size(value)]
    name = names[rng.integers(len(names))]
    array = np.asarray(state[name])
    bad = [-1, 2**31 - 1, 255, 7][rng.integers(4)]
    flat = array.astype(np.int64).reshape(-1)
    flat[rng.integers(flat.size)] = bad
    changes = [
        array.reshape(-1)[: rng.integers(array.size + 1)],
        array.reshape(1, -1),
        array.astype(["U8", np.float64, complex, object][rng.integers(4)]),
        flat.reshape(array.shape),
        None,
    ]
    changed = {**state, name: changes[rng.integers(5)]}
    return {name: value for name, value in changed.items() if value is not None}


def test_a_damaged_world_is_refused_or_read():
    rng = np.random.default_rng(7)
    tfs = np.repeat([0, 3, 9], 5)
    targets = np.tile([1, 2, 5, 6, 8], 3)
    split = split_pairs(tfs, targets, N_GENES, rng=rng)
    state = ClosedWorld.of(split, N_GENES, folds_of(split)[1], 3).state()
    refused = 0
    for _ in range(300):
        changed = damaged(state, rng)
        whole = {name: value for name, value in changed.items() if name != "digest"}
        # With a digest that fits: whoever writes a file on purpose gives one.
        message = None
        try:
            world = ClosedWorld.from_state({**whole, "digest": state_digest(whole)}, N_GENES)
        except ValueError as error:
            message = str(error)
            refused += 1
        else:
            world.split()
            assert np.isin(world.of_pairs(*EVERY)[1], range(4)).all()
            assert world.fold_table().folds_of(*EVERY).max() < 256
        assert message is None or "saved network" in message
        if state_digest(whole) != state_digest({k: v for k, v in state.items() if k != "digest"}):
            with pytest.raises(ValueError, match="saved network"):
                ClosedWorld.from_state(changed, N_GENES)
    assert refused > 150
    with pytest.raises(ValueError, match="'n_genes'"):
        ClosedWorld.from_state(state, N_GENES + 1)
