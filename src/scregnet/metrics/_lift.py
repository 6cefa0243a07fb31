"""What a model adds to the probability of a link, over a null model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet._validate import check_unmasked

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# float32's step below 1 is 6e-8: 1 minus this is less than 1 in float32. Logits end at ±15.9.
_EPSILON = float(np.finfo(np.float32).eps)


def lift(probabilities: ArrayLike, null: ArrayLike) -> np.ndarray:
    """Return logit(p) - logit(p₀): what a model adds to the log odds that a null model gives.

    0 says that the model and the null model agree, log(2) that the odds are twice as high.
    Probabilities are clipped to [1.2e-7, 1 - 1.2e-7], so that every lift is finite.

    Parameters
    ----------
    probabilities
        Probabilities p of the model.
    null
        Probabilities p₀ of the null model for the same links.

    Returns
    -------
    float32 array, positive where the model is more confident than the null model.

    Raises
    ------
    ValueError
        An argument is a masked array that hides values.

    Examples
    --------
    >>> import scregnet as sr
    >>> sr.metrics.lift([0.5, 0.8, 0.1], [0.5, 0.5, 0.5]).astype(float).round(2).tolist()
    [0.0, 1.39, -2.2]
    """
    check_unmasked("probabilities", probabilities)
    check_unmasked("null", null)
    return (_logit(probabilities) - _logit(null)).astype(np.float32)


def _logit(probabilities: ArrayLike) -> np.ndarray:
    p = np.clip(np.asarray(probabilities, dtype=np.float64), _EPSILON, 1 - _EPSILON)
    return np.log(p / (1 - p))
