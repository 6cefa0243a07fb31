"""Hand a fitted network to other tools, in the form that each reads."""

from __future__ import annotations

from scregnet.io._to_beeline import to_beeline
from scregnet.io._to_generrnib import to_generrnib
from scregnet.io._to_gretapy import to_gretapy

__all__ = ["to_beeline", "to_generrnib", "to_gretapy"]
