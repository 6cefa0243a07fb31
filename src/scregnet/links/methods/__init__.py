"""Methods of link prediction: a file each, or a folder for one with parts."""

from __future__ import annotations
