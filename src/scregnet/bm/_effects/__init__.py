"""Steps of asking perturbations: tested pairs by position, what ranks targets, permutations."""

from __future__ import annotations
