"""The grid: which method is fitted to which pairs of which data set with which seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from scregnet._validate import check_integer, listed, shortened
from scregnet.bm._kept.plain import plain
from scregnet.bm._kept.store import file_name
from scregnet.bm._studies import SET_BY_THE_STUDY
from scregnet.links import null_models
from scregnet.links.registry import method_class
from scregnet.tl._fit.task import read_keywords

if TYPE_CHECKING:
    from scregnet.bm._grid.sources import Source, SplitOf


@dataclass(frozen=True, eq=False)
class Chosen:
    """A method with its keywords."""

    label: str
    method: str
    keywords: Mapping[str, Any]
    """Of the fit and of the method."""

    @cached_property
    def arguments(self) -> str:
        """All arguments of the fit as text, defaults too; the same in every session."""
        method, options = read_keywords(self.method, self.keywords)
        return f"{method!r} {plain(vars(options))}"


@dataclass(frozen=True, eq=False)
class Cell:
    """One fit of the grid."""

    source: Source
    chosen: Chosen
    split: str
    split_of: SplitOf
    seed: int

    @property
    def title(self) -> str:
        """What it is, for people."""
        return f"{self.source.name}, {self.chosen.label}, {self.split}, seed {self.seed}"

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Texts that tell whether another cell reads the same of its data set."""
        by_tfs = not method_class(self.chosen.method).needs_labels
        return (self.source.digest, *self.source.named(self.chosen.keywords, by_tfs=by_tfs))

    @property
    def key(self) -> str:
        """Name of its file: readable, and a digest of all that its figures hang on."""
        how = self.split_of
        parts = (
            *self.inputs,
            *self.source.stored(how),
            self.chosen.arguments,
            self.split,
            plain(how),
            str(self.seed),
        )
        words = (self.source.name, self.chosen.label, self.split, str(self.seed))
        return file_name(words, parts)


def read_methods(methods: Any, shared: Mapping[str, Any]) -> list[Chosen]:
    """Return the methods by label, the null models last; raise for a keyword that is none.

    ``shared`` are keywords of every fit.
    """
    if isinstance(methods, str):
        methods = [methods]
    if not isinstance(methods, Mapping):
        methods = dict.fromkeys(_names("methods", methods), {})
    if not methods:
        msg = "methods is empty; name at least one, such as ['joint'] (sr.get.methods() lists all)."
        raise ValueError(msg)
    found = []
    for label, own in methods.items():
        if not isinstance(own, Mapping):
            msg = (
                f"methods[{label!r}] must be keyword arguments, such as {{'n_trees': 100}}, got "
                f"{shortened(own)}."
            )
            raise TypeError(msg)
        keywords = {**shared, **own}
        name = keywords.pop("method", label)
        read_keywords(name, keywords, fixed=SET_BY_THE_STUDY, where=f"methods[{label!r}]")
        found.append(Chosen(str(label), name, keywords))
    there = {chosen.method for chosen in found if not set(chosen.keywords) - set(shared)}
    # It changes what a calibrated probability is, of null models too.
    own = {name: shared[name] for name in ("label_frequency",) if name in shared}
    return found + [Chosen(null, null, own) for null in null_models() if null not in there]


def _names(argument: str, given: Any) -> list[str]:
    """Return several names as a list; raise ``TypeError`` for what holds anything else."""
    several = isinstance(given, Iterable) and not isinstance(given, (bytes, Mapping))
    names = list(given) if several else []
    if not several or not all(isinstance(name, str) for name in names):
        msg = (
            f"{argument} must be a list of names, or a mapping of labels to what they stand for, "
            f"got {shortened(given)}."
        )
        raise TypeError(msg)
    return names


def read_splits(splits: Any) -> dict[str, SplitOf]:
    """Return the splits by name."""
    if isinstance(splits, str):
        splits = [splits]
    if not isinstance(splits, Mapping):
        splits = {split: split for split in _names("splits", splits)}
    found = dict(splits)
    if not found:
        msg = "splits is empty; name at least one, such as ['pairs', 'targets', 'tfs']."
        raise ValueError(msg)
    return {str(name): split for name, split in found.items()}


def read_seeds(seeds: int | Sequence[int]) -> list[int]:
    """Return the seeds: the given ones, or so many from 0."""
    if not isinstance(seeds, Sequence) or isinstance(seeds, (str, bytes)):
        check_integer("seeds", seeds, minimum=1)
        return list(range(int(seeds)))
    for seed in seeds:
        check_integer("seeds", seed, minimum=0)
    if not seeds or len(set(seeds)) < len(seeds):
        msg = f"seeds must be different numbers, at least one, got {listed(seeds)}."
        raise ValueError(msg)
    return [int(seed) for seed in seeds]
