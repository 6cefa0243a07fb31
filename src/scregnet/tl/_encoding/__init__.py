"""The steps of functions that run a foundation model."""

from __future__ import annotations
