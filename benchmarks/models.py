"""Compare all methods on BEELINE's ChIP-seq networks, on four kinds of held-out pairs, five seeds.

One command makes ``docs/results/models.md`` and its figure::

    python benchmarks/models.py <folder with BEELINE data> --jobs 2

Every fit is a line of the file named by ``--cache``. A stopped run therefore continues, and a new
method adds only its own fits. A fit is repeated if the code of its method, of the splits or of the
metrics has changed since (``--keep-stale`` keeps it). Each process uses one thread. Metrics do not
depend on ``--jobs``; times do where processes share cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models_code import code_of
from models_page import write_page

if TYPE_CHECKING:
    from anndata import AnnData

ROOT = Path(__file__).parents[1]
DATA = ("hESC-500", "hHEP-500", "mDC-500", "mESC-500", "mDC-1000")
SPLITS = ("pairs", "targets", "tfs", "both")
N_SEEDS = 5
HELD_OUT = 0.25
"""Share of the targets, the TFs, or both for testing, in splits that hold out genes."""


@dataclass(frozen=True)
class Run:
    """One fit.

    ``draw`` names a split that comes with the data. If it is empty, ``seed`` draws the split too.
    """

    method: str
    data: str
    split: str
    draw: str
    seed: int
    embedding: str

    def key(self, code: str | None = None) -> str:
        """Identify the fit: two fits with the same key are the same."""
        return json.dumps({**asdict(self), "code": code}, sort_keys=True)


@cache
def read_data(folder: str, name: str) -> AnnData:
    """Read a data set and embed its genes by SVD; once per process."""
    import scregnet as sr

    cell_type, _, size = name.partition("-")
    adata = sr.datasets.beeline(cell_type, int(size), path=folder)
    sr.tl.embed(adata, model="svd", counts=False, show_progress_bar=False)
    return adata


@cache
def read_vectors(path: str) -> Any:
    """Read gene vectors from a file with arrays ``genes`` and ``emb``."""
    import numpy as np
    import pandas as pd

    file = np.load(path, allow_pickle=False)
    return pd.DataFrame(file["emb"], index=file["genes"])


def fit(run: Run, folder: str, path: str | None) -> dict[str, Any]:
    """Do one fit and return its metrics; a failed fit, such as a collapsed one, is a result too."""
    import scregnet as sr

    sr.settings.n_jobs = 1
    adata = read_data(folder, run.data)
    embedding = (
        read_vectors(path) if path is not None else "svd" if run.embedding == "svd" else None
    )
    prior = None if run.split == "pairs" else adata.uns["network"]
    wall, processor = time.perf_counter(), time.process_time()
    row: dict[str, Any] = {"error": ""}
    try:
        if run.split == "pairs":
            split: Any = adata.uns["splits"][run.draw]
        else:
            split = "split"
            # Drawing the split belongs to the time of a fit, as it does for the default split.
            sr.pp.split(adata, prior, kind=run.split, test_fraction=HELD_OUT, random_state=run.seed)
        sr.tl.fit_grn(
            adata,
            prior,
            method=run.method,
            split=split,
            embedding=embedding,
            # The evaluation alone.
            n_folds=1,
            n_bootstrap=0,
            device="cpu",
            random_state=run.seed,
            show_progress_bar=False,
        )
    except (RuntimeError, ValueError) as error:
        row["error"] = f"{type(error).__name__}: {error}"
    row |= {"seconds": time.perf_counter() - wall, "processor": time.process_time() - processor}
    if not row["error"]:
        table = sr.get.metrics(adata)
        row["best_epoch"] = int(adata.uns["grn"]["params"]["best_epoch"])
        row["figures"] = [[r.model, r.split, r.metric, float(r.value)] for r in table.itertuples()]
    return row


def draws(data: str, folder: Path, seeds: Iterable[int]) -> Iterator[tuple[str, int]]:
    """Yield the published splits by pairs, each with a seed of the fit.

    The official split comes with every seed. Data without one have ``sample1`` with every seed,
    and each sample with one seed.
    """
    cell_type, _, size = data.partition("-")
    there = {place.name for place in (folder / cell_type / f"TFs+{size}" / "splits").iterdir()}
    if "official" in there:
        yield from (("official", seed) for seed in seeds)
        return
    yield from (("sample1", seed) for seed in seeds)
    yield from ((f"sample{seed + 1}", seed) for seed in seeds if f"sample{seed + 1}" in there)


def runs(arguments: argparse.Namespace) -> list[Run]:
    """List the requested fits, ordered by seed, so that a stopped run has some of everything."""
    from scregnet.links import get_method, null_models

    vectors = {(data, name): path for data, name, path in arguments.embedding}
    wanted: dict[Run, None] = {}
    for data in arguments.data:
        for split in arguments.splits:
            if split != "pairs" and data == "mDC-1000":
                continue
            here = (
                draws(data, arguments.folder, arguments.seeds)
                if split == "pairs"
                else (("", s) for s in arguments.seeds)
            )
            for draw, seed in here:
                for method in arguments.methods:
                    # A null model gives the same result with every seed.
                    fixed = method in null_models() and split == "pairs"
                    embeddings = [
                        *arguments.embeddings,
                        *(name for at, name in vectors if at == data),
                    ]
                    for embedding in embeddings if get_method(method).uses_embedding else ["none"]:
                        wanted[Run(method, data, split, draw, 0 if fixed else seed, embedding)] = (
                            None
                        )
    return sorted(wanted, key=lambda run: (run.seed, DATA.index(run.data), SPLITS.index(run.split)))


def read_cache(path: Path) -> list[dict[str, Any]]:
    """Read the fits done so far; skip a last line that a kill cut off."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"{path}: skipped an incomplete line", file=sys.stderr)
    return rows


