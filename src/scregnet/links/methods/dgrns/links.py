"""The fitted links of DGRNS."""

from __future__ import annotations

from typing import ClassVar

from scregnet.links.forms.network import NetworkLinks


class DgrnsLinks(NetworkLinks):
    """Fitted links that correlate the windows of two genes and read the result."""

    home: ClassVar[str] = "scregnet.links.methods.dgrns.network"
