"""New links: do they survive, do they need the cells, and how many are right?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from real_data import collectri, pbmc

import scregnet as sr

if TYPE_CHECKING:
    import anndata as ad

Tables = Iterator[tuple[str, pd.DataFrame]]

N_TOP = 100
N_REPEATS = 3
TIMES_MEAN = 10
QUIET = {"show_progress_bar": False}

Q_SETS = ("hESC", "hHEP", "mDC", "mESC")
NOMINAL = (0.05, 0.1, 0.2, 0.5)
N_BOOTSTRAP = 2000


def link_cases(folder: Path) -> Iterator[tuple[str, ad.AnnData, pd.DataFrame]]:
    """Yield blood cells with CollecTRI, and two of BEELINE's sets with their ChIP networks."""
    yield "PBMC", pbmc(folder), collectri(folder)
    for name in ("mDC", "hESC"):
        yield name, *beeline_network(folder, name)


def beeline_network(folder: Path, name: str) -> tuple[ad.AnnData, pd.DataFrame]:
    """Read one of BEELINE's sets, TFs + 500 genes, and its network."""
    cells = sr.datasets.beeline(name, 500, path=folder / "beeline")
    return cells, cells.uns["network"]


# Stability


def stability(folder: Path, cache: Path) -> Tables:
    """Say how many of the first new links survive, with one model and with folds."""
    del cache
    overlaps, correlations = [], []
    for name, cells, net in link_cases(folder):
        for n_folds in (1, 5):
            table = sr.bm.stability(
                cells, net, n_folds=n_folds, n_repeats=N_REPEATS, top_n=N_TOP, **QUIET
            )
            row = {"data": name, "n_folds": n_folds}
            by_kind = table.groupby("perturbation", sort=False)
            overlaps.append(row | (100 * by_kind["overlap"].mean()).round(1).to_dict())
            correlations.append(row | by_kind["rank_correlation"].mean().to_dict())
    title = f"Of the first {N_TOP} new links, how many survive? Mean of {N_REPEATS} refits"
    yield title, pd.DataFrame(overlaps)
    yield "Rank correlation of a TF's links, median over TFs", pd.DataFrame(correlations)


# Controls, and what is more than popularity


def controls(folder: Path, cache: Path) -> Tables:
    """Compare the default fit with fits that lack something."""
    del cache
    for name, cells, net in link_cases(folder):
        table = sr.bm.controls(cells, net, n_top=N_TOP, **QUIET)
        # Before: the one model of the training part.
        before = sr.bm.controls(cells, net, n_top=N_TOP, n_folds=1, n_bootstrap=0, **QUIET)
        table["top_overlap, n_folds=1"] = before["top_overlap"]
        shown = ["auroc", "auprc", "per_tf_auroc", "difference", "difference_low"]
        shown += ["difference_high", "top_overlap", "top_overlap, n_folds=1"]
        table = table[shown].rename_axis("control").reset_index()
        yield f"{name}: the default next to controls, per-TF AUROC", table


def popularity(folder: Path, cache: Path) -> Tables:
    """Say how many of the first new links come from popularity, or without the cells."""
    from delivered_activity import fitted

    rows = []
    for name, cells, net in link_cases(folder):
        path = cache / f"{name.lower()}.h5ad"
        new = new_links(fitted(path, cells, net))
        shuffled = cache / f"{name.lower()}_shuffled.h5ad"
        without = new_links(fitted(shuffled, cells, net, shuffle_expression=True))
        least = TIMES_MEAN * new["weight"].mean()
        of_null = set(new.nlargest(N_TOP, "null").index)
        for order, by, threshold in (
            ("probability", "weight", 0),
            (f"lift, {TIMES_MEAN} times the mean probability", "lift", least),
            ("lift", "lift", 0),
        ):
            first, again = (
                frame[frame["weight"] >= threshold].nlargest(N_TOP, by) for frame in (new, without)
            )
            row = {"data": name, "ordered by": order, "links": len(first)}
            row["also the null's"] = len(of_null & set(first.index))
            row["also without cells"] = len(set(first.index) & set(again.index))
            row["TFs"] = first.index.get_level_values("source").nunique()
            row["targets"] = first.index.get_level_values("target").nunique()
            rows.append(row | {"median probability": first["weight"].median()})
    yield f"The first {N_TOP} new links: are they the null model's?", pd.DataFrame(rows)


def new_links(adata: ad.AnnData) -> pd.DataFrame:
    """Return the new links of TFs with a known edge, by source and target."""
    links = sr.get.grn(adata)
    has_edge = set(links.loc[links["in_prior"], "source"].astype(str))
    new = links[~links["in_prior"]].astype({"source": str, "target": str})
    return new[new["source"].isin(has_edge)].set_index(["source", "target"])


# q-values


def q_values(folder: Path, cache: Path) -> Tables:
    """Compare the expected share of false links with the realised one.

    BEELINE's networks are closed worlds: every pair of a TF of the network is labelled, and a pair
    that is not listed is a non-edge. In the simulation the truth is known, and the fit sees four
    fifths of it.
    """
    from delivered_activity import fitted

    rows = []
    for name in Q_SETS:
        cells, net = beeline_network(folder, name)
        adata = fitted(cache / f"{name.lower()}.h5ad", cells, net)
        pairs = adata.uns["grn"]["pairs"]
        rows += q_rows(name, pairs, pairs["label"].to_numpy() == 0)
    for seed in range(2):
        cells = sr.datasets.simulated(random_state=seed)
        truth = cells.uns["network"]
        known = truth.sample(frac=0.8, random_state=seed)
        adata = fitted(cache / f"sim_{seed}_80.h5ad", cells, known, label_frequency=0.8)
        pairs = adata.uns["grn"]["pairs"]
        edges = pd.MultiIndex.from_frame(truth[["source", "target"]])
        found = pd.MultiIndex.from_frame(pairs[["source", "target"]].astype(str))
        rows += q_rows(f"simulated, seed {seed}", pairs, ~found.isin(edges))
    yield "Expected and realised share of false links", pd.DataFrame(rows)


def q_rows(name: str, pairs: pd.DataFrame, is_false: np.ndarray) -> list[dict[str, object]]:
    """Return a row for each nominal q: links, realised share, its 95 % interval over TFs."""
    q = sr.metrics.q_values(pairs["out_of_fold"].to_numpy())
    rows = []
    for nominal in NOMINAL:
        kept = q <= nominal
        row = {"data": name, "max_q": nominal, "links": int(kept.sum())}
        if kept.any():
            low, high = share_interval(pairs["source"].to_numpy()[kept], is_false[kept])
            expected = float(q[kept].max())
            row |= {"expected": expected, "realised": is_false[kept].mean()}
            row |= {"low": low, "high": high, "within": low <= expected <= high}
        rows.append(row)
    return rows


def share_interval(tfs: np.ndarray, is_false: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of a share by a bootstrap of TFs: links of one are alike."""
    codes, _ = pd.factorize(tfs)
    false, size = np.bincount(codes, is_false), np.bincount(codes)
    drawn = np.random.default_rng(0).integers(len(size), size=(N_BOOTSTRAP, len(size)))
    shares = false[drawn].sum(axis=1) / size[drawn].sum(axis=1)
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)
