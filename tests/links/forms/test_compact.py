import numpy as np
import pytest

from scregnet.links.forms.compact import compact, from_upper_triangle, halved, upper_triangle


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([0.5, -2, 1024], np.float32), np.float16),
        (np.array([0.1], np.float32), np.float32),
        (np.array([1e6], np.float32), np.float32),
        (np.array([0.5], np.float64), np.float64),
        (np.array([-5, 32767], np.int32), np.int16),
        (np.array([0, 32768], np.int64), np.int32),
        (np.array([2**40], np.int64), np.int64),
        (np.array([True]), np.bool_),
        (np.array("name"), np.dtype("<U4")),
        (np.zeros((0, 3), np.float32), np.float32),
    ],
)
def test_values_stay_in_the_smallest_type_that_holds_them(values, dtype):
    found = compact(values)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)


def test_halved_values_are_close_and_then_take_half_the_bytes():
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    found = halved(values)
    np.testing.assert_allclose(found, values, rtol=5e-4, atol=1e-7)
    assert found.dtype == np.float32
    assert compact(found).dtype == np.float16


def test_half_of_a_symmetric_matrix_is_the_whole_one():
    matrix = np.arange(9.0).reshape(3, 3)
    matrix = (matrix + matrix.T).astype(np.float32)
    entries = upper_triangle(matrix)
    assert entries.shape == (6,)
    found = from_upper_triangle(entries, 3)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, matrix)
