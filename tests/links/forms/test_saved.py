"""Saved arrays are checked before anything computes with them."""

import numpy as np
import pytest

from scregnet.links.forms.saved import check_ascending, read_bools, read_floats, read_integers

STATE = {
    "floats": np.arange(6.0).reshape(2, 3),
    "integers": np.array([3, 0, 5], np.int64),
    "bools": np.array([True, False]),
    "number": np.float64(0.25),
}


def test_arrays_that_fit_are_read():
    floats = read_floats(STATE, "floats", (2, None))
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats, STATE["floats"])
    integers = read_integers(STATE, "integers", (3,), high=5)
    assert integers.dtype == np.int32
    assert integers.tolist() == [3, 0, 5]
    assert read_bools(STATE, "bools", (None,)).tolist() == [True, False]
    # A number comes back from a file as a scalar.
    assert float(read_floats(STATE, "number", (), np.float64)) == 0.25


@pytest.mark.parametrize(
    "read, why",
    [
        (lambda: read_floats(STATE, "floats", (2, 4)), r"the shape \(2, 4\), found \(2, 3\)"),
        (lambda: read_floats(STATE, "floats", (None,)), r"the shape \(any\), found \(2, 3\)"),
        (lambda: read_floats(STATE, "integers", (3,)), "must hold floats, found int64"),
        (lambda: read_integers(STATE, "floats", (2, 3), high=9), "must hold integers, found float"),
        (lambda: read_integers(STATE, "integers", (3,), high=4), "between 0 and 4, found 0 to 5"),
        (lambda: read_integers(STATE, "integers", (3,), low=1, high=9), "between 1 and 9, found 0"),
        (lambda: read_bools(STATE, "integers", (3,)), "must hold bools, found int64"),
        (lambda: read_floats(STATE, "other", ()), "saved network has no array 'other'"),
        (lambda: check_ascending("integers", STATE["integers"]), "'integers' .* must ascend"),
    ],
)
def test_arrays_that_do_not_are_refused(read, why):
    with pytest.raises(ValueError, match=why):
        read()


def test_a_number_that_float32_cannot_hold_is_not_finite():
    state = {"floats": np.array([1.0, 1e300])}
    assert read_floats(state, "floats", (2,), np.float64)[1] == 1e300
    with pytest.raises(ValueError, match="'floats' .* not finite"):
        read_floats(state, "floats", (2,))


def test_equal_numbers_ascend_unless_strictly():
    check_ascending("starts", np.array([0, 2, 2, 5]))
    with pytest.raises(ValueError, match="must ascend"):
        check_ascending("starts", np.array([0, 2, 2, 5]), strictly=True)
    # Unsigned numbers must not wrap around.
    with pytest.raises(ValueError, match="must ascend"):
        check_ascending("starts", np.array([3, 1], np.uint32))
