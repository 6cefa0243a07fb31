"""scFoundation's published checkpoint."""

from __future__ import annotations

from scregnet.encoders.weights.checkpoints import Checkpoint, WeightFile

# By variant. The publisher gives no hash of the weights.
CHECKPOINTS: dict[str, Checkpoint] = {
    "100M": Checkpoint(
        hub_id="",
        revision="",
        dimension=512,
        n_layers=12,
        files=(
            WeightFile(
                "genes",
                "OS_scRNA_gene_index.19264.tsv",
                "bb337ea195d94e7b033543abc02a42e7060d6562eba97deb077f7dcecec62661",
                228232,
            ),
        ),
        source=(
            "The code is under Apache-2.0. The weights are under the scFoundation License: for\n"
            "non-commercial research only, not to be passed on. So this package neither carries\n"
            "nor fetches them.\n"
            "  1. models.ckpt: through the SharePoint link in the README of\n"
            "     https://github.com/biomap-research/scFoundation\n"
            "     By downloading it you accept the licence of the model.\n"
            "  2. OS_scRNA_gene_index.19264.tsv, the genes in the order of its positions: in the\n"
            "     same repository.\n"
            "Put both into one folder and name it with weights=."
        ),
        url="https://github.com/biomap-research/scFoundation",
    ),
}
