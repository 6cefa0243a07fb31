"""What a model adds to the probability of a link, over a null model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scregnet.metrics._arrays import read_numbers

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
        An argument holds no numbers, NaN or values under a mask, or the two differ in shape.

    Examples
    --------
    >>> import scregnet as sr
    >>> sr.metrics.lift([0.5, 0.8, 0.1], [0.5, 0.5, 0.5]).astype(float).round(2).tolist()
    [0.0, 1.39, -2.2]
    """
    of_model, of_null = (
        read_numbers(name, values)
        for name, values in (("probabilities", probabilities), ("null", null))
    )
    if of_model.shape != of_null.shape:
        msg = (
            "probabilities and null must be about the same links: they have the shapes "
            f"{of_model.shape} and {of_null.shape}."
        )
        raise ValueError(msg)
    return (_logit("probabilities", of_model) - _logit("null", of_null)).astype(np.float32)


def _logit(argument: str, probabilities: np.ndarray) -> np.ndarray:
    if n_missing := int(np.isnan(probabilities).sum()):
        msg = f"{argument} holds NaN for {n_missing:,} of {probabilities.size:,} links."
        raise ValueError(msg)
    p = np.clip(probabilities, _EPSILON, 1 - _EPSILON)
    return np.log(p / (1 - p))
