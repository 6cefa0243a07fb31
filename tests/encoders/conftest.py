"""A small Geneformer with random weights in the published layout, and what is needed to feed it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from safetensors.torch import save_file

GENES = [f"ENSG{number:011d}" for number in range(100, 140)]
SYMBOLS = {f"GENE{i}": gene for i, gene in enumerate(GENES)} | {"C1orf7": GENES[7]}
WIDTH, N_LAYERS, FFN, POSITIONS = 12, 3, 20, 64


def dictionaries(family: str) -> dict[str, dict]:
    """Token, median, mapping (one alias, one target outside the vocabulary) and symbol dictionaries."""
    special = ["<pad>", "<mask>"] + (["<cls>", "<eos>"] if family == "V2" else [])
    rng = np.random.default_rng(1)
    return {
        "token_dictionary": {name: token for token, name in enumerate([*special, *GENES])},
        "gene_median_dictionary": {gene: float(rng.uniform(0.3, 5)) for gene in GENES},
        "ensembl_mapping_dict": {gene: gene for gene in GENES}
        | {"ENSG00000000901": GENES[0], "ENSG00000000902": "ENSG00000999999"},
        "gene_name_id_dict": SYMBOLS,
    }


def random_state(n_tokens: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Tensors of a small BERT under the published names, head included."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}

    def linear(name: str, out: int, into: int) -> None:
        state[f"{name}.weight"] = torch.randn(out, into, generator=generator) / into**0.5
        state[f"{name}.bias"] = 0.2 * torch.randn(out, generator=generator)

    def norm(name: str) -> None:
        state[f"{name}.weight"] = 1 + 0.2 * torch.randn(WIDTH, generator=generator)
        state[f"{name}.bias"] = 0.2 * torch.randn(WIDTH, generator=generator)

    for name, rows in (("word", n_tokens), ("position", POSITIONS), ("token_type", 2)):
        state[f"bert.embeddings.{name}_embeddings.weight"] = torch.randn(
            rows, WIDTH, generator=generator
        )
    norm("bert.embeddings.LayerNorm")
    for i in range(N_LAYERS):
        layer = f"bert.encoder.layer.{i}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", WIDTH, WIDTH)
        linear(f"{layer}.attention.output.dense", WIDTH, WIDTH)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", FFN, WIDTH)
        linear(f"{layer}.output.dense", WIDTH, FFN)
        norm(f"{layer}.output.LayerNorm")
    linear("cls.predictions.transform.dense", WIDTH, WIDTH)
    norm("cls.predictions.transform.LayerNorm")
    state["cls.predictions.bias"] = torch.zeros(n_tokens)
    return state


def config(n_tokens: int) -> dict[str, object]:
    return {
        "model_type": "bert",
        "vocab_size": n_tokens,
        "hidden_size": WIDTH,
        "num_hidden_layers": N_LAYERS,
        "num_attention_heads": 3,
        "intermediate_size": FFN,
        "max_position_embeddings": POSITIONS,
        "hidden_act": "relu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "gradient_checkpointing": False,
    }


def write_geneformer(folder: Path, family: str = "V1") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    known = dictionaries(family)
    for name, content in known.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    n_tokens = len(known["token_dictionary"])
    (folder / "config.json").write_text(json.dumps(config(n_tokens)))
    state = random_state(n_tokens)
    if family == "V1":
        state["bert.embeddings.position_ids"] = torch.arange(POSITIONS)[None]
    save_file(state, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session", params=["V1", "V2"])
def family(request) -> str:
    return request.param


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("geneformer")
    return {family: write_geneformer(root / family, family) for family in ("V1", "V2")}


@pytest.fixture
def own_folder(tmp_path) -> Path:
    """A V1 folder that a test may damage."""
    return write_geneformer(tmp_path / "weights")


@pytest.fixture(scope="session")
def state() -> dict[str, torch.Tensor]:
    """The tensors in ``own_folder``'s weights."""
    return random_state(len(dictionaries("V1")["token_dictionary"]))


@pytest.fixture(scope="session")
def genes() -> np.ndarray:
    """The vocabulary's genes in another order, one alias of a gene that is there too, and three that no vocabulary knows."""
    order = np.random.default_rng(2).permutation(GENES)
    return np.array([*order, "ENSG00000000901", "ENSG00000000902", "ENSG00000888888", "unknown"])


@pytest.fixture(scope="session")
def counts(genes) -> sp.csr_matrix:
    """30 cells with 0 to 44 genes; cells 4 and 11 are empty and no cell has gene 3."""
    rng = np.random.default_rng(3)
    dense = rng.poisson(rng.gamma(0.6, 3, (30, len(genes))) * rng.uniform(0.2, 2, (30, 1)))
    dense[[4, 11]] = 0
    dense[:, 3] = 0
    return sp.csr_matrix(dense, dtype=np.float64)


@pytest.fixture(scope="session")
def known() -> dict[str, dict[str, dict]]:
    """The dictionaries of both families."""
    return {family: dictionaries(family) for family in ("V1", "V2")}


