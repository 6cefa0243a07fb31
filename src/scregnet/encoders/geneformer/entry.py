"""Geneformer's entry in the registry."""

from __future__ import annotations

from scregnet.encoders.entry import EncoderEntry
from scregnet.encoders.geneformer.checkpoints import CHECKPOINTS

GENEFORMER = EncoderEntry(
    name="geneformer",
    target="scregnet.encoders.geneformer.encoder:GeneformerEncoder",
    training="scregnet.encoders.geneformer.training:GeneformerTraining",
    description="BERT over genes ranked by scaled expression",
    reference="Theodoris et al. 2023, doi:10.1038/s41586-023-06139-9",
    licence="Apache-2.0",
    weights_licence="Apache-2.0",
    gene_ids="human Ensembl ids or symbols; of descendants those of their dictionaries",
    checkpoints=CHECKPOINTS,
    # 41 MB and six layers: the one that a laptop without a GPU can run.
    default_variant="V1-10M",
)
