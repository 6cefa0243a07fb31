"""Geneformer: a BERT that reads a cell as its genes, ranked by scaled expression.

Theodoris et al. 2023, Transfer learning enables predictions in network biology,
doi:10.1038/s41586-023-06139-9.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from scregnet._device import own_randomness
from scregnet._validate import check_choice, listed
from scregnet.encoders.geneformer.tokens import CLS, MAX_LENGTH, PAD, GeneformerVocabulary
from scregnet.encoders.layers import packed
from scregnet.encoders.layers.cells import of_cells
from scregnet.encoders.protocol import CellBlock, CellTokens, Encoded, GeneMatch, TokenBatch
from scregnet.encoders.token_encoder import TokenEncoder
from scregnet.encoders.weights.files import Role, Weights
from scregnet.encoders.weights.reading import INDEX, check_state, read_state
from scregnet.encoders.weights.sizes import MOST_LAYERS, MOST_TOKENS, MOST_WIDTH, check_sizes

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import BertModel

# Parts of published files that gene vectors do not need.
_HEADS = ("cls.", "classifier.", "pooler.")


_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
SYMBOLS = ("GeneSymbol_to_EnsemblID",)
"""Another name of the dictionary of symbols: Mouse-Geneformer's."""


def dictionary_role(role: str, name: str, *others: str, required: bool = True) -> Role:
    """Return the role of a dictionary, pickled or JSON.

    Models trained further, or for other organisms, put something before the published name.
    """
    endings = ("pkl", "json")
    return Role(
        role,
        tuple(f"{name}*.{ending}" for ending in endings),
        required=required,
        also=tuple(f"*{other}*.{ending}" for other in (name, *others) for ending in endings),
        # Mouse-Geneformer names its dictionary of symbols after that of tokens.
        but=() if others else ("*_to_*",),
    )


