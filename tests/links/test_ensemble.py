import numpy as np
import pytest
from scipy.special import expit

from scregnet.links import EnsembleLinks, PlattCalibration, fit_members, get_method, join
from scregnet.links.forms.additive import AdditiveLinks
from scregnet.links.task import FitResult


class Noisy:
    """A method whose result is its first random numbers."""

    max_epochs = 2

    def fit(self, task, *, rng, device, progress=None):
        terms = rng.normal(size=(2, task.n_genes)).astype(np.float32)
        if progress is not None:
            progress(0, {"validation_auprc": 0.5})
        return FitResult(AdditiveLinks(*terms), [{"epoch": 0}], 0)


@pytest.fixture
def ensemble():
    rng = np.random.default_rng(0)
    members = tuple(AdditiveLinks(*rng.normal(size=(2, 20)).astype(np.float32)) for _ in range(4))
    return EnsembleLinks(members, tuple(PlattCalibration(0.5 + i, -0.2 * i) for i in range(4)))


def pairs():
    return np.divmod(np.arange(400), 20)


def test_score_and_deviation_are_those_of_the_members(ensemble):
    logits = np.stack(
        [
            c.slope * m.score(*pairs()) + c.intercept
            for m, c in zip(ensemble.members, ensemble.calibrations, strict=True)
        ]
    )
    score, sd = ensemble.score_and_sd(*pairs())
    np.testing.assert_allclose(score, logits.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sd, expit(logits).std(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(ensemble.score(*pairs()), score)
    assert score.dtype == sd.dtype == np.float32


def test_members_that_agree_have_no_deviation():
    member = AdditiveLinks(*np.random.default_rng(0).normal(size=(2, 20)).astype(np.float32))
    twins = EnsembleLinks((member,) * 3, (PlattCalibration(1.3, 0.1),) * 3)
    assert (twins.score_and_sd(*pairs())[1] == 0).all()


def test_state_is_plain_arrays_and_makes_an_equal_object(ensemble):
    state = ensemble.state()
    assert all(
        isinstance(value, np.ndarray) and value.dtype.kind == "f" for value in state.values()
    )
    assert all("/" not in name for name in state)
    again = EnsembleLinks.from_state("degree", state)
    for one, other in zip(
        ensemble.score_and_sd(*pairs()), again.score_and_sd(*pairs()), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_more_than_ten_members_keep_their_order():
    members = tuple(AdditiveLinks(*np.full((2, 3), i, np.float32)) for i in range(12))
    again = EnsembleLinks.from_state(
        "degree", EnsembleLinks(members, (PlattCalibration(1.0, 0.0),) * 12).state()
    )
    assert [member.source_term[0] for member in again.members] == list(range(12))


def test_the_first_member_is_the_single_fit_and_the_others_differ(task_and_split):
    task, _ = task_and_split
    (single,) = fit_members(Noisy(), task, 1, random_state=5, device=None)
    several = fit_members(Noisy(), task, 3, random_state=5, device=None)
    more = fit_members(Noisy(), task, 4, random_state=5, device=None)
    terms = [fit.links.source_term for fit in several]
    np.testing.assert_array_equal(terms[0], single.links.source_term)
    assert len({term.tobytes() for term in terms}) == 3
    # More members do not change those that were there.
    for one, other in zip(several, more, strict=False):
        np.testing.assert_array_equal(one.links.source_term, other.links.source_term)


def test_progress_knows_the_member(task_and_split):
    seen = []
    fit_members(
        Noisy(),
        task_and_split[0],
        3,
        random_state=0,
        device=None,
        progress=lambda number: lambda epoch, row: seen.append((number, epoch)),
    )
    assert seen == [(0, 0), (1, 0), (2, 0)]


def test_join_calibrates_on_validation_pairs(task_and_split):
    task, _ = task_and_split
    results = [
        get_method("degree", pseudo_count=count).fit(task, rng=np.random.default_rng(0))
        for count in (1.0, 30.0)
    ]
    assert join(results[:1], task) is results[0].links
    ensemble = join(results, task)
    check = task.validation
    for result, calibration in zip(results, ensemble.calibrations, strict=True):
        expected = PlattCalibration.fit(
            result.links.score(check.sources, check.targets), check.labels
        )
        assert calibration == expected
