"""The files that :func:`scregnet.io.write_grn` writes, each as bytes."""

from __future__ import annotations
