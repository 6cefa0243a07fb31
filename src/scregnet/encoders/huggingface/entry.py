"""The entry of BERT-like networks in the registry."""

from __future__ import annotations

from scregnet.encoders.entry import EncoderEntry

HUGGINGFACE = EncoderEntry(
    name="huggingface",
    target="scregnet.encoders.huggingface.encoder:HuggingFaceEncoder",
    description="A BERT-like network in a folder of your own, with a dictionary of gene tokens",
    gene_ids="those of the dictionary: symbols or Ensembl ids",
)
