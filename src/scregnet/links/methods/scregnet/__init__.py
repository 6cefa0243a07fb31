"""scRegNet."""

from __future__ import annotations
