"""The targets of one TF."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scregnet._anndata.access import resolve
from scregnet._anndata.slots import key_of_group, network, regulators
from scregnet._docs import doc
from scregnet._validate import check_integer
from scregnet.get._names import shown_names
from scregnet.get._select import select_links
from scregnet.metrics._lift import lift
from scregnet.pl._figure import finish, panels
from scregnet.pl._network.style import network_colours

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

# Probabilities that an axis of logits names: all of a short axis, the main ones of a long one.
_MAIN_TICKS = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
_TICKS = tuple(sorted((*_MAIN_TICKS, 3e-5, 3e-4, 3e-3, 0.03, 0.3, 0.7, 0.97)))
_MOST_TICKS = 9
# Marker and name by sign: activates, represses, not told.
_MARKERS = {1: ("^", "activates"), -1: ("v", "represses"), 0: ("o", "sign not known")}


@doc
def regulon(
    adata: AnnData | MuData,
    *,
    source: str | None = None,
    key: str = "grn",
    group: str | None = None,
    by: Literal["probability", "lift"] = "probability",
    threshold: float | None = None,
    min_lift: float | None = None,
    max_q: float | None = None,
    top_n: int = 30,
    new_only: bool = False,
    gene_symbols: str | None = None,
    palette: Mapping[str, str] | None = None,
    mod: str = "rna",
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
) -> Figure | Axes | None:
    """Draw the targets of a TF by probability, with what the null model says of each.

    A point is a link: filled if it is known, open if it is new. Triangles tell the sign. A bar
    starts at the probability of the null model, the tick: what is right of it was learned of this
    very pair, not of popular genes.

    Parameters
    ----------
    %(adata)s
    source
        The TF; ``None`` takes the one with the largest sum of probabilities.
    %(key)s
    %(group)s
    by
        Order of the targets: ``"probability"``, or ``"lift"`` over the null model, which the
        lengths of the lines then are.
    threshold, min_lift, max_q
        Lowest probability, lowest lift and highest ``q`` of a link.
    top_n
        Number of targets that are drawn.
    new_only
        Leave out the known edges.
    %(gene_symbols)s
    palette
        Colours of ``"known"`` and ``"new"`` links.
    %(mod)s
    %(ax)s
    %(figure)s

    Returns
    -------
    %(plot_returns)s

    Raises
    ------
    KeyError
        ``key``, ``group`` or ``source`` is unknown.
    ValueError
        ``source`` is not a candidate TF, no link passes, or a number is out of range.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> sr.pl.regulon(adata, source="TF001")
    """
    check_integer("top_n", top_n, minimum=1)
    colours = network_colours(palette)
    adata = resolve(adata, mod)
    key = key_of_group(adata, key, group)
    links, n_found = select_links(
        adata,
        key,
        sources=_hub(adata, key, gene_symbols) if source is None else source,
        by=by,
        threshold=threshold,
        min_lift=min_lift,
        max_q=max_q,
        top_n=top_n,
        new_only=new_only,
        gene_symbols=gene_symbols,
    )
    if len(links) == 0:
        msg = f"no link of adata.uns[{key!r}] from source={source!r} passes; loosen the filters."
        raise ValueError(msg)
    size = (5.2, 1.3 + 0.21 * len(links))
    (one,) = panels(ax, 1, figsize=figsize, dpi=dpi, default_size=size, save=save)
    _draw(one, links, colours, as_logits=by == "lift")
    one.set_title(
        f"{links['source'].iloc[0]}: {len(links):,} of {n_found:,} targets",
        fontsize="medium",
        parse_math=False,
    )
    return finish([one], given=ax is not None, show=show, save=save, return_fig=return_fig)


def _hub(adata: AnnData, key: str, gene_symbols: str | None) -> str:
    """Return the TF with the largest sum of probabilities."""
    total = np.asarray(network(adata, key).sum(axis=1)).ravel()
    total = np.where(regulators(adata, key), total, -np.inf)
    return str(shown_names(adata, gene_symbols)[int(total.argmax())])


def _draw(ax: Axes, links: pd.DataFrame, colours: Mapping[str, str], *, as_logits: bool) -> None:
    """Draw probabilities; on a scale of logits, where the length of a line is its lift."""
    value = "score" if "score" in links else "weight"
    rows = np.arange(len(links))
    # Scores of methods without labels have no logits.
    as_logits = as_logits and value == "weight"
    weights = links[value].to_numpy(dtype=float)
    weights = _logit(weights) if as_logits else weights
    kinds = np.where(links["in_prior"].to_numpy(dtype=bool), "known", "new")
    if "null" in links:
        null = links["null"].to_numpy(dtype=float)
        null = _logit(null) if as_logits else null
        ax.hlines(rows, null, weights, color=[colours[kind] for kind in kinds], linewidth=1.2)
        ax.plot(null, rows, "|", color="0.3", markersize=7, label="null model", zorder=3)
    signs = np.sign(np.nan_to_num(links["sign"].to_numpy(dtype=float))) if "sign" in links else None
    for kind in ("known", "new"):
        for sign, (marker, name) in _MARKERS.items():
            mask = (kinds == kind) & (sign == 0 if signs is None else signs == sign)
            if not mask.any():
                continue
            look: dict[str, Any] = {"color": colours[kind]} if kind == "known" else {"color": "w"}
            ax.scatter(
                weights[mask],
                rows[mask],
                s=34,
                marker=marker,
                edgecolors=colours[kind],
                linewidths=1.4,
                label=f"{kind} link" if signs is None else f"{kind}, {name}",
                zorder=4,
                **look,
            )
    ax.set_yticks(rows, [name.replace("$", r"\$") for name in links["target"].astype(str)])
    ax.tick_params(axis="y", labelsize="small", length=0)
    ax.set_ylim(len(links) - 0.4, -0.6)
    ax.set_xlabel("score" if value == "score" else "probability")
    if as_logits:
        _tick_logits(ax)
    elif value == "weight":
        # All of the axis is drawn only where links are probable: elsewhere it is empty.
        ends = [weights.max(), links["null"].max() if "null" in links else 0.0]
        right = float(np.clip(1.1 * max(ends), 0.05, 1.0))
        ax.set_xlim(-0.02 * right, 1.02 * right)
    ax.grid(axis="y", color="0.93", zorder=0)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    # Outside: points may be anywhere.
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small", frameon=False)


def _logit(values: np.ndarray) -> np.ndarray:
    """Return logits, finite ones of 0 and 1 too: the same that lifts are differences of."""
    return lift(values, np.full(np.shape(values), 0.5)).astype(float)


def _tick_logits(ax: Axes) -> None:
    """Write probabilities under an axis of logits, with room on both sides."""
    ax.margins(x=0.06)
    low, high = ax.get_xlim()
    for ticks in (_TICKS, _MAIN_TICKS):
        places = _logit(np.array(ticks))
        inside = (low <= places) & (places <= high)
        if inside.sum() <= _MOST_TICKS:
            break
    named = [f"{value:g}" for value in np.array(ticks)[inside]]
    ax.set_xticks(places[inside], named)
    ax.set_xlim(low, high)
    ax.set_xlabel("probability, on a scale where lengths are lifts")
