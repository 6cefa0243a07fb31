"""scBERT's entry in the registry."""

from __future__ import annotations

from scregnet.encoders.entry import EncoderEntry
from scregnet.encoders.scbert.checkpoints import CHECKPOINTS

SCBERT = EncoderEntry(
    name="scbert",
    target="scregnet.encoders.scbert.encoder:ScBertEncoder",
    training="scregnet.encoders.scbert.training:ScBertTraining",
    description="Performer over all genes, expression in bins",
    reference="Yang et al. 2022, doi:10.1038/s42256-022-00534-z",
    licence="GPL-3.0",
    weights_licence="GPL-3.0",
    gene_ids="human symbols",
    checkpoints=CHECKPOINTS,
    default_variant="panglao",
)