class GeneformerEncoder(TokenEncoder):
    """Contextual gene embeddings of Geneformer.

    A cell is its genes, ranked by their count over their median in the training data. Family V1
    was trained on 30 million cells and reads at most 2,048 genes of a cell. Family V2 was trained
    on 95 or 104 million cells and reads at most 4,096.

    Parameters
    ----------
    network
        The encoder stack, cut after the layer that is wanted.
    vocabulary
        Tokens, medians, and the dictionaries of ids.
    hidden_layer
        The layer that ``network`` ends with, counted as upstream does: ``0`` is the last, ``-1``
        the second to last.
    record
        Where the weights came from.
    """

    half_precision = True
    roles = (
        Role("config", ("config.json",)),
        # In one file, or in several with an index.
        Role("weights", _WEIGHTS, also=tuple(f"{name}{INDEX}" for name in _WEIGHTS)),
        dictionary_role("tokens", "token_dictionary"),
        dictionary_role("medians", "gene_median_dictionary"),
        dictionary_role("mapping", "ensembl_mapping_dict", required=False),
        dictionary_role("symbols", "gene_name_id_dict", *SYMBOLS, required=False),
    )

    def __init__(
        self,
        network: BertModel,
        vocabulary: GeneformerVocabulary,
        *,
        hidden_layer: int = -1,
        record: dict[str, Any] | None = None,
    ) -> None:
        self.network = network.eval()
        self.vocabulary = vocabulary
        self.hidden_layer = hidden_layer
        self.dimension = int(network.config.hidden_size)
        # Family V2 was trained with <cls>, and upstream takes it for the vector of a cell.
        self.cell_poolings = ("cls", "mean") if CLS in vocabulary.tokens else ("mean",)
        self.pad_id = vocabulary.tokens[PAD]
        self.max_length = min(
            MAX_LENGTH[vocabulary.family], int(network.config.max_position_embeddings)
        )
        self._record = dict(record or {})

    @classmethod
    def from_weights(
        cls,
        weights: Weights,
        *,
        hidden_layer: int = -1,
        attention: Literal["sdpa", "eager"] = "sdpa",
    ) -> GeneformerEncoder:
        """Read the model from its files.

        Parameters
        ----------
        weights
            The located files.
        hidden_layer
            Layer whose vectors are taken, counted as upstream does: ``-1`` (upstream's default) is
            the second to last, ``0`` the last, ``-n_layers`` the input embedding.
        attention
            ``"sdpa"`` is PyTorch's fused attention, over cells without padding. ``"eager"`` is the
            plain form of it.

        Raises
        ------
        ValueError
            If the files are damaged or do not belong together, or ``hidden_layer`` is out of range.
        """
        check_choice("attention", attention, ("sdpa", "eager"))
        vocabulary = GeneformerVocabulary.read(weights.files)
        network = _read_network(
            weights.files["config"], weights.files["weights"], vocabulary, hidden_layer, attention
        )
        return cls(network, vocabulary, hidden_layer=hidden_layer, record=dict(weights.record))

    def match(self, genes: np.ndarray) -> GeneMatch:
        """Find genes by Ensembl id or symbol."""
        return self.vocabulary.match(genes)

    def tokenise(self, block: CellBlock, match: GeneMatch) -> CellTokens:
        """Rank the genes of every cell by scaled expression."""
        return self.vocabulary.tokenise(
            block.matrix, match, self.max_length, n_threads=torch.get_num_threads()
        )

    def encode(self, batch: TokenBatch) -> Encoded:
        """Return the hidden states of the chosen layer, and of cells their mean or ``<cls>``."""
        slots = torch.as_tensor(batch.slots, device=self.network.device)
        hidden = self._hidden(batch)
        return Encoded(hidden=hidden, slots=slots, cells=of_cells(batch, hidden, slots))

    def _hidden(self, batch: TokenBatch) -> torch.Tensor:
        device = self.network.device
        if self.network.config._attn_implementation != packed.NAME:
            mask = torch.as_tensor(batch.mask, dtype=torch.long, device=device)
            hidden = self.network(
                input_ids=torch.as_tensor(batch.ids, device=device), attention_mask=mask
            )
            return hidden.last_hidden_state
        # Cells one after the other, without padding: one sequence to the network, but attention
        # stays within each cell.
        positions = np.broadcast_to(np.arange(batch.mask.shape[1]), batch.mask.shape)
        tokens = self.network(
            input_ids=torch.as_tensor(batch.ids[batch.mask], device=device)[None],
            position_ids=torch.as_tensor(positions[batch.mask], device=device)[None],
            lengths=tuple(batch.mask.sum(axis=1).tolist()),
        ).last_hidden_state[0]
        at = torch.as_tensor(np.flatnonzero(batch.mask), device=device)
        hidden = tokens.new_zeros(batch.mask.size, self.dimension).index_copy_(0, at, tokens)
        return hidden.view(*batch.mask.shape, -1)

    def static(self, tokens: np.ndarray) -> torch.Tensor:
        """Return the vectors of genes before any cell: the word embeddings."""
        words = self.network.embeddings.word_embeddings.weight
        return words.detach()[torch.as_tensor(tokens, device=words.device)]

    def to(self, device: torch.device) -> None:
        """Move the network."""
        # A process that was sent the encoder has not read it, and does not know its attention.
        if self.network.config._attn_implementation == packed.NAME:
            packed.register_packed_attention()
        self.network.to(device)

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model."""
        return {
            **self._record,
            "family": self.vocabulary.family,
            "organism": self.vocabulary.gene_ids.organism,
            "hidden_layer": self.hidden_layer,
            "max_length": self.max_length,
            "dimension": self.dimension,
            "versions": {"torch": version("torch"), "transformers": version("transformers")},
        }


def _read_network(
    config_file: Path,
    weights_file: Path,
    vocabulary: GeneformerVocabulary,
    hidden_layer: int,
    attention: str,
) -> BertModel:
    from transformers import BertConfig, BertModel

    config = BertConfig.from_dict(
        {"hidden_act": ACTIVATION, **read_config(config_file, vocabulary)}
    )
    n_layers = config.num_hidden_layers
    if not (isinstance(hidden_layer, int) and -n_layers <= hidden_layer <= 0):
        msg = (
            f"hidden_layer={hidden_layer!r} must be an integer from {-n_layers} (input embedding) "
            "to 0 (last layer)."
        )
        raise ValueError(msg)
    if attention == "sdpa":
        packed.register_packed_attention()
    config._attn_implementation = packed.NAME if attention == "sdpa" else attention
    state = {}
    for key, value in read_state(weights_file).items():
        name = key.removeprefix("module.").removeprefix("bert.")
        if name != "embeddings.position_ids" and not name.startswith(_HEADS):
            state[name] = value
    # Shapes first, without memory: a configuration can ask for more than there is.
    with torch.device("meta"):
        shapes = BertModel(config, add_pooling_layer=False).state_dict()
    check_state(weights_file, state, shapes)
    # Initial values are drawn from torch's global generator, whose state is the user's.
    with own_randomness():
        network = BertModel(config, add_pooling_layer=False)
    network.load_state_dict({name: value.float() for name, value in state.items()})
    # Layers above the one that is wanted would be computed in vain.
    network.encoder.layer = network.encoder.layer[: n_layers + hidden_layer]
    return network


def read_config(path: Path, vocabulary: GeneformerVocabulary) -> dict[str, Any]:
    """Return the configuration, after checking that it is that of a BERT for this vocabulary."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{path} is not JSON: {error}."
        raise ValueError(msg) from error
    needed = (
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
    )
    if missing := [key for key in needed if not isinstance(config, dict) or key not in config]:
        msg = f"{path} is not the configuration of a BERT: it lacks {listed(missing)}."
        raise ValueError(msg)
    _check_sizes(path, config)
    if config.get("model_type", "bert") != "bert":
        kind = config["model_type"]
        msg = f"{path} is the configuration of a {kind!r} model; Geneformer is 'bert'."
        raise ValueError(msg)
    n_tokens = max(vocabulary.tokens.values()) + 1
    if config["vocab_size"] != n_tokens:
        msg = (
            f"{path} has vocab_size {config['vocab_size']}, but the token dictionary (family "
            f"{vocabulary.family}) has {n_tokens} tokens: weights and dictionaries belong to "
            "different models."
        )
        raise ValueError(msg)
    _check_kind(path, config)
    return config


