import numpy as np
import pytest

from scregnet.links.methods.images.histograms import bins_of, images


def test_bins_run_from_the_lowest_to_the_highest_value():
    expression = np.array([[0.0, 1.0, 2.0, 4.0], [-3.0, -3.0, -3.0, -3.0]], np.float32)
    assert bins_of(expression, 4).tolist() == [[0, 1, 2, 3], [2, 2, 2, 2]]


def test_an_image_by_hand():
    # Two cells low in both genes, one high in both, one low in the first and high in the second.
    bins = np.array([[0, 0, 0, 1], [0, 0, 1, 1]], np.uint8)
    (found,) = images(bins, np.array([0]), np.array([1]), 2)
    shade = {share: (np.log10(share + 1e-4) + 4) / 4 for share in (0.5, 0.25)}
    np.testing.assert_allclose(found, [[shade[0.5], shade[0.25]], [0, shade[0.25]]], atol=1e-6)
    assert found.dtype == np.float32


def test_images_are_the_histograms_of_numpy():
    rng = np.random.default_rng(0)
    expression = rng.gamma(1, size=(6, 300)) * (rng.random((6, 300)) < 0.6)
    sources, targets = np.array([0, 3, 2]), np.array([1, 5, 2])
    found = images(bins_of(expression, 32), sources, targets, 32)
    for image, source, target in zip(found, sources, targets, strict=True):
        counts, _, _ = np.histogram2d(expression[source], expression[target], bins=32)
        expected = (np.log10(counts / 300 + 1e-4) + 4) / 4
        np.testing.assert_allclose(image, expected, atol=1e-6)


def test_scale_and_shift_of_a_gene_change_nothing():
    rng = np.random.default_rng(1)
    expression = rng.integers(0, 9, (2, 50)).astype(float)
    np.testing.assert_array_equal(bins_of(expression, 16), bins_of(4 * expression - 8, 16))


def test_all_cells_in_one_bin_give_one_and_no_pairs_no_images():
    bins = np.zeros((2, 7), np.uint8)
    (found,) = images(bins, np.array([0]), np.array([1]), 4)
    assert found[0, 0] == pytest.approx(np.log10(1 + 1e-4) / 4 + 1)
    assert np.count_nonzero(found) == 1
    assert images(bins, np.zeros(0, int), np.zeros(0, int), 4).shape == (0, 4, 4)


@pytest.mark.parametrize("sources, targets, name", [([2], [0], "sources"), ([0], [-1], "targets")])
def test_positions_outside_are_refused(sources, targets, name):
    bins = np.zeros((2, 7), np.uint8)
    with pytest.raises(IndexError, match=f"{name} must be positions of 2 genes, found"):
        images(bins, np.array(sources), np.array(targets), 4)
