"""The depth that scFoundation is asked to read a cell at."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

_RESOLUTION = re.compile(r"([fta])([+-]?\d+(?:\.\d+)?)")
# log10 of counts. A larger number is likely a count instead of its logarithm.
_MAX_DEPTH = 10.0


@dataclass(frozen=True)
class TargetResolution:
    """The depth T, in log10 of counts, that the model is asked to read a cell at.

    Modes: ``f``, a multiple of the cell's own depth; ``a``, the log10 of its own depth plus a
    number; ``t``, a number for all cells.
    """

    mode: str
    number: float

    @classmethod
    def read(cls, text: str) -> TargetResolution:
        """Read ``"f1"``, ``"t4"``, ``"a0.5"`` and the like."""
        found = _RESOLUTION.fullmatch(text) if isinstance(text, str) else None
        start = f"target_resolution={text!r} is not a depth"
        if found is None:
            msg = (
                f"{start}: give 'f' and a factor of the cell's own depth ('f1'), 't' and the log10 "
                "of a depth ('t4'), or 'a' and a number added to the log10 of the cell's own depth "
                "('a1')."
            )
            raise ValueError(msg)
        mode, number = found[1], float(found[2])
        if mode == "f" and number <= 0:
            msg = f"{start}: the factor must be above 0."
            raise ValueError(msg)
        if mode == "t" and not 0 < number <= _MAX_DEPTH:
            msg = (
                f"{start}: 't' is followed by the log10 of a number of counts, above 0 and at most "
                f"{_MAX_DEPTH:.0f} ('t4' for 10,000 counts)."
            )
            raise ValueError(msg)
        if mode == "a" and abs(number) > _MAX_DEPTH:
            msg = (
                f"{start}: 'a' is followed by a difference of log10, "
                f"from -{_MAX_DEPTH:.0f} to {_MAX_DEPTH:.0f}."
            )
            raise ValueError(msg)
        return cls(mode, number)

    def of(self, totals: np.ndarray) -> np.ndarray:
        """Return T for cells with these total counts."""
        if self.mode == "f":
            return np.log10(totals * self.number)
        if self.mode == "a":
            return np.log10(totals) + self.number
        return np.full(len(totals), self.number)
