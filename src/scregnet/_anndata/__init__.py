"""Everything that knows how an AnnData is read and written."""

from __future__ import annotations
