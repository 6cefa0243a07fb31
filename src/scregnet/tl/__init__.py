"""Analyse: gene embeddings, the fitted network, its comparison and graph, TF activity."""

from __future__ import annotations

from scregnet.tl._attention_links import attention_links
from scregnet.tl._compare_grns import compare_grns
from scregnet.tl._embed import embed
from scregnet.tl._finetune import finetune
from scregnet.tl._fit_grn import fit_grn
from scregnet.tl._knockout_links import knockout_links
from scregnet.tl._network_stats import network_stats
from scregnet.tl._tf_activity import tf_activity
from scregnet.tl._token_links import token_links
from scregnet.tl._transfer_grn import transfer_grn
from scregnet.tl._tune_grn import tune_grn

__all__ = [
    "attention_links",
    "compare_grns",
    "embed",
    "finetune",
    "fit_grn",
    "knockout_links",
    "network_stats",
    "tf_activity",
    "token_links",
    "transfer_grn",
    "tune_grn",
]
