"""GNNLink."""

from __future__ import annotations
