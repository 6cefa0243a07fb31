"""The fitted links of DeepDRIM."""

from __future__ import annotations

from typing import ClassVar

from scregnet.links.forms.network import NetworkLinks


class DeepDrimLinks(NetworkLinks):
    """Fitted links that read the image of a pair, and know what neighbours of its genes say."""

    home: ClassVar[str] = "scregnet.links.methods.deepdrim.network"
