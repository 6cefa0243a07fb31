"""Forms of fitted links that several methods share: what they score, and what they refuse."""

import numpy as np
import pytest

from scregnet.links.forms.additive import AdditiveLinks
from scregnet.links.forms.bilinear import BilinearLinks

N_GENES = 30
RNG = np.random.default_rng(0)
ADDITIVE = AdditiveLinks(*RNG.normal(size=(2, N_GENES)).astype(np.float32))
BILINEAR = BilinearLinks(*RNG.normal(size=(2, N_GENES, 4)).astype(np.float32))
PAIRS = RNG.integers(N_GENES, size=(2, 100))


def test_additive_scores_are_sums():
    sources, targets = PAIRS
    wanted = ADDITIVE.source_term[sources] + ADDITIVE.target_term[targets]
    np.testing.assert_array_equal(ADDITIVE.score(sources, targets), wanted)


@pytest.mark.parametrize("block", [7, 1000])
def test_bilinear_scores_are_products(block):
    sources, targets = PAIRS
    wanted = (BILINEAR.source_vectors @ BILINEAR.target_vectors.T)[sources, targets]
    found = BILINEAR.score(sources, targets, block=block)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("links", [ADDITIVE, BILINEAR], ids=["additive", "bilinear"])
class TestState:
    def test_it_makes_an_equal_object(self, links):
        again = type(links).from_state(links.state())
        np.testing.assert_array_equal(again.score(*PAIRS), links.score(*PAIRS))

    def test_a_tampered_one_is_refused(self, links):
        state = links.state()
        for name, value in state.items():
            broken = value.copy()
            broken[3] = np.inf
            with pytest.raises(ValueError, match=f"'{name}' of the saved network has values that"):
                type(links).from_state(state | {name: broken})
            with pytest.raises(ValueError, match="of the saved network must have the shape"):
                type(links).from_state(state | {name: value[:-1]})
            with pytest.raises(ValueError, match=f"'{name}' .* must have the shape"):
                type(links).from_state(state | {name: value[None]})
            with pytest.raises(ValueError, match=f"'{name}' .* must hold floats, found int"):
                type(links).from_state(state | {name: value.astype(int)})
            with pytest.raises(ValueError, match=f"saved network has no array '{name}'"):
                type(links).from_state({key: state[key] for key in state if key != name})

    def test_float64_is_taken_as_float32(self, links):
        state = {name: value.astype(np.float64) for name, value in links.state().items()}
        again = type(links).from_state(state).state()
        assert {value.dtype for value in again.values()} == {np.dtype(np.float32)}
