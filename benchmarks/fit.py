"""Time of a fit, and time and memory of scoring all links.

The first two parts read BEELINE's mESC data (TFs + 500 genes, scRegNet's own split)::

    python benchmarks/fit.py epochs <folder with BEELINE data>  # an epoch, against a loop
    python benchmarks/fit.py fits <folder with BEELINE data>    # whole fits, every method
    python benchmarks/fit.py scoring                            # 1,600 TFs x 20,000 genes

The loop is written as research code often is: a Dataset that builds each item in Python, a
DataLoader, and every gene represented anew for every batch. It trains the same network (widths,
batches, optimiser, learning rate) on the same pairs and features. There are two loops. The first
builds the array of all labels again for every item, as scRegNet's published loader does. The
second keeps it.

Loops and package take turns, with two batch sizes. Figures are medians over the rounds, of wall
time and of CPU time. On a busy machine, read CPU time. The second loop then continues
(``--loop-epochs``), and the package's scregnet is fitted to its end, to see which validation AUROC
each reaches and when.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

import scregnet as sr
from scregnet.links import LINK_METHODS, LinkTask, Pairs, get_method

if TYPE_CHECKING:
    from anndata import AnnData

PARTS = ("epochs", "fits", "scoring")
METHODS = tuple(LINK_METHODS)
BATCHES: tuple[dict[str, Any], ...] = (
    {"batch_size": 256, "learning_rate": 1e-3},
    {"batch_size": 2048, "learning_rate": 3e-3},
)
"""Options of the loops and of the package; scregnet's default first."""
PUBLISHED = "loop, labels of all pairs built again for every item"
KEPT = "loop, labels kept"
PACKAGE = "scregnet"
N_TFS, N_TFS_WITH_EDGES, N_GENES, N_EDGES, N_CELLS = 1600, 1200, 20_000, 40_000, 300
Times = list[tuple[float, float]]


def clock() -> tuple[float, float]:
    """Seconds of wall and of CPU time."""
    return time.perf_counter(), time.process_time()


def since(start: tuple[float, float]) -> tuple[float, float]:
    """Seconds of wall and of CPU time since ``start``."""
    now = clock()
    return now[0] - start[0], now[1] - start[1]


def medians(times: Times) -> tuple[float, float]:
    """Medians of wall and of CPU time."""
    return statistics.median(t[0] for t in times), statistics.median(t[1] for t in times)


def read_task(adata: AnnData, split: pd.DataFrame) -> LinkTask:
    """Read training and validation pairs of a split, and standardise the expression of genes."""
    expression = np.asarray(adata.X, np.float32).T
    spread = expression.std(axis=1, keepdims=True)
    expression = (expression - expression.mean(axis=1, keepdims=True)) / np.where(
        spread > 0, spread, 1
    )
    parts = {}
    for name in ("train", "validation"):
        rows = split[split["split"] == name]
        source, target = (
            adata.var_names.get_indexer(rows[column]).astype(np.int32)
            for column in ("source", "target")
        )
        parts[name] = Pairs(source, target, rows["label"].to_numpy(bool))
    return LinkTask(
        adata.n_vars, parts["train"], parts["validation"], np.ascontiguousarray(expression)
    )


