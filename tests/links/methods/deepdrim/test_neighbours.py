import numpy as np

from scregnet.links.methods.deepdrim.neighbours import strongest_neighbours


def test_neighbours_by_hand():
    # Gene 1 falls as gene 0 rises; gene 2 follows both loosely; gene 3 does not vary.
    expression = np.array([[1, 2, 3, 4], [8, 6, 4, 2], [1, 3, 2, 4], [5, 5, 5, 5]], np.float32)
    found = strongest_neighbours(expression, 2)
    assert found[:3].tolist() == [[1, 2], [0, 2], [0, 1]]
    assert 3 not in found[:3]
    assert found[3].tolist() == [0, 1]


def test_blocks_give_what_the_whole_matrix_gives():
    expression = np.random.default_rng(0).normal(size=(23, 40))
    strength = np.abs(np.corrcoef(expression))
    np.fill_diagonal(strength, -1)
    expected = np.argsort(-strength, axis=1)[:, :5]
    for block in (4, 512):
        np.testing.assert_array_equal(strongest_neighbours(expression, 5, block=block), expected)


def test_few_genes_have_few_neighbours():
    expression = np.random.default_rng(0).normal(size=(3, 40))
    assert strongest_neighbours(expression, 10).shape == (3, 2)
