"""Fetch BEELINE's data sets as GENELink published them, file by file, each checked."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from scregnet._settings import settings
from scregnet.datasets._fetch import GIT_BLOB, fetch_file

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
    root = settings.cache_dir / "beeline"
    otherwise = (
        f"get the folder {folder!r} on another machine (github.com/zpliulab/GENELink, "
        "'Dataset/Benchmark Dataset') and name the folder that holds it with path=."
    )
    for name, file in registry().items():
        if name.startswith(f"{folder}/"):
            fetch_file(root, name, file.url, GIT_BLOB, file.git_blob, otherwise=otherwise)
    return root
