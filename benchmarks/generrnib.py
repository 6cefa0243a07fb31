"""Make a submission to geneRNIB from its own input files.

::

    python benchmarks/generrnib.py op_rna.h5ad tf_all.csv prediction.h5ad --dataset-id op
    python benchmarks/generrnib.py op_rna.h5ad tf_all.csv prediction.h5ad --dataset-id op \
        --method joint --prior collectri.csv

The cells are an ``h5ad`` with log-normalised values in a layer; the TFs are names, one a line.
Without a known network the method must read no labels, such as ``grnboost2`` or ``pearson``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import anndata as ad

import scregnet as sr

LAYERS = ("lognorm", "X_norm", "pearson")
"""Names that geneRNIB has given to the layer of normalised values; the first that is there."""


def submission(
    cells: Path,
    tfs: Path,
    dataset_id: str,
    method: str,
    prior: Path | None,
    layer: str | None,
    max_cells: int | None,
) -> ad.AnnData:
    """Fit the method, and return the links as geneRNIB reads them."""
    adata = ad.read_h5ad(cells)
    layer = layer or next((name for name in LAYERS if name in adata.layers), None)
    names = tfs.read_text(encoding="utf-8").split()
    sr.pp.tfs(adata, [name for name in names if name in set(adata.var_names)])
    sr.tl.fit_grn(adata, prior, method, layer=layer, max_cells=max_cells)
    # geneRNIB evaluates the links of TFs; a known network may name other regulators.
    listed = adata.var_names[adata.var["is_tf"].to_numpy(bool)]
    return sr.io.to_generrnib(adata, dataset_id, sources=list(listed))


def main() -> None:
    """Read the arguments, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", type=Path, help="h5ad with the cells")
    parser.add_argument("tfs", type=Path, help="names of the TFs, one a line")
    parser.add_argument("out", type=Path, help="h5ad to write")
    parser.add_argument("--dataset-id", required=True)
    parser.add_argument("--method", default="grnboost2")
    parser.add_argument("--prior", type=Path, help="csv of the known network")
    parser.add_argument("--layer", help=f"layer of normalised values; the first of {LAYERS}")
    parser.add_argument("--max-cells", type=int, default=10_000)
    chosen = parser.parse_args()
    # Before the fit, which takes longest.
    if not chosen.out.parent.is_dir():
        parser.error(f"out: the folder {str(chosen.out.parent)!r} does not exist")
    made = submission(
        chosen.cells,
        chosen.tfs,
        chosen.dataset_id,
        chosen.method,
        chosen.prior,
        chosen.layer,
        chosen.max_cells,
    )
    made.write_h5ad(chosen.out)
    sys.stdout.write(f"{len(made.uns['prediction']):,} links in {chosen.out}\n")


if __name__ == "__main__":
    main()
