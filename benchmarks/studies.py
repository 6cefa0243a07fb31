"""Ablation and robustness on BEELINE's hESC network.

One command makes ``docs/results/studies.md`` and its figures::

    python benchmarks/studies.py <folder with BEELINE data> <vectors.npz>

``vectors.npz`` has arrays ``genes`` and ``emb``: the gene embedding of a foundation model on the
same cells. The folder named by ``--cache`` keeps the fits of the studies, and the frames that these
return: what was stopped goes on. A study whose frame exists is not repeated, unless ``--redo`` is
given.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import scregnet as sr

ROOT = Path(__file__).parents[1]
METHODS = ("scregnet", "sctransnet", "joint")
BESIDE = ("genelink", "gnnlink")
"""Methods that the robustness is measured of as well; their parts are not taken away."""

METRICS = ("auroc", "auprc", "per_tf_auroc")
NOISE = (0.01, 0.02, 0.03, 0.04, 0.05)
HELD_OUT = 0.25
"""Share of the targets for testing, where targets are held out."""


def study(path: Path, make: Any, *, redo: bool) -> pd.DataFrame:
    """Read the frame of a study; make it first if it does not exist."""
    if redo or not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        make().to_csv(path, index=False)
    return pd.read_csv(path)


def spread(values: pd.Series) -> str:
    """Format mean and standard deviation."""
    deviation = f"\u00a0±\u00a0{values.std():.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{deviation}"


def ablation_table(frames: dict[str, pd.DataFrame]) -> str:
    """Format versions in rows and test metrics in columns; the null models last."""
    lines = ["| method | version | AUROC | AUPRC | per-TF AUROC |", "|---|---|---|---|---|"]
    for method, frame in frames.items():
        test = frame[(frame["split"] == "test") & (frame["model"] == method)]
        for variant, rows in test.groupby("variant", sort=False):
            cells = [spread(rows.loc[rows["metric"] == metric, "value"]) for metric in METRICS]
            lines.append(f"| `{method}` | {variant} | {' | '.join(cells)} |")
    first = next(iter(frames.values()))
    for null in ("degree", "label_factors"):
        rows = first[(first["split"] == "test") & (first["model"] == null)]
        # The null models are the same with every version.
        rows = rows.drop_duplicates(["seed", "metric"])
        cells = [spread(rows.loc[rows["metric"] == metric, "value"]) for metric in METRICS]
        lines.append(f"| `{null}` | null model | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw_ablation(frame: pd.DataFrame, path: Path) -> None:
    """Draw one panel per row: seven versions fill the width of a page."""
    figure, axes = plt.subplots(len(METRICS), figsize=(9, 8.5), sharex=True, layout="constrained")
    sr.pl.ablation(frame, metrics=METRICS, ax=axes, show=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def robustness_table(frame: pd.DataFrame) -> str:
    """Format models in rows and levels of noise in columns."""
    levels = sorted(frame["noise"].unique())
    head = " | ".join("none" if level == 0 else f"{level:.0%}" for level in levels)
    lines = [f"| model | metric | {head} |", "|---" * (len(levels) + 2) + "|"]
    for model, metric in ((m, k) for m in frame["model"].unique() for k in METRICS):
        rows = frame[(frame["model"] == model) & (frame["metric"] == metric)]
        cells = [spread(rows.loc[rows["noise"] == level, "value"]) for level in levels]
        lines.append(f"| `{model}` | {metric} | {' | '.join(cells)} |")
    return "\n".join(lines)


def write_tables(parts: dict[str, str], page: Path) -> None:
    """Replace the tables between the marks of the page."""
    text = page.read_text()
    for name, table in parts.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    page.write_text(text)


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--studies", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--priors", type=int, default=10)
    parser.add_argument("--redo", action="store_true")
    parser.add_argument("--cache", type=Path, default=ROOT / "data" / "studies")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results" / "studies.md")
    asked = parser.parse_args()
    asked.fits = None if asked.redo else asked.cache / "fits"
    return asked


def ablation(adata: Any, common: dict[str, Any], asked: argparse.Namespace) -> dict[str, str]:
    """Take parts of the methods away, draw it, and return the tables."""
    frames = {}
    for method in METHODS:
        frames[method] = study(
            asked.cache / f"ablation-{method}-{asked.seeds}.csv",
            lambda method=method: sr.bm.ablation_study(
                adata, method=method, n_seeds=asked.seeds, folder=asked.fits, **common
            ),
            redo=asked.redo,
        )
        draw_ablation(frames[method], asked.page.with_name(f"ablation-{method}.png"))
    # The study draws this split again for each seed, with the same settings.
    sr.pp.split(adata, adata.uns["network"], kind="targets", test_fraction=HELD_OUT)
    options = dict(common, split="split")
    targets = study(
        asked.cache / f"ablation-joint-targets-{asked.seeds}.csv",
        lambda: sr.bm.ablation_study(
            adata, method="joint", n_seeds=asked.seeds, folder=asked.fits, **options
        ),
        redo=asked.redo,
    )
    draw_ablation(targets, asked.page.with_name("ablation-joint-targets.png"))
    of_targets = ablation_table({"joint": targets})
    return {"ablation": ablation_table(frames), "ablation of targets": of_targets}


def robustness(adata: Any, common: dict[str, Any], asked: argparse.Namespace) -> dict[str, str]:
    """Flip labels, draw what follows, and return the table."""
    frames = []
    for method in (*METHODS, *BESIDE):
        # GENELink and GNNLink read no embedding.
        own = {name: value for name, value in common.items() if name == "split"}
        given = own if method in BESIDE else common
        frames.append(
            study(
                asked.cache / f"robustness-{method}-{asked.priors}.csv",
                lambda method=method, given=given: sr.bm.robustness_study(
                    adata,
                    method=method,
                    noise=NOISE,
                    n_priors=asked.priors,
                    folder=asked.fits,
                    **given,
                ),
                redo=asked.redo,
            )
        )
    # The null models are the same beside every method.
    frame = pd.concat(frames, ignore_index=True)
    frame = frame.drop_duplicates(["noise", "prior", "model", "metric"])
    save = asked.page.with_name("robustness.png")
    sr.pl.robustness(frame, metrics=METRICS, show=False, save=save)
    return {"robustness": robustness_table(frame)}


STUDIES = {"ablation": ablation, "robustness": robustness}


def main() -> None:
    """Do the studies, then write figures and tables."""
    asked = read_arguments()
    mpl.use("agg")
    file = np.load(asked.vectors, allow_pickle=False)
    adata = sr.datasets.beeline("hESC", 500, path=asked.folder)
    common: dict[str, Any] = {
        "split": adata.uns["splits"]["official"],
        "embedding": pd.DataFrame(file["emb"], index=file["genes"]),
    }
    for name in asked.studies:
        write_tables(STUDIES[name](adata, common, asked), asked.page)


if __name__ == "__main__":
    main()
