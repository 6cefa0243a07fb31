"""Published checkpoints: where each lies, pinned by revision, size and hash."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WeightFile:
    """One file of a checkpoint: what it is for, its path in the repository, its sha256 and its size in bytes."""

    role: str
    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Checkpoint:
    """A published set of weights: a revision of a Hugging Face repository and the files that belong to it.

    Where the licence or the publisher keep the files off the hub, ``hub_id`` and ``revision`` are empty and ``source`` tells a user where
    to get them and under what licence; ``files`` are then those whose hashes are known. ``url`` is the publisher's page.
    """

    hub_id: str
    revision: str
    dimension: int
    n_layers: int
    files: tuple[WeightFile, ...]
    source: str = ""
    url: str = ""

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(file.size for file in self.files)

    @property
    def page(self) -> str:
        """Where a person finds the files."""
        return self.url or (f"https://huggingface.co/{self.hub_id}" if self.hub_id else "")


_HUB = "ctheodoris/Geneformer"
# The folders were renamed in June 2025 and some models removed: the older revision still has those.
_CURRENT = "be98543e20667a871836dd5912b547f6f41365b7"
_OLDER = "31bf641d0f173a18a5e06d9a6574bb0d3fe5edc1"

_V1_DICTIONARIES = tuple(
    WeightFile(role, f"geneformer/gene_dictionaries_30m/{name}_gc30M.pkl", sha256, size)
    for role, name, sha256, size in (
        (
            "tokens",
            "token_dictionary",
            "ab9dc40973fa5224d77b793e2fd114cacf3d08423ed9c4c49caf0ba9c7f218f1",
            788424,
        ),
        (
            "medians",
            "gene_median_dictionary",
            "b3b589bb5ec75040d05fc44dd6bf0184cf87f3c362cf158d196a6ed3b7fe5f39",
            940965,
        ),
        (
            "mapping",
            "ensembl_mapping_dict",
            "eac0fb0b3007267871b6305ac0003ceba19d4f28d85686cb9067ecf142787869",
            584125,
        ),
        (
            "symbols",
            "gene_name_id_dict",
            "55e67962e79c0039a6c32d43c5c99f38e51964bbcfa32f736150ee1e285c438c",
            1117117,
        ),
    )
)


def _v2_dictionaries(corpus: str) -> tuple[WeightFile, ...]:
    """Return the second family's dictionaries: the same bytes under both names."""
    return tuple(
        WeightFile(role, f"geneformer/{name}_{corpus}.pkl", sha256, size)
        for role, name, sha256, size in (
            (
                "tokens",
                "token_dictionary",
                "67c445f4385127adfc48dcc072320cd65d6822829bf27dd38070e6e787bc597f",
                425590,
            ),
            (
                "medians",
                "gene_median_dictionary",
                "a51c53f6a771d64508dfaf61529df70e394c53bd20856926117ae5d641a24bf5",
                1512661,
            ),
            (
                "mapping",
                "ensembl_mapping_dict",
                "0819bcbd869cfa14279449b037eb9ed1d09a91310e77bd1a19d927465030e95c",
                3957652,
            ),
            (
                "symbols",
                "gene_name_id_dict",
                "fabfa0c2f49c598c59ae432a32c3499a5908c033756c663b5e0cddf58deea8e1",
                1660882,
            ),
        )
    )


def _geneformer(
    folder: str,
    revision: str,
    dictionaries: tuple[WeightFile, ...],
    *,
    dimension: int,
    n_layers: int,
    config: tuple[str, int],
    weights: tuple[str, int],
    weights_name: str = "model.safetensors",
) -> Checkpoint:
    files = (
        WeightFile("config", f"{folder}/config.json", *config),
        WeightFile("weights", f"{folder}/{weights_name}", *weights),
        *dictionaries,
    )
    return Checkpoint(_HUB, revision, dimension, n_layers, files)


