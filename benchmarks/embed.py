"""Speed and memory of gene embeddings: tokens, encoding, streaming.

Every measurement alternates with a straightforward loop in the same run. The weights are random,
of Geneformer's shapes::

    python benchmarks/embed.py                        # all parts; ten minutes on two CPU cores
    python benchmarks/embed.py --parts tokens memory  # some of them

The loops for tokens work one cell at a time on

- rows of a sparse matrix, as the official tokeniser does;
- the same with SciPy's overhead taken out;
- a dense row with an array of medians;
- a dense row with look-ups in dictionaries.

The loop for encoding reads fixed batches of 16 cells in file order, padded to the longest, and
computes all layers. Figures are medians over the rounds, of wall time and of CPU time. On a busy
machine, read the ratios of CPU time. The GPU part says that it was skipped where CUDA is missing.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

PARTS = ("tokens", "encoding", "memory", "gpu")
N_TOKENS = 25_426
SIZES = {
    "6 layers, 256 wide": {"layers": 6, "width": 256, "heads": 4, "inner": 512},
    "20 layers, 896 wide": {"layers": 20, "width": 896, "heads": 14, "inner": 1792},
    "12 layers, 768 wide": {"layers": 12, "width": 768, "heads": 12, "inner": 3072},
    # So small that the network hardly adds to the time and memory of the cells.
    "2 layers, 16 wide": {"layers": 2, "width": 16, "heads": 1, "inner": 16},
}


def dictionaries() -> tuple[dict[str, int], dict[str, float]]:
    """Make tokens and medians of a vocabulary of Geneformer V1's size."""
    rng = np.random.default_rng(0)
    genes = [f"ENSG{number:011d}" for number in range(N_TOKENS - 2)]
    tokens = {"<pad>": 0, "<mask>": 1} | {gene: token for token, gene in enumerate(genes, start=2)}
    return tokens, dict(zip(genes, np.exp(rng.normal(0, 1, len(genes))).tolist(), strict=True))


def gene_ids() -> np.ndarray:
    """Name the data's genes: 20,000 of the vocabulary and 2,000 unknown ones, shuffled."""
    rng = np.random.default_rng(1)
    known = [f"ENSG{number:011d}" for number in rng.choice(N_TOKENS - 2, 20_000, replace=False)]
    return rng.permutation([*known, *(f"ENSG{number:011d}" for number in range(900_000, 902_000))])


