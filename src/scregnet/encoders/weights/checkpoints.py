"""What identifies published weights: revision, files, sizes and hashes. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WeightFile:
    """One file of a checkpoint: its role, its path in the repository, its sha256, its bytes."""

    role: str
    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Checkpoint:
    """A published set of weights: a revision of a Hugging Face repository, and its files.

    Some licences or publishers keep the files off the hub. ``hub_id`` and ``revision`` are then
    empty, and ``source`` tells a user where to get the files and under what licence. ``files`` are
    then those whose hashes are known. ``url`` is the publisher's page.
    """

    hub_id: str
    revision: str
    dimension: int
    n_layers: int
    files: tuple[WeightFile, ...]
    source: str = ""
    url: str = ""

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(file.size for file in self.files)

    @property
    def page(self) -> str:
        """Where a person finds the files."""
        return self.url or (f"https://huggingface.co/{self.hub_id}" if self.hub_id else "")
