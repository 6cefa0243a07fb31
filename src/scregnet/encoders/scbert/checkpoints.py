"""scBERT's published checkpoint."""

from __future__ import annotations

from scregnet.encoders.weights.checkpoints import Checkpoint, WeightFile

# By variant. The publisher gives no hash; this one is of the copy that circulates.
CHECKPOINTS: dict[str, Checkpoint] = {
    "panglao": Checkpoint(
        hub_id="",
        revision="",
        dimension=200,
        n_layers=6,
        files=(
            WeightFile(
                "weights",
                "panglao_pretrain.pth",
                "aa27109136580b24a1b985f63d0ba31f22490d09e71b13d1793cbff38619dfe3",
                87631538,
            ),
        ),
        source=(
            "Code and weights are under GPL-3.0 (Tencent, 2023), so this package carries neither.\n"
            "  1. panglao_pretrain.pth (88 MB): ask for it through the link in the README of\n"
            "     https://github.com/TencentAILabHealthcare/scBERT\n"
            "  2. The order of its 16,906 genes: a text file gene_order*.txt with one symbol a\n"
            "     line, or an .h5ad file of the same project (such as Zheng68K.h5ad of its data\n"
            "     archive), whose var_names are these genes.\n"
            "Put both into one folder and name it with weights=; or name the second with "
            "gene_order=."
        ),
        url="https://github.com/TencentAILabHealthcare/scBERT",
    ),
}
