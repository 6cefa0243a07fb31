"""Joint histograms of two genes, and the network that reads them."""

from __future__ import annotations
