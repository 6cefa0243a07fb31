"""Binding and effect: which links predict what changes when a TF is knocked down?

Prints the tables of ``docs/results/perturbation.md``. The data are not shipped; ``--data`` names
their folder::

    python benchmarks/perturbation.py --data ../shared/data

``--part`` prints one of them: ``train`` (the knock-downs of mESC as known network), ``validate``
(the network of the ChIP labels against them), ``simulated`` (binding and effects of known truth),
``both`` (ChIP labels and knock-downs in one call).
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
PARTS = ["train", "validate", "simulated", "both"]
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


def validate(folder: Path, figure: Path | None) -> pd.DataFrame:
    """The network of the ChIP labels: does it say what changes, and do its labels?"""
    adata = sr.datasets.beeline("mESC", 500, path=folder / "beeline")
    effects = knock_downs(folder)
    sr.tl.fit_grn(adata, adata.uns["network"], n_bootstrap=0)
    if figure is not None:
        sr.pl.validation(sr.bm.validate(adata, effects, per_tf=True), save=figure)
    tables = {"all perturbed TFs": sr.bm.validate(adata, effects)}
    labelled = adata.uns["network"]["source"].unique()
    own = effects[effects["source"].isin(labelled)]
    tables["those with ChIP labels"] = sr.bm.validate(adata, own)
    tables["bound and affected"] = sr.bm.validate(
        adata,
        sr.datasets.perturbation(folder / "gold", "mESC_chipunion_KDUnion_intersect", upper=True),
    )
    grades = sr.bm.grade_links(adata, effects, new_only=True, top_n_targets=20)
    counts = grades["grade"].value_counts()
    tested = grades[grades["grade"] != "untestable"]
    print(f"first 20 new links of each TF\n{counts.to_string()}")
    print(f"changed {tested['affected'].mean():.3f}, expected {tested['expected'].mean():.3f}")
    return pd.concat(tables)


def simulated(seeds: range) -> pd.DataFrame:
    """Binding of which a part changes nothing as labels, and the true effects of knock-outs."""
    tfs = [f"TF{number:03d}" for number in range(1, 21)]
    tables = {}
    for silent in (0.0, 0.5, 0.8):
        found = []
        for seed in seeds:
            how = {"knockouts": tfs, "silent_binding": silent, "random_state": seed}
            adata = sr.datasets.simulated(600, 300, n_tfs=30, **how)
            control = adata[adata.obs["perturbation"] == "control"].copy()
            sr.tl.fit_grn(control, adata.uns["binding"], n_bootstrap=0, random_state=seed)
            found.append(sr.bm.validate(control, adata.uns["effects"]))
        tables[f"{silent:.0%} silent"] = sum(found[1:], found[0]) / len(found)
    return pd.concat(tables)[["auroc", "auprc", "prevalence", "difference"]]


def both(folder: Path, kinds: list[str], seeds: range) -> Iterator[Row]:
    """ChIP labels and knock-downs in one call: does one help to predict the other?

    Each network is fitted with the training labels of the other kind, and to the same pairs alone.
    """
    adata, edges = cells(folder, "measured", knock_downs(folder))
    priors = {"chip": adata.uns["network"].astype(str), "knockdown": edges}
    union = pd.concat(priors)[["source", "target"]].drop_duplicates()
    twice = set(priors["chip"]["source"]) & set(edges["source"])
    for kind in kinds:
        for seed in seeds:
            how = {"n_folds": 1, "n_bootstrap": 0, "random_state": seed}
            sr.pp.split(adata, union, kind=kind, max_pairs=None, random_state=seed)
            sr.tl.fit_grn(adata, priors=priors, split="split", **how)
            for name in priors:
                together = adata.uns[f"grn_{name}"]["pairs"].copy()
                frame = together[["source", "target", "label", "split"]]
                sr.tl.fit_grn(adata, split=frame, key_added="alone", **how)
                alone = adata.uns["alone"]["pairs"]
                for version, pairs, column in (
                    ("alone", alone, "probability"),
                    ("both", together, "probability"),
                    *((null, alone, f"probability_{null}") for null in NULLS),
                    # Unseen targets have no label of the other kind, and no such layer.
                    *(
                        ("other labels alone", together, column)
                        for column in together
                        if column.startswith("probability_evidence:")
                    ),
                ):
                    test = pairs[pairs["split"] == "test"]
                    for tfs in ("all", "in both"):
                        part = test if tfs == "all" else test[test["source"].isin(twice)]
                        given = part["label"], part[column], part["source"].to_numpy(str)
                        yield {
                            **{"predicts": name, "kind": kind, "seed": seed, "tfs": tfs},
                            **{"version": version, "per_tf_auroc": sr.metrics.per_tf(*given)},
                            "per_tf_auprc": sr.metrics.per_tf(*given, sr.metrics.auprc),
                        }


def main() -> None:
    """Print the means over seeds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--genes", nargs="+", choices=GENES, default=GENES)
    parser.add_argument("--versions", nargs="+", choices=VERSIONS, default=list(VERSIONS))
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--figure", type=Path, help="where to draw the part validate")
    options = parser.parse_args()
    logging.getLogger("scregnet").setLevel(logging.ERROR)
    with sr.settings.override(progress_bar=False):
        if "train" in options.part:
            seeds = range(options.seeds)
            found = train(options.data, options.kinds, options.genes, options.versions, seeds)
            rows = pd.DataFrame(found).drop(columns="seed")
            means = rows.groupby(["genes", "kind", "version"], sort=False).mean()
            print(f"train\n{means.round(3).to_string()}", flush=True)
        if "validate" in options.part:
            table = validate(options.data, options.figure)
            print(f"validate\n{table.round(3).to_string()}", flush=True)
        if "simulated" in options.part:
            print(f"simulated\n{simulated(range(options.seeds)).round(3).to_string()}")
        if "both" in options.part:
            rows = pd.DataFrame(both(options.data, options.kinds, range(options.seeds)))
            keys = ["predicts", "kind", "tfs", "version"]
            means = rows.drop(columns="seed").groupby(keys, sort=False).mean()
            print(f"both\n{means.round(3).to_string()}", flush=True)


if __name__ == "__main__":
    main()
