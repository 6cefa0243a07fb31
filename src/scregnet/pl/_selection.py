"""Which links of a network are drawn: those that pass the user's filters, or a readable mixture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._anndata.access import check_names
from scregnet._anndata.slots import regulators
from scregnet._validate import shortened
from scregnet.get._names import shown_names
from scregnet.get._select import first_of_each_source, select_links
from scregnet.get._stored import Links, StoredNetwork

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

# More arrows than this cannot be told apart.
MOST_LINKS = 5000
# The mixture: at most 6 × (3 + 5) = 48 links, which show several hubs and can be read.
N_TFS = 6
N_KNOWN = 3
N_NEW = 5


@dataclass(frozen=True)
class Amount:
    """How much is drawn: TFs, and known and new links of each; links where a filter is given."""

    tfs: int = N_TFS
    known: int = N_KNOWN
    new: int = N_NEW
    first: int = 50
    most: int | None = None
    """Links at most; ``None`` is ``MOST_LINKS``."""


# As many as one can read.
PICTURE = Amount()


@dataclass(frozen=True, eq=False)
class Selection:
    """Links to draw, of how many they were chosen, how (for the log), and of which TFs."""

    links: pd.DataFrame
    n_found: int
    how: str
    tfs: str = ""

    @property
    def summary(self) -> str:
        """What the legend says of the links that are left out."""
        drawn = f"{len(self.links):,} of {self.n_found:,} links"
        return f"{drawn}\n{self.tfs}" if self.tfs else drawn


def choose_links(
    adata: AnnData,
    key: str,
    gene_symbols: str | None,
    filters: Mapping[str, Any],
    amount: Amount = PICTURE,
) -> Selection:
    """Return the links that pass the filters, or the mixture if no filter is given.

    ``top_n="auto"`` and ``by=None`` are no filters.
    """
    given = {
        name: value
        for name, value in filters.items()
        if value is not None and value is not False and not _is_auto(name, value)
    }
    automatic = _is_auto("top_n", filters["top_n"])
    if automatic and not given:
        return mixture(adata, key, gene_symbols, amount)
    if automatic:
        given["top_n"] = amount.first
    links, n_found = select_links(adata, key, gene_symbols=gene_symbols, **given)
    if len(links) == 0:
        passed = ", ".join(f"{name}={shortened(value)}" for name, value in given.items())
        msg = (
            f"no link of adata.uns[{key!r}] passes {passed}; loosen the filters or name more genes."
        )
        raise ValueError(msg)
    most = MOST_LINKS if amount.most is None else amount.most
    if len(links) > most:
        msg = (
            f"{len(links):,} links are too many to draw (at most {most:,}); "
            "set top_n=, top_n_targets= or threshold=."
        )
        raise ValueError(msg)
    cuts = [f"{name}={given[name]}" for name in ("top_n", "top_n_targets") if name in given]
    return Selection(links, n_found, ", ".join(cuts) or "no limit")


def _is_auto(name: str, value: object) -> bool:
    return name == "top_n" and isinstance(value, str) and value == "auto"


def mixture(
    adata: AnnData, key: str, gene_symbols: str | None, amount: Amount = PICTURE
) -> Selection:
    """Return a few known and a few new links of each of several TFs.

    New links are chosen by lift, or by probability without a null model. Only links that are about
    as probable as known edges are considered: among improbable ones, a high lift says little.
    """
    check_names(adata)
    network = StoredNetwork(adata, key)
    links = network.links(np.flatnonzero(regulators(adata, key)))
    if len(links) == 0:
        msg = f"adata.varp[{network.results['varp_key']!r}] holds no links to draw."
        raise ValueError(msg)
    by = "probability" if network.null is None else "lift"
    shown_by = "score" if network.has_scores else by
    is_known = links.in_prior()
    known, new = links.take(is_known), links.take(~is_known)
    new = new.take(_probable(new, known, amount.first))
    tfs = _hubs(known, new, by, amount)
    known, new = (part.take(np.isin(part.rows, tfs)) for part in (known, new))
    known = known.take(first_of_each_source(known, known.weights, amount.known))
    new = new.take(first_of_each_source(new, new.order_values(by), amount.new))
    drawn = links.take(np.flatnonzero(np.isin(links.place, [*known.place, *new.place])))
    n_tfs, n_drawn_tfs = len(np.unique(links.rows)), len(np.unique(drawn.rows))
    how = (
        f"{n_drawn_tfs} of {n_tfs} TFs, each with up to {amount.known} known links and "
        f"{amount.new} new ones by {shown_by}; set top_n=, sources= or another filter to draw "
        "others"
    )
    frame = drawn.frame(shown_names(adata, gene_symbols))
    return Selection(frame, len(links), how, f"{n_drawn_tfs} of {n_tfs} TFs")


def _probable(new: Links, known: Links, first: int) -> np.ndarray:
    """Return the mask of the new links among the most probable links, as many as are known.

    A network of the size of the known one would consist of these links. At least the ``first``
    most probable new links are kept: few known edges must not empty the picture.
    """
    weights = new.weights
    both = np.concatenate([weights, known.weights])
    least = min(_nth_largest(both, len(known)), _nth_largest(weights, first))
    return weights >= least


def _nth_largest(values: np.ndarray, n: int) -> float:
    """Return the n-th largest value; the least where there are fewer, infinite for n = 0."""
    if n == 0 or len(values) == 0:
        return float("inf")
    place = max(len(values) - n, 0)
    return float(np.partition(values, place)[place])


def _hubs(known: Links, new: Links, by: str, amount: Amount) -> np.ndarray:
    """Return the TFs with the largest sums over the values of their best new links.

    TFs without a known edge come last: nothing in the prior supports their links.
    """
    best = new.take(first_of_each_source(new, new.order_values(by), amount.new))
    # A negative lift must not set a TF back behind one without any new link.
    gains = np.clip(best.order_values(by), 0, None)
    n = len(known.network.names)
    total = np.bincount(best.rows, weights=gains, minlength=n)
    n_known = np.bincount(known.rows, minlength=n)
    candidates = np.flatnonzero((n_known > 0) | (total > 0))
    # lexsort: the last key counts most; ties go to the order of adata.var_names.
    order = np.lexsort((candidates, -total[candidates], n_known[candidates] == 0))
    return candidates[order[: amount.tfs]]
