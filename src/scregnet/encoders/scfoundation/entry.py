"""scFoundation's entry in the registry."""

from __future__ import annotations

from scregnet.encoders.entry import EncoderEntry
from scregnet.encoders.scfoundation.checkpoints import CHECKPOINTS

SCFOUNDATION = EncoderEntry(
    name="scfoundation",
    target="scregnet.encoders.scfoundation.encoder:ScFoundationEncoder",
    description="Encoder of expressed genes and decoder of all, expression as continuous values",
    reference="Hao et al. 2024, doi:10.1038/s41592-024-02305-7",
    licence="Apache-2.0",
    weights_licence="scFoundation License: non-commercial research only, no redistribution",
    gene_ids="human symbols",
    checkpoints=CHECKPOINTS,
    default_variant="100M",
)
