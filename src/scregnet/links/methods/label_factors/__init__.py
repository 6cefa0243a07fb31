"""The null model of shared targets."""

from __future__ import annotations
