"""Kill a call at random moments with SIGKILL, run it again, and compare with an undisturbed run.

``python tests/faults/killed.py finetune --kills 3`` prints how many kills hit a running call, and
ends with 1 if a result differs or a file of the killed run was taken for whole.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

# Before numba is imported: what it compiled for other tests is no business of these.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

import scregnet as sr
from scregnet.encoders import CellTokens, Encoded, GeneMatch, partial, register
from scregnet.encoders.token_encoder import TokenEncoder
from scregnet.encoders.training.run import CHECKPOINT

QUIET = {"show_progress_bar": False}


class Powers(TokenEncoder):
    """The vector of a gene in a cell: powers of its count."""

    dimension = 2

    def match(self, genes):
        return GeneMatch(np.arange(len(genes)), np.arange(len(genes)))

    def tokenise(self, block, match):
        matrix = block.matrix
        return CellTokens(matrix.indptr, matrix.indices, matrix.indices, matrix.data)

    def encode(self, batch):
        values = torch.as_tensor(batch.values)
        slots = torch.as_tensor(batch.slots)
        return Encoded(hidden=torch.stack([values.sqrt(), values**2], dim=-1), slots=slots)

    def to(self, device):
        pass

    def describe(self):
        return {"powers": 2}


def embed(adata, folder):
    """Saves its sums after every batch."""
    register("powers", Powers)
    partial.INTERVAL = partial._SHARE = 0
    with sr.settings.override(cache_dir=folder):
        sr.tl.embed(adata, "powers", device="cpu", batch_size=1, **QUIET)
    left = [path.name for path in (folder / "embed").glob("*.npz")]
    return [adata.varm["powers"], np.array(len(left))]


def finetune(adata, folder):
    """Writes a checkpoint at every step."""
    sr.tl.finetune(
        adata,
        "scbert",
        output=folder / "run",
        n_layers=1,
        hidden_size=8,
        n_heads=2,
        max_epochs=3,
        batch_size=8,
        checkpoint_steps=1,
        device="cpu",
        random_state=0,
        **QUIET,
    )
    left = sorted(path.name for path in (folder / "run").iterdir())
    assert CHECKPOINT not in left
    assert not any(name.endswith(".part") for name in left)
    sr.tl.embed(adata, "scbert", weights=folder / "run", device="cpu", **QUIET)
    return [adata.varm["scbert"], adata.uns["finetune_scbert"]["history"].to_numpy(float)]


def fit_grn(adata, folder):
    """Fits with folds; keeps nothing but what numba compiled."""
    more = {"n_trees": 5, "n_forest_trees": 5, "n_bootstrap": 5}
    sr.tl.fit_grn(adata, adata.uns["network"], n_folds=2, random_state=0, **more, **QUIET)
    pairs = adata.uns["grn"]["pairs"]
    return [adata.varp["grn"].toarray(), pairs["out_of_fold"].to_numpy()]


def tune_grn(adata, folder):
    """Keeps its trials in a file."""
    folder.mkdir(exist_ok=True)
    sr.tl.tune_grn(
        adata,
        adata.uns["network"],
        "label_factors",
        n_trials=6,
        space={"rank": [1, 2, 3, 4]},
        storage=folder / "trials.log",
        random_state=0,
        **QUIET,
    )
    trials = adata.uns["tune"]["trials"]
    return [trials["validation_auroc"].to_numpy(float), trials["rank"].to_numpy(float)]


JOBS: dict[str, Callable] = {job.__name__: job for job in (embed, finetune, fit_grn, tune_grn)}


def digest(arrays: list[np.ndarray]) -> str:
    """Return a digest of the results, bit by bit."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(
            f"{array.dtype} {array.shape};".encode() + np.ascontiguousarray(array).tobytes()
        )
    return found.hexdigest()


def start(job: Callable, folder: Path, result: Path) -> int:
    """Run a job in a process of its own, forked from this one, which computes nothing."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        adata = sr.datasets.simulated(n_obs=60, n_vars=50, random_state=3)
        result.write_text(digest(job(adata, folder)))
        status = 0
    except Exception:
        traceback.print_exc()
    finally:
        # Not a return: this process would go on as if it were its parent.
        os._exit(status)


def finished(child: int) -> bool:
    """Wait for a process; return whether it came to its end."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    sr.settings.verbosity = "error"
    job, rng = JOBS[asked.job], random.Random(asked.seed)
    base = Path(tempfile.mkdtemp(prefix="scregnet-killed-"))
    counts = {"job": asked.job, "kills": 0, "hit": 0, "different": 0}
    try:
        begun = time.monotonic()
        if not finished(start(job, base / "whole", base / "expected")):
            return 1
        seconds = time.monotonic() - begun
        expected = (base / "expected").read_text()
        while counts["kills"] < asked.kills:
            folder, result = base / f"run{counts['kills']}", base / "result"
            # Up to three kills in a row of one run.
            for _ in range(rng.randint(1, min(3, asked.kills - counts["kills"]))):
                child = start(job, folder, result)
                time.sleep(rng.uniform(0, seconds))
                os.kill(child, signal.SIGKILL)
                counts["hit"] += not finished(child)
                counts["kills"] += 1
            result.unlink(missing_ok=True)
            same = finished(start(job, folder, result)) and result.read_text() == expected
            counts["different"] += not same
        sys.stdout.write(json.dumps(counts) + "\n")
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return int(counts["different"] > 0)


if __name__ == "__main__":
    sys.exit(main())
