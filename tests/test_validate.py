from __future__ import annotations

import numpy as np
import pytest

from scregnet._validate import (
    check_choice,
    check_integer,
    check_interval,
    did_you_mean,
    listed,
    own_arguments,
)


def test_listed():
    assert listed([]) == "none"
    assert listed(["a", 2]) == "'a', '2'"
    assert listed("abc", limit=2) == "'a', 'b' and 1 more"


def test_choice():
    check_choice("method", "degree", ["degree", "scregnet"])
    with pytest.raises(
        ValueError,
        match=r"method='degre' is not known; valid values: 'degree'.* Did you mean 'degree'\?",
    ):
        check_choice("method", "degre", ["degree", "scregnet"])
    with pytest.raises(ValueError, match="method=None is not known"):
        check_choice("method", None, ["degree"])
    with pytest.raises(ValueError, match=r"method=\['degree'\] is not known"):
        check_choice("method", ["degree"], {"degree": 1})


def test_suggestions():
    assert did_you_mean("layers", ["layer", "key"]) == " Did you mean 'layer'?"
    assert did_you_mean("seed", ["layer", "random_state"]) == " Did you mean 'random_state'?"
    # Only what the function takes is suggested.
    assert did_you_mean("seed", ["layer"]) == ""
    assert did_you_mean("verbose", []) == " For log lines, set sr.settings.verbosity."
    assert own_arguments(lambda one, *, two=2, **rest: None) == ["one", "two"]


@pytest.mark.parametrize("value", [1, np.int32(7)])
def test_integer(value):
    check_integer("n", value, minimum=1)


@pytest.mark.parametrize("value", [1.0, "1", True, None])
def test_not_an_integer(value):
    with pytest.raises(TypeError, match="n must be an integer, got"):
        check_integer("n", value, minimum=1)


def test_integer_too_small():
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        check_integer("n", 0, minimum=1)


@pytest.mark.parametrize(
    "closed, low_in, high_in", [("both", 1, 1), ("left", 1, 0), ("right", 0, 1), ("neither", 0, 0)]
)
def test_interval_ends(closed, low_in, high_in):
    check_interval("p", 0.5, 0, 1, closed=closed)
    for value, inside in ((0, low_in), (1, high_in)):
        if inside:
            check_interval("p", value, 0, 1, closed=closed)
        else:
            with pytest.raises(ValueError, match=r"p must lie in [\[(]0, 1[\])], got"):
                check_interval("p", value, 0, 1, closed=closed)


@pytest.mark.parametrize("value", [float("nan"), -0.1, np.float32(1.1)])
def test_outside_the_interval(value):
    with pytest.raises(ValueError, match="p must lie in"):
        check_interval("p", value, 0, 1)


@pytest.mark.parametrize("value", ["0.5", True, None])
def test_not_a_number(value):
    with pytest.raises(TypeError, match="p must be a number"):
        check_interval("p", value, 0, 1)
