import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from scregnet._anndata.groups import group_keys, groups_of


def test_categories_with_cells_and_their_codes():
    column = pd.Categorical(["b", "a", None, "b"], categories=["b", "a", "unused"])
    adata = AnnData(np.ones((4, 2)), obs=pd.DataFrame({"type": column}, index=list("wxyz")))
    names, codes = groups_of(adata, "type")
    assert names == ["b", "a"]
    np.testing.assert_array_equal(codes, [0, 1, -1, 0])


def test_slot_names():
    assert group_keys("grn", ["CD4+/T", "B"]) == ["grn_CD4+_T", "grn_B"]
    with pytest.raises(ValueError, match="differ only in '/' and '_'.*'grn_a_b'"):
        group_keys("grn", ["a/b", "a_b"])
