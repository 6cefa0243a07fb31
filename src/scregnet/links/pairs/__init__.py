"""Labelled pairs: splits, negatives, reciprocity, corruption, audit."""

from __future__ import annotations