def scbert_state(n_genes: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Tensors of a small scBERT under the published names: width 12, 2 layers, 3 heads of 5, 7 features."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {"performer.calls_since_last_redraw": torch.tensor(3)}

    def draw(name: str, *shape: int, scale: float = 0.2, mean: float = 0.0) -> None:
        state[name] = mean + scale * torch.randn(*shape, generator=generator)

    draw("token_emb.weight", 7, 12, scale=1)
    draw("pos_emb.emb.weight", n_genes + 1, 12, scale=1)
    state["pos_emb.emb.weight"] = state["pos_emb.emb.weight"].double()
    for layer in (f"performer.net.layers.{i}" for i in range(2)):
        draw(f"{layer}.0.fn.fast_attention.projection_matrix", 7, 5, scale=1)
        for part in ("q", "k", "v"):
            draw(f"{layer}.0.fn.to_{part}.weight", 15, 12, scale=0.4)
        for name, out, into in (
            ("0.fn.to_out", 12, 15),
            ("1.fn.fn.w1", 24, 12),
            ("1.fn.fn.w2", 12, 24),
        ):
            draw(f"{layer}.{name}.weight", out, into, scale=into**-0.5)
            draw(f"{layer}.{name}.bias", out)
        for name in ("0.norm", "1.norm"):
            draw(f"{layer}.{name}.weight", 12, mean=1)
            draw(f"{layer}.{name}.bias", 12)
    draw("norm.weight", 12, mean=1)
    draw("norm.bias", 12)
    draw("to_out.weight", 7, 12)
    draw("to_out.bias", 7)
    return state


def write_scbert(folder: Path) -> Path:
    """An scBERT that knows the other models' genes, and three that the data lack, in an order of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(4).permutation([*GENES, "absent1", "absent2", "absent3"])
    (folder / "gene_order.txt").write_text("\n".join(order) + "\n")
    torch.save(
        {"epoch": 4, "model_state_dict": scbert_state(len(order)), "losses": 0.5},
        folder / "panglao_pretrain.pth",
    )
    return folder


@pytest.fixture(scope="session")
def scbert_folder(tmp_path_factory) -> Path:
    return write_scbert(tmp_path_factory.mktemp("scbert") / "weights")


SCFOUNDATION_CONFIG = {
    "model": "mae_autobin",
    "model_config": {
        "mae_autobin": {
            "encoder": {
                "hidden_dim": 12,
                "depth": 2,
                "heads": 3,
                "module_type": "transformer",
                "norm_first": False,
            },
            "decoder": {
                "hidden_dim": 10,
                "depth": 2,
                "heads": 2,
                "dim_head": 6,
                "module_type": "performer",
            },
            "seq_len": None,
            "mask_gene_name": False,
            "pad_token_id": 103,
            "mask_token_id": 102,
            "bin_alpha": 1.0,
        }
    },
    "dataset_config": {"rnaseq": {"seq_len": 45, "bin_num": 9}},
}
"""A small network in the layout of the published file: sizes of the data set are merged over the model's."""


def scfoundation_state(n_genes: int = 43, seed: int = 0) -> dict[str, torch.Tensor]:
    """Tensors of that network under the published names, without prefix."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {"decoder.performer.calls_since_last_redraw": torch.tensor(3)}

    def draw(name: str, *shape: int, scale: float = 0.2, mean: float = 0.0) -> None:
        state[name] = mean + scale * torch.randn(*shape, generator=generator)

    def linear(name: str, out: int, into: int, separator: str = ".") -> None:
        draw(f"{name}{separator}weight", out, into, scale=into**-0.5)
        draw(f"{name}{separator}bias", out)

    def norm(name: str, width: int) -> None:
        draw(f"{name}.weight", width, mean=1)
        draw(f"{name}.bias", width)

    linear("token_emb.mlp", 9, 1)
    linear("token_emb.mlp2", 9, 9)
    draw("token_emb.emb.weight", 9, 12, scale=1)
    draw("token_emb.emb_mask.weight", 1, 12)
    draw("token_emb.emb_pad.weight", 1, 12)
    draw("pos_emb.weight", n_genes + 3, 12, scale=1)
    for layer in (f"encoder.transformer_encoder.{i}" for i in range(2)):
        linear(f"{layer}.self_attn.in_proj", 36, 12, separator="_")
        linear(f"{layer}.self_attn.out_proj", 12, 12)
        linear(f"{layer}.linear1", 48, 12)
        linear(f"{layer}.linear2", 12, 48)
        norm(f"{layer}.norm1", 12)
        norm(f"{layer}.norm2", 12)
    norm("encoder.norm", 12)
    linear("decoder_embed", 10, 12)
    for layer in (f"decoder.performer.net.layers.{i}" for i in range(2)):
        norm(f"{layer}.0.norm", 10)
        draw(f"{layer}.0.fn.fast_attention.projection_matrix", 10, 6, scale=1)
        for part in ("q", "k", "v"):
            linear(f"{layer}.0.fn.to_{part}", 12, 10)
        linear(f"{layer}.0.fn.to_out", 10, 12)
        norm(f"{layer}.1.norm", 10)
        linear(f"{layer}.1.fn.fn.w1", 40, 10)
        linear(f"{layer}.1.fn.fn.w2", 10, 40)
    norm("decoder.norm", 10)
    norm("norm", 10)
    linear("to_final", 1, 10)
    return state


def scfoundation_container() -> dict[str, dict]:
    """The published file's layout: three sets of weights, each with its configuration."""
    return {
        section: {
            "config": SCFOUNDATION_CONFIG,
            "state_dict": {
                f"model.{name}": value for name, value in scfoundation_state(seed=seed).items()
            },
        }
        for seed, section in enumerate(("gene", "cell", "rde"))
    }


def write_scfoundation(folder: Path) -> Path:
    """An scFoundation that knows the other models' genes, and three that the data lack, in an order of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(5).permutation([*GENES, "absent1", "absent2", "absent3"])
    lines = ["gene_name\tindex", *(f"{gene}\t{i}" for i, gene in enumerate(order))]
    (folder / "OS_scRNA_gene_index.43.tsv").write_text("\n".join(lines) + "\n")
    torch.save(scfoundation_container(), folder / "models.ckpt")
    return folder


@pytest.fixture(scope="session")
def scfoundation_folder(tmp_path_factory) -> Path:
    return write_scfoundation(tmp_path_factory.mktemp("scfoundation") / "weights")


SCGPT_ARGS = {
    "embsize": 12,
    "nheads": 3,
    "d_hid": 8,
    "nlayers": 2,
    "n_layers_cls": 3,
    "dropout": 0.2,
    "pad_token": "<pad>",
    "pad_value": -2,
    "n_bins": 51,
    "input_style": "binned",
    "input_emb_style": "continuous",
}


def scgpt_state(n_tokens: int = 46, seed: int = 0) -> dict[str, torch.Tensor]:
    """Tensors of a small scGPT under the released names, with some of the extras."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}

    def linear(name: str, out: int, into: int) -> None:
        state[f"{name}.weight"] = torch.randn(out, into, generator=generator) / into**0.5
        state[f"{name}.bias"] = 0.2 * torch.randn(out, generator=generator)

    def norm(name: str) -> None:
        state[f"{name}.weight"] = 1 + 0.2 * torch.randn(12, generator=generator)
        state[f"{name}.bias"] = 0.2 * torch.randn(12, generator=generator)

    state["encoder.embedding.weight"] = torch.randn(n_tokens, 12, generator=generator)
    norm("encoder.enc_norm")
    linear("value_encoder.linear1", 12, 1)
    linear("value_encoder.linear2", 12, 12)
    norm("value_encoder.norm")
    for layer in (f"transformer_encoder.layers.{i}" for i in range(2)):
        linear(f"{layer}.self_attn.Wqkv", 36, 12)
        linear(f"{layer}.self_attn.out_proj", 12, 12)
        linear(f"{layer}.linear1", 8, 12)
        linear(f"{layer}.linear2", 12, 8)
        norm(f"{layer}.norm1")
        norm(f"{layer}.norm2")
    linear("decoder.fc.0", 12, 12)
    linear("mvc_decoder.gene2query", 12, 12)
    state["flag_encoder.weight"] = torch.randn(2, 12, generator=generator)
    state["bn.running_mean"] = torch.zeros(12)
    return state


def write_scgpt(folder: Path) -> Path:
    """An scGPT that knows the other models' genes, and three that the data lack, in an order of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(6).permutation([*GENES, "absent1", "absent2", "absent3"])
    tokens = {str(gene): i for i, gene in enumerate(order)} | {
        "<pad>": 43,
        "<cls>": 44,
        "<eoc>": 45,
    }
    (folder / "vocab.json").write_text(json.dumps(tokens))
    (folder / "args.json").write_text(json.dumps(SCGPT_ARGS))
    torch.save(scgpt_state(), folder / "best_model.pt")
    return folder


@pytest.fixture(scope="session")
def scgpt_folder(tmp_path_factory) -> Path:
    return write_scgpt(tmp_path_factory.mktemp("scgpt") / "weights")


@pytest.fixture(scope="session")
def scgpt_tensors() -> dict[str, torch.Tensor]:
    """The tensors in ``scgpt_folder``'s weights."""
    return scgpt_state()


@pytest.fixture(scope="session")
def scfoundation_config() -> dict:
    """Its configuration, merged into one level."""
    config = SCFOUNDATION_CONFIG
    return {
        "model": config["model"],
        **config["model_config"]["mae_autobin"],
        **config["dataset_config"]["rnaseq"],
    }


@pytest.fixture(scope="session")
def make_scfoundation_state() -> Callable[..., dict[str, torch.Tensor]]:
    """Draw its tensors."""
    return scfoundation_state
