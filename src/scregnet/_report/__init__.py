"""A fit as one page: data, checks, figures, links, and how to cite it."""

from __future__ import annotations

from scregnet._report.report import report
