"""Parts of neural networks, and their training loop."""

from __future__ import annotations
