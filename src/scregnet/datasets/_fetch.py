"""Fetch one published file into the cache and check that it is the published one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from scregnet._logging import logger
from scregnet._settings import check_cache, unwritable


class Digest(NamedTuple):
    """A digest of the content of a file, and what messages call it."""

    name: str
    of: Callable[[Path], str]


def _git_blob(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


GIT_BLOB = Digest("git blob", _git_blob)
"""Git's id of a content: the SHA-1 of a short header and the bytes."""

SHA256 = Digest("sha256", _sha256)


def fetch_file(
    root: Path, name: str, url: str, digest: Digest, expected: str, *, otherwise: str
) -> Path:
    """Fetch a file into the folder ``root``, unless it is there with the published content.

    ``otherwise`` is a sentence that says what to do without internet.

    Raises
    ------
    ConnectionError
        If the file cannot be downloaded.
    OSError
        If the cache cannot be written to.
    ValueError
        If the downloaded file is not the published one; it is not kept.
    """
    import pooch
    from requests import RequestException

    # Pooch takes a cached file as it is, so a damaged one has to go first.
    held = root / name
    if held.is_file():
        # A cache that others filled need not be writable.
        if digest.of(held) == expected:
            return held
        logger.warning("%s is not the published file; fetching it again.", held)
        # Another process may have been faster.
        held.unlink(missing_ok=True)
    check_cache(root)
    keeper = pooch.create(root, base_url="", registry={name: None}, urls={name: url})
    try:
        keeper.fetch(name, downloader=_Checked(name, digest, expected))
    except RequestException as error:
        msg = f"could not download {name!r} from {url}: {error}. Without internet, {otherwise}"
        raise ConnectionError(msg) from error
    # An error of the connection is an OSError too, and was caught above.
    except OSError as error:
        raise OSError(unwritable(held, error)) from error
    return held


class _Checked:
    """A downloader for pooch that raises if the content is not the published one.

    Pooch then removes its temporary file. Its own check does not know git's ids, and its message
    does not say what is wrong where a proxy sends a page of its own.
    """

    def __init__(self, name: str, digest: Digest, expected: str) -> None:
        self.name, self.digest, self.expected = name, digest, expected

    def __call__(
        self, url: str, output_file: Any, pooch: Any, *, check_only: bool = False
    ) -> bool | None:
        from pooch import HTTPDownloader

        outcome = HTTPDownloader(timeout=60)(url, output_file, pooch, check_only=check_only)
        if not check_only and (found := self.digest.of(Path(output_file))) != self.expected:
            msg = (
                f"{self.name!r} as downloaded from {url} is not the published file "
                f"({self.digest.name} {found}, expected {self.expected}); it was not kept. "
                "A proxy may have sent an error page instead."
            )
            raise ValueError(msg)
        return outcome
