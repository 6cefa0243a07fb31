"""Hand a fitted network to other tools, in the form that each reads, and read theirs."""

from __future__ import annotations

from scregnet.io._read_grn import read_grn
from scregnet.io._to_beeline import to_beeline
from scregnet.io._to_generrnib import to_generrnib
from scregnet.io._to_gretapy import to_gretapy
from scregnet.io._write_grn import write_grn

__all__ = ["read_grn", "to_beeline", "to_generrnib", "to_gretapy", "write_grn"]
