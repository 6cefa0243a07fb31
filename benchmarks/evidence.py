"""What a ChIP library of other cell types adds to a fit.

Prints the tables of ``docs/results/evidence.md``. The data are not shipped; ``--data`` names their
folder::

    python benchmarks/evidence.py --data ../shared/data      # two hours on one CPU core

``--part`` prints one of them: ``table`` (four kinds of unseen pairs), ``parts`` (what of a layer
helps), ``size`` (fewer experiments), ``circular`` (the scored cell type left in), ``known`` (TFs
with and without an experiment), ``networks`` (those of the other data sets as a layer),
``transfer`` (no label of the scored cell type).
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

import scregnet as sr

METRICS = ["auroc", "auprc", "per_tf_auroc", "per_tf_auprc", "ece"]
NULLS = ["degree", "label_factors", "evidence:chip"]
KINDS = ["targets", "tfs", "both", "pairs"]
PARTS = ["table", "parts", "size", "circular", "known", "networks", "transfer"]
SIZES = [5, 20, 60, 200, 10_000]
STEM_CELLS = "H1HESC|HESC|^ESC|MESC|ESE14|ESBRUCE|AINV15|R1E|IMNESC|NT2D1|HGPS|NCS|XEN|EMBRYO"
OWN = {
    "hESC": STEM_CELLS,
    "hHEP": "HEPG2|LIVER|HEPAT|H4IIE|CACO2",
    "mESC": STEM_CELLS,
    "mDC": (
        "DENDR|BMDC|MACROPH|THIO|J774|MONOCY|THP1|BONEMARROW|SPLEEN|FOAM|ATHEROSCLER|^CHIPSEQ$"
    ),
}
"""Contexts of the scored cell type and its relatives: their experiments made the labels."""

Row = dict[str, object]


def library(folder: Path) -> ad.AnnData:
    """Read 859 experiments of ENCODE and ChEA, experiments × genes."""
    file = np.load(folder / "evidence/chip_library_encode_chea_859.npz", allow_pickle=False)
    shape = len(file["tf"]), len(file["genes"])
    found = np.ones(len(file["indices"]), np.float32)
    table = sp.csr_matrix((found, file["indices"].astype(np.int32), file["indptr"]), shape)
    names = [str(number) for number in range(shape[0])]
    obs = pd.DataFrame({"tf": file["tf"], "cell": file["cell"]}, index=names)
    return ad.AnnData(table, obs, pd.DataFrame(index=file["genes"]))


class Cells:
    """One data set of BEELINE and the library."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.folder = name, folder
        self.adata = sr.datasets.beeline(name, 500, path=folder / "beeline")
        self.library = library(folder)

    def layer(
        self, experiments: ad.AnnData, *, exclude: bool = True, balance: bool = False
    ) -> None:
        """Write the layer, without the contexts of the labels unless told otherwise."""
        left_out = OWN[self.name] if exclude else None
        how = {"context": "cell", "exclude": left_out, "balance": balance}
        sr.pp.evidence(self.adata, experiments, key="chip", **how)

    def fit(self, kind: str, seed: int, **how: object) -> pd.DataFrame:
        """Fit to pairs drawn with the seed; return the figures on test pairs, by model."""
        sr.pp.split(self.adata, self.adata.uns["network"], kind=kind, random_state=seed)
        how = {"split": "split", "n_folds": 1, "n_bootstrap": 0, "random_state": seed, **how}
        sr.tl.fit_grn(self.adata, **how)
        return sr.get.metrics(self.adata, split="test", wide=True)[METRICS]


def table(cells: Cells, kinds: list[str], seeds: range) -> Iterator[Row]:
    """Without, with shuffled and with real layers; and the null models."""
    for balance in (True, False):
        cells.layer(cells.library, balance=balance)
        versions: dict[str, Row] = {"balance=True": {"evidence": "chip"}}
        if not balance:
            versions = {
                "no layer": {},
                "shuffled layer": {"evidence": "chip", "random_evidence": True},
                "layer": {"evidence": "chip"},
            }
        for kind in kinds:
            for seed in seeds:
                same = {"kind": kind, "data": cells.name}
                for version, how in versions.items():
                    figures = cells.fit(kind, seed, **how)
                    yield {**same, "version": version, **figures.loc["joint"]}
                if not balance:
                    for null in NULLS:
                        yield {**same, "version": null, **figures.loc[null]}


def parts(cells: Cells, kinds: list[str], seeds: range) -> Iterator[Row]:
    """Profile and columns of pairs, each alone."""
    cells.layer(cells.library)
    versions: dict[str, Row] = {
        "whole layer": {"evidence": "chip"},
        "profile alone": {"evidence": "chip", "evidence_slopes": 0},
        "track and popularity alone": {"evidence": "chip", "profile": 0},
        "as embedding": {"embedding": "chip"},
    }
    for kind in kinds:
        for seed in seeds:
            for version, how in versions.items():
                figures = cells.fit(kind, seed, **how).loc["joint"]
                yield {"kind": kind, "data": cells.name, "version": version, **figures}


def size(cells: Cells, kinds: list[str], seeds: range) -> Iterator[Row]:
    """Fewer experiments, drawn at random with each seed."""
    honest = ~cells.library.obs["cell"].str.contains(OWN[cells.name], case=False)
    allowed = np.flatnonzero(honest.to_numpy())
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(allowed)
        for n in SIZES:
            cells.layer(cells.library[np.sort(order[:n])])
            for kind in kinds:
                figures = cells.fit(kind, seed, evidence="chip").loc["joint"]
                version = f"{n} experiments" if n < len(allowed) else "all"
                yield {"kind": kind, "data": cells.name, "version": version, **figures}