GENEFORMER: dict[str, Checkpoint] = {
    "V1-10M": _geneformer(
        "Geneformer-V1-10M",
        _CURRENT,
        _V1_DICTIONARIES,
        dimension=256,
        n_layers=6,
        config=("9cf69ca3bdb0215c4188b54c451b6f02adfe68b8f66011a57d0f32845133fd4b", 565),
        weights=("a5e33a757431643b3697de7ef6127950cdc49e06e58d4266b3a3ab191b683f14", 41183536),
    ),
    "V2-104M": _geneformer(
        "Geneformer-V2-104M",
        _CURRENT,
        _v2_dictionaries("gc104M"),
        dimension=768,
        n_layers=12,
        config=("467d4492f0dd53b4d60afffe20812db484ca1cf9fdbeb6a6e060e93564f70859", 590),
        weights=("fff5cba29ddd8792991fa77b4872246fbe548a178cebda3775cdc72b67780e7f", 417571156),
    ),
    "V2-104M_CLcancer": _geneformer(
        "Geneformer-V2-104M_CLcancer",
        _CURRENT,
        _v2_dictionaries("gc104M"),
        dimension=768,
        n_layers=12,
        config=("b3e1f3e71b1df7238f0f1d6dda258d560ea84e5e9698351a1588cfad06321e18", 762),
        weights=("827738139bfed4bafa9d1f3df7c6146da2e3b85f7225076adc32c6eda0ba4357", 417571156),
    ),
    "V2-316M": _geneformer(
        "Geneformer-V2-316M",
        _CURRENT,
        _v2_dictionaries("gc104M"),
        dimension=1152,
        n_layers=18,
        config=("2cc4af3442644e84af71814a607b61c958d7b4e5ebde6791ab77b5f534ac6f6e", 591),
        weights=("965ceccea81953d362081ef3843560a0e4fef88d396c28017881f1e94b1246f3", 1265455076),
    ),
    "gf-12L-30M-i2048": _geneformer(
        "gf-12L-30M-i2048",
        _OLDER,
        _V1_DICTIONARIES,
        dimension=512,
        n_layers=12,
        config=("a82b9cf2cb830be227bfbbe5a4c5d62723f49fac892ca37c541d0ef40a0e1de9", 567),
        weights=("812f8d85e5ecf9d64c268f052f6ece2c1906bc4f1aecf70d5144b2598386b615", 158467410),
        weights_name="pytorch_model.bin",
    ),
    "gf-12L-95M-i4096": _geneformer(
        "gf-12L-95M-i4096",
        _OLDER,
        _v2_dictionaries("gc95M"),
        dimension=512,
        n_layers=12,
        config=("f56780389d8c89c1b6c4084e2e6ee1f736558e4b3bb8ce7473159e83465de401", 591),
        weights=("4365ba23e393fcfa0e65a94ac64a0983cd788bd23a8d4914f4ab66f85cfe043c", 152012980),
    ),
    "gf-12L-95M-i4096_CLcancer": _geneformer(
        "gf-12L-95M-i4096_CLcancer",
        _OLDER,
        _v2_dictionaries("gc95M"),
        dimension=512,
        n_layers=12,
        config=("7d3720eb553238849f7b3b3fd874e2bafb59c97b0e70afd7ca90132c43b8d5b1", 760),
        weights=("2451adeed240c165634fea60ccba17063da8a2843ea9fcdcc0ce185720bf0dc2", 152012980),
    ),
    "gf-20L-95M-i4096": _geneformer(
        "gf-20L-95M-i4096",
        _OLDER,
        _v2_dictionaries("gc95M"),
        dimension=896,
        n_layers=20,
        config=("915948b8161a15747647c9dd04d4bd3a950ca5fb145a14d9bc1157948a4cb9e7", 592),
        weights=("db85c081a6d392448955c7d0185e26aba74507518df991ca8c69ee9108ce8bbf", 605292732),
    ),
}
"""Geneformer's variants by name. scRegNet's 896-wide embedding is of ``gf-20L-95M-i4096``."""

