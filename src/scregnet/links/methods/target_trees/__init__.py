"""Tree ensembles that predict a gene from the candidate TFs, one ensemble a gene."""

from __future__ import annotations
