import numpy as np
import pytest
import scipy.sparse as sp

import scregnet as sr
from scregnet.links import LinkTask, Pairs, get_method
from scregnet.tl._fit.task import FitOptions, make_task
from scregnet.tl._fit.unlabelled import no_pairs

NONE = Pairs(np.zeros(0, int), np.zeros(0, int), np.zeros(0, bool))
RATES = np.array([-6.0, -1.0, 1.0])


def simulate(noise=0.0, n_genes=12, n_cells=80, seed=0):
    """Cells along ``dx = A x dt`` with ``A = W B W⁺``; return expression, time and A."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(n_genes, len(RATES)))
    time = np.sort(rng.random(n_cells))
    time = (time - time[0]) / (time[-1] - time[0])
    cells = loadings @ np.exp(RATES[:, None] * time)
    effects = (loadings * RATES) @ np.linalg.pinv(loadings)
    return cells + noise * rng.normal(size=cells.shape), time, effects


def fitted(cells, time, regulators=None, seed=0, **parameters):
    mean, spread = cells.mean(axis=1), cells.std(axis=1)
    expression = np.float32((cells - mean[:, None]) / spread[:, None])
    summary = np.float32(np.stack([mean, spread, np.ones(len(cells))], axis=1))
    task = LinkTask(
        len(cells), NONE, NONE, expression, None, summary, regulators=regulators, pseudotime=time
    )
    method = get_method("scode", **parameters)
    return method.fit(task, rng=np.random.default_rng(seed)).links


def test_the_equation_that_made_the_cells_is_recovered():
    cells, time, effects = simulate()
    links = fitted(cells, time, n_factors=3, n_draws=3000, n_runs=1)
    # Row of the regulator: the entry of A is the effect of a column's gene on a row's.
    expected = np.abs(effects).T
    np.fill_diagonal(expected, 0)
    others = ~np.eye(len(cells), dtype=bool)
    assert np.corrcoef(links.values[others], expected[others])[0, 1] > 0.98
    assert np.abs(links.values - expected)[others].max() < 0.25 * expected.max()


def test_noise_leaves_the_order_of_the_effects():
    cells, time, effects = simulate(noise=0.02)
    links = fitted(cells, time, n_factors=3, n_draws=1000, n_runs=3)
    others = ~np.eye(len(cells), dtype=bool)
    assert np.corrcoef(links.values[others], np.abs(effects).T[others])[0, 1] > 0.8


def test_only_candidates_have_rows():
    cells, time, _ = simulate()
    some = fitted(cells, time, np.array([2, 5]), n_runs=2).values
    whole = fitted(cells, time, n_runs=2).values
    np.testing.assert_allclose(some, whole[[2, 5]], rtol=1e-5)


def test_a_gene_that_no_cell_has_has_no_effects():
    cells, time, _ = simulate()
    silent = [2, 7]
    cells[silent] = 0
    mean, spread = cells.mean(axis=1), cells.std(axis=1)
    expression = np.float32((cells - mean[:, None]) / np.where(spread > 0, spread, 1)[:, None])
    summary = np.float32(np.stack([mean, np.where(spread > 0, spread, 1), spread > 0], axis=1))
    task = LinkTask(12, NONE, NONE, expression, None, summary, pseudotime=time)
    links = get_method("scode", n_runs=2).fit(task, rng=np.random.default_rng(0)).links
    values = links.state()["values"]
    # Rounding would leave some 1e-17 there, and an order of nothing.
    assert not values[silent].any()
    assert not values[:, silent].any()
    rest = np.delete(np.delete(values, silent, axis=0), silent, axis=1)
    assert (rest[~np.eye(10, dtype=bool)] > 0).all()


def test_the_scale_of_time_does_not_matter():
    cells, time, _ = simulate()
    one, other = (fitted(cells, t, n_runs=1).values for t in (time, 3 + 50 * time))
    np.testing.assert_allclose(one, other, rtol=1e-3)


def test_cells_of_one_time_are_refused():
    cells, time, _ = simulate()
    with pytest.raises(ValueError, match="pseudotime is the same for all cells"):
        fitted(cells, np.ones_like(time))


def test_bad_rates_are_named():
    with pytest.raises(ValueError, match="highest_rate must lie in"):
        get_method("scode", lowest_rate=1.0, highest_rate=0.0)


@pytest.fixture
def adata():
    adata = sr.datasets.simulated(n_obs=80, n_vars=40, random_state=2)
    adata.obs["time"] = np.linspace(0, 2, 80)
    return adata


def test_a_fit_takes_time_from_a_column_of_the_cells(adata):
    sr.tl.fit_grn(adata, method="scode", pseudotime="time", n_runs=1)
    assert adata.uns["grn"]["params"]["pseudotime"] == "time"
    forward = adata.varp["grn"].toarray()
    adata.obs["time"] = np.random.default_rng(0).permutation(adata.obs["time"])
    sr.tl.fit_grn(adata, method="scode", pseudotime="time", n_runs=1)
    assert np.corrcoef(forward.ravel(), adata.varp["grn"].toarray().ravel())[0, 1] < 0.9


def test_time_goes_with_the_cells_that_are_drawn(adata):
    options = FitOptions(pseudotime="time", max_cells=50)
    adata.X = sp.csr_matrix(np.tile(np.arange(80)[:, None], (1, 40)) + 0.5)
    task, _ = make_task(adata, get_method("scode"), no_pairs(), options, rows=np.arange(10, 75))
    assert task.expression.shape == (40, 50)
    # Expression rises with time, so both are in the same order only if the cells are the same.
    np.testing.assert_allclose(np.corrcoef(task.expression[0], task.pseudotime)[0, 1], 1)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda obs: obs.drop(columns="time"), KeyError, "pseudotime='time' is not a column"),
        (lambda obs: obs.assign(time=np.inf), ValueError, "80 of 80 cells have none"),
        (lambda obs: obs.assign(time="early"), ValueError, "must hold a finite number"),
    ],
)
def test_a_bad_column_of_times_is_named(adata, change, error, message):
    adata.obs = change(adata.obs)
    with pytest.raises(error, match=message):
        sr.tl.fit_grn(adata, method="scode", pseudotime="time")


def test_a_fit_without_times_says_what_is_needed(adata):
    with pytest.raises(ValueError, match="pseudotime=None, and this method needs"):
        sr.tl.fit_grn(adata, method="scode")


def test_a_search_hands_the_column_of_times_on(adata):
    pytest.importorskip("optuna")
    sr.tl.tune_grn(
        adata,
        adata.uns["network"],
        method="scode",
        pseudotime="time",
        space={"n_factors": [2, 3]},
        n_runs=1,
        n_trials=2,
    )
    found = sr.get.tuned(adata)
    assert found["pseudotime"] == "time"
    sr.tl.fit_grn(adata, adata.uns["network"], n_bootstrap=0, **found)
    assert adata.uns["grn"]["params"]["values"] == "probability"