def circular(cells: Cells, kinds: list[str], seeds: range) -> Iterator[Row]:
    """The experiments of the scored cell type left in: what one must not do."""
    for exclude in (True, False):
        cells.layer(cells.library, exclude=exclude)
        for kind in kinds:
            for seed in seeds:
                figures = cells.fit(kind, seed, evidence="chip").loc["joint"]
                version = "left out" if exclude else "left in"
                yield {"kind": kind, "data": cells.name, "version": version, **figures}


def known(cells: Cells, kinds: list[str], seeds: range) -> Iterator[Row]:
    """TFs that the library knows, and others."""
    cells.layer(cells.library)
    has_track = cells.adata.var["chip_n_experiments"] > 0
    for kind in kinds:
        for seed in seeds:
            for version, layer in {"no layer": None, "layer": "chip"}.items():
                cells.fit(kind, seed, evidence=layer)
                pairs = cells.adata.uns["grn"]["pairs"]
                test = pairs[pairs["split"] == "test"]
                for name, part in test.groupby(has_track.loc[test["source"]].to_numpy()):
                    labels, tfs = part["label"].to_numpy(bool), part["source"].to_numpy(str)
                    probability = part["probability"].to_numpy()
                    yield {
                        "kind": kind,
                        "data": cells.name,
                        "version": f"{version}, {'with' if name else 'without'} an experiment",
                        "n_tfs": len(np.unique(tfs)),
                        "per_tf_auroc": sr.metrics.per_tf(labels, probability, tfs),
                    }


def networks(cells: Cells, kinds: list[str], seeds: range) -> Iterator[Row]:
    """Networks of the other data sets as a layer, alone and beside the library."""
    others = [
        sr.datasets.beeline(name, 500, path=cells.folder / "beeline")
        .uns["network"][["source", "target"]]
        .assign(cell=name)
        for name in OWN
        if name != cells.name
    ]
    cells.layer(cells.library)
    sr.pp.evidence(cells.adata, pd.concat(others).drop_duplicates(), key="networks", context="cell")
    versions = {
        "no layer": None,
        "networks": "networks",
        "library": "chip",
        "both": ["chip", "networks"],
    }
    for kind in kinds:
        for seed in seeds:
            for version, layers in versions.items():
                figures = cells.fit(kind, seed, evidence=layers).loc["joint"]
                yield {"kind": kind, "data": cells.name, "version": version, **figures}


def transfer(folder: Path, names: list[str]) -> pd.DataFrame:
    """No label of the scored cell type: each is scored by what is made of the others."""
    sets = {}
    for name in names:
        cells = Cells(folder, name)
        cells.layer(cells.library)
        sr.pp.prior(cells.adata, cells.adata.uns["network"])
        sets[name] = cells.adata
    rows = []
    for method in ("zsum", "fitted"):
        # The figures are those of the data sets that are left out in turn, whatever adata is.
        found = sr.tl.transfer_grn(
            sets[names[0]], evidence="chip", networks=sets, method=method, n_bootstrap=0, copy=True
        )
        rows.append(sr.get.metrics(found, wide=True)[METRICS])
    for name, cells in sets.items():
        alone = sr.tl.transfer_grn(cells, evidence="chip", n_bootstrap=0, copy=True)
        rows.append(_judged(alone, f"{name} zsum, no networks"))
    table = pd.concat(rows[:2])
    table = table[~table.index.duplicated()].sort_index(level=0, sort_remaining=False)
    return pd.concat([table.set_axis(table.index.map(" ".join)), *rows[2:]])


def _judged(adata: ad.AnnData, name: str) -> pd.DataFrame:
    """Compare the network with all pairs of the labelled TFs."""
    edges = adata.varp["prior"].tocsr() != 0
    tfs = np.flatnonzero(np.diff(edges.indptr))
    sources, targets = np.repeat(tfs, adata.n_vars), np.tile(np.arange(adata.n_vars), len(tfs))
    there = sources != targets
    sources, targets = sources[there], targets[there]
    labels = np.asarray(edges[sources, targets]).ravel()
    found = np.asarray(adata.varp["grn"][sources, targets]).ravel()
    figures = sr.metrics.evaluate(labels, found, sources, found)
    return pd.DataFrame([figures], index=[name])[METRICS]


def main() -> None:
    """Print the means over seeds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cells", nargs="+", choices=OWN, default=list(OWN))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    logging.getLogger("scregnet").setLevel(logging.ERROR)
    measure = {
        "table": table,
        "parts": parts,
        "size": size,
        "circular": circular,
        "known": known,
        "networks": networks,
    }
    with sr.settings.override(progress_bar=False):
        if "transfer" in options.part:
            print(f"transfer\n{transfer(options.data, options.cells).round(3).to_string()}")
        for part in [part for part in options.part if part in measure]:
            for name in options.cells:
                found = measure[part](
                    Cells(options.data, name), options.kinds, range(options.seeds)
                )
                rows = pd.DataFrame(found)
                means = rows.groupby(["kind", "data", "version"], sort=False).mean()
                print(f"{part}\n{means.round(3).to_string()}", flush=True)


if __name__ == "__main__":
    main()