SCBERT: dict[str, Checkpoint] = {
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
            "  2. The order of its 16,906 genes, which the positions stand for: a text file gene_order*.txt with one symbol a line, or an\n"
            "     .h5ad file of the same project (such as Zheng68K.h5ad of its data archive), whose var_names are these genes.\n"
            "Put both into one folder and name it with weights=; or name the second with gene_order=."
        ),
        url="https://github.com/TencentAILabHealthcare/scBERT",
    ),
}
"""scBERT's one published model. The hash is of the copy that circulates; its publisher gives none."""

SCFOUNDATION: dict[str, Checkpoint] = {
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
            "The code is under Apache-2.0, but the weights are under the scFoundation License: for non-commercial research only, not to be\n"
            "passed on, so this package neither carries nor fetches them.\n"
            "  1. models.ckpt: through the SharePoint link in the README of https://github.com/biomap-research/scFoundation, whose\n"
            "     licence for the model you accept by doing so.\n"
            "  2. OS_scRNA_gene_index.19264.tsv, the genes that its positions stand for: in the same repository.\n"
            "Put both into one folder and name it with weights=."
        ),
        url="https://github.com/biomap-research/scFoundation",
    ),
}
"""scFoundation's one published model. Its publisher gives no hash of the weights."""


def _scgpt_folder(folder: str) -> Checkpoint:
    """Return a checkpoint that its authors keep in a folder of Google Drive, without hashes."""
    url = f"https://drive.google.com/drive/folders/{folder}"
    return Checkpoint(
        hub_id="",
        revision="",
        dimension=512,
        n_layers=12,
        files=(),
        source=(
            "The code is under MIT, and no other terms are published for the weights.\n"
            f"  Download args.json, best_model.pt and vocab.json from {url}\n"
            "Put them into one folder and name it with weights=."
        ),
        url=url,
    )


SCGPT: dict[str, Checkpoint] = {
    "whole-human": Checkpoint(
        hub_id="wanglab/scGPT-human",
        revision="a24c237737a40f3720f75abb555489e9fe753be6",
        dimension=512,
        n_layers=12,
        files=(
            WeightFile(
                "config",
                "args.json",
                "c18e075e018140cb8b2d9029387b9de26607a5ce6a8ccabd6ead70cd76b95d60",
                1300,
            ),
            WeightFile(
                "weights",
                "best_model.pt",
                "6cb5d451ab5c4b33eb673adbe4fddc61d2389df1b89b7651a9fe2e557572b922",
                205385258,
            ),
            WeightFile(
                "tokens",
                "vocab.json",
                "acca93d114ca62c3f0f50debbd23e8c87f0714f4737764454f6b2b13f2e8580f",
                1317639,
            ),
        ),
        source=(
            "  3. The same files are in the authors' folder\n"
            "     https://drive.google.com/drive/folders/1oWh_-ZRdhtoGQ2Fw24HP41FgLoomVo-y\n"
            "The code is under MIT, and no other terms are published for the weights."
        ),
    ),
    "continual-pretrained": _scgpt_folder("1_GROJTzXiAV8HB4imruOTk6PEGuNOcgB"),
    "brain": _scgpt_folder("1vf1ijfQSk7rGdDGpBntR5bi5g6gNt-Gx"),
    "blood": _scgpt_folder("1kkug5C7NjvXIwQGGaGoqXTk_Lb_pDrBU"),
    "heart": _scgpt_folder("1GcgXrd7apn6y4Ze_iSCncskX3UsWPY2r"),
    "lung": _scgpt_folder("16A1DJ30PT6bodt4bWLa4hpS7gbWZQFBG"),
    "kidney": _scgpt_folder("1S-1AR65DF120kNFpEbWCvRHPhpkGK3kK"),
    "pan-cancer": _scgpt_folder("13QzLHilYUd0v3HTwa_9n4G4yEF-hdkqa"),
}
"""scGPT's models. The hub's copy of the first is the authors' laboratory's own, and the same bytes as their folder's."""
