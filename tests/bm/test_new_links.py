from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from scregnet.bm._new_links import first_new


def test_the_highest_links_that_are_not_known():
    network = sp.csr_matrix(np.array([[0, 0.9, 0.8], [0.7, 0, 0.95], [0.2, 0.2, 0]]))
    known = np.array([0 * 3 + 1])
    assert first_new(network, known, 3).tolist() == [5, 2, 3]
    # Of equal values, the gene that comes first in the data.
    assert first_new(network, known, 4).tolist() == [5, 2, 3, 6]


def test_only_links_of_tfs_with_a_known_edge():
    network = sp.csr_matrix(np.array([[0, 0.9, 0.8], [0.7, 0, 0.95], [0.2, 0.2, 0]]))
    known = np.array([0 * 3 + 1, 2 * 3 + 0])
    assert first_new(network, known, 3, known_tfs=True).tolist() == [2, 7]
