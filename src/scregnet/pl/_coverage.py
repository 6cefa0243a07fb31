"""How much of the known network and of the genes is covered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._anndata.access import flags, resolve
from scregnet._docs import doc
from scregnet._validate import listed
from scregnet.pl._figure import colours, finish, panels

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

_PARTS = {"edges": "n_edges", "TFs": "n_tfs", "targets": "n_targets"}
_ENDING = "_covered"
_HEIGHT = 0.8


@doc
def coverage(
    adata: AnnData | MuData,
    *,
    keys: str | Sequence[str] | None = None,
    prior: str = "prior",
    palette: Sequence[str] | None = None,
    mod: str = "rna",
    ax: Sequence[Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | np.ndarray | None:
    """Draw how much of the known network is about these genes, and which genes have vectors.

    Left, the edges, TFs and targets that :func:`scregnet.pp.prior` was given and found. Right, the
    share of all genes, TFs and known targets with a vector in each embedding, or with a value in
    each evidence layer. Without a vector, a gene is ranked by its labels alone.

    Parameters
    ----------
    %(adata)s
    keys
        Embeddings and evidence layers to draw; ``None`` draws all.
    prior
        Name of the known network: the ``key_added`` of :func:`scregnet.pp.prior`.
    palette
        Three colours: of edges or all genes, of TFs and of targets.
    %(mod)s
    %(two_axes)s
    %(figure)s

    Returns
    -------
    %(plot_returns)s

    Raises
    ------
    KeyError
        One of ``keys`` has no column ``f"{key}_covered"`` in ``adata.var``, or there is no known
        network of another name than ``"prior"``.
    ValueError
        ``palette`` or ``ax`` does not fit.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.pp.prior(adata, adata.uns["network"])
    >>> sr.tl.embed(adata, model="svd")
    >>> sr.pl.coverage(adata)
    """
    data = resolve(adata, mod)
    names = _names(data, keys)
    known = _matched(data, prior)
    kinds = ("genes", "TFs", "known targets")
    colour = dict(zip(kinds, colours(palette, kinds, "kinds of genes"), strict=True))
    # Edges have the colour of all genes, found targets that of targets.
    colour |= {"edges": colour["genes"], "targets": colour["known targets"]}
    shares = {name: _covered(data, name, prior) for name in names}
    n_bars = max(3, sum(map(len, shares.values())))
    axes = panels(
        ax, 2, figsize=figsize, dpi=dpi, default_size=(8.4, 1.2 + 0.3 * n_bars), save=save
    )
    _bars(axes[0], {"": known}, colour, "call sr.pp.prior first")
    _bars(axes[1], shares, colour, "call sr.tl.embed or sr.pp.evidence first")
    axes[0].set(title="Known network", xlabel="found among these genes (%)")
    axes[1].set(title="Vectors and evidence", xlabel="covered (%)")
    return finish(axes, given=ax is not None, show=show, save=save, return_fig=return_fig)


def _names(data: AnnData, keys: str | Sequence[str] | None) -> list[str]:
    """Return the embeddings and layers to draw."""
    there = [
        str(column).removesuffix(_ENDING)
        for column in data.var
        if str(column).endswith(_ENDING) and str(column).removesuffix(_ENDING) in data.uns
    ]
    if keys is None:
        return there
    asked = [keys] if isinstance(keys, str) else list(keys)
    for key in asked:
        if f"{key}{_ENDING}" not in data.var:
            msg = (
                f"keys: adata.var has no column {f'{key}{_ENDING}'!r}, which sr.tl.embed and "
                f"sr.pp.evidence write; there are {listed(there)}."
            )
            raise KeyError(msg)
    return asked


def _matched(data: AnnData, key: str) -> dict[str, tuple[int, int]]:
    """Return how many edges, TFs and targets of the known network were found, and given."""
    report = data.uns.get(key)
    report = report if isinstance(report, Mapping) else {}
    found = {
        name: (int(report[f"{part}_matched"]), int(report[f"{part}_given"]))
        for name, part in _PARTS.items()
        if f"{part}_matched" in report and f"{part}_given" in report
    }
    if not found and key != "prior":
        msg = f"prior={key!r}: adata.uns[{key!r}] is no known network of sr.pp.prior."
        raise KeyError(msg)
    return found


def _covered(data: AnnData, name: str, prior: str) -> dict[str, tuple[int, int]]:
    """Return how many genes of each kind are covered, and how many there are."""
    covered = flags(data, f"{name}{_ENDING}", "")
    kinds = {"genes": np.ones(data.n_vars, bool)}
    if "is_tf" in data.var:
        kinds["TFs"] = flags(data, "is_tf", "")
    if prior in data.varp:
        edges = data.varp[prior].tocoo()
        kinds["known targets"] = np.zeros(data.n_vars, bool)
        kinds["known targets"][edges.col[edges.data != 0]] = True
    return {
        kind: (int((covered & mask).sum()), int(mask.sum()))
        for kind, mask in kinds.items()
        if mask.any()
    }


def _bars(
    ax: Axes,
    groups: Mapping[str, Mapping[str, tuple[int, int]]],
    colour: Mapping[str, str],
    otherwise: str,
) -> None:
    """Draw the shares of each group below each other, or say what to call."""
    place: dict[str, Any] = {"ha": "center", "va": "center", "transform": ax.transAxes}
    if not any(groups.values()):
        ax.set(xticks=[], yticks=[])
        ax.text(0.5, 0.5, otherwise, place, color="0.4")
        return
    ticks, height = [], 0.0
    for name, group in groups.items():
        for kind, (found, n) in group.items():
            share = 100 * found / max(n, 1)
            ax.barh(height, share, _HEIGHT, color=colour[kind])
            inside = share > 55
            ax.text(
                share - 1.5 if inside else share + 1.5,
                height,
                f"{found:,} of {n:,}",
                ha="right" if inside else "left",
                va="center",
                color="white" if inside else "0.2",
                fontsize="small",
            )
            ticks.append((height, f"{name}: {kind}" if name else kind))
            height += 1
        height += 0.5
    ax.set_yticks([at for at, _ in ticks], [text for _, text in ticks], parse_math=False)
    ax.set(xlim=(0, 100), ylim=(height - 0.9, -0.6))
    ax.spines[["top", "right"]].set_visible(False)
