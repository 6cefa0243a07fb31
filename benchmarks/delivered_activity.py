"""TF activities: how alike, where highest, and what new links add."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anndata as ad
import decoupler as dc
import numpy as np
import pandas as pd
from real_data import beeline, collectri, pbmc, trrust

import scregnet as sr
from scregnet._anndata.features import log_normalised
from scregnet.tl._activity.regulons import MIN_LIFT, NewLinks, known_links, regulons

Tables = Iterator[tuple[str, pd.DataFrame]]

TMIN = 5
B, MONOCYTE, DENDRITIC, NK, STEM = (
    "CD19+ B",
    "CD14+ Monocyte",
    "Dendritic",
    "CD56+ NK",
    "CD34+",
)
NAIVE_T = ("CD8+/CD45RA+ Naive Cytotoxic", "CD4+/CD45RA+/CD25- Naive T")
KILLER_T = ("CD8+ Cytotoxic T",)
T = (*NAIVE_T, *KILLER_T, "CD4+/CD45RO+ Memory", "CD4+/CD25 T Reg")
TEXTBOOK: dict[str, tuple[str, ...]] = {
    "PAX5": (B,),
    "EBF1": (B,),
    "POU2AF1": (B,),
    "SPIB": (B, DENDRITIC),
    "IRF4": (B, DENDRITIC),
    "SPI1": (MONOCYTE, DENDRITIC),
    "CEBPA": (MONOCYTE,),
    "CEBPB": (MONOCYTE,),
    "CEBPD": (MONOCYTE,),
    "KLF4": (MONOCYTE,),
    "IRF8": (MONOCYTE, DENDRITIC),
    "IRF7": (DENDRITIC,),
    "RFX5": (DENDRITIC, B, MONOCYTE),
    "CIITA": (DENDRITIC, B, MONOCYTE),
    "GATA3": T,
    "TCF7": T,
    "LEF1": T,
    "ETS1": (*T, NK),
    "KLF2": NAIVE_T,
    "FOXP3": ("CD4+/CD25 T Reg",),
    "EOMES": (NK, *KILLER_T),
    "TBX21": (NK, *KILLER_T),
    "RUNX3": (NK, *KILLER_T),
    "HOPX": (NK, *KILLER_T),
    "ID2": (NK, DENDRITIC),
    "GATA1": (STEM,),
    "GATA2": (STEM,),
    "TAL1": (STEM,),
    "LYL1": (STEM,),
}
"""In which types of blood cells a TF is expected to be most active."""


# Data and fits


def fitted(path: Path, cells: ad.AnnData, net: pd.DataFrame, **options: object) -> ad.AnnData:
    """Read a fit with the defaults; make it first if it does not exist."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        sr.tl.fit_grn(cells, net, n_bootstrap=0, **options)
        cells.write_h5ad(path)
    return ad.read_h5ad(path)


