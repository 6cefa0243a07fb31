"""Masked training of a foundation model on the user's cells."""

from __future__ import annotations
