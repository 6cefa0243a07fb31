"""The vectors of some genes in single cells, as a generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scregnet.encoders import CellBlock, CellStream, EmbedOptions, create


@pytest.mark.parametrize("model", ["geneformer V2", "scbert", "scfoundation", "scgpt"])
@pytest.mark.parametrize("pooling", ["mean", "mean_all"])
def test_their_means_are_the_pooled_vectors(model, pooling, write_small, genes, counts):
    name, _, variant = model.partition(" ")
    encoder = create(name, weights=write_small(name, variant))
    if pooling not in encoder.poolings:
        pytest.skip("the model has one pooling")
    stream = CellStream(
        [CellBlock(counts[:13], np.zeros(13, int)), CellBlock(counts[13:], np.zeros(17, int))], 30
    )
    options = EmbedOptions(device="cpu", batch_size=4, pooling=pooling)
    wanted = [str(genes[5]), str(genes[0]), str(genes[5]), str(genes[9])]
    positions, parts = [], []
    for cells, vectors in encoder.vectors(stream, genes, wanted, options):
        assert not torch.is_inference_mode_enabled()
        assert vectors.shape == (len(cells), 4, encoder.dimension)
        positions.append(cells)
        parts.append(vectors)
    cells, vectors = np.concatenate(positions), np.concatenate(parts)
    assert sorted(cells) == sorted(set(range(30)) - {4, 11})
    columns = [5, 0, 5, 9]
    seen = ~np.isnan(vectors).any(axis=2)
    if pooling == "mean":
        np.testing.assert_array_equal(seen, counts.toarray()[cells][:, columns] > 0)
    else:
        assert seen.all()
    pooled = encoder.embed(stream, genes, options).groups[0].vectors[columns]
    np.testing.assert_allclose(np.nanmean(vectors, axis=0), pooled, atol=2e-6)
    with pytest.raises(KeyError, match="the model does not know: 'unknown', 'absent'"):
        next(encoder.vectors(stream, genes, ["unknown", "absent"], options))
