"""How well the sign of a link is predicted: held-out known signs, against the TF's usual sign.

Prints the tables of ``docs/methods.md``. The data are not shipped; ``--data`` names their folder::

    python benchmarks/signs.py --data ../shared/data      # half a minute on one CPU core

Human CollecTRI on mouse cells (mESC) goes by the same symbol in upper case.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from real_data import beeline, collectri, pbmc, trrust

import scregnet as sr
from scregnet._anndata.features import expression_features
from scregnet._genes.network import read_network
from scregnet.links.signs.crossfit import MODELS, Held
from scregnet.links.signs.predict import LEAST_EVIDENCE, Signs
from scregnet.tl._fit.signs import held_out_figures

if TYPE_CHECKING:
    import anndata as ad

EDGES = (0, LEAST_EVIDENCE, 0.7, 1.1, np.inf)


def cases(folder: Path) -> Iterator[tuple[str, ad.AnnData, pd.DataFrame]]:
    """Yield each data set with its prior."""
    cells = pbmc(folder)
    yield "PBMC, CollecTRI", cells, collectri(folder)
    yield "PBMC, TRRUST", cells, trrust(folder, "human")
    for name, organism in (("hESC", "human"), ("mESC", "mouse")):
        cells = beeline(folder, name)
        yield f"{name}, CollecTRI", cells, collectri(folder)
        yield f"{name}, TRRUST", cells, trrust(folder, organism)
    for seed in (0, 1):
        simulated = sr.datasets.simulated(random_state=seed)
        yield f"simulated, seed {seed}", simulated, simulated.uns["network"]


def by_evidence(held: Held, model: str) -> list[dict[str, float]]:
    """Return AUROC and share that activates, for slices of the size of the evidence."""
    from sklearn.metrics import roc_auc_score

    evidence, activates = held.evidence(model), held.known.activates
    rows = []
    for low, high in zip(EDGES[:-1], EDGES[1:], strict=True):
        there = (np.abs(evidence) >= low) & (np.abs(evidence) < high)
        both = 0 < activates[there].sum() < there.sum()
        value = roc_auc_score(activates[there], evidence[there]) if both else np.nan
        rows.append({"evidence from": low, "n": int(there.sum()), "AUROC": value})
    return rows


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    logging.getLogger("scregnet").setLevel(logging.ERROR)
    figures, slices = [], []
    for name, cells, prior in cases(options.data):
        known = read_network(prior, cells).signs
        expression, _, _ = expression_features(cells, None, n_pcs=None, rows=None, random_state=0)
        for seed in range(options.seeds):
            signs = Signs.fit(known, expression, np.random.default_rng(seed))
            row = {"data": name, "seed": seed, "n": len(known), "repress": known.n_repressing}
            for what, held in (("edges", signs.held), ("tfs", signs.held_tfs)):
                if held is None:
                    continue
                chosen = signs.chosen[what == "tfs"] or "none"
                for model in MODELS:
                    if model in held.probabilities:
                        found = held_out_figures(held, model)
                        own = {"held_out": what, "model": model, "chosen": chosen}
                        figures.append(row | own | found)
            slices += [row | part for part in by_evidence(signs.held, "expression")]
    pd.set_option("display.width", 250, "display.max_columns", 30, "display.max_rows", 200)
    table = pd.DataFrame(figures)
    keys = ["data", "n", "repress", "held_out", "model"]
    print(table.groupby(keys, sort=False).mean(numeric_only=True).drop(columns="seed").round(3))
    print(table.groupby(["data", "held_out"], sort=False)["chosen"].agg(lambda names: set(names)))
    table = pd.DataFrame(slices).drop(columns=["seed", "n"])
    table = table.groupby(["data", "evidence from"], sort=False)["AUROC"].mean()
    print(table.unstack().round(3))


if __name__ == "__main__":
    main()
