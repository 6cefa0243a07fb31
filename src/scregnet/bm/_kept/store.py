"""Records in files, one for each fit that is done."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from scregnet._logging import logger
from scregnet._validate import shortened

Kept = TypeVar("Kept")


def file_name(words: Iterable[str], parts: Iterable[str]) -> str:
    """Return the name of a record: readable words, and a digest of all that its figures hang on.

    Another version of the package is another record.
    """
    text = "\x00".join([*parts, version("scregnet")])
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return "-".join([*(re.sub(r"[^A-Za-z0-9_.+]+", "_", word)[:40] for word in words), digest])


class Store(Generic[Kept]):
    """A folder of records; without a folder nothing is kept.

    ``parse`` returns what a record stands for, and raises for one that is not whole.
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None, parse: Callable[[dict[str, Any]], Kept]
    ) -> None:
        # An empty path would be the folder where Python runs.
        if folder is not None and (not isinstance(folder, (str, os.PathLike)) or not str(folder)):
            msg = f"folder must be the path of a folder, or None; got {shortened(folder)}."
            raise TypeError(msg)
        self.folder, self.parse = None if folder is None else Path(folder), parse
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                msg = f"folder: {self.folder} cannot be made: {error.strerror}."
                raise OSError(error.errno, msg) from error

    def read(self, key: str) -> Kept | None:
        """Return what was kept, ``None`` if there is nothing or its file cannot be read."""
        if self.folder is None or not (path := self.folder / f"{key}.json").exists():
            return None
        try:
            return self.parse(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("%s is damaged and is made again: %s", path, error)
            return None

    def write(self, key: str, record: dict[str, Any]) -> None:
        """Keep a record. A file is there whole or not at all."""
        if self.folder is None:
            return
        path = self.folder / f"{key}.json"
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            part.write_text(json.dumps(record, default=_number), encoding="utf-8")
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            msg = f"folder: {path} cannot be written: {error.strerror}."
            raise OSError(error.errno, msg) from error


def _number(value: Any) -> Any:
    """Return what JSON has for a number of numpy's."""
    if isinstance(value, np.generic):
        return value.item()
    msg = f"a record cannot hold {type(value).__name__}."
    raise TypeError(msg)
