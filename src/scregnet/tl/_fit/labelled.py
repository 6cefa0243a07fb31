"""The labelled pairs of a fit: the prior or a given split, divided in three parts, and the candidate TFs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.split import PARTS, check_split, read_split
from scregnet._genes.network import Network, read_network
from scregnet._validate import check_choice, check_interval
from scregnet.links import NEGATIVES, SPLITS, Split, choose_negatives, split_pairs

if TYPE_CHECKING:
    from anndata import AnnData


def labelled_pairs(
    data: AnnData,
    prior: Any,
    split: str | pd.DataFrame,
    *,
    test_fraction: float,
    validation_fraction: float | None,
    random_state: int | None,
    negatives: str = "all",
    negative_ratio: float = 1.0,
) -> tuple[Split, np.ndarray, Network | None]:
    """The split, the candidate TFs (positions, ascending) and the network as it was read."""
    check_interval("test_fraction", test_fraction, 0, 1, closed="neither")
    if validation_fraction is not None:
        check_interval("validation_fraction", validation_fraction, 0, 1, closed="neither")
    _check_negatives(split, negatives, negative_ratio)
    rng = np.random.default_rng(random_state)
    network = None
    if isinstance(split, pd.DataFrame):
        network = None if prior is None else read_network(prior, data)
        labelled = read_split(split, data, validation_fraction=validation_fraction, rng=rng)
    else:
        check_choice("split", split, SPLITS)
        if prior is None and "prior" not in data.varp:
            msg = "prior is None and adata.varp['prior'] is not there: pass the network as prior=, or call sr.pp.prior(adata, network) first."
            raise KeyError(msg)
        network = read_network("prior" if prior is None else prior, data)
        labelled = split_pairs(
            network.sources,
            network.targets,
            data.n_vars,
            rng=rng,
            kind=split,
            test_fraction=test_fraction,
            validation_fraction=validation_fraction,
        )
        labelled = choose_negatives(
            labelled, negatives, negative_ratio, rng=rng, scattered=split == "pairs"
        )
    check_split(labelled, "prior" if isinstance(split, str) else "split")
    is_candidate = (
        data.var["is_tf"].to_numpy(bool).copy()
        if "is_tf" in data.var
        else np.zeros(data.n_vars, bool)
    )
    for part in PARTS:
        is_candidate[getattr(labelled, part).sources] = True
    if network is not None:
        is_candidate[network.sources] = True
    return labelled, np.flatnonzero(is_candidate), network


def _check_negatives(split: str | pd.DataFrame, negatives: str, ratio: float) -> None:
    check_choice("negatives", negatives, NEGATIVES)
    check_interval("negative_ratio", ratio, 0, np.inf, closed="neither")
    if isinstance(split, pd.DataFrame) and negatives != "all":
        msg = f"negatives={negatives!r} cannot be chosen when split is a frame, whose pairs are taken as they are; leave negatives='all'."
        raise ValueError(msg)
    if ratio != 1 and negatives not in ("sampled", "hard"):
        msg = f"negative_ratio={ratio!r} has no meaning with negatives={negatives!r}; it is for 'sampled' and 'hard'."
        raise ValueError(msg)
