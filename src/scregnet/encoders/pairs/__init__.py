"""What a model says of pairs of genes: attention, deletion of one, likeness of their tokens."""

from __future__ import annotations
