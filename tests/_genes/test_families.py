import numpy as np
import pytest

from scregnet._genes.families import gene_families


def groups(names):
    """Families of two and more, as sets of names."""
    family = gene_families(names)
    return {
        frozenset(np.array(names)[family == f])
        for f in np.unique(family)
        if (family == f).sum() > 1
    }


def test_the_root_of_a_symbol_is_the_family():
    names = [
        "HOXB4",
        "HOXB13",
        "HOXA1",
        "SOX2",
        "SOX17",
        "TP53",
        "KLF4",
        "GATA1",
        "MT-CO1",
        "MT-ND1",
    ]
    assert groups(names) == {
        frozenset(f) for f in (("HOXB4", "HOXB13"), ("SOX2", "SOX17"), ("MT-CO1", "MT-ND1"))
    }


def test_mouse_symbols_and_upper_case_are_one():
    assert groups(["Sox2", "SOX17", "Klf4", "Nanog"]) == {frozenset(("Sox2", "SOX17"))}


def test_riken_clones_end_with_their_root():
    names = ["1700001L19Rik", "4930402H24Rik", "Rik1", "Klf4", "Nanog", "Zfp42", "Tcf3", "Myc"]
    assert groups(names) == {frozenset(names[:3])}


@pytest.mark.parametrize("form", ["ENSG{:011d}", "ENSMUSG{:011d}", "{}", "gene_{}"])
def test_identifiers_have_no_families(form):
    names = [form.format(i) for i in range(20)]
    assert groups(names) == set()
    # Symbols among them still have.
    assert groups([*names, "SOX2", "SOX17"]) == {frozenset(("SOX2", "SOX17"))}


def test_a_gene_without_a_root_is_not_of_a_family_that_is_called_so():
    assert groups(["7", "7", "A1", "B1", "C1"]) == {frozenset(("7",))}
    assert len(np.unique(gene_families(["12", "34", "A1", "B1"]))) == 4


def test_numbers_are_small_integers_in_any_order():
    names = ["SOX2", "KLF4", "SOX17", "HES1", "GATA1"]
    family = gene_families(names)
    assert family.dtype == np.int32
    assert family.shape == (5,)
    order = np.array([4, 2, 0, 1, 3])
    again = gene_families([names[i] for i in order])
    np.testing.assert_array_equal(
        again[:, None] == again, (family[:, None] == family)[np.ix_(order, order)]
    )
