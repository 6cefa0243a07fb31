import numpy as np
import pytest

from scregnet.metrics._uniform import BLOCK, ahead, uniform_blocks


def joined(rng, n):
    # A copy of each block: the next one may be written over it.
    return np.concatenate([block.copy() for block in uniform_blocks(rng, n)])


@pytest.mark.parametrize("n", [1, 3, 4, 1001, BLOCK, 2 * BLOCK + 5])
def test_they_are_the_numbers_of_numpy(n):
    ours, plain = np.random.default_rng(n), np.random.default_rng(n)
    # Half of a number of 64 bits is left over, and stays so.
    ours.integers(9, dtype=np.int32), plain.integers(9, dtype=np.int32)
    np.testing.assert_array_equal(joined(ours, n), plain.random(n))
    assert ours.bit_generator.state == plain.bit_generator.state
    np.testing.assert_array_equal(joined(ours, 7), plain.random(7))


def test_other_generators_draw_by_themselves():
    ours, plain = (np.random.Generator(np.random.MT19937(3)) for _ in range(2))
    np.testing.assert_array_equal(joined(ours, BLOCK + 2), plain.random(BLOCK + 2))
    assert ours.integers(100) == plain.integers(100)


def test_a_copy_goes_ahead():
    rng = np.random.default_rng(0)
    later = ahead(rng, 1000)
    np.testing.assert_array_equal(rng.random(1003)[1000:], later.random(3))
