"""The search for hyper-parameters."""

from __future__ import annotations
