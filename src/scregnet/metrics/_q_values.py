"""The expected share of false links among the most probable ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scregnet.metrics._arrays import read_numbers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def q_values(probabilities: ArrayLike) -> np.ndarray:
    """Return the q of each link: the expected share of false ones among those at least as probable.

    For links in falling order of their probabilities, q_k = (1/k) Σ_{i≤k} (1 - p_i). Equal
    probabilities share the q of the last of them. It holds if the probabilities are calibrated.

    Parameters
    ----------
    probabilities
        Probabilities of all links of a network, shape (links,).

    Returns
    -------
    float32 array of the same shape. A higher probability never has a higher q.

    Raises
    ------
    ValueError
        A probability is missing, hidden by a mask or outside [0, 1].

    Examples
    --------
    >>> import scregnet as sr
    >>> sr.metrics.q_values([0.5, 0.9, 0.8]).astype(float).round(3).tolist()
    [0.267, 0.1, 0.15]
    """
    values = read_numbers("probabilities", probabilities)
    if values.ndim != 1:
        msg = f"probabilities must be one number a link, found the shape {values.shape}."
        raise ValueError(msg)
    # Written so that NaN fails too.
    if not ((values >= 0) & (values <= 1)).all():
        msg = "probabilities must lie between 0 and 1, without missing values."
        raise ValueError(msg)
    return FalseShare.of(values).at(values)


@dataclass(frozen=True, eq=False)
class FalseShare:
    """The q of every probability of a network.

    ``rising`` holds the probabilities in rising order. ``share[i]`` is the mean of 1 - p over
    ``rising[i:]``, and so falls.
    """

    rising: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, probabilities: np.ndarray) -> FalseShare:
        # 24 million float32 on one core: 0.3 s to sort the values. Sorting an index takes 6 s.
        rising = np.sort(probabilities)
        mean = np.subtract(1.0, rising[::-1], dtype=np.float64)
        np.cumsum(mean, out=mean)
        mean /= np.arange(1, len(mean) + 1)
        # The mean of rising numbers rises, except for rounding in the last digit.
        share = np.maximum.accumulate(mean).astype(np.float32)[::-1]
        return cls(rising, share)

    def at(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the q of some probabilities of the network, in their order."""
        # Searches in order stay in the cache: 24 million take 2 s, in random order 46 s.
        if (probabilities[1:] <= probabilities[:-1]).all():
            return self.share[np.searchsorted(self.rising, probabilities)]
        order = np.argsort(probabilities)
        q = np.empty(len(probabilities), dtype=np.float32)
        # The first of equal values in rising order is the last one in falling order.
        q[order] = self.share[np.searchsorted(self.rising, probabilities[order])]
        return q

    def cut(self, max_q: float) -> float:
        """Return the lowest probability whose q is at most ``max_q``, infinite if none has."""
        falling = self.rising[::-1]
        # Compared in the precision of q, so that max_q=0.2 keeps a q of 0.2.
        n = int(np.searchsorted(self.share[::-1], np.float32(max_q), side="right"))
        if 0 < n < len(falling) and falling[n] == falling[n - 1]:
            # The last of these equal probabilities fails, so all of them do.
            n = len(falling) - int(np.searchsorted(self.rising, falling[n], side="right"))
        return float(falling[n - 1]) if n else float("inf")
