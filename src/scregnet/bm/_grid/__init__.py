"""The steps of :func:`scregnet.bm.run`: data, cells of the grid, one fit, and what is kept."""

from __future__ import annotations
