"""What a call takes: CPU time, wall time, and peak memory where the system tells it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import NamedTuple, TypeVar

Result = TypeVar("Result")

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Cost(NamedTuple):
    """What a call took."""

    cpu_seconds: float
    """Of this process and of those that it started and that have ended."""

    seconds: float
    peak_gib: float
    """Peak resident memory of the process during the call; NaN where the system does not tell."""


def measured(function: Callable[[], Result], *, inside: bool = False) -> tuple[Result, Cost]:
    """Call a function; return its result and what it took.

    ``inside`` another call that is measured, the peak is that since the other one began: there is
    one peak of a process.
    """
    resets = _STATUS.exists() if inside else _reset_peak()
    cpu, start = _cpu_seconds(), perf_counter()
    result = function()
    seconds, cpu = perf_counter() - start, _cpu_seconds() - cpu
    return result, Cost(cpu, seconds, _peak_gib() if resets else float("nan"))


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _reset_peak() -> bool:
    """Set the peak memory back to the present one; return whether the system does that."""
    try:
        _RESET.write_text("5")
    except OSError:
        # Not Linux, or a container that forbids it.
        return False
    return True


def _peak_gib() -> float:
    for line in _STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 2**20
    return float("nan")
