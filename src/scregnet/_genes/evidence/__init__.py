"""Evidence about genes from elsewhere: experiments × genes, as read, reduced and per TF."""

from __future__ import annotations
