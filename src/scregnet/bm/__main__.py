"""Benchmarks from the command line: ``python -m scregnet.bm --help``."""

from __future__ import annotations

import sys

from scregnet.bm._command import main

sys.exit(main())
