"""Any BERT-like network of Hugging Face that reads genes as tokens."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import torch

from scregnet._validate import check_integer
from scregnet.encoders.geneformer.encoder import SYMBOLS, dictionary_role
from scregnet.encoders.huggingface.network import ARCHITECTURES, most_tokens, read_network
from scregnet.encoders.huggingface.tokens import GeneTokens
from scregnet.encoders.layers import packed
from scregnet.encoders.layers.cells import of_cells
from scregnet.encoders.protocol import CellBlock, CellTokens, Encoded, GeneMatch, TokenBatch
from scregnet.encoders.token_encoder import TokenEncoder
from scregnet.encoders.weights.files import Role, Weights
from scregnet.encoders.weights.reading import INDEX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from transformers import PreTrainedModel

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_OTHER_TOKENS = ("*token_dictionary*.pkl", "*token_dictionary*.json")
_TOKENS = ("token_dictionary*.pkl", "token_dictionary*.json", "vocab.json", "vocab.txt")


class HuggingFaceEncoder(TokenEncoder):
    """Contextual gene embeddings of a BERT-like network whose tokens are genes.

    The folder has ``config.json`` and ``model.safetensors``, as transformers writes them, and a
    dictionary of genes to tokens. The code of the network is that of the installed transformers:
    BERT, RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA, ERNIE, DistilBERT, RoFormer or ModernBERT. No
    other is run.

    Parameters
    ----------
    network
        The network, cut after the layer that is wanted.
    vocabulary
        Tokens, their order in a cell, and the dictionaries of ids.
    hidden_layer
        The layer that ``network`` ends with: ``0`` is the last, ``-1`` the second to last.
    max_length
        Most tokens of a cell, special tokens included; ``None`` for as many as the network can.
    record
        Where the weights came from.
    """

    roles = (
        Role("config", ("config.json",)),
        Role("weights", _WEIGHTS, also=tuple(f"{name}{INDEX}" for name in _WEIGHTS)),
        Role("tokens", _TOKENS, also=_OTHER_TOKENS, but=("*_to_*",)),
        dictionary_role("medians", "gene_median_dictionary", required=False),
        dictionary_role("mapping", "ensembl_mapping_dict", required=False),
        dictionary_role("symbols", "gene_name_id_dict", *SYMBOLS, required=False),
    )

    def __init__(
        self,
        network: PreTrainedModel,
        vocabulary: GeneTokens,
        *,
        hidden_layer: int = 0,
        max_length: int | None = None,
        record: dict[str, Any] | None = None,
    ) -> None:
        self.network = network.eval()
        self.vocabulary = vocabulary
        self.hidden_layer = hidden_layer
        self.dimension = int(network.config.hidden_size)
        self.cell_poolings = ("mean",) if vocabulary.cls is None else ("cls", "mean")
        # Where nothing is said, any: padding is masked.
        self.pad_id = vocabulary.pad or 0
        self.max_length = _length(network, vocabulary, max_length)
        self._record = dict(record or {})

    @classmethod
    def from_weights(
        cls,
        weights: Weights,
        *,
        hidden_layer: int = 0,
        order: Literal["rank", "token"] = "rank",
        max_length: int | None = None,
        cls_token: str | int | None = "auto",
        eos_token: str | int | None = "auto",
        pad_token: str | int | None = "auto",
    ) -> HuggingFaceEncoder:
        """Read the model from its files.

        Parameters
        ----------
        weights
            The located files.
        hidden_layer
            Layer whose vectors are taken: ``0`` is the last, ``-1`` the second to last,
            ``-n_layers`` the input embedding.
        order
            Order of a cell's genes. ``"rank"``: falling count, over the gene's median if there is
            ``gene_median_dictionary*``. ``"token"``: the order of the dictionary.
        max_length
            Most tokens of a cell, special tokens included; ``None`` for as many as there are
            positions.
        cls_token, eos_token
            Tokens before and after the genes, by name or number; ``None`` for none. ``"auto"``
            takes ``<cls>``, ``[CLS]`` or ``<s>``, and ``<eos>``, ``[SEP]`` or ``</s>``, where the
            dictionary has them.
        pad_token
            Token of padding; ``"auto"`` takes ``<pad>`` or ``[PAD]``, else that of the
            configuration.

        Raises
        ------
        ValueError
            If the files are damaged, do not belong together or are of another architecture, or a
            parameter does not fit them.
        """
        files = weights.files
        special = {"pad": pad_token, "cls": cls_token, "eos": eos_token}
        vocabulary = GeneTokens.read(files, order=order, special=special)
        network = read_network(files["config"], files["weights"], hidden_layer)
        vocabulary = _for_network(vocabulary, network, files)
        record = dict(weights.record)
        return cls(
            network, vocabulary, hidden_layer=hidden_layer, max_length=max_length, record=record
        )

    def match(self, genes: np.ndarray) -> GeneMatch:
        """Find genes by the ids that the dictionary has."""
        return self.vocabulary.gene_ids.match(genes)

    def tokenise(self, block: CellBlock, match: GeneMatch) -> CellTokens:
        """Put the genes of every cell into their order."""
        return self.vocabulary.tokenise(
            block.matrix, match, self.max_length, n_threads=torch.get_num_threads()
        )

    def encode(self, batch: TokenBatch) -> Encoded:
        """Return the hidden states of the chosen layer, and of cells their mean or ``<cls>``."""
        device = self.network.device
        # Without padding a mask would only keep attention from its fastest form.
        mask = None if batch.mask.all() else torch.as_tensor(batch.mask, device=device).long()
        ids = torch.as_tensor(batch.ids, device=device)
        hidden = self.network(input_ids=ids, attention_mask=mask).last_hidden_state
        slots = torch.as_tensor(batch.slots, device=device)
        return Encoded(hidden=hidden, slots=slots, cells=of_cells(batch, hidden, slots))

    def static(self, tokens: np.ndarray) -> torch.Tensor:
        """Return the vectors of genes before any cell: the word embeddings."""
        words = self.network.get_input_embeddings().weight
        return words.detach()[torch.as_tensor(tokens, device=words.device)]

    def to(self, device: torch.device) -> None:
        """Move the network."""
        # A process that was sent the encoder has not read it, and does not know its attention.
        if self.network.config._attn_implementation == packed.NAME:
            packed.register_packed_attention()
        self.network.to(device)

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model."""
        vocabulary = self.vocabulary
        return {
            **self._record,
            "architecture": self.network.config.model_type,
            "organism": vocabulary.gene_ids.organism,
            "order": vocabulary.order,
            "medians": vocabulary.medians is not None,
            "cls_token": -1 if vocabulary.cls is None else vocabulary.cls,
            "eos_token": -1 if vocabulary.eos is None else vocabulary.eos,
            "hidden_layer": self.hidden_layer,
            "max_length": self.max_length,
            "dimension": self.dimension,
            "versions": {"torch": version("torch"), "transformers": version("transformers")},
        }


