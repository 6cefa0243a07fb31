"""How fast Geneformer trains, and what memory many cells take. Random weights, simulated cells.

``rate``: tokens a CPU second of ``sr.tl.finetune``'s steps, next to the loop that it had before:
cells padded to the longest of their batch, transformers' attention under a mask, the loss read
after every batch. Both train the same batches in turns. ``memory``: peak of a process that reads so
many cells and takes a few steps::

    OMP_NUM_THREADS=1 python benchmarks/finetune_speed.py
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import scipy.sparse as sp
import torch
from transformers import BertConfig, BertForMaskedLM

from scregnet.encoders import CellBlock, CellStream
from scregnet.encoders.geneformer.tokens import GeneformerVocabulary
from scregnet.encoders.geneformer.training import GeneformerTraining
from scregnet.encoders.training.loop import Trainer, TrainOptions
from scregnet.encoders.training.protocol import IGNORED, MaskedBatch
from scregnet.encoders.training.stored import StoredTokens

CPU = torch.device("cpu")
N_TOKENS = 25_426
# Width, layers, heads, inner width: the 6-layer network of 30 million cells.
SHAPE = (256, 6, 4, 512)
KIND = {"max_position_embeddings": 2048, "hidden_act": "relu", "pad_token_id": 0}
KIND |= {"hidden_dropout_prob": 0.02, "attention_probs_dropout_prob": 0.02}


def options(batch_size: int) -> TrainOptions:
    """Return how to train: as ``sr.tl.finetune`` does by default."""
    return TrainOptions(1, 1, batch_size, 1, 5e-5, 0.001, 0.1, 0.1, 500, device="cpu")


def network_of(n_tokens: int, shape: tuple[int, int, int, int]) -> BertForMaskedLM:
    """Make a network with random weights, always the same."""
    width, n_layers, n_heads, inner = shape
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=n_tokens,
        hidden_size=width,
        num_hidden_layers=n_layers,
        num_attention_heads=n_heads,
        intermediate_size=inner,
        **KIND,
    )
    return BertForMaskedLM(config)


def lengths_of(n_cells: int, rng: np.random.Generator) -> np.ndarray:
    """Draw lengths as of droplet data: half between 600 and 1,400, all from 100 to 2,048."""
    return np.clip(rng.lognormal(np.log(920), 0.62, n_cells), 100, 2048).astype(np.int64)


def model_of(n_cells: int) -> GeneformerTraining:
    """Make a model in training with random cells."""
    genes = {f"ENSG{number:011d}": number for number in range(2, N_TOKENS)}
    vocabulary = GeneformerVocabulary({"<pad>": 0, "<mask>": 1} | genes, dict.fromkeys(genes, 1.0))
    model = GeneformerTraining(network_of(N_TOKENS, SHAPE), vocabulary)
    rng = np.random.default_rng(0)
    model._ids = StoredTokens(np.uint16)
    for length in lengths_of(n_cells, rng):
        model._ids.append(rng.choice(N_TOKENS - 2, length, replace=False) + 2, np.array([length]))
    model._ids.close()
    model.lengths = model._ids.lengths
    model._genes = np.arange(2, N_TOKENS)
    model._is_gene = np.arange(N_TOKENS) >= 2
    return model


def padded_loss(network: BertForMaskedLM, batch: MaskedBatch) -> torch.Tensor:
    """Return the loss as it was computed before."""
    labels = torch.as_tensor(batch.labels)
    hidden = network.bert(
        input_ids=torch.as_tensor(batch.inputs),
        attention_mask=torch.as_tensor(batch.mask, dtype=torch.long),
    ).last_hidden_state
    asked = labels != IGNORED
    logits = network.cls(hidden[asked])
    return torch.nn.functional.cross_entropy(logits.float(), labels[asked], reduction="sum")


def padded_step(
    network: BertForMaskedLM, optimizer: torch.optim.Optimizer, batch: MaskedBatch, size: int
) -> float:
    """Take one step as before."""
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for part in batch.parts(size):
        loss = padded_loss(network, part)
        (loss / batch.n_masked).backward()
        total += float(loss.detach())
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    return total


def rate(n_steps: int, batch_size: int, *, alone: bool) -> None:
    """Print tokens a CPU second."""
    torch.set_num_threads(1)
    model = model_of(64 * batch_size)
    trainer = Trainer(model, options(batch_size), seed=0)
    network = network_of(N_TOKENS, SHAPE).train()
    network.set_attn_implementation("sdpa")
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-5, weight_decay=0.001)
    order = trainer.order(0)
    spent, n_tokens, ratios = np.zeros(2), 0, []
    for number in range(n_steps + 1):
        batch = trainer.batch(order, 0, number)
        steps: list[Callable[[], object]] = [lambda b=batch: trainer.step(b, 0)]
        if not alone:
            steps.append(lambda b=batch: padded_step(network, optimizer, b, batch_size))
        model.network.train()
        seconds = np.zeros(2)
        # Each goes first as often as the other.
        for at in list(range(len(steps)))[:: 1 if number % 2 else -1]:
            begun = time.process_time()
            steps[at]()
            seconds[at] = time.process_time() - begun
        # The first step also allocates.
        if number:
            spent += seconds
            n_tokens += int(batch.mask.sum())
            ratios.append(seconds[1] / seconds[0])
    mean = n_tokens / n_steps / batch_size
    print(f"{n_steps} batches of {batch_size} cells, {mean:.0f} tokens each")
    print(
        "tokens a CPU second, packed and padded:", np.round(n_tokens / spent[: 1 if alone else 2])
    )
    print("ratio of all:", round(spent[1] / spent[0], 2), "of each batch:", np.round(ratios, 1))


def cells_of(n_cells: int, n_genes: int = 4000) -> Iterator[CellBlock]:
    """Yield simulated cells in blocks, of which no two are in memory."""
    for start in range(0, n_cells, 1024):
        rng = np.random.default_rng(start)
        rows = min(1024, n_cells - start)
        matrix = sp.random(rows, n_genes, 0.25, format="csr", random_state=rng)
        matrix.data = np.ceil(matrix.data * 10)
        yield CellBlock(matrix, np.zeros(rows, dtype=np.int64))


class Cells:
    """Cells that are made anew in every pass."""

    def __init__(self, n_cells: int) -> None:
        self.n_cells = n_cells

    def __iter__(self) -> Iterator[CellBlock]:
        return cells_of(self.n_cells)


def peak(n_cells: int) -> None:
    """Read so many cells, take ten steps, and print the peak of memory."""
    torch.set_num_threads(1)
    genes = np.array([f"ENSG{number:011d}" for number in range(4000)])
    tokens = {"<pad>": 0, "<mask>": 1} | {gene: at + 2 for at, gene in enumerate(genes.tolist())}
    vocabulary = GeneformerVocabulary(tokens, dict.fromkeys(genes.tolist(), 1.0))
    model = GeneformerTraining(network_of(len(tokens), (16, 1, 1, 32)), vocabulary)
    model.read(CellStream(Cells(n_cells), n_cells), genes)
    model.digest()
    trainer = Trainer(model, options(16), seed=0)
    model.frequencies(trainer.training)
    order = trainer.order(0)
    model.network.train()
    for step in range(10):
        trainer.step(trainer.batch(order, 0, step), step)
    n_tokens = int(model.lengths.sum())
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{n_cells} cells, {n_tokens / 1e6:.0f} million tokens: peak {megabytes:.0f} MB")


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", default=["rate", "memory"])
    parser.add_argument("--n-steps", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--alone", action="store_true", help="measure the packed steps only")
    parser.add_argument("--cells", type=int, help="(for the processes of the part 'memory')")
    asked = parser.parse_args()
    if asked.cells:
        peak(asked.cells)
        return
    if "rate" in asked.parts:
        rate(asked.n_steps, asked.batch_size, alone=asked.alone)
    if "memory" in asked.parts:
        for n_cells in (20_000, 200_000):
            subprocess.run([sys.executable, __file__, "--cells", str(n_cells)], check=True)


if __name__ == "__main__":
    main()
