"""What a ChIP library of other cell types adds to a fit, for four kinds of unseen pairs.

Prints the table of ``docs/results/evidence.md``. The data are not shipped; ``--data`` names their
folder::

    python benchmarks/evidence.py --data ../shared/data      # an hour on one CPU core
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


def library(folder: Path) -> ad.AnnData:
    """Read 859 experiments of ENCODE and ChEA, experiments × genes."""
    file = np.load(folder / "evidence/chip_library_encode_chea_859.npz", allow_pickle=False)
    shape = len(file["tf"]), len(file["genes"])
    found = np.ones(len(file["indices"]), np.float32)
    table = sp.csr_matrix((found, file["indices"].astype(np.int32), file["indptr"]), shape)
    names = [str(number) for number in range(shape[0])]
    obs = pd.DataFrame({"tf": file["tf"], "cell": file["cell"]}, index=names)
    return ad.AnnData(table, obs, pd.DataFrame(index=file["genes"]))


def rows(folder: Path, name: str, kinds: list[str], seeds: range) -> Iterator[dict[str, object]]:
    """Fit one data set without, with shuffled and with real layers; yield figures of each fit."""
    cells = sr.datasets.beeline(name, 500, path=folder / "beeline")
    sr.pp.evidence(cells, library(folder), key="chip", context="cell", exclude=OWN[name])
    versions = {
        "no layer": {},
        "shuffled layer": {"evidence": "chip", "random_evidence": True},
        "layer": {"evidence": "chip"},
    }
    for kind in kinds:
        for seed in seeds:
            sr.pp.split(cells, cells.uns["network"], kind=kind, random_state=seed)
            same = {"kind": kind, "data": name, "seed": seed}
            for version, how in versions.items():
                sr.tl.fit_grn(
                    cells, split="split", n_folds=1, n_bootstrap=0, random_state=seed, **how
                )
                figures = sr.get.metrics(cells, split="test", wide=True)[METRICS]
                yield {**same, "version": version, **figures.loc["joint"]}
            for null in ("degree", "label_factors", "evidence:chip"):
                yield {**same, "version": null, **figures.loc[null]}


def main() -> None:
    """Print the means over seeds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cells", nargs="+", choices=OWN, default=list(OWN))
    parser.add_argument("--kinds", nargs="+", default=["targets", "tfs", "both", "pairs"])
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    logging.getLogger("scregnet").setLevel(logging.ERROR)
    with sr.settings.override(progress_bar=False):
        for name in options.cells:
            table = pd.DataFrame(rows(options.data, name, options.kinds, range(options.seeds)))
            means = (
                table.drop(columns="seed").groupby(["kind", "data", "version"], sort=False).mean()
            )
            print(means.round(3).to_string(), flush=True)


if __name__ == "__main__":
    main()
