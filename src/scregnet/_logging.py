"""One named logger; nothing is configured until the user asks for a verbosity."""

from __future__ import annotations

import logging
import sys

# Without a handler, Python's own last resort prints warnings to stderr: just what the default verbosity says.
logger = logging.getLogger("scregnet")

VERBOSITY = {
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


class _Printer(logging.Handler):
    """Prints to stderr as long as the application has not configured logging itself; else its handlers do."""

    def emit(self, record: logging.LogRecord) -> None:
        if not logging.getLogger().handlers:
            sys.stderr.write(f"{self.format(record)}\n")


def set_level(verbosity: str) -> None:
    """Attach a plain handler once and set the level of the package's logger."""
    if not any(isinstance(handler, _Printer) for handler in logger.handlers):
        logger.addHandler(_Printer())
    logger.setLevel(VERBOSITY[verbosity])
