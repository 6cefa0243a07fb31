"""Labelled pairs of a fit: drawn from a known network, read from ``uns``, or given as a frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._genes.frames import (
    PARTS,
    PARTS_OF_A_PAIR,
    genes_of,
    pairs_frame,
    read_split,
)
from scregnet._genes.network import read_network
from scregnet._genes.set_aside import joined, pairs_named, set_aside_from_uns, set_aside_to_uns
from scregnet._genes.signs import signs_from_uns, signs_to_uns, stored_signs
from scregnet._genes.world import (
    MANY_PAIRS,
    WORLD,
    NamedWorld,
    kept_pairs,
    read_world,
    some_pairs,
)
from scregnet._logging import logger
from scregnet._validate import check_choice, check_integer, check_interval, listed
from scregnet.links import NEGATIVES, SPLITS, Pairs, Split, choose_negatives, split_pairs
from scregnet.links.pairs.codes import find_codes, pair_codes
from scregnet.links.pairs.world import ClosedWorld

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet.links.evidence import EvidenceLayer
    from scregnet.links.signs.known import KnownSigns

KEY = "split"
"""Where :func:`scregnet.pp.split` writes by default, and where a fit looks."""

BLOCK = 2**20
"""Pairs looked up at a time."""

MAX_PAIRS = 500_000
"""Labelled pairs of a split with ``negatives="all"``, unless another number is asked for."""


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """How pairs are drawn: the arguments of :func:`scregnet.pp.split`. The one list of them."""

    kind: str = "pairs"
    negatives: str = "all"
    negative_ratio: float = 1.0
    test_fraction: float = 0.33
    validation_fraction: float | None = None
    max_pairs: int | None = MAX_PAIRS
    random_state: int | None = 0

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, SPLITS)
        check_choice("negatives", self.negatives, NEGATIVES)
        check_interval("negative_ratio", self.negative_ratio, 0, np.inf, closed="neither")
        if self.negative_ratio != 1 and self.negatives not in ("sampled", "hard"):
            msg = (
                f"negative_ratio={self.negative_ratio!r} has no meaning with "
                f"negatives={self.negatives!r}; it is for 'sampled' and 'hard'."
            )
            raise ValueError(msg)
        check_interval("test_fraction", self.test_fraction, 0, 1, closed="neither")
        if self.max_pairs is not None:
            check_integer("max_pairs", self.max_pairs, minimum=1)
        if self.validation_fraction is not None:
            check_interval("validation_fraction", self.validation_fraction, 0, 1, closed="neither")


@dataclass(frozen=True, eq=False)
class LabelledPairs:
    """The labelled pairs of a fit in three parts, and how they were made."""

    parts: Split
    left_out: tuple[np.ndarray, np.ndarray]
    """Sources and targets of the known edges that are in no part."""

    options: SplitOptions | None
    """How they were drawn; ``None`` for a frame."""

    report: dict[str, Any]
    """What of the known network matched; empty where only a frame was given."""

    key: str | None = None
    """The slot of ``uns`` they were read from."""

    signs: KnownSigns | None = None
    """Which known edges activate and which repress. No method is given them."""

    set_aside: tuple[np.ndarray, np.ndarray] | None = None
    """Those of :attr:`left_out` that no other draw may take as edges or non-edges."""

    layers: tuple[EvidenceLayer, ...] = ()
    """What labels of other kinds say of the pairs, made of training pairs alone."""

    @property
    def negatives(self) -> str:
        """Which non-edges are negatives; those of a frame are taken as they are."""
        return "all" if self.options is None else self.options.negatives

    def regulators(self) -> np.ndarray:
        """Return the positions of all genes that are the source of a labelled pair or an edge."""
        parts = (getattr(self.parts, part).sources for part in PARTS)
        return np.unique(np.concatenate([*parts, self.left_out[0]]))

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Return sources and targets of all known edges."""
        known = [getattr(self.parts, part) for part in PARTS]
        sources = [pairs.sources[pairs.labels] for pairs in known]
        targets = [pairs.targets[pairs.labels] for pairs in known]
        ends = ([*sources, self.left_out[0]], [*targets, self.left_out[1]])
        return np.concatenate(ends[0]), np.concatenate(ends[1])

    def redrawn(self, random_state: int | None, n_genes: int) -> LabelledPairs:
        """Draw the same network's pairs with another seed; the pairs of a frame stay."""
        if self.options is None:
            return self
        source, target = (ends.astype(np.int32) for ends in self.edges())
        if self.set_aside is not None:
            aside = pair_codes(*self.set_aside, n_genes)
            kept = ~np.isin(pair_codes(source, target, n_genes), aside)
            source, target = source[kept], target[kept]
        # A network is sorted; in another order a seed would draw other pairs.
        order = np.lexsort((target, source))
        options = replace(self.options, random_state=random_state)
        drawn = draw_pairs(
            source[order], target[order], n_genes, options, self.report, self.set_aside
        )
        return replace(drawn, signs=self.signs)

    def params(self) -> dict[str, Any]:
        """What ``uns`` records of them."""
        how = {"kind": "frame"} if self.options is None else asdict(self.options)
        return {**how, "key": self.key, "share": self.parts.train.share}

    @cached_property
    def kept(self) -> np.ndarray | None:
        """Positions of the pairs that frames hold, one part after the other; ``None``: all."""
        many = sum(map(len, self.parts.all)) > MANY_PAIRS
        if not many or ClosedWorld.of(self.parts, self._n_genes) is None:
            return None
        return kept_pairs(self.parts)

    @property
    def _n_genes(self) -> int:
        """A number above all positions of targets."""
        return 1 + max(int(pairs.targets.max(initial=0)) for pairs in self.parts.all)

    def frame(self, genes: pd.Index) -> pd.DataFrame:
        """Return the labelled pairs as a frame, or some of those of a large closed world."""
        kept = self.kept
        return pairs_frame(self.parts if kept is None else some_pairs(self.parts, kept), genes)

    def world_to_uns(
        self, genes: pd.Index, folds: np.ndarray | None = None, n_folds: int = 1
    ) -> dict[str, Any]:
        """Return what ``uns`` keeps of all pairs where a frame has some; else nothing."""
        if self.kept is None:
            return {}
        world = ClosedWorld.of(self.parts, len(genes), folds, n_folds)
        return {} if world is None else {WORLD: NamedWorld(world, genes).to_uns()}

    def left_out_frame(self, genes: pd.Index) -> pd.DataFrame:
        """Return :attr:`left_out` as a frame with columns source and target."""
        return pairs_named(self.left_out, genes)

    def to_uns(self, genes: pd.Index) -> dict[str, Any]:
        """Return what :func:`scregnet.pp.split` writes and :func:`labelled_pairs` reads."""
        entry = {
            "pairs": self.frame(genes),
            **self.world_to_uns(genes),
            "left_out": self.left_out_frame(genes),
            **set_aside_to_uns(self.set_aside, genes),
            "params": {k: v for k, v in self.params().items() if k != "key"},
            "prior": self.report,
        }
        return entry if self.signs is None else entry | {"signs": signs_to_uns(self.signs, genes)}