class Loop:
    """The straightforward loop, one epoch at a time."""

    def __init__(self, task: LinkTask, *, rebuild: bool, seed: int = 0, **options: Any) -> None:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, Dataset
        from torch_geometric.nn import GCNConv
        from torch_geometric.utils import to_undirected

        how: Any = get_method("scregnet", **options)
        train = np.stack(
            [task.train.sources, task.train.targets, task.train.labels], axis=1
        ).astype(np.int64)

        class Items(Dataset):
            def __init__(self) -> None:
                self.two_columns = self.labels()

            def labels(self) -> np.ndarray:
                labels = np.empty((len(train), 2), np.float32)
                labels[:, 1] = train[:, 2]
                labels[:, 0] = 1 - labels[:, 1]
                return labels

            def __len__(self) -> int:
                return len(train)

            def __getitem__(self, item: int) -> tuple[np.ndarray, np.ndarray]:
                labels = self.labels() if rebuild else self.two_columns
                # A view would keep the array of all labels alive until the batch is complete.
                return train[item, :2], labels[item].copy()

        class Network(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.convolution = GCNConv(features.shape[1], how.gnn_dims[0])
                self.perceptron = nn.Sequential(
                    nn.Linear(how.gnn_dims[0], how.mlp_dims[0]),
                    nn.LeakyReLU(),
                    nn.Dropout(how.dropout),
                )
                self.head = nn.Linear(2 * how.mlp_dims[0], 2)

            def forward(self, pairs: torch.Tensor) -> torch.Tensor:
                genes = self.perceptron(self.convolution(features, edges))
                return torch.softmax(
                    self.head(torch.cat([genes[pairs[:, 0]], genes[pairs[:, 1]]], dim=1)), dim=1
                )

        torch.manual_seed(seed)
        features = torch.from_numpy(task.expression)
        edges = to_undirected(torch.from_numpy(task.message_graph), num_nodes=task.n_genes)
        self.items = Items()
        self.batches = DataLoader(self.items, batch_size=how.batch_size, shuffle=True)
        self.network = Network()
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay
        )
        self.check = torch.from_numpy(
            np.stack([task.validation.sources, task.validation.targets], axis=1)
        ).long()
        self.labels = task.validation.labels

    def epoch(self) -> float:
        """Train for an epoch and return the validation AUROC."""
        import torch
        from sklearn.metrics import roc_auc_score

        self.network.train()
        for pairs, labels in self.batches:
            self.optimizer.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy(self.network(pairs), labels)
            loss.backward()
            self.optimizer.step()
        self.network.eval()
        with torch.no_grad():
            return float(roc_auc_score(self.labels, self.network(self.check)[:, 1].numpy()))


def ours(
    task: LinkTask, n_epochs: int | None, seed: int = 0, **options: Any
) -> tuple[Times, list[float], tuple[float, float]]:
    """Fit the package's scregnet.

    ``n_epochs=None`` trains until the patience is over. Returns times and validation AUROC of the
    epochs, and the time of the whole fit.
    """
    import torch

    if n_epochs is not None:
        options |= {"max_epochs": n_epochs, "patience": n_epochs}
    method = get_method("scregnet", **options)
    times: Times = []
    auroc: list[float] = []
    start = last = clock()

    def progress(_: int, row: dict[str, float]) -> None:
        nonlocal last
        times.append(since(last))
        auroc.append(row["validation_auroc"])
        last = clock()

    method.fit(task, rng=np.random.default_rng(seed), device=torch.device("cpu"), progress=progress)
    return times, auroc, since(start)


def epochs_part(adata: AnnData, rounds: int, n_epochs: int) -> None:
    """Compare the package's scregnet with both loops, for two batch sizes."""
    import torch

    task = read_task(adata, adata.uns["splits"]["official"])
    rows = [
        (options["batch_size"], name) for options in BATCHES for name in (PUBLISHED, KEPT, PACKAGE)
    ]
    taken: dict[tuple[int, str], Times] = {row: [] for row in rows}
    auroc: dict[tuple[int, str], list[float]] = {row: [] for row in rows}
    loops = {
        (options["batch_size"], name): Loop(task, rebuild=name == PUBLISHED, **options)
        for options in BATCHES
        for name in (PUBLISHED, KEPT)
    }
    for row, loop in loops.items():
        start = time.perf_counter()
        for item in range(1000):
            loop.items[item]
        print(f"{row}: {(time.perf_counter() - start) * 1e3:.1f} µs an item", file=sys.stderr)
    for _ in range(rounds):
        for row, loop in loops.items():
            start_at = clock()
            auroc[row].append(loop.epoch())
            taken[row].append(since(start_at))
        for options in BATCHES:
            times, _, _ = ours(task, rounds, **options)
            # The first epoch also makes the network. The whole fit below counts that.
            taken[options["batch_size"], PACKAGE] += times[1:] or times
    at = {row: medians(t) for row, t in taken.items()}
    whole: dict[tuple[int, str], float] = {}
    for options in BATCHES:
        size = options["batch_size"]
        while len(auroc[size, KEPT]) < n_epochs:
            auroc[size, KEPT].append(loops[size, KEPT].epoch())
        # The loops differ only by their random numbers, so one is trained to the end for both.
        auroc[size, PUBLISHED] = auroc[size, KEPT]
        for name in (PUBLISHED, KEPT):
            whole[size, name] = at[size, name][0] * len(auroc[size, name])
        _, auroc[size, PACKAGE], (whole[size, PACKAGE], _) = ours(task, None, **options)
    sizes = f"{len(task.train):,} training pairs, {task.n_genes:,} genes"
    print(f"\n### An epoch: mESC, {sizes}, {torch.get_num_threads()} threads\n")
    print_epochs(at, auroc, whole)


