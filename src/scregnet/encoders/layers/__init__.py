"""Layers that several foundation models share."""

from __future__ import annotations
