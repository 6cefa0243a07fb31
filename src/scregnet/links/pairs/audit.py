"""Check a split: pairs that the training knows, contradicting labels, parts that differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scregnet.links.pairs.codes import decode_pairs, pair_codes

if TYPE_CHECKING:
    from scregnet.links.task import Pairs

OK, WARNING, FAIL = "ok", "warning", "fail"

# The three limits are judgements of what is worth a word and what spoils the figures.
# Excess of edges over non-edges whose reverse is a training edge. Looking that up has an AUROC of
# 0.5 + excess / 2: 0.525 and 0.6.
REVERSE_WARNING, REVERSE_FAIL = 0.05, 0.2
# Share of the negatives whose TF alone gives them away.
TFS_WITHOUT_EDGES_WARNING = 0.05
# Ratio of the shares of edges of two parts; 1.5 moves small probabilities by 0.4 on logit scale.
CLASS_RATIO_WARNING = 1.5


@dataclass(frozen=True)
class Finding:
    """What one check found in one part."""

    check: str
    part: str
    count: int
    share: float
    verdict: str
    message: str


@dataclass(frozen=True)
class _Parts:
    """The parts that have pairs, by name, and the code of each pair."""

    pairs: dict[str, Pairs]
    codes: dict[str, np.ndarray]
    n_genes: int

    @property
    def held_out(self) -> dict[str, Pairs]:
        """All parts but the training."""
        return {name: pairs for name, pairs in self.pairs.items() if name != "train"}

    @property
    def training_edges(self) -> np.ndarray:
        """Codes of the positive training pairs."""
        return self.codes["train"][self.pairs["train"].labels]

    def negatives(self, name: str) -> np.ndarray:
        """Codes of the negative pairs of a part."""
        return self.codes[name][~self.pairs[name].labels]


def audit_pairs(
    train: Pairs,
    validation: Pairs,
    test: Pairs,
    n_genes: int,
    *,
    known: tuple[np.ndarray, np.ndarray] | None = None,
) -> list[Finding]:
    """Run all checks of a split.

    Parameters
    ----------
    train
        Training pairs. As in the other parts a pair may occur twice, even with different labels.
    validation
        Validation pairs; may be empty.
    test
        Test pairs.
    n_genes
        Number of genes.
    known
        Sources and targets of known edges other than the positives of the split.

    Returns
    -------
    One finding per check and part, check by check.
    """
    pairs = {"train": train, "validation": validation, "test": test}
    pairs = {name: part for name, part in pairs.items() if len(part)}
    codes = {name: pair_codes(part.sources, part.targets, n_genes) for name, part in pairs.items()}
    parts = _Parts(pairs, codes, n_genes)
    edges = [codes[name][part.labels] for name, part in pairs.items()]
    if known is not None:
        edges.append(pair_codes(*known, n_genes))
    edge_codes = np.unique(np.concatenate(edges))
    return [
        *_both_labels(parts),
        *_self_pairs(parts),
        *_repeated(parts),
        *_in_two_parts(parts),
        *_edges_as_negatives(parts, edge_codes),
        *_training_edges_as_negatives(parts),
        *_reverse_edges(parts),
        *_tfs_without_edges(parts, np.unique(decode_pairs(edge_codes, n_genes)[0])),
        *_class_ratio(parts),
        *_shared_genes(parts),
    ]


def _share(count: int, total: int) -> float:
    return count / total if total else float("nan")


def _none_allowed(
    check: str, part: str, count: int, total: int, *, found: str, none: str
) -> Finding:
    """Return a finding that fails unless the count is zero; ``found`` follows the count."""
    message = f"{count:,} {found}" if count else none
    return Finding(check, part, count, _share(count, total), FAIL if count else OK, message)


def _both_labels(parts: _Parts) -> Iterator[Finding]:
    for name, pairs in parts.pairs.items():
        n, n_all = pairs.n_positive, len(pairs)
        message = f"{n:,} edges and {n_all - n:,} non-edges"
        if n in (0, n_all):
            kind = "edges" if n else "non-edges"
            message = f"all {n_all:,} pairs are {kind}: nothing can be ranked"
        verdict = FAIL if n in (0, n_all) else OK
        yield Finding("both_labels", name, n, _share(n, n_all), verdict, message)


def _self_pairs(parts: _Parts) -> Iterator[Finding]:
    for name, pairs in parts.pairs.items():
        n = int((pairs.sources == pairs.targets).sum())
        found, none = "pairs join a gene with itself", "no gene is paired with itself"
        yield _none_allowed("self_pair", name, n, len(pairs), found=found, none=none)


def _repeated(parts: _Parts) -> Iterator[Finding]:
    for name, codes in parts.codes.items():
        n = len(codes) - len(np.unique(codes))
        found, none = "rows repeat a pair of the same part", "every pair occurs once"
        yield _none_allowed("repeated_pair", name, n, len(codes), found=found, none=none)


def _in_two_parts(parts: _Parts) -> Iterator[Finding]:
    names = list(parts.codes)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            codes = parts.codes[second]
            n = int(np.isin(codes, parts.codes[first]).sum())
            yield _none_allowed(
                "pair_in_two_parts",
                f"{first}, {second}",
                n,
                len(codes),
                found=f"{second} pairs are {first} pairs, too: they do not test what was learned",
                none=f"no {second} pair is a {first} pair",
            )


def _edges_as_negatives(parts: _Parts, edge_codes: np.ndarray) -> Iterator[Finding]:
    for name in parts.pairs:
        negatives = parts.negatives(name)
        n = int(np.isin(negatives, edge_codes).sum())
        found, none = "negatives are known edges", "no negative is a known edge"
        yield _none_allowed("edge_as_negative", name, n, len(negatives), found=found, none=none)


def _training_edges_as_negatives(parts: _Parts) -> Iterator[Finding]:
    for name in parts.held_out:
        negatives = parts.negatives(name)
        n = int(np.isin(negatives, parts.training_edges).sum())
        yield _none_allowed(
            "training_edge_as_negative",
            name,
            n,
            len(negatives),
            found=f"{name} negatives are training edges: a model that remembers is punished for it",
            none=f"no {name} negative is a training edge",
        )


def _reverse_edges(parts: _Parts) -> Iterator[Finding]:
    for name, pairs in parts.held_out.items():
        codes = pair_codes(pairs.targets, pairs.sources, parts.n_genes)
        reverse = np.isin(codes, parts.training_edges)
        n_edges, n_others = int(reverse[pairs.labels].sum()), int(reverse[~pairs.labels].sum())
        edges = _share(n_edges, pairs.n_positive)
        others = _share(n_others, len(pairs) - pairs.n_positive)
        excess = edges - others
        verdict = FAIL if excess >= REVERSE_FAIL else WARNING if excess >= REVERSE_WARNING else OK
        message = (
            f"the reverse is a training edge for {edges:.1%} of the {name} edges and for "
            f"{others:.1%} of the non-edges"
        )
        if verdict != OK:
            message += (
                f": looking that up has an AUROC of {0.5 + excess / 2:.2f}. The network is "
                "undirected or nearly so; keep both directions of a pair in one part"
            )
        yield Finding("reverse_edge", name, n_edges, edges, verdict, message)
        compared = f"compare {edges:.1%} of the {name} edges"
        yield Finding("reverse_edge_of_negative", name, n_others, others, OK, compared)


def _tfs_without_edges(parts: _Parts, regulators: np.ndarray) -> Iterator[Finding]:
    for name, pairs in parts.pairs.items():
        negatives = pairs.sources[~pairs.labels]
        idle = ~np.isin(negatives, regulators)
        n, n_tfs = int(idle.sum()), len(np.unique(negatives[idle]))
        share = _share(n, len(negatives))
        verdict = WARNING if share >= TFS_WITHOUT_EDGES_WARNING else OK
        message = "every TF has an edge"
        if n:
            message = f"{n:,} negatives are of {n_tfs:,} TFs without a known edge"
        if verdict == WARNING:
            message += ": the TF gives them away"
        yield Finding("tf_without_edges", name, n, share, verdict, message)


def _class_ratio(parts: _Parts) -> Iterator[Finding]:
    train = parts.pairs["train"]
    base = _share(train.n_positive, len(train))
    for name, pairs in parts.pairs.items():
        share = _share(pairs.n_positive, len(pairs))
        low, high = sorted((base, share))
        differs = high > CLASS_RATIO_WARNING * low
        message = f"{share:.1%} of the pairs are edges"
        if differs:
            message += f", {base:.1%} of the training pairs: probabilities will not fit this part"
        verdict = WARNING if differs else OK
        yield Finding("class_ratio", name, pairs.n_positive, share, verdict, message)


def _shared_genes(parts: _Parts) -> Iterator[Finding]:
    train = parts.pairs["train"]
    for name, pairs in parts.held_out.items():
        for check, kind, own, trained in (
            ("tf_in_training", "TFs", pairs.sources, train.sources),
            ("target_in_training", "targets", pairs.targets, train.targets),
        ):
            genes = np.unique(own)
            n = int(np.isin(genes, trained).sum())
            message = f"{n:,} of the {len(genes):,} {kind} of the {name} pairs have training pairs"
            # Nothing is wrong with either; it says what the split asks.
            message += ": their degree is known" if n else f": the split tests unseen {kind}"
            yield Finding(check, name, n, _share(n, len(genes)), OK, message)