ACTIVATION = "relu"
"""Between the dense layers; transformers takes another one where a configuration states none."""
_ACTIVATIONS = ("relu", "silu", "swish", "gelu", "gelu_new", "mish")
# Number of heads by width and number of layers: no tensor tells it.
_N_HEADS = {(256, 6): 4, (512, 12): 8, (768, 12): 12, (896, 20): 14, (1152, 18): 18}
_VOCABULARIES = (25426, 20275)


def _check_kind(path: Path, config: dict[str, Any]) -> None:
    """Raise ``ValueError`` for what Geneformer is not and no tensor tells."""
    for key, own in (("position_embedding_type", "absolute"), ("is_decoder", False)):
        if config.get(key, own) != own:
            msg = f"{path} has {key} {config[key]!r}; Geneformer has {own!r}."
            raise ValueError(msg)
    activation = config.get("hidden_act", ACTIVATION)
    if config["vocab_size"] in _VOCABULARIES and activation != ACTIVATION:
        msg = f"{path} has hidden_act {activation!r}; the published Geneformer has {ACTIVATION!r}."
        raise ValueError(msg)
    # Descendants have others: Mouse-Geneformer "silu".
    if activation not in _ACTIVATIONS:
        msg = f"{path} has hidden_act {activation!r}; it must be one of {listed(_ACTIVATIONS)}."
        raise ValueError(msg)
    heads = _N_HEADS.get((config["hidden_size"], config["num_hidden_layers"]))
    found = config["num_attention_heads"]
    if config["vocab_size"] in _VOCABULARIES and heads is not None and found != heads:
        msg = (
            f"{path} has num_attention_heads {found}; the published Geneformer of width "
            f"{config['hidden_size']} has {heads}, and the weights do not tell."
        )
        raise ValueError(msg)


_MOST = {
    "vocab_size": MOST_TOKENS,
    "hidden_size": MOST_WIDTH,
    "num_hidden_layers": MOST_LAYERS,
    "num_attention_heads": MOST_WIDTH,
    "intermediate_size": MOST_WIDTH,
    "max_position_embeddings": MOST_TOKENS,
    "type_vocab_size": MOST_TOKENS,
}


def _check_sizes(path: Path, config: dict[str, Any]) -> None:
    """Raise ``ValueError`` for sizes that no model has, or that do not fit together."""
    check_sizes(str(path), {key: config.get(key, 1) for key in _MOST}, _MOST)
    if config["hidden_size"] % config["num_attention_heads"]:
        msg = (
            f"{path} has hidden_size {config['hidden_size']}, which is not a multiple of "
            f"num_attention_heads {config['num_attention_heads']}."
        )
        raise ValueError(msg)
    padding = config.get("pad_token_id", 0)
    if padding is not None and (
        type(padding) is not int or not 0 <= padding < config["vocab_size"]
    ):
        msg = (
            f"{path} has pad_token_id {padding!r}; it must be one of the {config['vocab_size']:,} "
            "tokens."
        )
        raise ValueError(msg)
