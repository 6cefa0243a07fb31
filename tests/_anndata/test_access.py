from __future__ import annotations

import sys
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scregnet._anndata.access import (
    blocks,
    check_names,
    flags,
    is_counts,
    matrix,
    resolve,
    undone_on_failure,
    write,
)

COUNTS = np.random.default_rng(0).poisson(0.5, (10, 6)).astype(np.float32)


def _adata(X=COUNTS) -> ad.AnnData:
    return ad.AnnData(X.copy())


def _mudata(**mods):
    from mudata import MuData

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MuData(mods)


def test_resolve_takes_anndata_and_the_modality_of_a_mudata():
    adata = _adata()
    assert resolve(adata, "anything") is adata
    mdata = _mudata(rna=adata, atac=_adata())
    assert resolve(mdata) is mdata.mod["rna"]
    assert resolve(mdata, "atac") is mdata.mod["atac"]
    with pytest.raises(KeyError, match="mod='protein' is not a modality.*'rna', 'atac'"):
        resolve(mdata, "protein")
    with pytest.raises(TypeError, match="AnnData or a MuData, got DataFrame"):
        resolve(adata.to_df())


def test_check_names():
    check_names(_adata())
    with pytest.raises(ValueError, match="empty: 0 cells × 6 genes"):
        check_names(_adata()[:0])
    with pytest.raises(ValueError, match="empty: 10 cells × 0 genes"):
        check_names(_adata()[:, :0])
    twice = _adata()
    twice.var_names = ["a", "a", "b", "c", "d", "e"]
    with pytest.raises(ValueError, match=r"not unique: 'a'\. Call adata.var_names_make_unique"):
        check_names(twice)


def test_matrix():
    adata = _adata()
    adata.layers["counts"] = COUNTS + 1
    assert matrix(adata, "counts")[0, 0] == COUNTS[0, 0] + 1
    assert matrix(adata, None) is adata.X
    with pytest.raises(KeyError, match="layer='raw' is not in adata.layers; it has 'counts'"):
        matrix(adata, "raw")
    with pytest.raises(ValueError, match="adata.X is empty; name a layer with layer=: 'counts'"):
        matrix(ad.AnnData(layers={"counts": COUNTS}), None)


FORMS = {
    "dense": np.array,
    "fortran": np.asfortranarray,
    "float64": lambda x: x.astype(np.float64),
    "int": lambda x: x.astype(np.int32),
    "csr": sp.csr_matrix,
    "csc": sp.csc_matrix,
    "csr_array": sp.csr_array,
}


