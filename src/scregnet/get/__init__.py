"""Read back: the network as a frame or graph, the metrics as a frame."""

from __future__ import annotations
