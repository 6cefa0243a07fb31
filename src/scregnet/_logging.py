"""One named logger; nothing is configured until the user asks for a verbosity."""

from __future__ import annotations

import logging

logger = logging.getLogger("scregnet")
logger.addHandler(logging.NullHandler())

VERBOSITY = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


def set_level(verbosity: str) -> None:
    """Attach a plain stream handler once and set the level of the package's logger."""
    stream = next((h for h in logger.handlers if type(h) is logging.StreamHandler), None)
    if stream is None:
        stream = logging.StreamHandler()
        stream.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(stream)
        # The messages now have a place of their own: the root logger would print them twice.
        logger.propagate = False
    logger.setLevel(VERBOSITY[verbosity])
