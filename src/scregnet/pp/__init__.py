"""Prepare: align a prior network, mark TFs, select genes."""

from __future__ import annotations
