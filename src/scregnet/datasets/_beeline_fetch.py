"""Fetching BEELINE's data sets as GENELink published them: single files at pinned commits, checked by their git blob ids."""

from __future__ import annotations

import csv
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from scregnet._logging import logger
from scregnet._settings import settings

REPOSITORIES = {
    "genelink": "https://raw.githubusercontent.com/zpliulab/GENELink/4eb816af27f5fe0cb26f9230286401801b251129/",
    "scregnet": "https://raw.githubusercontent.com/sindhura-cs/scRegNet/30d0215efd99c40ceaceb37d161fc0a86a236e0b/",
}
"""Where the files of the registry are: GENELink's benchmark and the splits of scRegNet, each at one immutable commit."""


class Published(NamedTuple):
    """One published file: what it hashes to as a git blob, and where it is."""

    git_blob: str
    url: str


def registry() -> dict[str, Published]:
    """Return the published files by their place in the data folder.

    The hashes are the blob ids that git itself lists at the pinned commits (``git ls-tree -r <commit>``).
    """
    text = files("scregnet.datasets").joinpath("beeline_registry.csv").read_text(encoding="utf-8")
    return {
        row["name"]: Published(
            row["git_blob"], REPOSITORIES[row["repository"]] + quote(row["file"])
        )
        for row in csv.DictReader(text.splitlines())
    }


def git_blob(path: Path) -> str:
    """Return the id that git gives to the content of a file: the SHA-1 of a short header and the bytes."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def fetch(folder: str) -> Path:
    """Bring all published files of one data set into the cache and return the cache's data folder.

    A file that is in the cache already is not fetched again, unless its content is not the published one.

    Parameters
    ----------
    folder
        Folder of the data set in the layout of the registry.

    Raises
    ------
    ConnectionError
        When a file cannot be downloaded.
    ValueError
        When what was downloaded is not the published file; it is not kept.
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
        held = root / name
        if held.is_file() and git_blob(held) != file.git_blob:
            logger.warning("%s is not the published file; fetching it again.", held)
            held.unlink()
        try:
            keeper.fetch(name, downloader=_Checked(name, file.git_blob))
        except RequestException as error:
            msg = (
                f"could not download {name!r} from {file.url}: {error}. Without internet, get the folder {folder!r} on another "
                "machine (github.com/zpliulab/GENELink, 'Dataset/Benchmark Dataset') and name the folder that holds it with path=."
            )
            raise ConnectionError(msg) from error
    return root


class _Checked:
    """A downloader for pooch that refuses content other than the published; pooch then drops its temporary file.

    Pooch's own check knows no git blob ids, and the hosts publish nothing else.
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
                f"{self.name!r} as downloaded from {url} is not the published file (git blob {found}, expected "
                f"{self.expected}); it was not kept. A proxy or an error page may have come in its place."
            )
            raise ValueError(msg)
        return outcome