def cells(n_cells: int, n_genes: int, low: int, high: int, seed: int = 0) -> sp.csr_matrix:
    """Draw counts of cells with ``low`` to ``high`` genes each."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(low, high + 1, n_cells)
    indices = np.concatenate(
        [np.sort(rng.choice(n_genes, n, replace=False)) for n in lengths]
    ).astype(np.int32)
    data = np.minimum(rng.geometric(0.45, len(indices)), 500).astype(np.float32)
    return sp.csr_matrix(
        (data, indices, np.concatenate([[0], np.cumsum(lengths)])), shape=(n_cells, n_genes)
    )


def write_model(folder: Path, size: str, positions: int) -> Path:
    """Write a folder in the published layout with random weights."""
    import torch
    from safetensors.torch import save_file
    from transformers import BertConfig, BertModel

    shape = SIZES[size]
    tokens, medians = dictionaries()
    config = BertConfig(
        vocab_size=N_TOKENS,
        hidden_size=shape["width"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        intermediate_size=shape["inner"],
        max_position_embeddings=positions,
        hidden_act="relu",
    )
    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = BertModel(config, add_pooling_layer=False)
    save_file(
        {f"bert.{key}": value for key, value in network.state_dict().items()},
        folder / "model.safetensors",
    )
    (folder / "config.json").write_text(config.to_json_string())
    (folder / "token_dictionary.json").write_text(json.dumps(tokens))
    (folder / "gene_median_dictionary.json").write_text(json.dumps(medians))
    return folder


def alternate(work: dict[str, Callable[[], Any]], rounds: int) -> dict[str, tuple[float, float]]:
    """Median seconds of wall and of CPU time of every function, called in turn."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, function in work.items():
            wall, processor = time.perf_counter(), time.process_time()
            function()
            times[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return {
        name: (statistics.median(t[0] for t in taken), statistics.median(t[1] for t in taken))
        for name, taken in times.items()
    }


def table(title: str, n_cells: int, taken: dict[str, tuple[float, float]], ours: str) -> None:
    """Print cells per second, and how many times as many ours makes."""
    print(f"\n### {title}\n")
    more = f"{ours}: times as many"
    print(f"| | cells/s | {more} | per CPU second | {more} |")
    print("|---|---|---|---|---|")
    for name, (wall, processor) in taken.items():
        ratios = [
            f"{mine / its:.1f}" for mine, its in zip((wall, processor), taken[ours], strict=True)
        ]
        rates = [
            f"{n_cells / seconds:,.{0 if n_cells / seconds > 100 else 2}f}"
            for seconds in (wall, processor)
        ]
        print(f"| {name} | {rates[0]} | {ratios[0]} | {rates[1]} | {ratios[1]} |")


def official_rows(
    matrix: sp.csr_matrix, tokens: np.ndarray, medians: np.ndarray
) -> list[np.ndarray]:
    """Scale chunks of 512 cells as a sparse matrix, then sort row by row."""
    ranked = []
    for start in range(0, matrix.shape[0], 512):
        chunk = matrix[start : start + 512]
        totals = np.asarray(chunk.sum(axis=1)).ravel()
        scaled = sp.csr_matrix(chunk.multiply(1e4 / totals[:, None]).multiply(1 / medians[None, :]))
        for i in range(scaled.shape[0]):
            values, genes = scaled[i].data, tokens[scaled[i].indices]
            ranked.append(genes[np.argsort(-values)])
    return ranked


def lean_rows(matrix: sp.csr_matrix, tokens: np.ndarray, medians: np.ndarray) -> list[np.ndarray]:
    """Loop over the arrays of the sparse matrix."""
    ranked = []
    for start, stop in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        values, genes = matrix.data[start:stop], matrix.indices[start:stop]
        ranked.append(tokens[genes][np.argsort(-(values / values.sum() * 1e4 / medians[genes]))])
    return ranked


def dense_rows(matrix: sp.csr_matrix, tokens: np.ndarray, medians: np.ndarray) -> list[np.ndarray]:
    """Rank one dense row at a time."""
    ranked = []
    for i in range(matrix.shape[0]):
        row = matrix[i].toarray().ravel()
        values = row / row.sum() * 1e4 / medians
        genes = np.flatnonzero(values)
        ranked.append(tokens[genes][np.argsort(-values[genes])])
    return ranked


def looked_up_rows(
    matrix: sp.csr_matrix, names: list[str], tokens: dict[str, int], medians: dict[str, float]
) -> list[np.ndarray]:
    """Rank one dense row at a time and look up each expressed gene by its name."""
    ranked = []
    for i in range(matrix.shape[0]):
        row = matrix[i].toarray().ravel()
        total = row.sum()
        found = [(names[j], row[j]) for j in np.flatnonzero(row) if names[j] in tokens]
        values = np.array([count / total * 1e4 / medians[name] for name, count in found])
        ranked.append(np.array([tokens[name] for name, _ in found])[np.argsort(-values)])
    return ranked


def tokens_part(n_cells: int, rounds: int) -> None:
    """Time tokenising with one thread and with as many as torch has."""
    import torch

    from scregnet.encoders.geneformer.tokens import GeneformerVocabulary

    token_of, median_of = dictionaries()
    vocabulary = GeneformerVocabulary(token_of, median_of)
    names = gene_ids()
    match = vocabulary.match(names)
    for low, high in ((200, 2048), (1500, 1500)):
        matrix = cells(n_cells, len(names), low, high).astype(np.float64)
        # The loops get the known genes only, which saves them work. Ours gets the whole matrix.
        columns = np.flatnonzero(match.known)
        known = sp.csr_matrix(matrix[:, columns])
        tokens = match.tokens[match.slots[columns]]
        medians = np.array([median_of[name] for name in names[columns]])
        threads = torch.get_num_threads()
        work: dict[str, Callable[[], Any]] = {
            "sparse rows, as the official tokeniser": lambda k=known, t=tokens, m=medians: (
                official_rows(k, t, m)
            ),
            "sparse rows, lean": lambda k=known, t=tokens, m=medians: lean_rows(k, t, m),
            "dense rows": lambda k=known, t=tokens, m=medians: dense_rows(k, t, m),
            "dense rows, dictionaries": lambda x=matrix: looked_up_rows(
                x[:256], names.tolist(), token_of, median_of
            ),
            "ours, 1 thread": lambda x=matrix: vocabulary.tokenise(x, match, 2048),
        }
        if threads > 1:
            work[f"ours, {threads} threads"] = lambda x=matrix, n=threads: vocabulary.tokenise(
                x, match, 2048, n_threads=n
            )
        got = vocabulary.tokenise(matrix, match, 2048)
        expected = np.concatenate(looked_up_rows(matrix[:256], names.tolist(), token_of, median_of))
        if not np.array_equal(got.ids[: len(expected)], expected):
            msg = "the tokens are not those of the loop"
            raise RuntimeError(msg)
        taken = alternate(work, rounds)
        slow = "dense rows, dictionaries"
        taken[slow] = (taken[slow][0] * n_cells / 256, taken[slow][1] * n_cells / 256)
        table(
            f"Tokenising, {matrix.nnz / n_cells:.0f} genes a cell", n_cells, taken, "ours, 1 thread"
        )


def fixed_batches(
    network: Any, sequences: list[np.ndarray], sums: Any, seen: Any, device: str
) -> None:
    """Encode 16 cells at a time in file order, padded; add up the vectors of every token."""
    import torch

    for start in range(0, len(sequences), 16):
        some = sequences[start : start + 16]
        longest = max(map(len, some))
        ids = torch.zeros(len(some), longest, dtype=torch.long)
        mask = torch.zeros(len(some), longest, dtype=torch.long)
        for i, sequence in enumerate(some):
            ids[i, : len(sequence)] = torch.as_tensor(sequence)
            mask[i, : len(sequence)] = 1
        hidden = network(
            input_ids=ids.to(device), attention_mask=mask.to(device), output_hidden_states=True
        ).hidden_states[-2]
        for i, sequence in enumerate(some):
            at = torch.as_tensor(sequence, dtype=torch.long, device=device)
            sums.index_add_(0, at, hidden[i, : len(sequence)].double())
            seen.index_add_(0, at, torch.ones(len(at), dtype=torch.float64, device=device))


def encoding_part(n_cells: int, rounds: int) -> None:
    """Time encoding and pooling at Geneformer's smallest size."""
    import torch
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    from scregnet.encoders import CellBlock, CellStream, EmbedOptions, create

    with tempfile.TemporaryDirectory() as folder:
        path = write_model(Path(folder) / "model", "6 layers, 256 wide", 2048)
        encoder: Any = create("geneformer", weights=path)
        config = BertConfig.from_pretrained(path)
        config._attn_implementation = "sdpa"
        network = BertModel(config, add_pooling_layer=False).eval()
        state = load_file(path / "model.safetensors")
        network.load_state_dict({key.removeprefix("bert."): value for key, value in state.items()})
    names = gene_ids()
    matrix = cells(n_cells, len(names), 200, 2048).astype(np.float64)
    block = CellBlock(matrix, np.zeros(n_cells, dtype=np.int64))
    match = encoder.match(names)
    tokens = encoder.tokenise(block, match)
    sequences = np.split(tokens.ids, tokens.indptr[1:-1])
    options = EmbedOptions(device="cpu")
    results: dict[str, np.ndarray] = {}

    def straightforward() -> None:
        sums = torch.zeros(N_TOKENS, 256, dtype=torch.float64)
        seen = torch.zeros(N_TOKENS, dtype=torch.float64)
        with torch.inference_mode():
            fixed_batches(network, sequences, sums, seen, "cpu")
        mean = (sums / seen.clamp_min(1)[:, None]).float().numpy()[match.tokens]
        results["loop"] = mean[match.slots[match.known]]

    def ours() -> None:
        embedding = encoder.embed(CellStream([block], n_cells), names, options)
        results["ours"] = embedding.groups[0].vectors[match.known]

    taken = alternate({"fixed batches in file order": straightforward, "ours": ours}, rounds)
    table(
        f"Encoding, 6 layers, 256 wide, 200 to 2,048 genes a cell, {n_cells} cells",
        n_cells,
        taken,
        "ours",
    )
    difference = np.abs(results["ours"] - results["loop"]).max()
    print(f"\nLargest difference of a number between the two: {difference:.1e}")


def memory_part() -> None:
    """Measure peak memory of ``sr.tl.embed`` on a backed file, one process per size."""
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        path = write_model(Path(folder) / "model", "2 layers, 16 wide", 64)
        for n_cells in (2000, 20_000):
            import anndata as ad

            adata = ad.AnnData(cells(n_cells, 22_000, 200, 2048))
            adata.var_names = gene_ids()
            file = Path(folder) / f"{n_cells}.h5ad"
            adata.write_h5ad(file)
            size = file.stat().st_size / 2**20
            command = [sys.executable, __file__, "--peak", str(file), str(path)]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            peaks[n_cells] = (float(out), size)
    print("\n### Peak memory of `sr.tl.embed` on a backed file\n")
    print("| cells | file, MB | peak of the process, MB |\n|---|---|---|")
    for n_cells, (peak, size) in peaks.items():
        print(f"| {n_cells:,} | {size:,.0f} | {peak:,.0f} |")
    small, large = peaks[2000][0], peaks[20_000][0]
    print(f"\nGrowth: {100 * (large / small - 1):.1f} %")


def peak(file: str, weights: str) -> None:
    """Embed a backed file and print the peak of the process's memory in MB."""
    import anndata as ad

    import scregnet as sr

    adata = ad.read_h5ad(file, backed="r")
    sr.tl.embed(adata, weights=weights, show_progress_bar=False, device="cpu", resume=False)
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux, getrusage never reports less than the parent's peak.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        print(int(line.split()[1]) / 2**10)
    else:
        unit = 2**20 if sys.platform == "darwin" else 2**10
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def matrix_rate() -> float:
    """Measure the highest rate of bfloat16 matrix products on this GPU, operations per second."""
    import torch

    best = 0.0
    for n in (4096, 8192, 16_384):
        a, b = torch.randn(2, n, n, device="cuda", dtype=torch.bfloat16)
        for _ in range(3):
            a @ b
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(10):
            a @ b
        torch.cuda.synchronize()
        best = max(best, 10 * 2 * n**3 / (time.perf_counter() - start))
    return best


def operations(size: str, length: int) -> float:
    """Count the operations of one cell in the layers that the default ``hidden_layer`` needs."""
    shape = SIZES[size]
    width, inner = shape["width"], shape["inner"]
    return (shape["layers"] - 1) * length * (8 * width**2 + 4 * width * inner + 4 * length * width)


def gpu_part(n_cells: int, rounds: int) -> None:
    """Time encoding in bfloat16 at the large sizes, as a share of the GPU's matrix rate."""
    import torch

    from scregnet.encoders import CellBlock, CellStream, EmbedOptions, create

    if not torch.cuda.is_available():
        print("\n### GPU\n\nSkipped: there is no CUDA device.")
        return
    rate = matrix_rate()
    speed = f"{rate / 1e12:,.0f} TFLOP/s on products of bfloat16 matrices"
    print(f"\n### GPU ({torch.cuda.get_device_name()}, {speed})\n")
    print("| size | tokens a cell | cells/s | share of the matrix rate |\n|---|---|---|---|")
    names = gene_ids()
    for size in ("20 layers, 896 wide", "12 layers, 768 wide"):
        with tempfile.TemporaryDirectory() as folder:
            encoder: Any = create(
                "geneformer", weights=write_model(Path(folder) / "model", size, 4096)
            )
        for length in (2048, 4096):
            encoder.max_length = length
            matrix = cells(n_cells, len(names), 6000, 7000).astype(np.float64)
            stream = CellStream([CellBlock(matrix, np.zeros(n_cells, dtype=np.int64))], n_cells)
            options = EmbedOptions(device="cuda", precision="bfloat16")

            def work(encoder: Any = encoder, stream: Any = stream, options: Any = options) -> None:
                encoder.embed(stream, names, options)
                torch.cuda.synchronize()

            work()
            seconds, _ = alternate({"ours": work}, rounds)["ours"]
            share = n_cells * operations(size, length) / seconds / rate
            print(f"| {size} | {length:,} | {n_cells / seconds:,.1f} | {100 * share:.0f} % |")


def main() -> None:
    """Run the requested parts."""
    parser = argparse.ArgumentParser(description="Benchmarks of sr.tl.embed.")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cells", type=int, default=2048, help="cells to tokenise")
    parser.add_argument("--encode-cells", type=int, default=48, help="cells to encode on the CPU")
    parser.add_argument("--gpu-cells", type=int, default=1024, help="cells to encode on the GPU")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        peak(*arguments.peak)
        return
    if "tokens" in arguments.parts:
        tokens_part(arguments.cells, arguments.rounds)
    if "encoding" in arguments.parts:
        encoding_part(arguments.encode_cells, arguments.rounds)
    if "memory" in arguments.parts:
        memory_part()
    if "gpu" in arguments.parts:
        gpu_part(arguments.gpu_cells, arguments.rounds)


if __name__ == "__main__":
    main()
