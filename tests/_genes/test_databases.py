"""Networks as databases and other tools give them, as prior= without a change."""

from __future__ import annotations

import logging
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scregnet as sr

GENES = ["GATA1", "SPI1", "KLF1", "HBB", "JUN", "FOS", "TP53"]
EDGES = {("GATA1", "KLF1"): 1.0, ("GATA1", "SPI1"): -1.0, ("SPI1", "HBB"): 1.0}


def edges_of(prior):
    adata = ad.AnnData(np.ones((2, len(GENES)), np.float32), var=pd.DataFrame(index=GENES))
    sr.pp.prior(adata, prior)
    found = adata.varp["prior"].tocoo()
    pairs = zip(found.row, found.col, found.data, strict=True)
    return {(GENES[s], GENES[t]): float(weight) for s, t, weight in pairs}


FRAMES = {
    # decoupler's, with what else they say.
    "dc.op.collectri": {
        "source": ["GATA1", "GATA1", "SPI1"],
        "target": ["KLF1", "SPI1", "HBB"],
        "weight": [1.0, -1.0, 1.0],
        "resources": ["TRRUST;TFactS", None, "TRRUST"],
        "references": ["1;2", "3", None],
        "sign_decision": ["PMID", "PMID", "default activation"],
    },
    "dc.op.dorothea": {
        "source": ["GATA1", "GATA1", "SPI1"],
        "target": ["KLF1", "SPI1", "HBB"],
        "weight": [1.0, -1.0, 1.0],
        "confidence": ["A", "A", "B"],
    },
    "dorothea in R": {
        "tf": ["GATA1", "GATA1", "SPI1"],
        "confidence": ["A", "A", "B"],
        "target": ["KLF1", "SPI1", "HBB"],
        "mor": [1, -1, 1],
    },
    "CellOracle's links": {
        "source": ["GATA1", "GATA1", "SPI1"],
        "target": ["KLF1", "SPI1", "HBB"],
        "coef_mean": [1.0, -1.0, 1.0],
        "coef_abs": [1.0, 1.0, 1.0],
        "p": [1e-9, 1e-3, 0.1],
        "-logp": [9.0, 3.0, 1.0],
    },
    # A row for each region.
    "SCENIC+ eRegulons": {
        "Region": ["chr1:1-2", "chr1:5-6", "chr2:1-2", "chr3:1-2"],
        "Gene": ["KLF1", "KLF1", "SPI1", "HBB"],
        "importance_R2G": [0.1, 0.2, 0.3, 0.4],
        "TF": ["GATA1", "GATA1", "GATA1", "SPI1"],
        "eRegulon_name": ["GATA1_+_+", "GATA1_+_+", "GATA1_-_+", "SPI1_+_+"],
        "importance_TF2G": [1.0, 1.0, 1.0, 1.0],
        "regulation": [1, 1, -1, 1],
        "rho_TF2G": [0.5, 0.5, -0.4, 0.2],
    },
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("ending", [None, "csv", "tsv", "parquet"])
def test_frames_and_their_files(name, ending, tmp_path):
    prior = pd.DataFrame(FRAMES[name])
    if ending is not None:
        path = tmp_path / f"net.{ending}"
        if ending == "parquet":
            prior.to_parquet(path)
        else:
            prior.to_csv(path, sep={"csv": ",", "tsv": "\t"}[ending], index=False)
        prior = path
    assert edges_of(prior) == EDGES


TEXTS = {
    "trrust_rawdata.human.tsv": (
        "GATA1\tKLF1\tActivation\t1;2\nGATA1\tSPI1\tRepression\t3\nSPI1\tHBB\tUnknown\t4\n"
        "SPI1\tHBB\tActivation\t5\n",
        EDGES,
    ),
    # RegNetwork's: symbol, Entrez id, symbol, Entrez id.
    "human.source.txt": (
        "GATA1\t2623\tKLF1\t10661\nGATA1\t2623\tSPI1\t6688\nSPI1\t6688\tHBB\t3043\n",
        dict.fromkeys(EDGES, 1.0),
    ),
    "new_kegg.human.reg.direction.txt": (
        "#TF ID target ID direction\nGATA1 2623 KLF1 10661 -->\nGATA1 2623 SPI1 6688 --|\n"
        "SPI1 6688 HBB 3043 -->\n",
        EDGES,
    ),
    "without_a_comment.txt": (
        "TF ID target ID direction\nGATA1 2623 KLF1 10661 -->\nGATA1 2623 SPI1 6688 --|\n"
        "SPI1 6688 HBB 3043 -->\n",
        EDGES,
    ),
    "export.csv": (
        '"regulator_symbol","regulator_id","target_symbol","target_id","database","evidence"\n'
        '"GATA1","2623","KLF1","10661","tred","Experimental"\n'
        '"GATA1","2623","KLF1","10661","kegg","Experimental"\n'
        '"GATA1","2623","SPI1","6688","kegg","Predicted"\n'
        '"SPI1","6688","HBB","3043","kegg","Predicted"\n',
        dict.fromkeys(EDGES, 1.0),
    ),
    "chea.gmt": (
        "GATA1_K562_HG19\t\tKLF1\tSPI1\nGATA1_HSC_MM9\t\tKLF1\nSPI1 HL60\tna\tHBB\n",
        dict.fromkeys(EDGES, 1.0),
    ),
    "regulons.gmt": ("GATA1(+)\tgs\tKLF1\nGATA1(-)\tgs\tSPI1\nSPI1(+)\tgs\tHBB\n", EDGES),
    "cytoscape.sif": ("GATA1 activates KLF1\nGATA1 represses SPI1\nSPI1 pp HBB\n", EDGES),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts(name, tmp_path):
    content, wanted = TEXTS[name]
    (tmp_path / name).write_text(content)
    assert edges_of(tmp_path / name) == wanted
    found = sr.io.read_grn(tmp_path / name)
    assert set(zip(found["source"], found["target"], strict=True)) == set(wanted)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["collectri.csv", "trrust_rawdata.human.tsv"])
def test_whole_databases(name, shared, caplog):
    path = Path(shared) / "data" / "priors" / name
    with caplog.at_level(logging.WARNING):
        found = sr.io.read_grn(path)
    assert len(found) > 5_000
    assert {"TP53", "GATA1", "SPI1"} <= set(found["source"])
    assert not found[["source", "target"]].isna().any(axis=None)
