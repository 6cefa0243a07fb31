"""Values as text: equal ones have one, others have another."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from scregnet.bm._kept.plain import plain

FRAME = pd.DataFrame({"source": ["A", "B"], "weight": [1.0, np.nan]}, index=["x", "y"])
VALUES = [
    None,
    "a",
    3,
    {"a": 1, "b": [1, 2]},
    np.arange(6),
    np.arange(6).reshape(2, 3),
    np.arange(6.0),
    np.array(["a", "b"], object),
    FRAME,
    FRAME[::-1],
    FRAME.rename(columns={"weight": "score"}),
    FRAME.rename(index={"x": "z"}),
    FRAME.assign(weight=[1.0, 2.0]),
    FRAME[["weight"]],
    pd.DataFrame(np.eye(3), index=list("abc")),
    pd.DataFrame(np.eye(3, dtype=np.float32), index=list("abc")),
    {"embedding": pd.DataFrame(np.eye(3), index=list("abd"))},
]


def test_other_values_have_another_text():
    assert len({plain(value) for value in VALUES}) == len(VALUES)


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_a_copy_has_the_same_text(number):
    value = VALUES[number]
    copied = value.copy() if hasattr(value, "copy") else value
    assert plain(copied) == plain(value)


def test_order_of_a_mapping_and_memory_do_not_count():
    assert plain({"a": 1, "b": 2}) == plain({"b": 2, "a": 1})
    table = np.arange(6.0).reshape(2, 3)
    assert plain(np.asfortranarray(table)) == plain(table)
    assert plain(FRAME.astype({"source": "category"})) == plain(FRAME)


def test_another_session_has_the_same_text():
    code = (
        "import pandas as pd, numpy as np; from scregnet.bm._kept.plain import plain;"
        "print(plain(pd.DataFrame({'source': ['A', 'B'], 'weight': [1.0, np.nan]}, list('xy'))))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == plain(FRAME)