def labelled_pairs(
    data: AnnData,
    prior: Any,
    split: str | pd.DataFrame | None,
    *,
    random_state: int | None,
    gene_symbols: str | None = None,
) -> LabelledPairs:
    """Return the labelled pairs that ``split`` means.

    A frame is read as it is, a key of ``uns`` as :func:`scregnet.pp.split` wrote it. ``None`` takes
    ``uns["split"]`` if it is there and no other prior is named; else the default split is drawn.
    """
    if split is None and prior is None and is_split(data.uns.get(KEY)):
        logger.info("split: adata.uns['split'] is used")
        split = KEY
    if split is None:
        options = SplitOptions(random_state=random_state)
        return pairs_of_prior(data, prior, options, gene_symbols=gene_symbols)
    if isinstance(split, str):
        given = _from_uns(data, split)
    elif isinstance(split, pd.DataFrame):
        rng = np.random.default_rng(random_state)
        parts = read_split(split, data, rng=rng, gene_symbols=gene_symbols)
        signs = stored_signs(data) if prior is None else None
        given = LabelledPairs(parts, (np.zeros(0, int), np.zeros(0, int)), None, {}, signs=signs)
    else:
        msg = f"split must be a key of adata.uns, a frame or None, got {type(split).__name__}."
        raise TypeError(msg)
    check_split(given.parts, "split")
    if prior is None:
        return given
    # The edges of a prior that is named as well count as known, though they are in no part.
    network = read_network(prior, data, gene_symbols=gene_symbols)
    known = joined((network.sources, network.targets), network.set_aside)
    rest = _unlabelled(given.parts, *known, data.n_vars)
    return replace(given, left_out=rest, report=network.report, signs=network.signs)


