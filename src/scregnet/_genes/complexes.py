"""Complexes of TFs in a known network: what they stand for, and their members in their place."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from scregnet._genes.names import organism_of
from scregnet._logging import logger

Members = Mapping[str, tuple[str, ...]]

PREFIX = "COMPLEX:"
"""How OmniPath writes complexes: ``COMPLEX:JUN_FOS``."""

# CollecTRI joins all dimers of the FOS and JUN families as AP1, and all of NFKB and REL as NFKB;
# these are the constituents that OmniPath gives them.
FAMILIES = {
    "AP1": ("FOS", "FOSB", "FOSL1", "FOSL2", "JUN", "JUNB", "JUND"),
    "NFKB": ("NFKB1", "NFKB2", "REL", "RELA", "RELB"),
}

_SHOWN = 5


def find_complexes(edges: pd.DataFrame, genes: pd.Index) -> dict[str, tuple[str, ...]]:
    """Return the members of each complex among the names of ``edges``.

    A name that is in ``genes`` is a gene, whatever it looks like.
    """
    names = pd.unique(pd.concat([edges["source"], edges["target"]]))
    found = {name: _members(name) for name in names}
    found = {name: members for name, members in found.items() if members}
    strangers = set(found) - set(genes)
    if strangers and organism_of(genes) == "mouse":
        # The families are spelled as human genes; those after the prefix, as the network has them.
        found |= {
            name: tuple(member.capitalize() for member in members)
            for name, members in found.items()
            if not name.startswith(PREFIX)
        }
    return {name: found[name] for name in sorted(strangers)}


def _members(name: str) -> tuple[str, ...]:
    if name.startswith(PREFIX):
        return tuple(dict.fromkeys(part for part in name[len(PREFIX) :].split("_") if part))
    # AP-1 and NF-kB are spelled in many ways.
    return FAMILIES.get(re.sub("[^A-Z0-9]", "", name.upper()), ())


def expand_complexes(edges: pd.DataFrame, complexes: Members) -> pd.DataFrame:
    """Give the edges of each complex to its members.

    An edge that the network has for the member itself is kept as it is; of two that come from
    complexes, the first one is.
    """
    whole = _of_complex(edges, complexes)
    parts = edges[whole]
    for role in ("source", "target"):
        parts = parts.copy()
        parts[role] = [complexes.get(name, (name,)) for name in parts[role]]
        parts = parts.explode(role)
    # The network's own edges come first, so they are the ones that stay.
    joined = pd.concat([edges[~whole], parts], ignore_index=True)
    return joined.drop_duplicates(["source", "target"], ignore_index=True)


def _of_complex(edges: pd.DataFrame, complexes: Members) -> pd.Series:
    names = list(complexes)
    return edges["source"].isin(names) | edges["target"].isin(names)


def complexes_frame(edges: pd.DataFrame, complexes: Members, *, expanded: bool) -> pd.DataFrame:
    """Return what the report says of complexes; ``edges`` are those before any expansion."""
    names = list(complexes)
    n_edges = [int(_of_complex(edges, {name: ()}).sum()) for name in names]
    frame = pd.DataFrame(
        {
            "complex": names,
            "members": [", ".join(complexes[name]) for name in names],
            "n_edges": n_edges,
            "expanded": expanded,
        }
    )
    return frame.astype({"complex": object, "members": object})


def log_complexes(edges: pd.DataFrame, complexes: Members, expanded: pd.DataFrame | None) -> None:
    """Log which complexes there are, and whether their edges were given to the members."""
    whole = _of_complex(edges, complexes)
    n = int(whole.sum())
    if expanded is None:
        logger.info(
            "prior: %s edges are of complexes, which are not genes, and are left out: %s. "
            "sr.pp.prior(adata, network, complexes='expand') gives them to the members.",
            *(f"{n:,}", _listed(complexes)),
        )
        return
    logger.info(
        "prior: the %s edges of complexes are given to the members, which makes %s new edges: %s",
        *(f"{n:,}", f"{len(expanded) - (len(edges) - n):,}", _listed(complexes)),
    )


def _listed(complexes: Members) -> str:
    shown = [f"{name!r} ({', '.join(members)})" for name, members in complexes.items()]
    rest = len(shown) - _SHOWN
    return ", ".join(shown[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def treat_complexes(
    edges: pd.DataFrame, genes: pd.Index, *, expand: bool
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Find the complexes of a network, name them, and give their edges to their members if asked.

    Returns the edges and a part of the report, which is empty if there are no complexes.
    """
    complexes = find_complexes(edges, genes.dropna())
    if not complexes:
        return edges, {}
    expanded = expand_complexes(edges, complexes) if expand else None
    log_complexes(edges, complexes, expanded)
    report = {"complexes": complexes_frame(edges, complexes, expanded=expand)}
    return (edges if expanded is None else expanded), report