def halves(net: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide the edges of each TF at random into two halves, the first one larger if odd."""
    net = net.drop_duplicates(["source", "target"]).reset_index(drop=True)
    order = pd.Series(np.random.default_rng(seed).random(len(net)))
    rank, size = (
        order.groupby(net["source"].to_numpy()).transform(how) for how in ("rank", "size")
    )
    first = (rank <= np.ceil(size / 2)).to_numpy()
    return net[first], net[~first]


# Activities


def ulm(adata: ad.AnnData, net: pd.DataFrame, tmin: int = TMIN) -> pd.DataFrame:
    """Return decoupler's activities of log-normalised cells."""
    cells, _ = log_normalised(adata, None)
    frame = ad.AnnData(cells, adata.obs[[]], adata.var[[]])
    dc.mt.ulm(frame, net[["source", "target", "weight"]].astype({"source": str}), tmin=tmin)
    return frame.obsm["score_ulm"]


def correlations(one: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    """Return the correlation over cells of each TF of one frame with each of the other."""
    n = one.shape[1]
    return np.corrcoef(one.to_numpy().T, other.to_numpy().T)[:n, n:]


def off_diagonal(square: np.ndarray) -> np.ndarray:
    """Return the values above the diagonal."""
    return square[np.triu_indices(len(square), 1)]


def alike(net: pd.DataFrame) -> dict[str, int]:
    """Count pairs of TFs with the same targets, and those that share more than half."""
    sets = [frozenset(rows) for _, rows in net.groupby("source", observed=True)["target"]]
    found = [(a, b) for i, a in enumerate(sets) for b in sets[:i]]
    return {
        "identical pairs": sum(a == b for a, b in found),
        "pairs sharing > half": sum(2 * len(a & b) > min(len(a), len(b)) for a, b in found),
    }


def ours(adata: ad.AnnData, tmin: int = TMIN, **arguments: object) -> tuple[pd.DataFrame, ...]:
    """Return the activities of `sr.tl.tf_activity`, and its regulons."""
    result = sr.tl.tf_activity(adata, tmin=tmin, copy=True, **arguments)
    return result.obsm["grn_ulm"], result.uns["grn_ulm"]["regulons"]


def as_many_as_known(adata: ad.AnnData, by: str, least: float = -np.inf) -> pd.DataFrame:
    """Return the first new links of each TF by a column of ``get.grn``, as many as known ones."""
    links = sr.get.grn(adata, new_only=True).astype({"source": str, "target": str})
    links = links[links["lift"] >= least].sort_values(by, ascending=False, kind="stable")
    n_known = known_links(adata, "grn")["source"].value_counts()
    limit = links["source"].map(n_known).fillna(0)
    return links[links.groupby("source").cumcount() < limit]


# Parts: each function returns one table


def activity_rules(adata: ad.AnnData, net: pd.DataFrame) -> pd.DataFrame:
    """Compare the regulons of several rules: how alike are the activities of different TFs?"""
    here = net[net["target"].isin(adata.var_names)]
    # Before: the 50 most probable targets of each TF, known or not.
    top = sr.get.grn(adata, top_n_targets=50)
    cases = {
        "decoupler on CollecTRI, all TFs": (ulm(adata, here), here),
        "decoupler on CollecTRI, TFs among the genes": None,
        "before: 50 most probable targets": (ulm(adata, top), top),
        "tf_activity(known_only=True)": ours(adata, known_only=True),
        "tf_activity()": ours(adata),
        "tf_activity(min_lift=log 2)": ours(adata, min_lift=MIN_LIFT),
        "tf_activity(top_n_targets=50)": ours(adata, top_n_targets=50),
    }
    among = here[here["source"].isin(adata.var_names)]
    cases["decoupler on CollecTRI, TFs among the genes"] = (ulm(adata, among), among)
    rows = []
    for name, (scores, links) in cases.items():
        size = np.abs(off_diagonal(correlations(scores, scores)))
        links = links[links["source"].isin(scores.columns)]
        row = {"regulons": name, "TFs": scores.shape[1], "links": len(links)}
        row |= {"median abs. correlation": np.median(size), "90 %": np.quantile(size, 0.9)}
        rows.append(row | alike(links))
    return pd.DataFrame(rows)


def activity_agreement(adata: ad.AnnData) -> pd.DataFrame:
    """Correlate activities from new links alone with those from known links, own TF and others.

    As many new links as known ones, of weight 1.
    """
    known, _ = ours(adata, known_only=True)
    choices = {
        "lift": ("lift", -np.inf),
        "probability, lift from log 2": ("weight", MIN_LIFT),
        "probability": ("weight", -np.inf),
        "null model's probability": ("null", -np.inf),
    }
    rows = []
    for name, (by, least) in choices.items():
        scores = ulm(adata, as_many_as_known(adata, by, least).assign(weight=1.0))
        tfs = [tf for tf in known if tf in scores]
        rows.append({"new links by": name, "TFs": len(tfs), **own_and_others(scores, known, tfs)})
    return pd.DataFrame(rows)


def own_and_others(scores: pd.DataFrame, truth: pd.DataFrame, tfs: list[str]) -> dict[str, float]:
    """Return mean correlations with the same TF and with others, and how the own TF ranks."""
    found = correlations(scores[tfs], truth[tfs])
    own, n = np.diag(found), len(tfs)
    return {
        "own TF": own.mean(),
        "other TFs": (found.sum() - own.sum()) / (n * (n - 1)),
        # The share of the other TFs whose activity agrees less with the held-out targets.
        "own above others": ((found < own).sum(axis=0) / (n - 1)).mean(),
    }


def activity_cell_types(adata: ad.AnnData, net: pd.DataFrame) -> pd.DataFrame:
    """Say where each TF with a textbook answer is most active, from at least three targets."""
    label = adata.obs["bulk_labels"]
    here = net[net["target"].isin(adata.var_names)]
    columns = {
        "tf_activity()": ours(adata, tmin=3)[0],
        "tf_activity(known_only=True)": ours(adata, tmin=3, known_only=True)[0],
        "decoupler on CollecTRI": ulm(adata, here, tmin=3),
    }
    rows = []
    for tf, expected in TEXTBOOK.items():
        row = {"TF": tf, "among the genes": tf in adata.var_names}
        row["targets"] = int((here["source"] == tf).sum())
        row["expected"] = _listed(expected)
        for name, scores in columns.items():
            if tf not in scores:
                row[name] = "-"
                continue
            means = scores[tf].groupby(label, observed=True).mean()
            above = (means.max() - scores[tf].mean()) / scores[tf].std()
            verdict = "yes" if means.idxmax() in expected else "no"
            row[name] = f"{verdict}: {means.idxmax()} ({above:.1f} SD)"
        rows.append(row)
    return pd.DataFrame(rows)


def _listed(types: tuple[str, ...]) -> str:
    """Join names of types of cells; all T cells in one word."""
    if set(T) <= set(types):
        types = ("T", *(name for name in types if name not in T))
    return " / ".join(types)


def activity_signs(folder: Path) -> pd.DataFrame:
    """Guess each known sign from the TF's other known signs, and compare with 1."""
    modes = trrust(folder, "human")
    modes["weight"] = modes["mode"].map({"Activation": 1, "Repression": -1})
    # Edges with rows of both signs have no known sign.
    modes = modes.dropna(subset="weight").drop_duplicates(["source", "target"], keep=False)
    genes = {"all genes": None, "PBMC": pbmc(folder), "hESC": beeline(folder, "hESC")}
    rows = []
    for prior, net in (("CollecTRI", collectri(folder)), ("TRRUST", modes)):
        for name, cells in genes.items():
            edges = net
            if cells is not None:
                both = net["source"].isin(cells.var_names) & net["target"].isin(cells.var_names)
                edges = net[both & (net["source"] != net["target"])]
            sign = np.sign(edges["weight"])
            by_tf = sign.groupby(edges["source"])
            others, n_others = by_tf.transform("sum") - sign, by_tf.transform("size") - 1
            sign, others = sign[n_others > 0], others[n_others > 0]
            row = {
                "prior": prior,
                "genes": name,
                "edges": len(sign),
                "1 is right": (sign > 0).mean(),
            }
            rows.append(row | {"usual sign is right": (np.where(others < 0, -1, 1) == sign).mean()})
    return pd.DataFrame(rows)


def activity_held_out(folder: Path, cache: Path) -> pd.DataFrame:
    """Fit half of the edges; compare activities with those from the held-out half.

    TFs with five targets in both halves. ``t`` is the mean over its standard error of the paired
    difference from the known links alone, over TFs.
    """
    rows = []
    for name, cells, net in half_cases(folder):
        genes = cells.var_names
        net = net[net["source"].isin(genes) & net["target"].isin(genes)]
        first, second = halves(net[net["source"] != net["target"]], 0)
        adata = fitted(cache / f"half_{name}.h5ad", cells, first)
        second = second.assign(weight=np.sign(second["weight"]))
        truth, base = ulm(adata, second), None
        for rule, links in half_rules(adata).items():
            scores = ulm(adata, links)
            tfs = [tf for tf in truth if tf in base.columns] if base is not None else None
            if base is None:
                n_known = links["source"].value_counts()
                tfs = [tf for tf in truth if n_known.get(tf, 0) >= TMIN]
                base = scores[tfs]
            rows.append({"data": name, "links": rule} | _half_row(scores, base, truth, tfs))
            rows[-1] |= _hits(links, second, tfs)
    return pd.DataFrame(rows)


def half_cases(folder: Path) -> Iterator[tuple[str, ad.AnnData, pd.DataFrame]]:
    """Yield data sets with signed networks."""
    for seed in (0, 1):
        simulated = sr.datasets.simulated(random_state=seed)
        yield f"sim{seed}", simulated, simulated.uns["network"]
    yield "pbmc", pbmc(folder), collectri(folder)
    for cells in ("hESC", "mESC"):
        yield cells, beeline(folder, cells), collectri(folder)


def half_rules(adata: ad.AnnData) -> dict[str, pd.DataFrame]:
    """Return the regulons of each rule; those of known links come first."""
    found = {
        "known": regulons(adata, "grn", new=None),
        "default": regulons(adata, "grn", new=NewLinks("probability")),
        "before: 50 most probable targets": sr.get.grn(adata, top_n_targets=50),
    }
    # These new links get no sign: it would hide what they add by themselves.
    for rule, by, least in (
        ("as many as known by lift", "lift", MIN_LIFT),
        ("as many as known by probability", "weight", -np.inf),
        ("as many as known by the null model", "null", -np.inf),
    ):
        new = as_many_as_known(adata, by, least)
        new = new.assign(in_prior=False, weight=new["null"] if by == "null" else new["weight"])
        found[rule] = pd.concat([found["known"], new], join="inner", ignore_index=True)
        equal = new.assign(weight=1.0)
        found[f"{rule}, weight 1"] = pd.concat(
            [found["known"], equal], join="inner", ignore_index=True
        )
    return found


def _half_row(
    scores: pd.DataFrame, base: pd.DataFrame, truth: pd.DataFrame, tfs: list[str]
) -> dict[str, float]:
    n = len(tfs)
    own = [np.diag(correlations(frame[tfs], truth[tfs])) for frame in (scores, base)]
    difference = own[0] - own[1]
    error = difference.std(ddof=1) / np.sqrt(n)
    return {
        "TFs": n,
        **own_and_others(scores, truth, tfs),
        "t": difference.mean() / error if error > 0 else np.nan,
        "between TFs": np.median(np.abs(off_diagonal(correlations(scores[tfs], scores[tfs])))),
    }


def _hits(links: pd.DataFrame, held_out: pd.DataFrame, tfs: list[str]) -> dict[str, float]:
    """Return the number of new links, and which share of them are held-out edges."""
    new = links[~links["in_prior"].astype(bool) & links["source"].isin(tfs)]
    pairs = set(zip(held_out["source"], held_out["target"], strict=True))
    hits = [pair in pairs for pair in zip(new["source"], new["target"], strict=True)]
    return {"new links": len(new), "held-out edges": np.mean(hits) if hits else np.nan}


# Sub-commands: each yields titles and tables


def activity(folder: Path, cache: Path) -> Tables:
    """TF activities on PBMC, and on held-out halves of the edges."""
    net = collectri(folder)
    adata = fitted(cache / "pbmc.h5ad", pbmc(folder), net)
    yield "How alike are the activities of different TFs?", activity_rules(adata, net)
    yield "Where are TFs with a textbook answer most active?", activity_cell_types(adata, net)
    yield "Do new links agree with known ones?", activity_agreement(adata)
    yield "Is the usual sign of a TF a better guess than 1?", activity_signs(folder)
    yield "Do new links add to half of the edges?", activity_held_out(folder, cache)
