"""What is wrong with a split: pairs that the training knows, labels that contradict each other, parts that differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scregnet.links.pairs.codes import decode_pairs, pair_codes

if TYPE_CHECKING:
    from scregnet.links.task import Pairs

OK, WARNING, FAIL = "ok", "warning", "fail"

# Looking up whether the reverse of a pair is a training edge has an AUROC of one half plus half the difference of the two shares.
REVERSE_WARNING, REVERSE_FAIL = 0.05, 0.2
TFS_WITHOUT_EDGES_WARNING = 0.05
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


def audit_pairs(
    train: Pairs,
    validation: Pairs,
    test: Pairs,
    n_genes: int,
    *,
    known: tuple[np.ndarray, np.ndarray] | None = None,
) -> list[Finding]:
    """All checks of a split.

    Parameters
    ----------
    train
        Training pairs; as in the other parts, a pair may be there twice, also with different labels.
    validation
        Validation pairs; may be empty.
    test
        Test pairs.
    n_genes
        Number of genes.
    known
        Sources and targets of edges that are known beside the positives of the split.

    Returns
    -------
    One finding per check and part, those of one check below each other.
    """
    parts = {"train": train, "validation": validation, "test": test}
    parts = {name: pairs for name, pairs in parts.items() if len(pairs)}
    keys = {
        name: pair_codes(pairs.sources, pairs.targets, n_genes) for name, pairs in parts.items()
    }
    edges = [keys[name][pairs.labels] for name, pairs in parts.items()]
    if known is not None:
        edges.append(pair_codes(*known, n_genes))
    edge_keys = np.unique(np.concatenate(edges))
    return [
        *_labels(parts),
        *_self_pairs(parts),
        *_repeated(keys),
        *_in_two_parts(keys),
        *_edges_as_negatives(parts, keys, edge_keys),
        *_training_edges_as_negatives(parts, keys),
        *_reverse_edges(parts, keys, n_genes),
        *_tfs_without_edges(parts, np.unique(decode_pairs(edge_keys, n_genes)[0])),
        *_class_ratio(parts),
        *_shared_genes(parts),
    ]


def _share(count: int, total: int) -> float:
    return count / total if total else float("nan")


def _labels(parts: dict[str, Pairs]) -> list[Finding]:
    found = []
    for name, pairs in parts.items():
        n = pairs.n_positive
        one = n in (0, len(pairs))
        message = (
            f"all {len(pairs):,} pairs are {'edges' if n else 'non-edges'}: nothing can be ranked"
            if one
            else f"{n:,} edges and {len(pairs) - n:,} non-edges"
        )
        found.append(
            Finding("both_labels", name, n, _share(n, len(pairs)), FAIL if one else OK, message)
        )
    return found


def _self_pairs(parts: dict[str, Pairs]) -> list[Finding]:
    found = []
    for name, pairs in parts.items():
        n = int((pairs.sources == pairs.targets).sum())
        message = f"{n:,} pairs join a gene with itself" if n else "no gene is paired with itself"
        found.append(
            Finding("self_pair", name, n, _share(n, len(pairs)), FAIL if n else OK, message)
        )
    return found


def _repeated(keys: dict[str, np.ndarray]) -> list[Finding]:
    found = []
    for name, own in keys.items():
        n = len(own) - len(np.unique(own))
        message = f"{n:,} rows repeat a pair of the same part" if n else "every pair is there once"
        found.append(
            Finding("repeated_pair", name, n, _share(n, len(own)), FAIL if n else OK, message)
        )
    return found


def _in_two_parts(keys: dict[str, np.ndarray]) -> list[Finding]:
    found = []
    names = list(keys)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            n = int(np.isin(keys[second], keys[first]).sum())
            message = (
                f"{n:,} {second} pairs are {first} pairs as well: what is learned from these is tested on them"
                if n
                else f"no {second} pair is a {first} pair"
            )
            verdict = FAIL if n else OK
            found.append(
                Finding(
                    "pair_in_two_parts",
                    f"{first}, {second}",
                    n,
                    _share(n, len(keys[second])),
                    verdict,
                    message,
                )
            )
    return found


def _edges_as_negatives(
    parts: dict[str, Pairs], keys: dict[str, np.ndarray], edge_keys: np.ndarray
) -> list[Finding]:
    found = []
    for name, pairs in parts.items():
        negatives = keys[name][~pairs.labels]
        n = int(np.isin(negatives, edge_keys).sum())
        message = f"{n:,} negatives are known edges" if n else "no negative is a known edge"
        found.append(
            Finding(
                "edge_as_negative", name, n, _share(n, len(negatives)), FAIL if n else OK, message
            )
        )
    return found


def _training_edges_as_negatives(
    parts: dict[str, Pairs], keys: dict[str, np.ndarray]
) -> list[Finding]:
    found = []
    trained = keys["train"][parts["train"].labels]
    for name in parts:
        if name == "train":
            continue
        negatives = keys[name][~parts[name].labels]
        n = int(np.isin(negatives, trained).sum())
        message = (
            f"{n:,} {name} negatives are training edges: a model that remembers what it learned is punished for it"
            if n
            else f"no {name} negative is a training edge"
        )
        found.append(
            Finding(
                "training_edge_as_negative",
                name,
                n,
                _share(n, len(negatives)),
                FAIL if n else OK,
                message,
            )
        )
    return found


def _reverse_edges(
    parts: dict[str, Pairs], keys: dict[str, np.ndarray], n_genes: int
) -> list[Finding]:
    found = []
    trained = keys["train"][parts["train"].labels]
    for name, pairs in parts.items():
        if name == "train":
            continue
        reverse = np.isin(pair_codes(pairs.targets, pairs.sources, n_genes), trained)
        n_edges, n_others = int(reverse[pairs.labels].sum()), int(reverse[~pairs.labels].sum())
        edges, others = (
            _share(n_edges, pairs.n_positive),
            _share(n_others, len(pairs) - pairs.n_positive),
        )
        gain = edges - others
        verdict = FAIL if gain >= REVERSE_FAIL else WARNING if gain >= REVERSE_WARNING else OK
        message = f"of {edges:.1%} of the {name} edges the reverse is a training edge, and of {others:.1%} of the non-edges"
        if verdict != OK:
            message += (
                f": looking that up has an AUROC of {0.5 + gain / 2:.2f}. The network is undirected or nearly so; "
                "keep both directions of a pair in one part"
            )
        found.append(Finding("reverse_edge", name, n_edges, edges, verdict, message))
        found.append(
            Finding(
                "reverse_edge_of_negative",
                name,
                n_others,
                others,
                OK,
                f"beside the {edges:.1%} of the {name} edges",
            )
        )
    return found


def _tfs_without_edges(parts: dict[str, Pairs], regulators: np.ndarray) -> list[Finding]:
    found = []
    for name, pairs in parts.items():
        negatives = pairs.sources[~pairs.labels]
        idle = ~np.isin(negatives, regulators)
        n, n_tfs = int(idle.sum()), len(np.unique(negatives[idle]))
        share = _share(n, len(negatives))
        verdict = WARNING if share >= TFS_WITHOUT_EDGES_WARNING else OK
        message = (
            f"{n:,} negatives are of {n_tfs:,} TFs without a known edge"
            + (": which TF it is gives them away" if verdict == WARNING else "")
            if n
            else "every TF has an edge"
        )
        found.append(Finding("tf_without_edges", name, n, share, verdict, message))
    return found


def _class_ratio(parts: dict[str, Pairs]) -> list[Finding]:
    found = []
    base = _share(parts["train"].n_positive, len(parts["train"]))
    for name, pairs in parts.items():
        share = _share(pairs.n_positive, len(pairs))
        low, high = sorted((base, share))
        differs = high > CLASS_RATIO_WARNING * low
        message = f"{share:.1%} of the pairs are edges"
        if differs:
            message += f", {base:.1%} of those for training: probabilities are about other pairs than those they were learned from"
        verdict = WARNING if differs else OK
        found.append(Finding("class_ratio", name, pairs.n_positive, share, verdict, message))
    return found


def _shared_genes(parts: dict[str, Pairs]) -> list[Finding]:
    found = []
    for name, pairs in parts.items():
        if name == "train":
            continue
        for check, own, trained in (
            ("tf_in_training", pairs.sources, parts["train"].sources),
            ("target_in_training", pairs.targets, parts["train"].targets),
        ):
            genes = np.unique(own)
            n = int(np.isin(genes, trained).sum())
            kind = "TFs" if check == "tf_in_training" else "targets"
            message = (
                f"{n:,} of the {len(genes):,} {kind} of the {name} pairs have training pairs"
                + (": their degree is known" if n else f": the split tests unseen {kind}")
            )
            found.append(Finding(check, name, n, _share(n, len(genes)), OK, message))
    return found