def select(
    rows: list[dict[str, Any]], codes: dict[str, str], *, stale: bool
) -> dict[str, dict[str, Any]]:
    """Take the newest line of every fit by its key; lines of other code only if ``stale``."""
    chosen = {}
    for row in rows:
        run = Run(**row["run"])
        if stale or row["code"] == codes.get(run.method):
            chosen[run.key()] = row
    return chosen


def commit() -> str:
    """Name the commit of the working copy, with a plus sign if the package has changes since."""

    def git(*command: str) -> str:
        run = subprocess.run(
            ["git", "-C", str(ROOT), *command], check=False, capture_output=True, text=True
        )
        return run.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + (
        "+" if git("status", "--porcelain", "src") else ""
    )


def machine() -> str:
    """Name the CPU and the versions."""
    from importlib.metadata import version

    info = Path("/proc/cpuinfo")
    names = (
        [
            line.partition(":")[2].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        if info.exists()
        else []
    )
    processor = names[0] if names else platform.processor() or platform.machine()
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "anndata"))
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}"


def say_how_long(todo: list[Run], rows: list[dict[str, Any]], jobs: int) -> None:
    """Print how many fits remain and how long they may take, judged by earlier ones."""
    taken: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        for at in ((row["run"]["method"], row["run"]["data"]), (row["run"]["method"], "")):
            taken.setdefault(at, []).append(row["seconds"])
    times = [taken.get((run.method, run.data), taken.get((run.method, ""))) for run in todo]
    known = [statistics.mean(t) for t in times if t]
    n_unknown = len(todo) - len(known)
    unknown = f", {n_unknown} of unknown duration" if n_unknown else ""
    minutes = sum(known) / jobs / 60
    print(f"{len(todo)} fits to do, about {minutes:.0f} min{unknown}", file=sys.stderr)


def work(todo: list[Run], codes: dict[str, str], arguments: argparse.Namespace) -> None:
    """Do the fits and append each to the cache as soon as it is done."""
    from importlib.metadata import version

    # One thread per process. Libraries read these on import, which new processes do after this.
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    os.environ.update(dict.fromkeys(threads, "1"))
    paths = {(data, name): path for data, name, path in arguments.embedding}
    common = {
        "version": version("scregnet"),
        "commit": commit(),
        "machine": machine(),
        "jobs": arguments.jobs,
    }
    arguments.cache.parent.mkdir(parents=True, exist_ok=True)
    if arguments.cache.exists() and not arguments.cache.read_bytes().endswith(b"\n"):
        # A kill cut off the last line. The next one must not be joined to it.
        with arguments.cache.open("a") as file:
            file.write("\n")
    with (
        arguments.cache.open("a") as file,
        ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool,
    ):
        futures = {
            pool.submit(fit, run, str(arguments.folder), paths.get((run.data, run.embedding))): run
            for run in todo
        }
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                run, row = futures[future], future.result()
                file.write(
                    json.dumps({"run": asdict(run), "code": codes[run.method], **common, **row})
                    + "\n"
                )
                file.flush()
                where = " ".join(
                    filter(None, (run.data, run.split, run.draw, f"seed {run.seed}", run.embedding))
                )
                outcome = row["error"] or f"{row['seconds']:.1f} s"
                print(f"{number}/{len(todo)} {run.method} {where}: {outcome}", file=sys.stderr)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    from scregnet.links import LINK_METHODS

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder with <cell type>/TFs+<n>/")
    parser.add_argument(
        "--methods", nargs="+", choices=tuple(LINK_METHODS), default=tuple(LINK_METHODS)
    )
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=SPLITS)
    parser.add_argument("--seeds", nargs="+", type=int, default=range(N_SEEDS))
    parser.add_argument(
        "--embeddings",
        nargs="*",
        choices=("svd", "none"),
        default=("svd",),
        help="made from the data",
    )
    parser.add_argument(
        "--embedding",
        nargs=3,
        action="append",
        default=[],
        metavar=("DATA", "NAME", "FILE"),
        help="one more embedding for one data set, such as hESC-500 Geneformer vectors.npz "
        "(arrays genes and emb)",
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes, with one thread each")
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "data" / "models.jsonl", help="fits done so far"
    )
    parser.add_argument("--keep-stale", action="store_true", help="keep fits of former code")
    parser.add_argument("--retry", action="store_true", help="repeat failed fits")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results" / "models.md")
    parser.add_argument(
        "--only-page", action="store_true", help="no fits; write the page from the cache"
    )
    return parser.parse_args()


def main() -> None:
    """Do the fits that the cache lacks, then write the page."""
    from scregnet.links import LINK_METHODS

    arguments = read_arguments()
    codes = {method: code_of(method) for method in LINK_METHODS}
    rows = read_cache(arguments.cache)
    done = select(rows, codes, stale=arguments.keep_stale)
    if not arguments.only_page:
        todo = [
            r
            for r in runs(arguments)
            if r.key() not in done or (arguments.retry and done[r.key()]["error"])
        ]
        say_how_long(todo, rows, arguments.jobs)
        work(todo, codes, arguments)
        done = select(read_cache(arguments.cache), codes, stale=arguments.keep_stale)
    write_page(list(done.values()), arguments.page)


if __name__ == "__main__":
    main()
