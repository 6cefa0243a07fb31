"""The vectors of the genes on a plane."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scregnet._anndata.access import resolve
from scregnet._anndata.features import embedding_features
from scregnet._anndata.slots import fitted, key_of_group, regulators
from scregnet._docs import doc
from scregnet._genes.names import places_of
from scregnet._validate import check_choice, check_integer, seed_of
from scregnet.get._names import find_genes, shown_names
from scregnet.pl._figure import check_map, finish, panels
from scregnet.pl._network.labels import place_labels

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

# Vectors are reduced to this width before neighbours are looked up.
_WIDTH = 50
_NEIGHBOURS = 15


@doc
def gene_embedding(
    adata: AnnData | MuData,
    *,
    embedding: str = "auto",
    basis: Literal["pca", "umap"] = "pca",
    key: str = "grn",
    group: str | None = None,
    labels: int | Sequence[str] = 15,
    gene_symbols: str | None = None,
    random_state: int | None = 0,
    palette: str | None = None,
    mod: str = "rna",
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | Axes | None:
    """Draw the vectors of the genes on a plane, coloured by how many known regulators each has.

    The question is whether the vectors tell more than popularity. The title says how well the mean
    popularity of the 15 nearest genes ranks the genes (Spearman): near 1, the vectors are little
    else; near 0, they say nothing of it. Only training edges are counted.

    Parameters
    ----------
    %(adata)s
    embedding
        Key of ``adata.varm``, such as ``"svd"``; ``"auto"`` takes the only one that
        :func:`scregnet.tl.embed` wrote. Genes without a vector are left out.
    basis
        ``"pca"``: the first two principal components. ``"umap"``: UMAP of the first 50.
    %(key)s
    %(group)s
    labels
        Number of TFs to name, those with the most known targets; or names of genes.
    %(gene_symbols)s
    %(random_state)s
    palette
        Name of a colour map of matplotlib; ``None`` takes viridis.
    %(mod)s
    %(ax)s
    %(figure)s

    Returns
    -------
    %(plot_returns)s

    Raises
    ------
    KeyError
        ``key``, ``group``, ``embedding`` or a gene is unknown.
    ValueError
        There are several embeddings, or fewer than three genes have a vector.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.embed(adata, model="svd")
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.pl.gene_embedding(adata)
    """
    check_choice("basis", basis, ("pca", "umap"))
    random_state = seed_of(random_state)
    adata = resolve(adata, mod)
    key = key_of_group(adata, key, group)
    n_known, n_targets = _known(adata, key)
    shown = shown_names(adata, gene_symbols)
    is_tf = regulators(adata, key)
    if isinstance(labels, int):
        check_integer("labels", labels, minimum=0)
        order = np.argsort(-n_targets, kind="stable")
        named = order[is_tf[order]][:labels]
    else:
        named = find_genes("labels", labels, adata, gene_symbols, shown)
    vectors, record = embedding_features(adata, embedding, group)
    if vectors is None:
        msg = "embedding='auto' found none; call sr.tl.embed(adata, model=...) first."
        raise KeyError(msg)
    covered = np.flatnonzero(vectors.any(axis=1))
    if len(covered) < 3:
        msg = f"only {len(covered)} genes have a vector in adata.varm[{record['embedding']!r}]."
        raise ValueError(msg)
    places, axes_names, wide = _plane(vectors[covered], basis, random_state)
    (one,) = panels(ax, 1, figsize=figsize, dpi=dpi, default_size=(6.4, 5.2), save=save)
    one.set(xlabel=axes_names[0], ylabel=axes_names[1], xticks=[], yticks=[])
    one.set_title(
        f"{record['embedding']}: {len(covered):,} genes; popularity of neighbours: Spearman "
        f"{_spearman(wide, n_known[covered]):.2f}",
        fontsize="medium",
        parse_math=False,
    )
    _draw(one, places, n_known[covered], is_tf[covered], palette)
    index = np.flatnonzero(np.isin(covered, named))
    names = [str(shown[i]) for i in covered[index]]
    _name(one, places, index, names)
    return finish([one], given=ax is not None, show=show, save=save, return_fig=return_fig)


def _known(adata: AnnData, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of known regulators and of known targets of each gene, for training."""
    pairs = fitted(adata, key)["pairs"]
    edges = pairs[(pairs["label"] == 1) & (pairs["split"] == "train")] if len(pairs) else pairs
    counts = []
    for end in ("target", "source"):
        place = places_of(edges[end], adata.var_names)
        counts.append(np.bincount(place[place >= 0], minlength=adata.n_vars))
    return counts[0], counts[1]


