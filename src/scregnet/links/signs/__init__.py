"""Signs of links: whether a TF activates or represses a target."""

from __future__ import annotations
