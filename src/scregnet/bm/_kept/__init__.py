"""What a run or a study keeps, so that it goes on after a stop, and how it is known again."""

from __future__ import annotations