def pairs_of_prior(
    data: AnnData, prior: Any, options: SplitOptions, *, gene_symbols: str | None = None
) -> LabelledPairs:
    """Draw labelled pairs from ``prior``, or from ``adata.varp["prior"]`` if it is ``None``."""
    if prior is None and "prior" not in data.varp:
        msg = (
            "prior is None and adata.varp['prior'] is not there: pass the network as prior=, "
            "or call sr.pp.prior(adata, network) first."
        )
        raise KeyError(msg)
    network = read_network("prior" if prior is None else prior, data, gene_symbols=gene_symbols)
    ends = network.sources, network.targets
    drawn = draw_pairs(*ends, data.n_vars, options, network.report, network.set_aside)
    return replace(drawn, signs=network.signs)


def draw_pairs(
    sources: np.ndarray,
    targets: np.ndarray,
    n_genes: int,
    options: SplitOptions,
    report: dict[str, Any],
    set_aside: tuple[np.ndarray, np.ndarray] | None = None,
) -> LabelledPairs:
    """Divide the pairs of a network, given by its edges, and choose the negatives.

    Pairs that are ``set_aside`` are in no part, and known.
    """
    rng = np.random.default_rng(options.random_state)
    parts = split_pairs(
        sources,
        targets,
        n_genes,
        rng=rng,
        kind=options.kind,
        test_fraction=options.test_fraction,
        validation_fraction=options.validation_fraction,
        # Other negatives are chosen among all of them.
        max_pairs=options.max_pairs if options.negatives == "all" else None,
        set_aside=set_aside,
    )
    if options.negatives != "all":
        parts = choose_negatives(
            parts,
            options.negatives,
            options.negative_ratio,
            rng=rng,
            scattered=options.kind == "pairs",
        )
    check_split(parts, "prior")
    if parts.train.share < 1:
        n_others = sum(len(pairs) - pairs.n_positive for pairs in parts.all)
        logger.info(
            "split: of %s non-edges %.3g %% are labelled pairs, drawn at random; each counts for "
            "%.3g in calibration and metrics",
            f"{round(n_others / parts.train.share):,}",
            *(100 * parts.train.share, 1 / parts.train.share),
        )
    known = joined((sources, targets), set_aside)
    rest = _unlabelled(parts, *known, n_genes)
    return LabelledPairs(parts, rest, options, report, set_aside=set_aside)


