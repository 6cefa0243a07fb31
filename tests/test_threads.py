"""How many threads compute, and in which order their results come."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from scregnet._settings import settings
from scregnet._threads import in_threads, n_threads, one_thread_each


def test_the_default_is_what_the_process_may_use(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 3)
    assert n_threads() == 3
    with settings.override(n_jobs=2):
        assert n_threads() == 2


def test_blas_gets_one_thread_and_its_own_number_back():
    np.ones((8, 8)) @ np.ones((8, 8))
    before = [pool["num_threads"] for pool in threadpool_info()]
    with one_thread_each():
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
    assert [pool["num_threads"] for pool in threadpool_info()] == before


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_results_come_in_the_order_of_the_jobs(n_jobs):
    with settings.override(n_jobs=n_jobs):
        assert list(in_threads(lambda number: number**2, range(20))) == [n**2 for n in range(20)]


def test_without_parallel_work_no_thread_is_started():
    with settings.override(n_jobs=3):
        names = set(in_threads(lambda _: threading.current_thread().name, range(4), parallel=False))
    assert names == {threading.current_thread().name}


def test_an_error_in_a_thread_reaches_the_caller():
    def fail(number):
        if number == 2:
            msg = "two"
            raise ValueError(msg)
        return number

    with settings.override(n_jobs=2), pytest.raises(ValueError, match="two"):
        list(in_threads(fail, range(4)))


def fitted_sum(seed):
    import scregnet as sr

    adata = sr.datasets.simulated(n_obs=100, n_vars=120, random_state=seed)
    net = adata.uns["network"]
    sr.tl.fit_grn(adata, net, n_folds=1, n_trees=5, n_bootstrap=0)
    sr.tl.fit_grn(adata, net, "scregnet", n_folds=1, n_bootstrap=0, max_epochs=2, key_added="net")
    return float(adata.varp["grn"].sum()), float(adata.varp["net"].sum())


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("kind", ["fork", "spawn"])
def test_a_process_that_is_started_after_a_fit_fits_the_same(kind):
    import multiprocessing

    here = fitted_sum(0)
    with multiprocessing.get_context(kind).Pool(1) as pool:
        assert pool.apply_async(fitted_sum, (0,)).get(timeout=240) == here


def torch_threads_inside(_):
    import torch

    from scregnet._device import torch_threads

    with torch_threads():
        # More numbers than one thread takes at a time.
        values = torch.ones(4_000_000)
        return torch.get_num_threads(), float((values * 2).sum())


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_torch_computes_in_one_thread_in_a_fork():
    import multiprocessing

    with settings.override(n_jobs=2):
        # OpenMP's threads start here. A fork has none of them, and would wait for them for ever.
        assert torch_threads_inside(0) == (2, 8_000_000.0)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            found = pool.apply_async(torch_threads_inside, (0,)).get(timeout=120)
    assert found == (1, 8_000_000.0)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_fork_does_not_wait_for_a_thread_of_its_parent():
    import multiprocessing

    from scregnet._device import plain_torch

    held, done = threading.Event(), threading.Event()

    def hold():
        with plain_torch():
            held.set()
            done.wait(120)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(120)
    try:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            found = pool.apply_async(torch_threads_inside, (0,)).get(timeout=120)
    finally:
        done.set()
        thread.join()
    assert found[1] == 8_000_000.0


@pytest.mark.parametrize(("method", "n_inside"), [("gne", 1), ("deepdrim", 3), ("cnnc", 3)])
def test_torch_takes_all_cores_where_its_steps_are_large(monkeypatch, method, n_inside):
    import torch

    from scregnet.links import get_method
    from scregnet.tl._fit.fit import threads

    monkeypatch.setattr("joblib.cpu_count", lambda: 3)
    former = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        with threads(get_method(method)):
            assert torch.get_num_threads() == n_inside
        monkeypatch.setattr(settings, "n_jobs", 2)
        with threads(get_method(method)):
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(former)
