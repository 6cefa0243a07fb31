"""How many threads compute: as many as the process may use, and none that wait in a loop."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from scregnet._settings import settings

Job = TypeVar("Job")
Result = TypeVar("Result")


def n_threads() -> int:
    """Return ``settings.n_jobs``, or for -1 the cores that this process may really use."""
    if settings.n_jobs != -1:
        return settings.n_jobs
    # Reads the affinity of the process and the limits of a container, which os.cpu_count does not.
    from joblib import cpu_count

    return int(cpu_count())


class _Fork:
    after_torch = False


def _note_fork() -> None:
    _Fork.after_torch = "torch" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def forked_after_torch() -> bool:
    """Whether this process was forked from one in which torch may have computed.

    Threads do not live on in a fork. torch's OpenMP would wait for them for ever, so that such a
    process computes in one.
    """
    return _Fork.after_torch


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Keep BLAS and OpenMP to one thread inside the ``with`` block.

    Their threads wait in a loop for each other. The matrices of a fit are small, so that the wait
    takes longer than the work, and on a busy machine ten times as long.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


def in_threads(
    function: Callable[[Job], Result], jobs: Iterable[Job], *, parallel: bool = True
) -> Iterator[Result]:
    """Yield the result of each job, in their order, computed in :func:`n_threads` threads.

    Threads help where most of the time is spent outside of Python, in large arrays; ``parallel``
    says whether it is. A thread without a job sleeps.
    """
    workers = n_threads() if parallel else 1
    if workers == 1:
        yield from map(function, jobs)
        return
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(function, jobs)
