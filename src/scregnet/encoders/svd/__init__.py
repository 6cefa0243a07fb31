"""Truncated SVD of log-normalised counts."""

from __future__ import annotations
