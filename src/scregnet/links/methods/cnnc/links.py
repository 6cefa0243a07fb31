"""The fitted links of CNNC."""

from __future__ import annotations

from typing import ClassVar

from scregnet.links.forms.network import NetworkLinks


class CnncLinks(NetworkLinks):
    """Fitted links that draw the joint histogram of a pair and read it."""

    home: ClassVar[str] = "scregnet.links.methods.cnnc.network"
