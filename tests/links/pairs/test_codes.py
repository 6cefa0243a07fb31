import numpy as np

from scregnet.links.pairs import codes
from scregnet.links.pairs.codes import decode_pairs, find_codes, grouped, pair_codes


def test_a_code_is_source_times_genes_plus_target():
    codes = pair_codes(np.array([0, 2, 2], np.int32), np.array([3, 0, 4], np.int32), 5)
    assert codes.dtype == np.int64
    np.testing.assert_array_equal(codes, [3, 10, 14])


def test_codes_of_many_genes_do_not_overflow():
    # 59,999 * 60,000 does not fit into int32, the type of positions.
    last = np.array([59_999], np.int32)
    assert pair_codes(last, last, np.int32(60_000)).tolist() == [60_000**2 - 1]


def test_codes_sort_by_source_and_then_by_target():
    sources, targets = np.array([1, 0, 1, 0]), np.array([0, 6, 5, 2])
    order = np.argsort(pair_codes(sources, targets, 7))
    np.testing.assert_array_equal(order, np.lexsort((targets, sources)))


def test_decoding_gives_the_pairs_back():
    sources, targets = np.divmod(np.arange(12), 4)
    decoded = decode_pairs(pair_codes(sources, targets, 4), 4)
    np.testing.assert_array_equal(decoded, [sources, targets])


def test_no_pairs_have_no_codes():
    none = np.zeros(0, np.int32)
    assert pair_codes(none, none, 3).shape == (0,)
    assert [part.shape for part in decode_pairs(np.zeros(0, np.int64), 3)] == [(0,), (0,)]


def test_find_codes_gives_positions_and_marks_what_is_missing():
    wanted = np.array([[7, 2], [9, 0]])
    np.testing.assert_array_equal(find_codes(np.array([2, 5, 7]), wanted), [[2, 0], [-1, -1]])
    np.testing.assert_array_equal(find_codes(np.zeros(0, np.int64), wanted), np.full((2, 2), -1))


def test_places_of_each_source():
    sources = np.array([3, 1, 3, 0, 1, 3], np.int32)
    found = {source: places.tolist() for source, places in grouped(sources)}
    assert found == {0: [3], 1: [1, 4], 3: [0, 2, 5]}
    assert list(found) == [0, 1, 3]
    assert list(grouped(sources[:0])) == []


def test_places_are_in_order_of_their_groups_however_many(monkeypatch):
    rng = np.random.default_rng(0)
    order, group = codes.shuffled(500, rng), rng.integers(0, 9, 500, dtype=np.int32)
    few = codes.by_group(order, group)
    assert (np.diff(group[few]) >= 0).all()
    rank = np.argsort(order)
    for number in range(9):
        assert (np.diff(rank[few[group[few] == number]]) > 0).all()
    monkeypatch.setattr(codes, "MANY_PLACES", 1)
    many = codes.by_group(order, group)
    np.testing.assert_array_equal(many, few)
    assert many.dtype == order.dtype
    assert len(codes.by_group(order[:0], group[:0])) == 0
    monkeypatch.setattr(codes, "MANY_PLACES", 70)
    np.testing.assert_array_equal(codes.counted(group), np.bincount(group))
