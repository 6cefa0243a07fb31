"""Every method and what changes when a TF is knocked down, in mouse embryonic stem cells.

Two questions, two tables of ``docs/results/perturbation.md``:

- ``trained``: fitted to the knock-downs themselves, which method predicts held-out ones?
- ``chip``: fitted to the ChIP labels, whose network says what changes?

Methods and their parameters are those of ``benchmark.toml``. A run that was stopped goes on with
what is in ``--folder``::

    python benchmarks/knock_downs.py --data ../shared/data --folder knock-down-cells
"""

from __future__ import annotations

import argparse
import json
import logging
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from perturbation import KINDS, NULLS, cells, knock_downs

import scregnet as sr

METRICS = ["auroc", "auprc", "per_tf_auroc", "per_tf_auprc"]
PARTS = ["trained", "chip"]
NAME = "mESC knock-downs"

Methods = Mapping[str, Mapping[str, Any]]


def trained(
    data: Path, methods: Methods, kinds: Sequence[str], seeds: Sequence[int], folder: Path
) -> pd.DataFrame:
    """The knock-downs as known network of the measured genes; the frame of ``sr.bm.run``."""
    adata, edges = cells(data, "measured", knock_downs(data))
    return sr.bm.run(
        {NAME: adata}, methods, prior=edges, splits=kinds, seeds=seeds, folder=folder / "trained"
    )


def chip(data: Path, methods: Methods, folder: Path) -> pd.DataFrame:
    """Grade the network that each method makes of the ChIP labels; a row a method."""
    effects = knock_downs(data)
    own = effects[effects["source"].isin(cells(data, "all", effects)[0].uns["network"]["source"])]
    kept = folder / "chip"
    kept.mkdir(parents=True, exist_ok=True)
    for name, parameters in methods.items():
        path = kept / f"{name}.json"
        if path.exists():
            continue
        adata = sr.datasets.beeline("mESC", 500, path=data / "beeline")
        how = {"n_folds": 1, "n_bootstrap": 0, **parameters}
        sr.tl.fit_grn(adata, adata.uns["network"], method=name, **how)
        found = {}
        for tfs, frame in {"all": effects, "with ChIP labels": own}.items():
            table = sr.bm.validate(adata, frame)
            ranks = ["popularity", *(NULLS if name == "joint" else [])]
            for row in [name, *(one for one in ranks if one in table.index)]:
                found[f"{tfs}|{row}"] = table.loc[row, ["auroc", "auprc"]].astype(float).tolist()
        path.write_text(json.dumps(found))
    rows = []
    for path in sorted(kept.glob("*.json")):
        for key, (auroc, auprc) in json.loads(path.read_text()).items():
            tfs, row = key.split("|")
            rows.append({"tfs": tfs, "ranked by": row, "auroc": auroc, "auprc": auprc})
    return pd.DataFrame(rows).drop_duplicates(["tfs", "ranked by"])


def main() -> None:
    """Fit what is not in the folder and print the tables."""
    here = Path(__file__).parent
    configured = tomllib.loads((here / "benchmark.toml").read_text())["methods"]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folder", type=Path, default=Path("knock-down-cells"))
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--methods", nargs="+", choices=configured, default=list(configured))
    parser.add_argument("--splits", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    logging.getLogger("scregnet").setLevel(logging.ERROR)
    methods = {name: configured[name] for name in options.methods}
    if "trained" in options.part:
        frame = trained(options.data, methods, options.splits, options.seeds, options.folder)
        frame = frame[frame["metric"].isin(METRICS)]
        means = frame.pivot_table(
            index=["split", "method"], columns="metric", values="value", observed=True
        )
        print(f"trained\n{means[METRICS].round(3).to_string()}", flush=True)
    if "chip" in options.part:
        table = chip(options.data, methods, options.folder)
        wide = table.pivot(index="ranked by", columns="tfs", values=["auroc", "auprc"])
        print(f"chip\n{wide.round(3).to_string()}", flush=True)


if __name__ == "__main__":
    main()