@pytest.mark.parametrize("rows", [None, [7, 2, 3, 9, 8], [0, 0, 2], [False, True] * 5, []], ids=str)
@pytest.mark.parametrize("backed", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_blocks_are_the_same_for_every_form(form, backed, rows, tmp_path):
    adata = _adata(FORMS[form](COUNTS))
    if backed:
        adata.write_h5ad(tmp_path / "a.h5ad")
        adata = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    chosen = None if rows is None else np.array(rows, dtype=bool if True in rows else int)
    expected = np.arange(10) if rows is None else np.sort(np.arange(10)[chosen])
    got = list(blocks(adata, None, block_size=3, rows=chosen))
    assert [len(positions) for positions, _ in got] == [
        min(3, len(expected) - at) for at in range(0, len(expected), 3)
    ]
    for positions, block in got:
        assert isinstance(block, sp.csr_matrix)
        assert block.dtype == np.float64
        np.testing.assert_array_equal(block.toarray(), COUNTS[positions])
    np.testing.assert_array_equal(np.concatenate([p for p, _ in got]) if got else [], expected)
    if backed:
        adata.file.close()


def test_blocks_leave_the_users_arrays_alone():
    # Duplicated entries are summed and zeros dropped in the block, not in the user's matrix.
    untidy = sp.csr_matrix(
        (np.array([1.0, 2.0, 0.0]), np.array([1, 1, 0]), np.array([0, 2, 3])),
        shape=(2, 2),
        dtype=np.float64,
    )
    adata = ad.AnnData(untidy.copy())
    ((_, block),) = blocks(adata, None)
    np.testing.assert_array_equal(block.toarray(), [[0, 3], [0, 0]])
    assert block.nnz == 1
    assert adata.X.data.tolist() == [1, 2, 0]


@pytest.mark.parametrize("form", ["dense", "csr"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(form, bad):
    values = COUNTS.copy()
    values[9, 5] = bad
    adata = _adata(FORMS[form](values))
    adata.layers["broken"] = adata.X.copy()
    with pytest.raises(ValueError, match=r"adata.X holds NaN or infinite values \(1 of them"):
        list(blocks(adata, None, block_size=4))
    with pytest.raises(ValueError, match=r"adata.layers\['broken'\] holds NaN"):
        list(blocks(adata, "broken"))


@pytest.mark.parametrize(
    "change, found", [(-1.0, "negative values"), (0.5, r"not integers \(such as 0.5\)")]
)
def test_counts_are_checked_where_they_are_needed(change, found):
    values = COUNTS.copy()
    values[3, 3] = change
    adata = _adata(values)
    with pytest.raises(
        ValueError, match=rf"raw counts are needed, but adata.X holds .*{found}.*layer='counts'"
    ):
        list(blocks(adata, None, expect="counts"))
    assert len(list(blocks(adata, None))) == 1
    assert not is_counts(adata, None)
    assert is_counts(_adata(), None)


def test_write_fills_the_slots():
    adata = _adata()
    write(
        adata,
        var={"is_tf": np.arange(6) > 2},
        varm={"svd": np.ones((6, 2), dtype=np.float32)},
        varp={"grn": sp.eye(6, format="csr", dtype=np.float32)},
        uns={"grn": {"params": {"methods": ("a", "b")}}},
    )
    assert adata.var["is_tf"].tolist() == [False] * 3 + [True] * 3
    assert adata.varm["svd"].shape == (6, 2)
    assert adata.varp["grn"].nnz == 6
    assert adata.uns["grn"]["params"]["methods"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    "bad, error",
    [
        ({"uns": {"grn": object()}}, TypeError),
        ({"uns": {"org/model": 1}}, ValueError),
        ({"varm": {"org/model": np.ones((6, 2))}}, ValueError),
        ({"varm": {"svd": np.ones((5, 2))}}, ValueError),
        ({"varp": {"grn": sp.eye(5, format="csr")}}, ValueError),
        ({"var": {"is_tf": [True]}}, ValueError),
    ],
)
def test_write_is_all_or_nothing(bad, error):
    adata = _adata()
    good = {
        "var": {"x": np.zeros(6)},
        "varm": {"x": np.ones((6, 2))},
        "varp": {"x": sp.eye(6, format="csr")},
        "uns": {"x": 1},
    }
    both = {slot: {**values, **bad.get(slot, {})} for slot, values in good.items()}
    with pytest.raises(error):
        write(adata, **both)
    assert not len(adata.var.columns)
    assert not len(adata.varm)
    assert not len(adata.varp)
    assert not len(adata.uns)


def test_write_to_a_view_makes_it_a_copy():
    adata = _adata()
    view = adata[:, :4]
    with pytest.warns(ad.ImplicitModificationWarning):
        write(
            view,
            var={"is_tf": np.ones(4, dtype=bool)},
            varp={"grn": sp.eye(4, format="csr")},
            uns={"grn": {}},
        )
    assert not view.is_view
    assert view.varp["grn"].shape == (4, 4)
    assert not len(adata.varp)
    assert "is_tf" not in adata.var


def test_a_series_is_written_by_its_index_only_when_it_fits():
    adata = _adata()
    write(adata, var={"n": pd.Series(np.arange(6), index=adata.var_names)})
    assert adata.var["n"].tolist() == list(range(6))


class TestFlags:
    @pytest.fixture
    def genes(self):
        return ad.AnnData(np.ones((2, 3), np.float32), var=pd.DataFrame(index=["A", "B", "C"]))

    @pytest.mark.parametrize(
        "column",
        [
            np.array([True, False, True]),
            pd.array([True, False, True], dtype="boolean"),
            pd.array([True, False, True], dtype=object),
        ],
    )
    def test_true_and_false_in_any_form(self, genes, column):
        genes.var["is_tf"] = pd.Series(column, index=genes.var_names)
        found = flags(genes, "is_tf", "")
        assert found.dtype == bool
        assert found.tolist() == [True, False, True]

    @pytest.mark.parametrize(
        ("column", "value", "cure"),
        [
            (["True", "False", "True"], "3 hold something else, such as 'True' of 'A'", "=="),
            ([True, np.nan, False], "1 hold something else, such as nan of 'B'", "fillna"),
            ([True, None, False], "1 hold something else, such as None of 'B'", "fillna"),
            ([1, 0, 1], "3 hold something else, such as 1 of 'A'", "astype"),
            (pd.array([True, None, False], dtype="boolean"), "<NA> of 'B'", "fillna"),
            (pd.Categorical(["yes", "no", "yes"]), "such as 'yes' of 'A'", "=="),
        ],
    )
    def test_what_is_neither_is_refused_and_named(self, genes, column, value, cure):
        genes.var["is_tf"] = pd.Series(column, index=genes.var_names)
        with pytest.raises(ValueError, match=value) as error:
            flags(genes, "is_tf", "")
        assert cure in str(error.value)


def _contents(adata):
    """Copies of all that a write may change."""
    slots = ("obsm", "varm", "varp", "uns", "layers")
    kept = {slot: dict(getattr(adata, slot)) for slot in slots}
    return adata.shape, adata.obs.copy(), adata.var.copy(), kept


def _same_contents(one, other):
    return (
        one[0] == other[0]
        and one[1].equals(other[1])
        and one[2].equals(other[2])
        and all(
            one[3][slot].keys() == other[3][slot].keys()
            and all(one[3][slot][name] is other[3][slot][name] for name in one[3][slot])
            for slot in one[3]
        )
    )


def _interrupted_at(code, line, call):
    """Make the call; raise ``KeyboardInterrupt`` at the n-th line of ``code``; say if it came."""

    def trace(frame, event, _):
        nonlocal line
        if frame.f_code is not code:
            return trace if event == "call" else None
        if event == "line":
            line -= 1
            if line == 0:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.filterwarnings("ignore:Setting element")
@pytest.mark.parametrize("view", [False, True])
def test_an_interrupt_at_any_line_of_a_write_changes_nothing(view):
    def make():
        adata = _adata()
        old = sp.eye(6, format="csr", dtype=np.float32)
        write(
            adata,
            obsm={"x": np.ones((10, 2))},
            var={"flag": np.ones(6, bool)},
            varp={"grn": old, "grn_sd": old.copy()},
            uns={"grn": {"a": 1}},
        )
        return adata[:, :5] if view else adata

    n = 5 if view else 6
    for line in range(1, 200):
        adata = make()
        before = _contents(adata)
        came = _interrupted_at(
            write.__code__,
            line,
            lambda adata=adata: write(
                adata,
                obsm={"x": np.zeros((10, 3)), "y": np.zeros((10, 3))},
                var={"flag": np.zeros(n, bool), "new": np.arange(n)},
                varm={"svd": np.ones((n, 2))},
                varp={"grn": sp.csr_matrix((n, n)), "grn_null": sp.csr_matrix((n, n))},
                uns={"grn": {"b": 2}, "other": {"c": 3}},
                remove={"varp": ["grn_sd", "not there"]},
            ),
        )
        if not came:
            break
        assert adata.is_view == view
        after = _contents(adata)
        if view:
            assert after[2].equals(before[2])
            assert [after[3][s].keys() == before[3][s].keys() for s in after[3]] == [True] * 5
        else:
            assert _same_contents(after, before), line
    assert line > 20
    assert sorted(adata.varp) == ["grn", "grn_null"]
    assert adata.var["new"].tolist() == list(range(n))


def test_a_subset_that_fails_is_undone_with_what_was_written_before_it():
    adata = _adata()
    adata.var["kept"] = 1
    before = _contents(adata)

    def change_and_fail():
        with undone_on_failure(adata, {"var": ["kept", "new"]}):
            write(adata, var={"kept": np.zeros(6), "new": np.zeros(6)})
            adata._inplace_subset_var(np.arange(6) < 3)
            raise MemoryError

    with pytest.raises(MemoryError):
        change_and_fail()
    assert _same_contents(_contents(adata), before)


@pytest.mark.parametrize("layer", [None, "counts"])
def test_values_under_a_mask_are_no_data(layer):
    values = np.ma.masked_equal(np.arange(6.0).reshape(2, 3), 4)
    adata = ad.AnnData(np.ones((2, 3), np.float32))
    if layer is None:
        adata.X = values
    else:
        adata.layers[layer] = values
    with pytest.raises(ValueError, match=r"adata.* is a masked array that hides 1 of 6 values"):
        next(blocks(adata, layer))
