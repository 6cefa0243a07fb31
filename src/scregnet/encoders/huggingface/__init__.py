"""Any BERT-like network of Hugging Face that reads genes as tokens."""

from __future__ import annotations
