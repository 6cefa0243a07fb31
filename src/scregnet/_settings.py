"""Settings of the session: where to compute, where to keep files, how much to say."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from numbers import Integral
from pathlib import Path
from typing import Any

from scregnet._logging import VERBOSITY, set_level
from scregnet._validate import check_choice, check_integer


def _default_cache() -> Path:
    """Return a folder below the home directory, or a temporary one where there is no home."""
    try:
        return Path.home() / ".cache" / "scregnet"
    except RuntimeError:
        # A container may run as a user that the system does not know.
        # Windows has no user numbers; a folder for each process then keeps users apart.
        user = os.getuid() if hasattr(os, "getuid") else os.getpid()
        return Path(tempfile.gettempdir()) / f"scregnet-{user}"


@dataclass
class Settings:
    """Defaults of the session. Assign to a field, or use :meth:`override` in a ``with`` block."""

    verbosity: str | int = "warning"
    """``"error"``, ``"warning"``, ``"info"`` or ``"debug"``, or scanpy's number for it: 0, 1, 2
    or 4. Scanpy's 3, ``"hint"``, is taken as ``"info"``."""

    device: str = "auto"
    """``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, or ``"auto"``: CUDA, else MPS, else CPU."""

    n_jobs: int = -1
    """CPU threads during a call; ``-1`` takes what helps, of the cores the process may use."""

    progress_bar: bool = True
    """Show progress bars for long loops."""

    cache_dir: Path = field(default_factory=_default_cache)
    """Folder of downloaded model weights and data sets; by default ``~/.cache/scregnet``."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in {f.name for f in fields(self)}:
            names = ", ".join(f.name for f in fields(self))
            msg = f"settings has no field {name!r}; its fields: {names}."
            raise AttributeError(msg)
        if name == "verbosity":
            value = _verbosity(value)
            # The first assignment is the default's. It happens at import, which must not
            # configure logging.
            if name in self.__dict__:
                set_level(value)
        elif name == "n_jobs" and value != -1:
            check_integer("settings.n_jobs", value, minimum=1)
        elif name == "cache_dir":
            value = Path(value).expanduser()
        elif name == "progress_bar" and not isinstance(value, bool):
            msg = f"settings.progress_bar must be True or False, got {value!r}."
            raise TypeError(msg)
        object.__setattr__(self, name, value)

    @contextmanager
    def override(self, **values: Any) -> Iterator[Settings]:
        """Set fields inside a ``with`` block and put the former values back after it."""
        former = {name: self.__dict__[name] for name in values if name in self.__dict__}
        try:
            for name, value in values.items():
                setattr(self, name, value)
            yield self
        finally:
            for name, value in former.items():
                setattr(self, name, value)


def check_cache(folder: Path) -> None:
    """Make a folder of the cache; raise ``OSError`` if nothing can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(unwritable(folder, error)) from error


def unwritable(path: Path, error: OSError) -> str:
    """Return the message for a file of the cache that was not written."""
    return (
        f"{path} could not be written ({error}). Make room, or set sr.settings.cache_dir to a "
        "folder of your own."
    )


def _verbosity(value: Any) -> str:
    """Return the name of a verbosity that is given by its name or by scanpy's number."""
    names = list(VERBOSITY)
    is_number = isinstance(value, Integral) and not isinstance(value, bool)
    if is_number and 0 <= value < len(names):
        value = names[int(value)]
    check_choice("settings.verbosity", value, VERBOSITY)
    return "info" if value == "hint" else value


settings = Settings()
