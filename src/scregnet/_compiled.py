"""How loops are compiled. Import it only in files that hold loops: it imports numba."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any

import numba

# Sums in another order than written, so that the CPU adds several terms at a time.
REORDERED = frozenset({"reassoc", "contract", "nsz"})


def compiled(
    function: Callable[..., Any], *, fastmath: Set[str] = REORDERED, error_model: str = "python"
) -> Callable[..., Any]:
    """Compile a function with numba, and keep it for the next session where that is possible.

    ``error_model="numpy"`` does not check divisors: for loops that cannot divide by 0.
    """
    how: dict[str, Any] = {
        "nogil": True,
        "fastmath": set(fastmath),
        "error_model": error_model,
    }
    try:
        return numba.njit(cache=True, **how)(function)
    except RuntimeError:
        # Neither the package's folder nor the user's cache is writable: compile in every session.
        return numba.njit(**how)(function)
