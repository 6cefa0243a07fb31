"""Settings of the session: where to compute, where to keep files, how much to say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from scregnet._logging import VERBOSITY, set_level
from scregnet._validate import check_choice, check_integer


@dataclass
class Settings:
    """Defaults that functions fall back to; assign to a field, or use :meth:`override` for a while."""

    verbosity: str = "warning"
    """``"error"``, ``"warning"``, ``"info"`` or ``"debug"``."""

    device: str = "auto"
    """``"auto"`` (CUDA, else Apple's MPS, else CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``."""

    n_jobs: int = -1
    """CPU threads of torch during a call; ``-1`` leaves torch's own choice."""

    progress_bar: bool = True
    """Show progress bars for long loops."""

    cache_dir: Path = Path.home() / ".cache" / "scregnet"
    """Folder of downloaded model weights and data sets."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in {f.name for f in fields(self)}:
            msg = f"settings has no field {name!r}; its fields: {', '.join(f.name for f in fields(self))}."
            raise AttributeError(msg)
        if name == "verbosity":
            check_choice("settings.verbosity", value, VERBOSITY)
            # The first assignment is the default's, at import, when nothing is to be configured yet.
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


settings = Settings()
