import numpy as np
import pandas as pd
import pytest

from scregnet.links import Pairs, split_pairs
from scregnet.links.pairs.audit import audit_pairs

N = 200


def pairs(rows):
    sources, targets, labels = np.array(rows).reshape(-1, 3).T
    return Pairs(sources, targets, labels.astype(bool))


def audit(train, test, validation=(), **parameters):
    found = audit_pairs(pairs(train), pairs(validation), pairs(test), N, **parameters)
    return pd.DataFrame(found).set_index(["check", "part"])


TRAIN = [(0, 10, 1), (0, 11, 0), (1, 10, 1), (1, 12, 0)]
TEST = [(0, 13, 1), (0, 14, 0), (1, 14, 1), (1, 15, 0)]


def by_published_rule(sources, targets, n_genes, rng):
    """Split as the script for STRING networks does.

    It draws test negatives without a look at the training pairs.
    """
    edges = np.stack([sources, targets], axis=1)[rng.permutation(len(sources))]
    cut = int(0.67 * len(edges))
    known = set(map(tuple, edges.tolist()))

    def draw(n, forbidden):
        drawn = set()
        while len(drawn) < n:
            pair = (int(rng.choice(sources)), int(rng.integers(n_genes)))
            if pair[0] != pair[1] and pair not in forbidden:
                drawn.add(pair)
        return [(*pair, 0) for pair in drawn]

    train = [(*edge, 1) for edge in edges[:cut].tolist()]
    test = [(*edge, 1) for edge in edges[cut:].tolist()]
    train += draw(cut, known)
    test += draw(8 * (len(edges) - cut), {pair[:2] for pair in test})
    return pairs(train), pairs(test)


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    edges = rng.random((15, N)) < 0.15
    edges[np.arange(15), np.arange(15)] = False
    return np.nonzero(edges)


def test_a_sound_split_has_nothing_but_ok():
    report = audit(TRAIN, TEST)
    assert set(report["verdict"]) == {"ok"}
    assert set(report.index.get_level_values("check")) == {
        *("both_labels", "self_pair", "repeated_pair", "pair_in_two_parts", "edge_as_negative"),
        *(
            "training_edge_as_negative",
            "reverse_edge",
            "reverse_edge_of_negative",
            "tf_without_edges",
        ),
        *("class_ratio", "tf_in_training", "target_in_training"),
    }
    assert "validation" not in report.index.get_level_values("part")


def test_a_pair_in_two_parts_fails():
    report = audit(TRAIN, [*TEST, (0, 11, 0)], [(1, 15, 0), (1, 16, 1)])
    row = report.loc["pair_in_two_parts", "train, test"]
    assert (row["count"], row["share"], row["verdict"]) == (1, 1 / 5, "fail")
    assert report.loc[("pair_in_two_parts", "validation, test"), "count"] == 1
    assert report.loc[("pair_in_two_parts", "train, validation"), "verdict"] == "ok"


def test_a_training_edge_among_the_test_negatives_fails():
    report = audit(TRAIN, [*TEST, (0, 10, 0)])
    for check in ("training_edge_as_negative", "edge_as_negative"):
        assert report.loc[check, "test"][["count", "share", "verdict"]].tolist() == [
            1,
            1 / 3,
            "fail",
        ]
    assert report.loc[("edge_as_negative", "train"), "verdict"] == "ok"


def test_an_edge_that_only_the_prior_knows_is_no_negative():
    known = np.array([1, 5]), np.array([12, 6])
    report = audit(TRAIN, TEST, known=known)
    assert report.loc["edge_as_negative", "train"][["count", "verdict"]].tolist() == [1, "fail"]
    assert report.loc[("training_edge_as_negative", "test"), "verdict"] == "ok"


def test_labels_that_contradict_each_other_within_a_part_fail():
    report = audit([*TRAIN, (0, 10, 0)], TEST)
    assert report.loc[("repeated_pair", "train"), "count"] == 1
    assert report.loc[("edge_as_negative", "train"), "count"] == 1
    assert report.loc[("repeated_pair", "train"), "verdict"] == "fail"


