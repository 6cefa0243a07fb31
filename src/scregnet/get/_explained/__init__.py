"""The parts of the answer of :func:`scregnet.get.evidence`."""

from __future__ import annotations
