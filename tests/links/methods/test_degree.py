import numpy as np
import pytest
from scipy.special import logit

from scregnet import metrics
from scregnet.links import LinkTask, Pairs, get_method


def make_pairs(rows):
    sources, targets, labels = np.array(rows).T
    return Pairs(sources, targets, labels.astype(bool))


def test_score_is_the_sum_of_two_shrunken_logits():
    train = make_pairs([(0, 2, 1), (0, 3, 1), (0, 4, 0), (1, 2, 1), (1, 3, 0), (1, 4, 0)])
    validation = make_pairs([(0, 5, 1), (1, 5, 0)])
    links = (
        get_method("degree", pseudo_count=2.0)
        .fit(LinkTask(6, train, validation), rng=None, device=None)
        .links
    )
    overall = 0.5
    tf = logit((2 + 2 * overall) / (3 + 2))
    target = logit((2 + 2 * overall) / (2 + 2))
    assert links.score(np.array([0]), np.array([2]))[0] == pytest.approx(
        tf + target - logit(overall)
    )


def test_genes_without_pairs_have_the_overall_rate():
    train = make_pairs([(0, 2, 1), (0, 3, 0), (0, 4, 0), (0, 5, 0)])
    validation = make_pairs([(0, 1, 1), (0, 6, 0)])
    links = (
        get_method("degree", pseudo_count=1.0)
        .fit(LinkTask(8, train, validation), rng=None, device=None)
        .links
    )
    assert links.score(np.array([7]), np.array([6]))[0] == pytest.approx(logit(0.25), abs=1e-6)


def test_the_pseudo_count_is_chosen_on_validation_pairs(task_and_split):
    task, _ = task_and_split
    chosen = get_method("degree").fit(task, rng=None, device=None).links
    fixed = {
        c: get_method("degree", pseudo_count=c).fit(task, rng=None, device=None).links
        for c in (0.3, 1.0, 3.0, 10.0, 30.0)
    }
    same = [
        c for c, links in fixed.items() if np.array_equal(links.target_term, chosen.target_term)
    ]
    assert len(same) == 1


def test_popular_tfs_and_targets_come_first(task_and_split):
    task, split = task_and_split
    links = get_method("degree").fit(task, rng=None, device=None).links
    scores = links.score(split.test.sources, split.test.targets)
    assert metrics.auroc(split.test.labels, scores) > 0.65


@pytest.mark.parametrize("bad", [0, -1.0])
def test_pseudo_count_must_be_positive(bad):
    with pytest.raises(ValueError, match="pseudo_count must lie in"):
        get_method("degree", pseudo_count=bad)
