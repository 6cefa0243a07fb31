"""Figures are closed."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def no_figure_left():
    """Close the figures that a test made."""
    plt.close("all")
    yield
    plt.close("all")