def test_reverse_edges_are_compared_with_those_of_negatives():
    test = [(10, 0, 1), (10, 1, 1), (11, 0, 1), (12, 0, 0), (13, 0, 0), (10, 5, 0)]
    row = audit(TRAIN, test).loc["reverse_edge", "test"]
    # (0, 10) and (1, 10) are training edges.
    assert row[["count", "share", "verdict"]].tolist() == [2, 2 / 3, "fail"]
    assert "AUROC of 0.83" in row["message"]
    assert audit(TRAIN, test).loc[("reverse_edge_of_negative", "test"), "count"] == 0
    # Where the same share of the non-edges is the reverse of an edge, nothing is given away.
    even = [(10, 0, 1), (11, 0, 1), (10, 1, 0), (12, 0, 0)]
    assert audit(TRAIN, even).loc["reverse_edge", "test"][["share", "verdict"]].tolist() == [
        0.5,
        "ok",
    ]


def test_negatives_of_tfs_without_edges_are_a_warning():
    test = [*TEST, (7, 10, 0), (7, 11, 0), (8, 11, 0)]
    row = audit(TRAIN, test).loc["tf_without_edges", "test"]
    assert row[["count", "share", "verdict"]].tolist() == [3, 3 / 5, "warning"]
    assert "2 TFs" in row["message"]
    # A TF whose edges only the prior knows has edges.
    known = np.array([7, 8]), np.array([50, 50])
    assert audit(TRAIN, test, known=known).loc[("tf_without_edges", "test"), "count"] == 0


def test_parts_with_other_shares_of_edges_are_a_warning():
    report = audit(TRAIN, [*TEST, *((1, target, 0) for target in range(20, 40))])
    row = report.loc["class_ratio", "test"]
    assert row[["count", "verdict"]].tolist() == [2, "warning"]
    assert row["share"] == pytest.approx(2 / 24)
    assert report.loc[("class_ratio", "train"), "verdict"] == "ok"


def test_one_kind_of_labels_and_self_pairs_fail():
    report = audit(TRAIN, [(0, 13, 1), (1, 1, 1)])
    assert report.loc["both_labels", "test"][["count", "share", "verdict"]].tolist() == [
        2,
        1,
        "fail",
    ]
    assert report.loc["self_pair", "test"][["count", "verdict"]].tolist() == [1, "fail"]


def test_shared_genes_tell_what_the_split_tests():
    report = audit(TRAIN, [(0, 13, 1), (2, 10, 0), (3, 13, 1)])
    assert report.loc["tf_in_training", "test"][["count", "share"]].tolist() == [1, 1 / 3]
    assert report.loc["target_in_training", "test"][["count", "share"]].tolist() == [1, 1 / 2]
    assert (
        "unseen TFs"
        in audit(TRAIN, [(2, 10, 0), (3, 13, 1)]).loc[("tf_in_training", "test"), "message"]
    )


def test_the_published_rule_for_string_fails_and_the_packages_own_splits_pass(network):
    train, test = by_published_rule(*network, N, np.random.default_rng(1))
    nothing = pairs([])
    report = pd.DataFrame(audit_pairs(train, nothing, test, N)).set_index(["check", "part"])
    row = report.loc["training_edge_as_negative", "test"]
    trained = set(zip(train.sources[train.labels], train.targets[train.labels], strict=True))
    negatives = set(zip(test.sources[~test.labels], test.targets[~test.labels], strict=True))
    assert row["count"] == len(trained & negatives) > 0
    assert row["verdict"] == "fail"
    assert report.loc[("class_ratio", "test"), "verdict"] == "warning"
    for seed in range(3):
        own = split_pairs(*network, N, rng=np.random.default_rng(seed))
        verdicts = {
            finding.verdict
            for finding in audit_pairs(own.train, own.validation, own.test, N, known=network)
        }
        assert verdicts == {"ok"}
