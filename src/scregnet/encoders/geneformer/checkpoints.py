"""Geneformer's published checkpoints."""

from __future__ import annotations

from scregnet.encoders.weights.checkpoints import Checkpoint, WeightFile

_HUB = "ctheodoris/Geneformer"
# The folders were renamed in June 2025 and some models removed. The older revision has those.
_CURRENT = "be98543e20667a871836dd5912b547f6f41365b7"
_OLDER = "31bf641d0f173a18a5e06d9a6574bb0d3fe5edc1"

_V1 = "geneformer/gene_dictionaries_30m"
_V1_DICTIONARIES = (
    WeightFile(
        "tokens",
        f"{_V1}/token_dictionary_gc30M.pkl",
        "ab9dc40973fa5224d77b793e2fd114cacf3d08423ed9c4c49caf0ba9c7f218f1",
        788424,
    ),
    WeightFile(
        "medians",
        f"{_V1}/gene_median_dictionary_gc30M.pkl",
        "b3b589bb5ec75040d05fc44dd6bf0184cf87f3c362cf158d196a6ed3b7fe5f39",
        940965,
    ),
    WeightFile(
        "mapping",
        f"{_V1}/ensembl_mapping_dict_gc30M.pkl",
        "eac0fb0b3007267871b6305ac0003ceba19d4f28d85686cb9067ecf142787869",
        584125,
    ),
    WeightFile(
        "symbols",
        f"{_V1}/gene_name_id_dict_gc30M.pkl",
        "55e67962e79c0039a6c32d43c5c99f38e51964bbcfa32f736150ee1e285c438c",
        1117117,
    ),
)


def _v2_dictionaries(corpus: str) -> tuple[WeightFile, ...]:
    """Return the dictionaries of the second family: the same bytes under two names."""
    return (
        WeightFile(
            "tokens",
            f"geneformer/token_dictionary_{corpus}.pkl",
            "67c445f4385127adfc48dcc072320cd65d6822829bf27dd38070e6e787bc597f",
            425590,
        ),
        WeightFile(
            "medians",
            f"geneformer/gene_median_dictionary_{corpus}.pkl",
            "a51c53f6a771d64508dfaf61529df70e394c53bd20856926117ae5d641a24bf5",
            1512661,
        ),
        WeightFile(
            "mapping",
            f"geneformer/ensembl_mapping_dict_{corpus}.pkl",
            "0819bcbd869cfa14279449b037eb9ed1d09a91310e77bd1a19d927465030e95c",
            3957652,
        ),
        WeightFile(
            "symbols",
            f"geneformer/gene_name_id_dict_{corpus}.pkl",
            "fabfa0c2f49c598c59ae432a32c3499a5908c033756c663b5e0cddf58deea8e1",
            1660882,
        ),
    )


def _on_hub(
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


# By variant. scRegNet's embedding, 896 wide, is that of gf-20L-95M-i4096.
CHECKPOINTS: dict[str, Checkpoint] = {
    "V1-10M": _on_hub(
        "Geneformer-V1-10M",
        _CURRENT,
        _V1_DICTIONARIES,
        dimension=256,
        n_layers=6,
        config=("9cf69ca3bdb0215c4188b54c451b6f02adfe68b8f66011a57d0f32845133fd4b", 565),
        weights=("a5e33a757431643b3697de7ef6127950cdc49e06e58d4266b3a3ab191b683f14", 41183536),
    ),
    "V2-104M": _on_hub(
        "Geneformer-V2-104M",
        _CURRENT,
        _v2_dictionaries("gc104M"),
        dimension=768,
        n_layers=12,
        config=("467d4492f0dd53b4d60afffe20812db484ca1cf9fdbeb6a6e060e93564f70859", 590),
        weights=("fff5cba29ddd8792991fa77b4872246fbe548a178cebda3775cdc72b67780e7f", 417571156),
    ),
    "V2-104M_CLcancer": _on_hub(
        "Geneformer-V2-104M_CLcancer",
        _CURRENT,
        _v2_dictionaries("gc104M"),
        dimension=768,
        n_layers=12,
        config=("b3e1f3e71b1df7238f0f1d6dda258d560ea84e5e9698351a1588cfad06321e18", 762),
        weights=("827738139bfed4bafa9d1f3df7c6146da2e3b85f7225076adc32c6eda0ba4357", 417571156),
    ),
    "V2-316M": _on_hub(
        "Geneformer-V2-316M",
        _CURRENT,
        _v2_dictionaries("gc104M"),
        dimension=1152,
        n_layers=18,
        config=("2cc4af3442644e84af71814a607b61c958d7b4e5ebde6791ab77b5f534ac6f6e", 591),
        weights=("965ceccea81953d362081ef3843560a0e4fef88d396c28017881f1e94b1246f3", 1265455076),
    ),
    "gf-12L-30M-i2048": _on_hub(
        "gf-12L-30M-i2048",
        _OLDER,
        _V1_DICTIONARIES,
        dimension=512,
        n_layers=12,
        config=("a82b9cf2cb830be227bfbbe5a4c5d62723f49fac892ca37c541d0ef40a0e1de9", 567),
        weights=("812f8d85e5ecf9d64c268f052f6ece2c1906bc4f1aecf70d5144b2598386b615", 158467410),
        weights_name="pytorch_model.bin",
    ),
    "gf-12L-95M-i4096": _on_hub(
        "gf-12L-95M-i4096",
        _OLDER,
        _v2_dictionaries("gc95M"),
        dimension=512,
        n_layers=12,
        config=("f56780389d8c89c1b6c4084e2e6ee1f736558e4b3bb8ce7473159e83465de401", 591),
        weights=("4365ba23e393fcfa0e65a94ac64a0983cd788bd23a8d4914f4ab66f85cfe043c", 152012980),
    ),
    "gf-12L-95M-i4096_CLcancer": _on_hub(
        "gf-12L-95M-i4096_CLcancer",
        _OLDER,
        _v2_dictionaries("gc95M"),
        dimension=512,
        n_layers=12,
        config=("7d3720eb553238849f7b3b3fd874e2bafb59c97b0e70afd7ca90132c43b8d5b1", 760),
        weights=("2451adeed240c165634fea60ccba17063da8a2843ea9fcdcc0ce185720bf0dc2", 152012980),
    ),
    "gf-20L-95M-i4096": _on_hub(
        "gf-20L-95M-i4096",
        _OLDER,
        _v2_dictionaries("gc95M"),
        dimension=896,
        n_layers=20,
        config=("915948b8161a15747647c9dd04d4bd3a950ca5fb145a14d9bc1157948a4cb9e7", 592),
        weights=("db85c081a6d392448955c7d0185e26aba74507518df991ca8c69ee9108ce8bbf", 605292732),
    ),
}
