"""Gene names: known networks, names that do not match, families by symbol."""

from __future__ import annotations
