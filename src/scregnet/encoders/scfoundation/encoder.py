"""scFoundation: an encoder of expressed genes and a decoder of all genes, on continuous values."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scregnet._logging import logger
from scregnet._text import read_text
from scregnet._validate import check_choice, listed
from scregnet.encoders.gene_ids import GeneIds
from scregnet.encoders.protocol import CellBlock, CellTokens, Encoded, GeneMatch, TokenBatch
from scregnet.encoders.scfoundation.network import UNUSED, ScFoundationNetwork, Sizes, published
from scregnet.encoders.token_encoder import TokenEncoder
from scregnet.encoders.weights.files import Role, Weights, check_state, read_checkpoint

SECTIONS = ("gene", "cell", "rde")
"""The sets of weights in the published file; the first is for gene vectors."""
# Number and sha256 of the symbols, joined by newlines: the file differs in its line ends.
_PUBLISHED_GENES = (19264, "6037e1bc9b3b48a5112ffdc29261383f747a3c3f8b568a8899b0c69d13565df8")
_RESOLUTION = re.compile(r"([fta])([+-]?\d+(?:\.\d+)?)")
_PUBLISHED_SIZES = {
    "100M": Sizes(
        n_positions=19266,
        n_bins=100,
        bin_alpha=1.0,
        width=768,
        depth=12,
        n_heads=12,
        decoder_width=512,
        decoder_depth=6,
        decoder_heads=8,
        decoder_head_dim=64,
    )
}
# log10 of counts. A larger number is likely a count instead of its logarithm.
_MAX_DEPTH = 10.0
# Cells per batch with vectors of all genes.
_DENSE_CELLS = 2


@dataclass(frozen=True)
class TargetResolution:
    """The depth T, in log10 of counts, that the model is asked to read a cell at.

    Modes: ``f``, a multiple of the cell's own depth; ``a``, the log10 of its own depth plus a
    number; ``t``, a number for all cells.
    """

    mode: str
    number: float

    @classmethod
    def read(cls, text: str) -> TargetResolution:
        """Read ``"f1"``, ``"t4"``, ``"a0.5"`` and the like."""
        found = _RESOLUTION.fullmatch(text) if isinstance(text, str) else None
        start = f"target_resolution={text!r} is not a depth"
        if found is None:
            msg = (
                f"{start}: give 'f' and a factor of the cell's own depth ('f1'), 't' and the log10 "
                "of a depth ('t4'), or 'a' and a number added to the log10 of the cell's own depth "
                "('a1')."
            )
            raise ValueError(msg)
        mode, number = found[1], float(found[2])
        if mode == "f" and number <= 0:
            msg = f"{start}: the factor must be above 0."
            raise ValueError(msg)
        if mode == "t" and not 0 < number <= _MAX_DEPTH:
            msg = (
                f"{start}: 't' is followed by the log10 of a number of counts, above 0 and at most "
                f"{_MAX_DEPTH:.0f} ('t4' for 10,000 counts)."
            )
            raise ValueError(msg)
        if mode == "a" and abs(number) > _MAX_DEPTH:
            msg = (
                f"{start}: 'a' is followed by a difference of log10, "
                f"from -{_MAX_DEPTH:.0f} to {_MAX_DEPTH:.0f}."
            )
            raise ValueError(msg)
        return cls(mode, number)

    def of(self, totals: np.ndarray) -> np.ndarray:
        """Return T for cells with these total counts."""
        if self.mode == "f":
            return np.log10(totals * self.number)
        if self.mode == "a":
            return np.log10(totals) + self.number
        return np.full(len(totals), self.number)


class ScFoundationEncoder(TokenEncoder):
    """Contextual gene embeddings of scFoundation :cite:p:`hao2024scfoundation`, 512 wide.

    A cell is the genes that it expresses with their values, and two more tokens: T, the depth asked
    for, and S, the depth of the cell. The decoder gives every gene of the vocabulary a vector. It
    runs one cell at a time: 19,266 positions keep a device busy, and memory stays bounded.

    Parameters
    ----------
    network
        The neural network.
    genes
        The symbols of its positions, in order.
    target_resolution
        The depth T, see :class:`TargetResolution`.
    record
        Where the weights came from.
    """

    roles = (
        Role("weights", ("models.ckpt", "*.ckpt", "*.safetensors", "*.pt", "*.pth", "*.bin")),
        Role("genes", ("OS_scRNA_gene_index*.tsv", "*gene_index*.tsv", "*.tsv")),
        Role("config", ("config.json",), required=False),
    )
    poolings = ("mean", "mean_all")

    def __init__(
        self,
        network: ScFoundationNetwork,
        genes: list[str],
        *,
        target_resolution: str = "f1",
        record: Mapping[str, Any] | None = None,
    ) -> None:
        self.resolution = TargetResolution.read(target_resolution)
        self.network = network.eval()
        self.gene_ids = GeneIds(
            "scFoundation", {gene: i for i, gene in enumerate(genes)}, kind="symbol"
        )
        self.n_genes = len(genes)
        self.pad_id = network.sizes.n_positions
        self.dimension = network.sizes.decoder_width
        self._record = {"target_resolution": target_resolution, **(record or {})}

    @classmethod
    def from_weights(
        cls, weights: Weights, *, target_resolution: str = "f1", section: str = "gene"
    ) -> ScFoundationEncoder:
        """Read the model from its files.

        Parameters
        ----------
        weights
            The located files. Tensors without a configuration need ``config.json`` in the folder.
        target_resolution
            The depth T to read every cell at: ``"f1"`` the cell's own (``"f2"`` twice that, as in
            scRegNet's file name), ``"t4"`` 10,000 counts, ``"a1"`` ten times the cell's own.
        section
            The set of weights in the published file: ``"gene"``, ``"cell"`` or ``"rde"``.

        Raises
        ------
        ValueError
            If the files are damaged or do not belong together, or a parameter is out of range.
        """
        check_choice("section", section, SECTIONS)
        TargetResolution.read(target_resolution)
        network, found_section = _read_network(weights.files, section)
        variant = weights.record.get("variant")
        # No hash of the weights is published, so only their sizes can be checked.
        if network.sizes != _PUBLISHED_SIZES.get(str(variant), network.sizes):
            msg = (
                f"{weights.files['weights']} is not the published model='scfoundation:{variant}': "
                "its sizes differ. For weights of your own name the model without its variant."
            )
            raise ValueError(msg)
        genes = _read_genes(weights.files["genes"])
        if len(genes) != network.sizes.n_positions - 2:
            msg = (
                f"{weights.files['genes']} lists {len(genes)} genes, but the model in "
                f"{weights.files['weights']} has positions for {network.sizes.n_positions - 2}: "
                "they belong to different models."
            )
            raise ValueError(msg)
        digest = hashlib.sha256("\n".join(genes).encode()).hexdigest()
        if len(genes) == _PUBLISHED_GENES[0] and digest != _PUBLISHED_GENES[1]:
            logger.warning(
                "%s is not the published list of scFoundation's genes: "
                "positions that stand for other genes give vectors without meaning",
                weights.files["genes"],
            )
        record = {**weights.record, "section": found_section, "genes_sha256": digest}
        return cls(network, genes, target_resolution=target_resolution, record=record)

    def match(self, genes: np.ndarray) -> GeneMatch:
        """Find genes by human symbol."""
        match = self.gene_ids.match(genes)
        return replace(
            match,
            report={**match.report, "n_vocabulary": self.n_genes, "n_slots": len(match.tokens)},
        )

    def tokenise(self, block: CellBlock, match: GeneMatch) -> CellTokens:
        r"""Return the expressed genes of every cell in the order of the vocabulary, then T and S.

        The value of a count :math:`x` is :math:`\ln(1 + 10^4 x / N)`, where :math:`N` is the cell's
        sum over the genes of the vocabulary; log-normalised values are taken as they are. S is
        :math:`\log_{10} N`, as in the published code also for sums of log-normalised values. A cell
        with :math:`N \le 1` has no S and gets no token.
        """
        counts = match.collapse(block.matrix)
        totals = np.asarray(counts.sum(axis=1)).ravel()
        present = np.diff(counts.indptr)
        lengths = np.where(totals > 1, present + 2, 0)
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        ids = np.zeros(indptr[-1], dtype=np.int64)
        slots = np.full(indptr[-1], -1, dtype=np.int64)
        values = np.zeros(indptr[-1])

        # Place of every stored value: the start of its cell's tokens plus its rank in the cell.
        cell = np.repeat(np.arange(len(present)), present)
        expression = np.log1p(counts.data / totals[cell] * 1e4) if block.counts else counts.data
        kept = lengths[cell] > 0
        target = (indptr[cell] + np.arange(len(cell)) - counts.indptr[cell])[kept]
        slots[target] = counts.indices[kept]
        ids[target] = match.tokens[counts.indices[kept]]
        values[target] = expression[kept]

        # T is the last token but one, S the last; their positions follow those of the genes.
        usable = np.flatnonzero(lengths)
        for back, number in (
            (2, self.resolution.of(totals[usable])),
            (1, np.log10(totals[usable])),
        ):
            place = indptr[usable + 1] - back
            ids[place] = self.n_genes + 2 - back
            values[place] = number
        return CellTokens(indptr=indptr, ids=ids, slots=slots, values=values.astype(np.float32))

    def batches(
        self, block: CellBlock, match: GeneMatch, batch_size: int, *, pooling: str = "mean"
    ) -> Iterator[TokenBatch]:
        """Yield batches; with ``"mean_all"`` of few cells, which have vectors of all genes."""
        # 39 MB per cell of the published model. The decoder takes one cell at a time anyway.
        few = min(batch_size, _DENSE_CELLS) if pooling == "mean_all" else batch_size
        yield from super().batches(block, match, few, pooling=pooling)

    def encode(self, batch: TokenBatch) -> Encoded:
        """Return the decoder's vectors of a cell's expressed genes; of all with ``"mean_all"``."""
        like = self.network.positions.weight
        device = like.device
        ids, mask, slots = (
            torch.as_tensor(part, device=device) for part in (batch.ids, batch.mask, batch.slots)
        )
        # Weights may be in half precision; values follow them.
        encoded = self.network.encode(
            torch.as_tensor(batch.values, dtype=like.dtype, device=device), ids, mask
        )
        if batch.pooling == "mean_all":
            if batch.match is None:
                msg = (
                    "a batch with pooling='mean_all' must say which genes are wanted: "
                    "it has no match."
                )
                raise ValueError(msg)
            wanted = torch.as_tensor(batch.match.tokens, device=device).expand(len(ids), -1)
            slots = torch.arange(wanted.shape[1], device=device).expand(wanted.shape)
        else:
            # Padding has no position in the decoder. Any will do: its slot, -1, drops the vector.
            wanted = ids.masked_fill(~mask, 0)
        unexpressed = self.network.unexpressed()
        hidden = unexpressed.new_empty(*wanted.shape, self.dimension)
        for cell, real in enumerate(mask):
            x = self.network.decoder_input(encoded[cell, real], ids[cell, real], unexpressed)
            hidden[cell] = self.network.decode(x)[wanted[cell]]
        return Encoded(hidden=hidden, slots=slots)

    def to(self, device: torch.device) -> None:
        """Move the network."""
        self.network.to(device)

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model."""
        return {
            **self._record,
            "dimension": self.dimension,
            "versions": {"torch": version("torch")},
        }