def print_epochs(
    at: dict[tuple[int, str], tuple[float, float]],
    auroc: dict[tuple[int, str], list[float]],
    whole: dict[tuple[int, str], float],
) -> None:
    """Print the table of epochs: times ``at``, validation AUROC and time of the whole training."""
    first_row = next(iter(at))
    goal = max(auroc[first_row]) - 0.001
    columns = [
        "batches",
        "",
        "s per epoch",
        "CPU s",
        "first loop ÷ this, same batches",
        "second loop ÷ this",
    ]
    columns += [
        "first row ÷ this",
        "best validation AUROC",
        "in epochs",
        f"CPU s until it is {goal:.3f}",
    ]
    columns += ["s to the end"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in at:
        size, name = row
        wall, processor = at[row]
        first = next(
            (number for number, figure in enumerate(auroc[row], start=1) if figure >= goal), None
        )
        ratios = [
            at[other][1] / processor for other in ((size, PUBLISHED), (size, KEPT), first_row)
        ]
        shown = " | ".join(f"{ratio:.1f}" for ratio in ratios)
        print(
            f"| {size:,} | {name} | {wall:.3f} | {processor:.3f} | {shown} "
            f"| {max(auroc[row]):.4f} | {len(auroc[row])} "
            f"| {'–' if first is None else f'{first * processor:.1f} (epoch {first})'} "
            f"| {whole[row]:,.1f}{' (extrapolated)' if name != PACKAGE else ''} |"
        )


def fits_part(adata: AnnData, methods: list[str]) -> None:
    """Time ``sr.tl.fit_grn`` with defaults, from AnnData to all links written."""
    import torch

    split = adata.uns["splits"]["official"]
    # A first fit imports what is imported on first use, which the times must not include.
    sr.tl.fit_grn(adata, split=split, method="scregnet", n_folds=1, max_epochs=1)
    print(f"\n### Whole fits with defaults: mESC, {torch.get_num_threads()} threads\n")
    columns = ("method", "s", "CPU s", "epochs", "test AUROC", "test AUPRC", "per-TF AUROC")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for method in methods:
        start = clock()
        sr.tl.fit_grn(adata, split=split, method=method, n_folds=1, show_progress_bar=False)
        wall, processor = since(start)
        figures = (
            sr.get.metrics(adata)
            .query("model == @method and split == 'test'")
            .set_index("metric")["value"]
        )
        shown = " | ".join(f"{figures[name]:.3f}" for name in ("auroc", "auprc", "per_tf_auroc"))
        n_epochs = len(adata.uns["grn"]["history"]) or "–"
        print(f"| {method} | {wall:.1f} | {processor:.1f} | {n_epochs} | {shown} |", flush=True)


def simulated() -> tuple[AnnData, pd.DataFrame]:
    """Simulate sparse counts and a network of CollecTRI's size.

    20,000 genes, 1,600 candidate TFs, 40,000 edges of 1,200 TFs.
    """
    import anndata as ad

    rng = np.random.default_rng(0)
    # A tenth of the entries is not zero. Genes differ fifty-fold in how often they are detected.
    density = 0.1 * rng.permutation(np.geomspace(0.1, 5, N_GENES))
    columns = [
        rng.choice(N_CELLS, size, replace=False)
        for size in rng.binomial(N_CELLS, np.minimum(density, 0.9))
    ]
    indptr = np.concatenate([[0], np.cumsum([len(c) for c in columns])])
    data = rng.geometric(0.4, indptr[-1]).astype(np.float32)
    adata = ad.AnnData(
        sp.csc_matrix((data, np.concatenate(columns), indptr), shape=(N_CELLS, N_GENES)).tocsr()
    )
    adata.var_names = [f"gene{number}" for number in range(N_GENES)]
    adata.var["is_tf"] = np.arange(N_GENES) < N_TFS
    share = 1 / np.arange(1, N_TFS_WITH_EDGES + 1) ** 0.7
    source = rng.choice(N_TFS_WITH_EDGES, 2 * N_EDGES, p=share / share.sum())
    edges = np.unique(np.stack([source, rng.integers(0, N_GENES, 2 * N_EDGES)], axis=1), axis=0)
    edges = rng.permutation(edges[edges[:, 0] != edges[:, 1]])[:N_EDGES]
    names = adata.var_names.to_numpy()
    return adata, pd.DataFrame({"source": names[edges[:, 0]], "target": names[edges[:, 1]]})


def peak() -> float:
    """Measure the peak of the process's memory in GB."""
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux, getrusage never reports less than the parent's peak.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**20
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def timed(place: Any, name: str, spent: dict[str, tuple[float, float]]) -> None:
    """Replace a function of a class or module by one that records its time."""
    original = getattr(place, name)

    def call(*arguments: Any, **options: Any) -> Any:
        start = clock()
        result = original(*arguments, **options)
        spent[name] = since(start)
        return result

    setattr(place, name, call)


def limit(keep: str) -> dict[str, Any]:
    """Read which links to keep: a whole number per TF, or a least probability."""
    return {"threshold": float(keep)} if "." in keep else {"top_n_targets": int(keep)}


def score(method: str, keep: str, negatives: str) -> dict[str, Any]:
    """Fit, for a few epochs if there are epochs, and score every link of every candidate TF."""
    # Fit and scoring are timed where the call makes them, apart from its other steps.
    spent: dict[str, tuple[float, float]] = {}
    timed(type(get_method(method)), "fit", spent)
    timed(import_module("scregnet.tl._fit.fit"), "all_links", spent)

    adata, network = simulated()
    short = {"max_epochs": 2} if hasattr(get_method(method), "max_epochs") else {}
    before, start = peak(), clock()
    sr.pp.split(adata, network, negatives=negatives)
    sr.tl.fit_grn(
        adata,
        network,
        method=method,
        split="split",
        n_bootstrap=0,
        show_progress_bar=False,
        **limit(keep),
        **short,
    )
    whole = since(start)
    return {
        "links": adata.varp["grn"].nnz,
        "fit": spent["fit"],
        "scoring": spent["all_links"],
        "whole": whole,
        "peak": peak(),
        "before": before,
        "state": sum(value.nbytes for value in adata.uns["grn"]["model"]["state"].values()) / 1e6,
    }


def scoring_part(methods: list[str], keeps: list[str], negatives: str) -> None:
    """Measure time and peak memory of fit and scoring, one process per method."""
    print(
        f"\n### Fit, and all links of {N_TFS:,} TFs × {N_GENES:,} genes; negatives {negatives!r}\n"
    )
    columns = [
        "method",
        "links kept",
        "links written",
        "fit, s",
        "CPU s",
        "scoring, s",
        "CPU s",
    ]
    columns += [
        "whole call, s",
        "CPU s",
        "peak of the process, GB",
        "before the call, GB",
        "model, MB",
    ]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for method in methods:
        for keep in keeps:
            command = [
                sys.executable,
                __file__,
                "scoring",
                "--negatives",
                negatives,
                "--one",
                method,
                keep,
            ]
            run = subprocess.run(command, check=False, capture_output=True, text=True)
            kept = f"probability of at least {keep}" if "." in keep else f"{keep} per TF"
            if run.returncode:
                print(f"| {method} | {kept} | failed: {run.stderr.strip().splitlines()[-1]} |")
                continue
            r = json.loads(run.stdout)
            times = [
                f"{seconds:.1f}" for name in ("fit", "scoring", "whole") for seconds in r[name]
            ]
            sizes = [f"{r['peak']:.2f}", f"{r['before']:.2f}", f"{r['state']:.0f}"]
            print(
                f"| {' | '.join([method, kept, format(r['links'], ','), *times, *sizes])} |",
                flush=True,
            )


def main() -> None:
    """Run the requested part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument(
        "data", type=Path, nargs="?", help="folder with mESC/TFs+500/; not for scoring"
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument(
        "--rounds", type=int, default=3, help="epochs of the loops that are timed, and rounds"
    )
    parser.add_argument(
        "--loop-epochs", type=int, default=100, help="epochs of the loop that is trained to the end"
    )
    parser.add_argument(
        "--keep", nargs="+", default=["100", "0.9"], help="links per TF, or a least probability"
    )
    parser.add_argument(
        "--negatives",
        choices=("sampled", "all"),
        default="sampled",
        help="negatives of the fits before scoring",
    )
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(score(*arguments.one, arguments.negatives)))
        return
    if arguments.part == "scoring":
        scoring_part(arguments.methods, arguments.keep, arguments.negatives)
        return
    if arguments.data is None:
        parser.error(f"{arguments.part} needs the folder with BEELINE's data")
    adata = sr.datasets.beeline("mESC", 500, path=arguments.data)
    if arguments.part == "epochs":
        epochs_part(adata, arguments.rounds, arguments.loop_epochs)
    else:
        fits_part(adata, arguments.methods)


if __name__ == "__main__":
    main()
