"""scGPT's entry in the registry."""

from __future__ import annotations

from scregnet.encoders.entry import EncoderEntry
from scregnet.encoders.scgpt.checkpoints import CHECKPOINTS

SCGPT = EncoderEntry(
    name="scgpt",
    target="scregnet.encoders.scgpt.encoder:ScGptEncoder",
    description="Transformer over expressed genes, expression in bins within the cell",
    reference="Cui et al. 2024, doi:10.1038/s41592-024-02201-0",
    licence="MIT",
    weights_licence="MIT (no other terms are published)",
    gene_ids="human symbols; Ensembl ids if Geneformer's gene_name_id_dict is in the folder",
    checkpoints=CHECKPOINTS,
    default_variant="whole-human",
)
