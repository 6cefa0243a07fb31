from __future__ import annotations

import numpy as np
import pytest

from scregnet._validate import (
    check_choice,
    check_flags,
    check_integer,
    check_interval,
    did_you_mean,
    listed,
    name_list,
    noted,
    own_arguments,
    with_notes,
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


@pytest.mark.parametrize("value", ["False", 0, None, np.array([True])])
def test_a_flag_is_true_or_false(value):
    check_flags(copy=True, subset=np.False_)
    with pytest.raises(TypeError, match="copy must be True or False, got"):
        check_flags(subset=False, copy=value)


def test_names_one_or_several():
    assert name_list("sources", "GATA1") == ["GATA1"]
    assert name_list("sources", np.array(["GATA1", "SPI1"])) == ["GATA1", "SPI1"]
    assert name_list("sources", {"SPI1": 1}) == ["SPI1"]
    for wrong in (3, b"GATA1", None):
        with pytest.raises(TypeError, match="sources must be a name or a sequence of names"):
            name_list("sources", wrong)
    with pytest.raises(TypeError, match=r"sources must be a sequence of names, but holds \['A'\]"):
        name_list("sources", [["A"]])


def test_integer_too_large():
    check_integer("n", 2**63 - 1, minimum=1)
    with pytest.raises(ValueError, match="n must be at most 9223372036854775807, got"):
        check_integer("n", 2**63, minimum=1)


def test_an_error_says_where_it_was_raised():
    with pytest.raises(ValueError, match="^no edges") as found, noted("in fold 2"), noted("of A"):
        raise ValueError("no edges")
    assert with_notes(found.value) == "ValueError: no edges (of A; in fold 2)"
    assert with_notes(KeyError()) == "KeyError: "
