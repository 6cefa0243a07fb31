"""The steps of :func:`scregnet.tl.fit_grn`."""

from __future__ import annotations
