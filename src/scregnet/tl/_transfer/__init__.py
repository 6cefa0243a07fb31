"""The steps of :func:`scregnet.tl.transfer_grn`."""

from __future__ import annotations
