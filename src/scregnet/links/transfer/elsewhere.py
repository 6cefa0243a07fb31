"""Calibration without labels: how well a layer tells what one more of its experiments finds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scregnet.links.calibration import PlattCalibration
from scregnet.links.transfer.columns import MOST, OF_LAYER, TransferColumns

# TFs of a layer that are read at most.
MOST_TFS = 200


def calibrate_elsewhere(
    columns: TransferColumns, weights: np.ndarray, n_experiments: Sequence[np.ndarray]
) -> PlattCalibration:
    """Fit probabilities of being found by one more experiment of the TF.

    Of a gene that k of the n experiments of a TF find, the experiment that is held out finds it
    with the share k / n, and then k - 1 of the other n - 1 do; else k of them do. So every held-out
    experiment is judged by the others, though only their mean is stored. Popularity is that among
    other TFs.

    Parameters
    ----------
    columns
        Columns of the data.
    weights
        Weights of the columns, 0 for ``near``, which is not made again for each experiment.
    n_experiments
        For each layer, number of experiments of each gene as a TF.

    Raises
    ------
    ValueError
        No TF of the data has an experiment that finds some genes and not others.
    """
    scores, labels, counts = [], [], []
    for number, (layer, sizes) in enumerate(zip(columns.layers, n_experiments, strict=True)):
        at = number * len(OF_LAYER) + OF_LAYER.index("track")
        # Shares of experiments if these are sets; a layer of other sizes has at most 1 as well.
        top = max(float(layer.tracks.data.max(initial=0)), 1e-12)
        tfs = np.flatnonzero(layer.has_track)
        others = weights.copy()
        others[at] = 0
        for tf in tfs[:: 1 + len(tfs) // MOST_TFS]:
            rest = others @ columns.of_tf(int(tf), used=weights != 0)
            track = np.zeros(columns.n_genes)
            start, end = layer.tracks.indptr[tf : tf + 2]
            track[layer.tracks.indices[start:end]] = layer.tracks.data[start:end] / top
            share, n = track, max(int(sizes[tf]), 1)
            mean, spread = share[layer.covered].mean(), share[layer.covered].std()
            for is_found, amount in ((True, share), (False, 1 - share)):
                own = 0.0
                if n > 1 and spread > 1e-6:
                    held_out = np.clip((share * n - is_found) / (n - 1), 0, 1)
                    own = weights[at] * np.minimum((held_out - mean) / spread, MOST)
                there = amount > 0
                scores.append(np.broadcast_to(rest + own, share.shape)[there])
                labels.append(np.full(int(there.sum()), is_found))
                counts.append(amount[there] / len(share))
    found = np.concatenate(labels) if labels else np.zeros(0, bool)
    if not found.any() or found.all():
        msg = (
            "evidence: the experiments of TFs that adata has find all of its genes or none, so "
            "they tell no link from another. Name layers with more experiments."
        )
        raise ValueError(msg)
    return PlattCalibration.fit(np.concatenate(scores), found, weights=np.concatenate(counts))
