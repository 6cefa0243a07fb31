"""Parts of a drawn network: layout, arrows, labels, legend."""

from __future__ import annotations
