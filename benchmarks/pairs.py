"""What attention, deletion and tokens of a foundation model say of TF and target.

    python benchmarks/pairs.py [--seeds 3] [--out pairs.csv]

A small Geneformer is trained from scratch on simulated cells with a known network, and asked in
three ways. Per TF: how often is a true target ranked above the genes that are no target (AUROC),
above regulators of the TF (reversed edges), and above targets of its targets (indirect ones). The
same for co-expression, and for the model before training. One process, CPU.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import scipy.sparse as sp

import scregnet as sr

SIZE = {"n_layers": 4, "hidden_size": 64, "n_heads": 4}


def within_tf(scores: np.ndarray, good: np.ndarray, other: np.ndarray) -> float:
    """Return the mean over TFs of P(a good gene scores above another one); ties count half."""
    found = []
    for values, yes, no in zip(scores, good, other, strict=True):
        if yes.any() and no.any():
            apart = values[yes][:, None] - values[no][None]
            found.append(((apart > 0) + 0.5 * (apart == 0)).mean())
    return float(np.mean(found)) if found else np.nan


def kinds(adata, tfs: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return, by name, which genes must be above which, TFs × genes."""
    edges = adata.uns["network"]
    n = adata.n_vars
    known = np.zeros((n, n), bool)
    known[
        adata.var_names.get_indexer(edges["source"]), adata.var_names.get_indexer(edges["target"])
    ] = True
    itself = np.eye(n, dtype=bool)
    back = known.T & ~known & ~itself
    far = (known.astype(int) @ known.astype(int) > 0) & ~known & ~back & ~itself
    rest = ~known & ~itself
    plain = rest & ~back & ~far
    pairs = {
        "true / all other": (known, rest),
        "true / reversed": (known, back),
        "true / indirect": (known, far),
        "reversed / unrelated": (back, plain),
        "indirect / unrelated": (far, plain),
    }
    return {name: (good[tfs], other[tfs]) for name, (good, other) in pairs.items()}


def layers_of(adata, folder: Path, n_cells: int) -> dict[str, np.ndarray]:
    """Ask a model in every way; return TFs × genes by name."""
    told = {"weights": folder, "hidden_layer": 0, "device": "cpu", "resume": False}
    data = adata.copy()
    seconds = {}
    for direction in ("both",) if folder.name == "untrained" else ("both", "to_tf", "from_tf"):
        start = time.process_time()
        sr.tl.attention_links(data, direction=direction, key_added=f"attention {direction}", **told)
        seconds[f"attention {direction}"] = time.process_time() - start
    for mode in ("delete", "overexpress"):
        start = time.process_time()
        sr.tl.knockout_links(data, mode=mode, n_cells=n_cells, key_added=mode, **told)
        seconds[mode] = time.process_time() - start
    sr.tl.token_links(data, weights=folder, hidden_layer=0, key_added="token")
    print({name: round(value, 1) for name, value in seconds.items()}, "CPU seconds", flush=True)
    names = [name for name in data.varp if name != "network"]
    return {name: data.varp[name].toarray()[data.var["is_tf"].to_numpy()] for name in names}


def one(seed: int, n_obs: int, n_vars: int, epochs: int, n_cells: int) -> pd.DataFrame:
    """Return the figures of one network."""
    adata = sr.datasets.simulated(n_obs=n_obs, n_vars=n_vars, random_state=seed)
    adata.var["is_tf"] = adata.var_names.isin(adata.uns["network"]["source"])
    tfs = np.flatnonzero(adata.var["is_tf"])
    judged = kinds(adata, tfs)
    sr.pp.association(adata)
    found = {"co-expression": adata.varp["association"].toarray()[tfs]}
    del adata.varp["association"]
    seen = np.asarray(adata.X.toarray() if sp.issparse(adata.X) else adata.X) > 0
    both = seen[:, tfs].T.astype(float) @ seen
    found["co-detection"] = both / np.maximum(both.sum(1)[:, None] * both.sum(0)[None], 1)
    rng = np.random.default_rng(seed)
    found["random"] = rng.random(found["co-expression"].shape)
    with TemporaryDirectory() as folder:
        for name, max_epochs in (("untrained", 0), ("trained", epochs)):
            path = Path(folder) / name
            start = time.process_time()
            sr.tl.finetune(
                adata,
                "geneformer",
                output=path,
                max_epochs=max(max_epochs, 1),
                learning_rate=1e-3 if max_epochs else 1e-12,
                patience=10,
                random_state=seed,
                show_progress_bar=False,
                **SIZE,
            )
            seconds = round(time.process_time() - start)
            params = adata.uns["finetune_geneformer"]["params"]
            losses = {k: round(v, 3) for k, v in params.items() if "loss" in k}
            print(seed, name, seconds, "CPU seconds", losses, flush=True)
            for key, values in layers_of(adata, path, n_cells).items():
                found[f"{key}, {name}"] = values
    rows = [
        {"seed": seed, "score": name, **{k: within_tf(values, *pair) for k, pair in judged.items()}}
        for name, values in found.items()
    ]
    return pd.DataFrame(rows)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--n-obs", type=int, default=2000)
    parser.add_argument("--n-vars", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--n-cells", type=int, default=50)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    frames = []
    for seed in range(given.seeds):
        frames.append(one(seed, given.n_obs, given.n_vars, given.epochs, given.n_cells))
        every = pd.concat(frames)
        if given.out is not None:
            # After each network: a run that is stopped has those before.
            every.to_csv(given.out, index=False)
    table = every.drop(columns="seed").groupby("score", sort=False).agg(["mean", "min", "max"])
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