def check_split(split: Split, name: str) -> None:
    """Raise ``ValueError`` unless the split can be fitted and scored.

    It needs two TFs with edges, and both labels in every part.
    """
    known = np.concatenate(
        [pairs.sources[pairs.labels] for pairs in (split.train, split.validation, split.test)]
    )
    n_tfs = len(np.unique(known))
    if n_tfs < 2:
        found = "no TF" if n_tfs == 0 else "only one TF"
        msg = (
            f"{name}: {found} has an edge to a gene of adata; a fit needs at least two TFs with "
            "edges."
        )
        raise ValueError(msg)
    for part in PARTS:
        pairs: Pairs = getattr(split, part)
        if pairs.n_positive in (0, len(pairs)):
            kind = "edges" if pairs.n_positive else "non-edges"
            msg = (
                f"{name}: all {len(pairs)} pairs of the {part} part are {kind}; every part needs "
                f"both. The network has {len(known)} edges of {n_tfs} TFs among "
                f"{listed(PARTS)} parts: give one with more edges, or a split of your own."
            )
            raise ValueError(msg)


def _unlabelled(
    parts: Split, sources: np.ndarray, targets: np.ndarray, n_genes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges that are among the labelled pairs of no part."""
    codes = pair_codes(sources, targets, n_genes)
    order = np.argsort(codes)
    rest = np.ones(len(codes), bool)
    for pairs in parts.all:
        for start in range(0, len(pairs), BLOCK):
            some = slice(start, start + BLOCK)
            used = pair_codes(pairs.sources[some], pairs.targets[some], n_genes)
            place = find_codes(codes[order], used)
            rest[order[place[place >= 0]]] = False
    return sources[rest], targets[rest]


def is_split(entry: object) -> bool:
    """Return whether an entry of ``uns`` is a split that :func:`scregnet.pp.split` wrote."""
    return isinstance(entry, Mapping) and {"pairs", "left_out", "params"} <= set(entry)


def _from_uns(data: AnnData, key: str) -> LabelledPairs:
    """Read what :func:`scregnet.pp.split` wrote. It may come from a file, so all is checked."""
    entry = data.uns.get(key)
    if not isinstance(entry, Mapping) or not is_split(entry):
        found = "is not there" if entry is None else "is not a split"
        others = [name for name, value in data.uns.items() if is_split(value)]
        how = f"kind={key!r}" if key in SPLITS else f"key_added={key!r}"
        hint = f"; or name one that is there: {listed(others)}" if others else ""
        msg = (
            f"split={key!r}: adata.uns[{key!r}] {found}. "
            f"Call sr.pp.split(adata, {how}) first{hint}."
        )
        raise KeyError(msg)
    # The pairs have validation pairs, so nothing is drawn here.
    world = read_world(entry)
    if world is None:
        parts = read_split(entry["pairs"], data, rng=np.random.default_rng(0))
    else:
        parts = _placed(world, data, key).split()
    left_out = tuple(
        genes_of(entry["left_out"][role], role, data, None) for role in PARTS_OF_A_PAIR
    )
    known = {field.name for field in fields(SplitOptions)}
    stored = {name: _plain(value) for name, value in entry["params"].items() if name in known}
    report = {str(name): value for name, value in entry.get("prior", {}).items()}
    signs = signs_from_uns(entry.get("signs"), data.var_names)
    aside = set_aside_from_uns(entry, data.var_names)
    return LabelledPairs(parts, left_out, SplitOptions(**stored), report, key, signs, aside)  # type: ignore[arg-type]


def _placed(named: NamedWorld, data: AnnData, key: str) -> ClosedWorld:
    """Return a closed world by the positions of its genes in ``data``."""
    places = data.var_names.get_indexer(named.genes)
    if (places < 0).any():
        absent = named.genes[places < 0]
        msg = (
            f"split={key!r}: {len(absent):,} of its genes are not in adata.var_names: "
            f"{listed(absent, 5)}. Call sr.pp.split again, on the genes that are there."
        )
        raise ValueError(msg)
    if np.array_equal(places, np.arange(data.n_vars)):
        return named.world
    return named.world.renumbered(places, data.n_vars)


def _plain(value: Any) -> Any:
    """Return a number as Python has it; files give numpy's."""
    return value.item() if isinstance(value, np.generic) else value