def _length(network: PreTrainedModel, vocabulary: GeneTokens, asked: int | None) -> int:
    """Return the most tokens of a cell; raise for more than there are positions."""
    least = 1 + sum(token is not None for token in (vocabulary.cls, vocabulary.eos))
    most = most_tokens(network)
    if asked is not None:
        check_integer("max_length", asked, minimum=least)
        if asked > most:
            msg = f"max_length={asked} is more than the {most:,} positions of the network."
            raise ValueError(msg)
    return most if asked is None else asked


def _for_network(
    vocabulary: GeneTokens, network: PreTrainedModel, files: Mapping[str, Path]
) -> GeneTokens:
    """Return a vocabulary with the network's padding; raise unless it is one for this network."""
    path, n_tokens = files["tokens"], int(network.config.vocab_size)
    special = [t for t in (vocabulary.pad, vocabulary.cls, vocabulary.eos) if t is not None]
    highest = max([*vocabulary.tokens.values(), *special])
    if highest >= n_tokens:
        msg = (
            f"{path} or the arguments have a token {highest}, but the network has only "
            f"{n_tokens:,} (vocab_size): weights and dictionary belong to different models."
        )
        raise ValueError(msg)
    padding = network.config.pad_token_id
    if vocabulary.pad is not None and padding is not None and vocabulary.pad != padding:
        msg = (
            f"the token of padding is {vocabulary.pad}, but {files['config']} has pad_token_id "
            f"{padding}: weights and dictionary belong to different models, or pad_token= is wrong."
        )
        raise ValueError(msg)
    pad = vocabulary.pad if padding is None else padding
    taken = [gene for gene, token in vocabulary.genes.items() if token == pad]
    if ARCHITECTURES[network.config.model_type].counts and (pad is None or taken):
        msg = (
            f"{files['config']} has pad_token_id {padding!r}"
            + (f", the token of the gene {taken[0]!r}" if taken else "")
            + f"; a {network.config.model_type!r} counts positions by it, so it must be a token of "
            "its own."
        )
        raise ValueError(msg)
    return replace(vocabulary, pad=pad)