def _plane(
    vectors: np.ndarray, basis: str, random_state: int
) -> tuple[np.ndarray, tuple[str, str], np.ndarray]:
    """Return places on a plane, the names of its axes, and the principal components."""
    from sklearn.decomposition import PCA

    pca = PCA(min(_WIDTH, *vectors.shape), random_state=random_state)
    wide = pca.fit_transform(vectors.astype(np.float64))
    if wide.shape[1] == 1:
        wide = np.hstack([wide, np.zeros_like(wide)])
    share = np.append(pca.explained_variance_ratio_, 0.0)
    if basis == "pca":
        return wide[:, :2], (f"PC1 ({share[0]:.0%})", f"PC2 ({share[1]:.0%})"), wide
    from umap import UMAP

    n = min(_NEIGHBOURS, len(wide) - 1)
    places = UMAP(n_neighbors=n, random_state=random_state, n_jobs=1).fit_transform(wide)
    return np.asarray(places, dtype=float), ("UMAP1", "UMAP2"), wide


def _spearman(wide: np.ndarray, popularity: np.ndarray) -> float:
    """Return how well the mean popularity of the nearest genes ranks the genes."""
    from scipy.stats import rankdata
    from sklearn.neighbors import NearestNeighbors

    n = min(_NEIGHBOURS, len(wide) - 1)
    # Asked for without points, it leaves out each point itself.
    near = NearestNeighbors(n_neighbors=n).fit(wide).kneighbors(return_distance=False)
    ranks = [rankdata(values) for values in (popularity, popularity[near].mean(axis=1))]
    if any(np.ptp(one) == 0 for one in ranks):
        return float("nan")
    return float(np.corrcoef(ranks)[0, 1])


def _draw(
    ax: Axes, places: np.ndarray, n_known: np.ndarray, is_tf: np.ndarray, palette: str | None
) -> None:
    from matplotlib.colors import PowerNorm

    # Many genes have few regulators: a root spreads the low numbers.
    look: dict[str, Any] = {
        "cmap": check_map(palette, "viridis"),
        "norm": PowerNorm(0.5, 0, max(int(n_known.max()), 1)),
        "linewidths": 0.6,
    }
    # The popular ones on top.
    order = np.argsort(n_known, kind="stable")
    for kind, marker, size, edge in (
        (False, "o", 14, "none"),
        (True, "s", 26, "black"),
    ):
        which = order[is_tf[order] == kind]
        points = ax.scatter(
            places[which, 0],
            places[which, 1],
            c=n_known[which],
            s=size,
            marker=marker,
            edgecolors=edge,
            label="TF" if kind else "gene",
            zorder=2 + kind,
            **look,
        )
    bar = ax.figure.colorbar(points, ax=ax, shrink=0.6, pad=0.02)
    bar.set_label("known regulators (training)")
    ax.legend(fontsize="small", loc="best", framealpha=0.8)
    ax.margins(0.08)


def _name(ax: Axes, places: np.ndarray, index: np.ndarray, names: list[str]) -> None:
    """Write the names of some points next to them."""
    from matplotlib.patheffects import withStroke

    figure = ax.figure.canvas.figure
    look: dict[str, Any] = {"fontsize": "small", "fontweight": "bold", "parse_math": False}
    texts = [
        ax.annotate(
            name,
            (float(places[i, 0]), float(places[i, 1])),
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            path_effects=[withStroke(linewidth=2, foreground=ax.get_facecolor())],
            zorder=5,
            **look,
        )
        for i, name in zip(index, names, strict=True)
    ]
    for text in texts:
        text.set_in_layout(False)
    figure.draw_without_rendering()
    to_points = 72 / figure.dpi
    extents = [text.get_window_extent() for text in texts]
    sizes = np.array([(one.width, one.height) for one in extents]).reshape(-1, 2) * to_points
    frame = ax.get_window_extent()
    corners = np.array([[frame.x0, frame.y0], [frame.x1, frame.y1]]) * to_points
    offsets, _ = place_labels(
        # Other genes lie everywhere: labels only keep off each other and the genes that they name.
        ax.transData.transform(places[index].reshape(-1, 2)) * to_points,
        np.full(len(index), 2.6),
        sizes,
        np.zeros((0, 2), dtype=int),
        low=corners[0],
        high=corners[1],
        rank=np.full(len(index), -1),
    )
    for offset, text in zip(offsets, texts, strict=True):
        text.set_position((float(offset[0]), float(offset[1])))
