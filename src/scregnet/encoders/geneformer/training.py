"""Masked-gene training of Geneformer: predict a gene from the other genes and their ranks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint

from scregnet._device import own_randomness
from scregnet.encoders.gene_ids import is_ensembl, unversioned
from scregnet.encoders.geneformer.encoder import ACTIVATION, GeneformerEncoder, read_config
from scregnet.encoders.geneformer.medians import medians as medians_of
from scregnet.encoders.geneformer.tokens import MAX_LENGTH, PAD, GeneformerVocabulary
from scregnet.encoders.layers import packed
from scregnet.encoders.protocol import CellStream, GeneMatch
from scregnet.encoders.training.memory import moved
from scregnet.encoders.training.protocol import IGNORED, MaskedBatch, MaskedModel
from scregnet.encoders.training.run import write_json, write_tensors
from scregnet.encoders.training.stored import StoredTokens, some_at_a_time
from scregnet.encoders.weights.reading import check_state, read_state

if TYPE_CHECKING:
    from transformers import BertForMaskedLM

    from scregnet.encoders.weights.files import Weights

MASK = "<mask>"
# BERT's rule (Devlin et al. 2019), which Geneformer follows: of 15 % of the tokens, 80 % become
# <mask>, 10 % a random gene, and 10 % stay.
MASKED_SHARE = 0.15
REPLACED, CHANGED = 0.8, 0.1

# The same tensors as the word embeddings, so files do not have them.
_TIED = "cls.predictions.decoder."
# Numbers of a token that a layer keeps for the backward pass: this many times the width of the
# vectors, and of the inner ones.
_KEPT = 14, 3


class GeneformerTraining(MaskedModel):
    """Geneformer with its head for masked genes, trained as it was pre-trained.

    15 % of a cell's genes are to be predicted, at least one. Of these, 80 % are hidden, 10 % are
    replaced by a random gene, and 10 % are left as they are. The cells' tokens, two or four bytes
    per gene and cell, are in memory or, if many, in a file.

    Theodoris et al. 2023, doi:10.1038/s41586-023-06139-9.

    Parameters
    ----------
    network
        BERT with its head.
    vocabulary
        Tokens, medians, and the dictionaries of ids.
    """

    network: Any

    def __init__(self, network: BertForMaskedLM, vocabulary: GeneformerVocabulary) -> None:
        # It imports transformers.
        from scregnet.encoders.geneformer.last_layer import LastLayer

        packed.register_packed_attention()
        network.config._attn_implementation = packed.NAME
        layers = network.bert.encoder.layer
        layers[-1] = LastLayer.of(layers[-1], network.config)
        self.network = network
        self.vocabulary = vocabulary

    @classmethod
    def from_scratch(
        cls,
        cells: CellStream,
        genes: np.ndarray,
        *,
        n_layers: int,
        hidden_size: int,
        n_heads: int,
        seed: int,
    ) -> GeneformerTraining:
        """Make a network with random weights, and the vocabulary of the genes that the cells have.

        The median of a gene is taken over the cells that have it, of counts scaled to 10,000 per
        cell. Genes that no cell has are left out.
        """
        from transformers import BertConfig, BertForMaskedLM

        vocabulary = vocabulary_of(cells, genes)
        config = BertConfig(
            vocab_size=len(vocabulary.tokens),
            hidden_size=hidden_size,
            num_hidden_layers=n_layers,
            num_attention_heads=n_heads,
            intermediate_size=2 * hidden_size,
            max_position_embeddings=min(MAX_LENGTH["V1"], len(vocabulary.tokens)),
            hidden_act=ACTIVATION,
            hidden_dropout_prob=0.02,
            attention_probs_dropout_prob=0.02,
            pad_token_id=vocabulary.tokens[PAD],
        )
        with own_randomness():
            torch.default_generator.manual_seed(seed)
            network = BertForMaskedLM(config)
        return cls(network, vocabulary)

    @classmethod
    def from_weights(cls, weights: Weights) -> GeneformerTraining:
        """Read network, head and vocabulary from their files.

        Raises
        ------
        ValueError
            If the files are damaged, do not belong together, or hold no head for masked genes.
        """
        from transformers import BertConfig, BertForMaskedLM

        vocabulary = GeneformerVocabulary.read(weights.files)
        if MASK not in vocabulary.tokens:
            msg = (
                f"{weights.files['tokens']} has no token {MASK!r}: the model cannot be trained on "
                "masked genes."
            )
            raise ValueError(msg)
        config = BertConfig.from_dict(
            {"hidden_act": ACTIVATION, **read_config(weights.files["config"], vocabulary)}
        )
        state = {}
        for key, value in read_state(weights.files["weights"]).items():
            name = key.removeprefix("module.")
            if name != "bert.embeddings.position_ids" and not name.startswith(
                (_TIED, "bert.pooler.", "classifier.")
            ):
                state[name] = value
        # Shapes first, without memory: a configuration can ask for more than there is.
        with torch.device("meta"):
            shapes = cls(BertForMaskedLM(config), vocabulary).state()
        check_state(weights.files["weights"], state, shapes)
        # Initial values are drawn from torch's global generator, whose state is the user's.
        with own_randomness():
            network = BertForMaskedLM(config)
        model = cls(network, vocabulary)
        model.load({name: value.float() for name, value in state.items()})
        return model

    def match(self, genes: np.ndarray) -> GeneMatch:
        """Find genes as the encoder does."""
        return self.vocabulary.match(genes)

    def read(
        self, cells: CellStream, genes: np.ndarray, *, scratch: Path | None = None
    ) -> GeneMatch:
        """Tokenise the cells as the encoder does, and keep the tokens.

        Cells without known genes are left out.
        """
        encoder = GeneformerEncoder(self.network.bert, self.vocabulary)
        match = encoder.match(genes)
        # Half the room where token ids fit.
        fits = max(self.vocabulary.tokens.values()) < 2**16
        self._ids = StoredTokens(np.uint16 if fits else np.int32, scratch)
        for block in cells:
            tokens = encoder.tokenise(block, match)
            self._ids.append(tokens.ids, np.diff(tokens.indptr))
        self._ids.close()
        self.lengths = self._ids.lengths
        special = np.array(
            [
                token
                for name, token in self.vocabulary.tokens.items()
                if name not in self.vocabulary.medians
            ]
        )
        self._genes = np.setdiff1d(np.fromiter(self.vocabulary.tokens.values(), np.int64), special)
        self._is_gene = np.zeros(max(self.vocabulary.tokens.values()) + 1, dtype=bool)
        self._is_gene[self._genes] = True
        return match

    def masked(self, cells: np.ndarray, rng: np.random.Generator) -> MaskedBatch:
        """Hide genes by BERT's rule."""
        lengths = self.lengths[cells]
        mask = np.arange(lengths.max()) < lengths[:, None]
        ids = np.full(mask.shape, self.vocabulary.tokens[PAD], dtype=np.int64)
        ids[mask] = self._ids.of(cells)
        is_gene = mask & self._is_gene[ids]
        drawn = np.where(is_gene, rng.random(mask.shape), np.inf)
        chosen = drawn < MASKED_SHARE
        # In a cell of few genes perhaps none was chosen. Then the lowest number is.
        chosen[np.arange(len(cells)), drawn.argmin(axis=1)] |= is_gene.any(axis=1)
        labels = np.where(chosen, ids, IGNORED)
        fate, other = rng.random(mask.shape), rng.choice(self._genes, mask.shape)
        inputs = np.where(chosen & (fate < REPLACED), self.vocabulary.tokens[MASK], ids)
        inputs = np.where(chosen & (fate >= REPLACED) & (fate < REPLACED + CHANGED), other, inputs)
        return MaskedBatch(inputs=inputs, mask=mask, labels=labels)

    def loss(self, batch: MaskedBatch, device: torch.device) -> torch.Tensor:
        """Return the summed cross-entropy.

        Cells are packed one after the other, as ``packed_attention`` takes them. The last layer and
        the head run at the hidden positions only: the head's output, one number per gene of the
        vocabulary, would need most of the memory.
        """
        self._spare_memory(int(batch.mask.sum()))
        # Positions are found here: to look for them on the device, the host would have to wait.
        labels = batch.labels[batch.mask]
        asked = np.flatnonzero(labels != IGNORED)
        positions = np.broadcast_to(np.arange(batch.mask.shape[1]), batch.mask.shape)
        hidden = self.network.bert(
            input_ids=moved(batch.inputs[batch.mask], device)[None],
            position_ids=moved(positions[batch.mask], device)[None],
            lengths=tuple(batch.mask.sum(axis=1).tolist()),
            asked=moved(asked, device),
            n_asked=tuple((batch.labels != IGNORED).sum(axis=1).tolist()),
        ).last_hidden_state[0]
        return torch.nn.functional.cross_entropy(
            self.network.cls(hidden).float(), moved(labels[asked], device), reduction="sum"
        )

    def _spare_memory(self, n_tokens: int) -> None:
        """Keep the inputs of layers alone where all that they compute would need too much room."""
        config = self.network.config
        width = _KEPT[0] * config.hidden_size + _KEPT[1] * config.intermediate_size
        needed = 4 * n_tokens * config.num_hidden_layers * width
        for layer in self.network.bert.encoder.layer:
            layer.gradient_checkpointing = needed > self.room
            layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)

    def frequencies(self, cells: np.ndarray) -> Callable[[MaskedBatch], float]:
        """Return the null model that answers with each gene's share of all tokens.

        One is added to each count, so that no share is zero.
        """
        counts = np.zeros(len(self._is_gene))
        for some in some_at_a_time(cells):
            counts += np.bincount(self._ids.of(some), minlength=len(counts))
        counts = counts[self._genes] + 1.0
        log_share = np.full(len(self._is_gene), -np.inf)
        log_share[self._genes] = np.log(counts / counts.sum())
        return lambda batch: -float(log_share[batch.labels[batch.labels != IGNORED]].sum())

    def state(self) -> dict[str, torch.Tensor]:
        """Return the tensors under their published names, without those that are tied to others."""
        return {
            name: value
            for name, value in self.network.state_dict().items()
            if not name.startswith(_TIED)
        }

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take back what :meth:`state` returned."""
        self.network.load_state_dict(state, strict=False)
        self.network.tie_weights()

    def digest(self) -> str:
        """Return a hash of the tokens and the vocabulary."""
        hashed = hashlib.sha256(
            json.dumps([self.vocabulary.tokens, self.vocabulary.medians], sort_keys=True).encode()
        )
        hashed.update(self.lengths.astype("<i8").tobytes())
        for ids in self._ids.pieces():
            hashed.update(ids.astype("<i4").tobytes())
        return hashed.hexdigest()

    def write(self, folder: Path) -> None:
        """Write ``config.json``, ``model.safetensors`` and the dictionaries as JSON."""
        config: dict[str, Any] = json.loads(self.network.config.to_json_string(use_diff=False))
        write_json(
            folder / "config.json",
            {**config, "model_type": "bert", "architectures": ["BertForMaskedLM"]},
        )
        write_tensors(folder / "model.safetensors", self.state())
        for stem, content in (
            ("token_dictionary", self.vocabulary.tokens),
            ("gene_median_dictionary", self.vocabulary.medians),
            ("ensembl_mapping_dict", self.vocabulary.mapping),
            ("gene_name_id_dict", self.vocabulary.symbols),
        ):
            if content is not None:
                write_json(folder / f"{stem}.json", dict(content))


def vocabulary_of(cells: CellStream, genes: np.ndarray) -> GeneformerVocabulary:
    """Return a vocabulary of the genes that the cells have, under the ids that readers look up."""
    ids = np.array([unversioned(name) for name in genes])
    slots = np.full(len(ids), -1, dtype=np.int64)
    # A gene without an id has empty text.
    names, slots[ids != ""] = np.unique(ids[ids != ""], return_inverse=True)
    match = GeneMatch(slots=slots, tokens=np.arange(len(names)))

    def scaled() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for block in cells:
            totals = np.asarray(block.matrix.sum(axis=1)).ravel()
            values = match.collapse(block.matrix)
            yield values.indices, values.data / np.repeat(totals, np.diff(values.indptr)) * 1e4

    found = zip(names, medians_of(scaled, len(names)), strict=True)
    medians = {str(name): float(median) for name, median in found if not np.isnan(median)}
    if not medians:
        msg = f"none of the {cells.n_cells} cells has a value above zero."
        raise ValueError(msg)
    tokens = {PAD: 0, MASK: 1} | {name: number for number, name in enumerate(medians, start=2)}
    symbols = {name: name for name in medians if not is_ensembl(name)}
    return GeneformerVocabulary(
        tokens=tokens, medians=medians, mapping=None, symbols=symbols or None
    )
