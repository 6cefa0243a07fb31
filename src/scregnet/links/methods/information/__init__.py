"""Information that genes have about each other, from tables of their levels."""

from __future__ import annotations
