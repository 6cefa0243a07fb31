"""Prepare: align a prior network, read evidence, mark TFs, select genes."""

from __future__ import annotations

from scregnet.pp._association import association
from scregnet.pp._chromatin import chromatin
from scregnet.pp._evidence import evidence
from scregnet.pp._prior import prior
from scregnet.pp._select_genes import select_genes
from scregnet.pp._split import split
from scregnet.pp._tfs import tfs

__all__ = ["association", "chromatin", "evidence", "prior", "select_genes", "split", "tfs"]