def _read_genes(path: Path) -> list[str]:
    """Return the ``gene_name`` column of a table, in the order of its ``index`` column."""
    try:
        text = io.StringIO(read_text(path, str(path)), newline="")
        rows = list(csv.DictReader(text, delimiter="\t"))
        found = {int(row["index"]): row["gene_name"].strip() for row in rows}
    # A line with too few fields gives None.
    except (KeyError, ValueError, AttributeError, TypeError, csv.Error) as error:
        msg = (
            f"{path} was not read: it must be scFoundation's table of genes, tab-separated, with "
            f"the columns gene_name and index ({error})."
        )
        raise ValueError(msg) from error
    genes = [found.get(i, "") for i in range(len(rows))]
    if not genes or not all(genes) or len(set(genes)) < len(genes):
        msg = (
            f"{path} must give every gene one line, and indices from 0 to one less than their "
            "number."
        )
        raise ValueError(msg)
    return genes


def _read_network(files: Mapping[str, Path], section: str) -> tuple[ScFoundationNetwork, str]:
    """Return the model, and the section of the file that it came from (empty without sections)."""
    path = files["weights"]
    content, config, found_section = _read_section(path, section)
    where = str(path)
    if config is None:
        if "config" not in files:
            msg = (
                f"{path} holds tensors without a configuration, which says how they fit together: "
                "put it into the same folder as config.json (the 'config' of the published file)."
            )
            raise ValueError(msg)
        where = str(files["config"])
        config = _read_config(files["config"])
    state = {_bare(name): value for name, value in content.items()}
    if wrong := [name for name, value in state.items() if not isinstance(value, torch.Tensor)]:
        msg = f"{path} holds something else than tensors under {listed(wrong)}."
        raise ValueError(msg)
    sizes = Sizes.read(config, where)
    # The meta device has no storage: no initial values are drawn from the user's generator.
    with torch.device("meta"):
        network = ScFoundationNetwork(sizes)
    own = {published(name): name for name in network.state_dict()}
    expected = network.state_dict()
    check_state(
        path,
        {name: value for name, value in state.items() if name not in UNUSED},
        {name: expected[own[name]] for name in own},
    )
    network.load_state_dict({own[name]: state[name].float() for name in own}, assign=True)
    return network, found_section


