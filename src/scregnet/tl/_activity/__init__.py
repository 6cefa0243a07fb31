"""The steps of :func:`scregnet.tl.tf_activity`: regulons, warnings, decoupler."""

from __future__ import annotations
