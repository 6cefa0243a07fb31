"""Fetch BEELINE's data sets as GENELink published them, file by file, each checked."""

from __future__ import annotations

import csv
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from scregnet._logging import logger
from scregnet._settings import settings

_GITHUB = "https://raw.githubusercontent.com"
REPOSITORIES = {
    "genelink": f"{_GITHUB}/zpliulab/GENELink/4eb816af27f5fe0cb26f9230286401801b251129/",
    "scregnet": f"{_GITHUB}/sindhura-cs/scRegNet/30d0215efd99c40ceaceb37d161fc0a86a236e0b/",
}
"""Sources of the files: GENELink's benchmark and scRegNet's splits, each at a fixed commit."""


class Published(NamedTuple):
    """One published file: its id as a git blob, and its URL."""

    git_blob: str
    url: str


def registry() -> dict[str, Published]:
    """Return the published files by their path in the data folder.

    The ids are those that git lists at the fixed commits (``git ls-tree -r <commit>``).
    """
    text = files("scregnet.datasets").joinpath("beeline_registry.csv").read_text(encoding="utf-8")
    return {
        row["name"]: Published(
            row["git_blob"], REPOSITORIES[row["repository"]] + quote(row["file"])
        )
        for row in csv.DictReader(text.splitlines())
    }


def git_blob(path: Path) -> str:
    """Return git's id of the content of a file: the SHA-1 of a short header and the bytes."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def fetch(folder: str) -> Path:
    """Fetch all published files of one data set into the cache; return the cache's data folder.

    Files in the cache are fetched again only if their content is not the published one.

    Parameters
    ----------
    folder
        Folder of the data set in the layout of the registry.

    Raises
    ------
    ConnectionError
        If a file cannot be downloaded.
    ValueError
        If a downloaded file is not the published one; it is not kept.
    """
    import pooch
    from requests import RequestException

    root = settings.cache_dir / "beeline"
    wanted = {name: file for name, file in registry().items() if name.startswith(f"{folder}/")}
    keeper = pooch.create(
        root,
        base_url="",
        registry=dict.fromkeys(wanted),
        urls={n: f.url for n, f in wanted.items()},
    )
    for name, file in wanted.items():
        # Pooch takes a cached file as it is, so a damaged one has to go first.
        held = root / name
        if held.is_file() and git_blob(held) != file.git_blob:
            logger.warning("%s is not the published file; fetching it again.", held)
            held.unlink()
        try:
            keeper.fetch(name, downloader=_Checked(name, file.git_blob))
        except RequestException as error:
            msg = (
                f"could not download {name!r} from {file.url}: {error}. Without internet, get the "
                f"folder {folder!r} on another machine (github.com/zpliulab/GENELink, "
                "'Dataset/Benchmark Dataset') and name the folder that holds it with path=."
            )
            raise ConnectionError(msg) from error
    return root


class _Checked:
    """A downloader for pooch that raises if the content is not the published one.

    Pooch then removes its temporary file. Its own check does not know git's ids, and the
    repositories publish no other hashes.
    """

    def __init__(self, name: str, expected: str) -> None:
        self.name, self.expected = name, expected

    def __call__(
        self, url: str, output_file: Any, pooch: Any, *, check_only: bool = False
    ) -> bool | None:
        from pooch import HTTPDownloader

        outcome = HTTPDownloader(timeout=60)(url, output_file, pooch, check_only=check_only)
        if not check_only and (found := git_blob(Path(output_file))) != self.expected:
            msg = (
                f"{self.name!r} as downloaded from {url} is not the published file (git blob "
                f"{found}, expected {self.expected}); it was not kept. "
                "A proxy may have sent an error page instead."
            )
            raise ValueError(msg)
        return outcome
