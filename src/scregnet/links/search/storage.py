"""Where a search is kept: a database, or a journal in a file; either is checked and closed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scregnet._logging import logger

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

# Suffixes of files that Optuna opens as SQLite; any other file is its journal.
SQLITE = (".db", ".sqlite", ".sqlite3")

# What files begin with: a journal, and a database.
_JOURNAL = b'{"op_code":'
_SQLITE = b"SQLite format 3\0"


@contextmanager
def opened(optuna: Any, storage: str | Path | None) -> Iterator[BaseStorage | None]:
    """Open the storage; connections to a database are closed at the end."""
    place = None if storage is None else _storage(optuna, storage)
    try:
        yield place
    finally:
        if isinstance(place, optuna.storages.RDBStorage):
            place.remove_session()
            place.engine.dispose()


def _storage(optuna: Any, storage: str | Path) -> BaseStorage:
    """Return Optuna's storage: a database, or a journal in a file."""
    if "://" in str(storage):
        return _database(optuna, str(storage))
    path = Path(storage).expanduser()
    if not path.parent.is_dir():
        msg = f"storage: the folder {str(path.parent)!r} does not exist."
        raise FileNotFoundError(msg)
    if path.suffix in SQLITE:
        if path.is_file() and not _SQLITE.startswith(_beginning(path)):
            msg = f"storage={str(path)!r} is no SQLite database; name another file."
            raise ValueError(msg)
        return _database(optuna, f"sqlite:///{path.resolve()}", pooled=False)
    if path.is_file():
        _check_journal(optuna, path)
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    try:
        return optuna.storages.JournalStorage(backend)
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        msg = f"storage={str(path)!r} is a damaged journal ({error}); name another file."
        raise ValueError(msg) from error


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(_SQLITE))


def _database(optuna: Any, url: str, *, pooled: bool = True) -> BaseStorage:
    """Open a database; its URL may hold a password and is not in the message.

    Where opening fails, Optuna keeps its pool, and connections that wait there stay open.
    """
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    try:
        return optuna.storages.RDBStorage(
            url, engine_kwargs=None if pooled else {"poolclass": NullPool}
        )
    except SQLAlchemyError as error:
        msg = f"storage: the database could not be opened ({str(error).splitlines()[0]})."
        raise ValueError(msg) from error


def _check_journal(optuna: Any, path: Path) -> None:
    """Raise ``ValueError`` for a file that is no journal; cut off a last line without its end.

    A full disk leaves such a line, and the next one would be written behind it.
    """
    lock = optuna.storages.journal.JournalFileSymlinkLock(str(path))
    lock.acquire()
    try:
        content = path.read_bytes()
        if content[: len(_JOURNAL)] != _JOURNAL[: len(content)]:
            msg = f"storage={str(path)!r} is no journal of a search; name another file."
            raise ValueError(msg)
        if content and not content.endswith(b"\n"):
            logger.warning("storage: the last line of %s was not complete and is cut off", path)
            with path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)
    finally:
        lock.release()
