"""Forms of fitted links that several methods share."""

from __future__ import annotations