def _read_section(path: Path, section: str) -> tuple[dict[str, Any], object, str]:
    """Return tensors, configuration (``None`` without one) and the section they are in.

    The file holds sections with a ``state_dict`` each, one ``state_dict``, or tensors alone.
    """
    content, config = read_checkpoint(path), None
    if not isinstance(content, dict):
        msg = f"{path} is not a dictionary of tensors."
        raise ValueError(msg)
    sections = [
        name for name, part in content.items() if isinstance(part, dict) and "state_dict" in part
    ]
    if sections:
        if section not in sections:
            msg = (
                f"{path} has no section {section!r}; it has {listed(sections)}. "
                "Choose one with section=."
            )
            raise ValueError(msg)
        content = content[section]
    if isinstance(content.get("state_dict"), dict):
        config, content = content.get("config"), content["state_dict"]
    return content, config, section if sections else ""


def _read_config(path: Path) -> object:
    """Return the configuration in a JSON file, which may have it under ``config``."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{path} is not JSON: {error}."
        raise ValueError(msg) from error
    return (
        config["config"]
        if isinstance(config, dict) and isinstance(config.get("config"), dict)
        else config
    )


def _bare(name: str) -> str:
    """Return a tensor's name without prefixes of wrappers, which end at the first ``model.``."""
    _, found, rest = name.partition("model.")
    return rest if found else name.removeprefix("module.")
