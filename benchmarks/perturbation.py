"""Binding and effect: which links predict what changes when a TF is knocked down?

Prints the tables of ``docs/results/perturbation.md``. The data are not shipped; ``--data`` names
their folder::

    python benchmarks/perturbation.py --data ../shared/data      # an hour on one CPU core

``--part`` prints one of them: ``train`` (the knock-downs of mESC as known network), ``validate``
(the network of the ChIP labels against them).
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from evidence import STEM_CELLS, library

import scregnet as sr

if TYPE_CHECKING:
    import anndata as ad

METRICS = ["auroc", "auprc", "per_tf_auroc", "per_tf_auprc"]
NULLS = ["label_factors", "degree"]
KINDS = ["targets", "tfs", "pairs"]
GENES = ["measured", "all"]
PARTS = ["train", "validate"]
# Which layers each version of the fit is given.
VERSIONS = {
    "no layer": None,
    "signatures": ["signatures"],
    "ChIP library": ["chip"],
    "own binding": ["binding"],
    "motifs": ["motifs"],
    "signatures, ChIP library": ["signatures", "chip"],
    "all four": ["signatures", "chip", "binding", "motifs"],
    "signatures, same TFs too": ["same"],
}

Row = dict[str, object]


def knock_downs(folder: Path) -> pd.DataFrame:
    """Read the union of the knock-downs and over-expressions in mESC, names as BEELINE has them."""
    return sr.datasets.perturbation(folder / "gold", "mESC_KDUnion", upper=True)


def cells(folder: Path, genes: str, effects: pd.DataFrame) -> tuple[ad.AnnData, pd.DataFrame]:
    """Return BEELINE's mESC and its knock-down edges; ``"measured"`` drops genes without an effect.

    Of the 1,120 genes, 218 change in none of 179 perturbations. Most were not on the arrays, and as
    non-edges they are easy.
    """
    adata = sr.datasets.beeline("mESC", 500, path=folder / "beeline")
    if genes == "measured":
        adata = adata[:, adata.var_names.isin(effects["target"].cat.categories)].copy()
    hits = effects[effects["affected"]]
    here = hits["source"].isin(adata.var_names) & hits["target"].isin(adata.var_names)
    return adata, hits.loc[here, ["source", "target"]].astype(str)


def layers(adata: ad.AnnData, folder: Path, effects: pd.DataFrame) -> None:
    """Write the evidence layers.

    Signatures have no cell type, so those of mESC cannot be told apart. Without the TFs that were
    perturbed in mESC, none of their experiments is in the layer; ``"same"`` has them.
    """
    table = pd.read_parquet(folder / "evidence/tf_perturbation_creeds_chea3.parquet")
    signatures = table[["tf", "target"]].astype(str)
    own = signatures["tf"].isin(effects["source"].cat.categories)
    sr.pp.evidence(adata, signatures[~own], key="signatures")
    sr.pp.evidence(adata, signatures, key="same")
    sr.pp.evidence(adata, library(folder), key="chip", context="cell", exclude=STEM_CELLS)
    sr.pp.evidence(adata, adata.uns["network"].astype(str), key="binding")
    motifs = pd.read_parquet(folder / "evidence/marbach2016_tftargets.parquet")
    sr.pp.evidence(adata, motifs[["tf", "target"]].astype(str).drop_duplicates(), key="motifs")


def train(
    folder: Path, kinds: list[str], genes: list[str], versions: list[str], seeds: range
) -> Iterator[Row]:
    """The knock-downs as known network: which held-out effects are predicted?"""
    effects = knock_downs(folder)
    for which in genes:
        adata, edges = cells(folder, which, effects)
        layers(adata, folder, effects)
        for kind in kinds:
            for seed in seeds:
                sr.pp.split(adata, edges, kind=kind, random_state=seed)
                for version in versions:
                    layer = VERSIONS[version]
                    how = {"n_folds": 1, "n_bootstrap": 0, "random_state": seed}
                    sr.tl.fit_grn(adata, split="split", evidence=layer, **how)
                    found = sr.get.metrics(adata, split="test", wide=True)[METRICS]
                    same = {"genes": which, "kind": kind, "seed": seed}
                    yield {**same, "version": version, **found.loc["joint"]}
                    nulls = NULLS if layer is None else []
                    nulls += [f"evidence:{key}" for key in layer or [] if len(layer or []) == 1]
                    for null in nulls:
                        yield {**same, "version": null, **found.loc[null]}


def main() -> None:
    """Print the means over seeds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--genes", nargs="+", choices=GENES, default=GENES)
    parser.add_argument("--versions", nargs="+", choices=VERSIONS, default=list(VERSIONS))
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    logging.getLogger("scregnet").setLevel(logging.ERROR)
    with sr.settings.override(progress_bar=False):
        if "train" in options.part:
            seeds = range(options.seeds)
            found = train(options.data, options.kinds, options.genes, options.versions, seeds)
            rows = pd.DataFrame(found).drop(columns="seed")
            means = rows.groupby(["genes", "kind", "version"], sort=False).mean()
            print(f"train\n{means.round(3).to_string()}", flush=True)


if __name__ == "__main__":
    main()
