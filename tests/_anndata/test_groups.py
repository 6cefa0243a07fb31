import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from scregnet._anndata.groups import check_slots, group_keys, groups_of, large_groups


def test_categories_with_cells_and_their_codes():
    column = pd.Categorical(["b", "a", None, "b"], categories=["b", "a", "unused"])
    adata = AnnData(np.ones((4, 2)), obs=pd.DataFrame({"type": column}, index=list("wxyz")))
    names, codes = groups_of(adata, "type")
    assert names == ["b", "a"]
    np.testing.assert_array_equal(codes, [0, 1, -1, 0])


def test_small_categories_lose_their_cells():
    column = ["a"] * 3 + ["b"] + ["c"] * 2 + [None]
    adata = AnnData(np.ones((7, 2)), obs=pd.DataFrame({"type": column}, index=list("tuvwxyz")))
    names, codes, small = large_groups(adata, "type", 2)
    assert names == ["a", "c"]
    assert small == {"b": 1}
    np.testing.assert_array_equal(codes, [0, 0, 0, -1, 1, 1, -1])


def test_keys_that_are_slots_of_others():
    check_slots("grn", ["grn_A", "grn_A_nulls", "grn_B"])
    with pytest.raises(ValueError, match="'grn_A_sign' .a slot of 'grn_A'., 'grn_sd' .a slot of"):
        check_slots("grn", ["grn_A", "grn_A_sign", "grn_sd"])


def test_slot_names():
    assert group_keys("grn", ["CD4+/T", "B"]) == ["grn_CD4+_T", "grn_B"]
    with pytest.raises(ValueError, match="differ only in '/' and '_'.*'grn_a_b'"):
        group_keys("grn", ["a/b", "a_b"])
