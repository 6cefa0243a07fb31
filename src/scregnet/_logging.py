"""One named logger; nothing is configured until the user asks for a verbosity."""

from __future__ import annotations

import logging
import sys

# Without a handler, Python prints warnings to stderr: what the default verbosity means.
logger = logging.getLogger("scregnet")

# In the order of scanpy's numbers, 0 to 4. Python has no level between info and debug for hints.
VERBOSITY = {
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "hint": logging.INFO,
    "debug": logging.DEBUG,
}


class _Printer(logging.Handler):
    """Print to stderr, unless the application has configured handlers of its own."""

    def emit(self, record: logging.LogRecord) -> None:
        # A program without a console, such as one started by pythonw, has no stderr.
        if sys.stderr is not None and not logging.getLogger().handlers:
            sys.stderr.write(f"{self.format(record)}\n")


def set_level(verbosity: str) -> None:
    """Attach a plain handler once and set the level of the package's logger."""
    if not any(isinstance(handler, _Printer) for handler in logger.handlers):
        logger.addHandler(_Printer())
    logger.setLevel(VERBOSITY[verbosity])
