"""Batches by tokens, and runs that are stopped and continue."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scregnet.encoders import (
    CellBlock,
    CellStream,
    CellTokens,
    EmbedOptions,
    Encoded,
    GeneMatch,
    partial,
)
from scregnet.encoders.token_encoder import TokenEncoder

N_GENES, N_CELLS = 12, 47


class Tabled(TokenEncoder):
    """The vector of a gene in a cell is the gene's row of a table times its value.

    Counts the cells that it encodes.
    """

    poolings = ("mean", "mean_all")
    dimension = 3

    def __init__(self, seed=0):
        self.network = torch.nn.Embedding(N_GENES, self.dimension)
        with torch.no_grad():
            self.network.weight.copy_(
                torch.randn(N_GENES, self.dimension, generator=torch.Generator().manual_seed(seed))
            )
        self.encoded = 0
        self.fail_at = None

    def match(self, genes):
        return GeneMatch(np.arange(N_GENES), np.arange(N_GENES))

    def tokenise(self, block, match):
        matrix = block.matrix
        return CellTokens(matrix.indptr, matrix.indices, matrix.indices, np.sqrt(matrix.data))

    def encode(self, batch):
        if self.fail_at is not None and self.encoded >= self.fail_at:
            msg = "power cut"
            raise RuntimeError(msg)
        self.encoded += len(batch.cells)
        hidden = self.network(torch.as_tensor(batch.ids)) * torch.as_tensor(batch.values)[..., None]
        return Encoded(hidden=hidden, slots=torch.as_tensor(batch.slots))

    def to(self, device):
        self.network.to(device)

    def describe(self):
        return {}


def cells(seed=0, block=10, change=None):
    rng = np.random.default_rng(seed)
    dense = rng.poisson(0.7, (N_CELLS, N_GENES)).astype(float)
    dense[[3, 20, 21]] = 0
    if change is not None:
        dense[change] += 1
    groups = rng.integers(0, 2, N_CELLS)
    blocks = [
        CellBlock(sp.csr_matrix(dense[at : at + block]), groups[at : at + block])
        for at in range(0, N_CELLS, block)
    ]
    return CellStream(blocks, N_CELLS, 2)


def embed(encoder, stream, **options):
    options = {"device": "cpu", "batch_size": 4} | options
    return encoder.embed(
        stream, np.array([f"g{i}" for i in range(N_GENES)]), EmbedOptions(**options)
    )


def vectors(embedding):
    return np.stack([group.vectors for group in embedding.groups])


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(partial, "INTERVAL", 0)
    monkeypatch.setattr(partial, "_SHARE", 0)


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, logger="scregnet")
    return caplog


def killed(folder, at, stream=None, **options):
    encoder = Tabled()
    encoder.fail_at = at
    with pytest.raises(RuntimeError, match="power cut"):
        embed(encoder, stream or cells(), partial_sums=folder, **options)
    assert encoder.encoded >= at
    return encoder.encoded


@pytest.mark.parametrize("at", [4, 7, 12, 30, 40])
def test_a_run_that_was_killed_ends_in_the_same_numbers(tmp_path, at_once, log, at):
    whole = embed(Tabled(), cells())
    done = killed(tmp_path / "embed", at)
    (saved,) = (tmp_path / "embed").iterdir()
    assert saved.suffix == ".npz"
    with np.load(saved, allow_pickle=False) as file:
        assert file["n_cells"].sum() == done
    encoder = Tabled()
    again = embed(encoder, cells(), partial_sums=tmp_path / "embed")
    assert encoder.encoded == N_CELLS - 3 - done
    np.testing.assert_array_equal(vectors(again), vectors(whole))
    assert [group.n_cells for group in again.groups] == [group.n_cells for group in whole.groups]
    assert "continuing from cell" in log.text
    assert list((tmp_path / "embed").iterdir()) == []


def test_killed_twice(tmp_path, at_once):
    whole = embed(Tabled(), cells())
    first = killed(tmp_path, 8)
    second = killed(tmp_path, 16)
    encoder = Tabled()
    np.testing.assert_array_equal(
        vectors(embed(encoder, cells(), partial_sums=tmp_path)), vectors(whole)
    )
    assert encoder.encoded == N_CELLS - 3 - first - second


@pytest.mark.parametrize(
    "options",
    [{"batch_size": 5}, {"batch_size": None}, {"pooling": "mean_all"}, {"partial_sums": None}],
    ids=str,
)
def test_another_run_starts_anew(tmp_path, at_once, options):
    killed(tmp_path, 20)
    encoder = Tabled()
    embed(encoder, cells(), **({"partial_sums": tmp_path} | options))
    assert encoder.encoded == N_CELLS - 3


def test_other_weights_start_anew(tmp_path, at_once):
    killed(tmp_path, 20)
    encoder = Tabled(seed=1)
    embed(encoder, cells(), partial_sums=tmp_path)
    assert encoder.encoded == N_CELLS - 3


@pytest.mark.parametrize("stream", [cells(change=(2, 5)), cells(block=9), cells(seed=1)])
def test_other_cells_start_anew_and_say_so(tmp_path, at_once, log, stream):
    killed(tmp_path, 30)
    encoder = Tabled()
    got = embed(encoder, stream, partial_sums=tmp_path)
    assert encoder.encoded == sum(int((np.diff(block.matrix.indptr) > 0).sum()) for block in stream)
    assert "do not belong to these cells" in log.text
    np.testing.assert_array_equal(vectors(got), vectors(embed(Tabled(), stream)))


def test_a_change_in_cells_that_come_later_is_no_change_of_the_sums(tmp_path, at_once):
    changed = cells(change=(46, 1))
    killed(tmp_path, 8)
    encoder = Tabled()
    got = embed(encoder, changed, partial_sums=tmp_path)
    assert encoder.encoded < N_CELLS - 3
    np.testing.assert_array_equal(vectors(got), vectors(embed(Tabled(), changed)))


@pytest.mark.parametrize(
    "damage", [lambda data: data[:60], lambda data: b"", lambda data: b"x" * len(data)]
)
def test_a_damaged_file_is_told_and_left(tmp_path, at_once, log, damage):
    killed(tmp_path, 20)
    (saved,) = tmp_path.iterdir()
    saved.write_bytes(damage(saved.read_bytes()))
    encoder = Tabled()
    embed(encoder, cells(), partial_sums=tmp_path)
    assert encoder.encoded == N_CELLS - 3
    assert f"{saved} is damaged" in log.text


def test_a_file_of_objects_is_not_read(tmp_path, at_once, log):
    killed(tmp_path, 20)
    (saved,) = tmp_path.iterdir()
    np.savez(saved, place=np.array([print], dtype=object), allow_pickle=True)
    embed(Tabled(), cells(), partial_sums=tmp_path)
    assert "is damaged" in log.text


def test_a_folder_that_cannot_be_written_to_does_not_end_the_run(tmp_path, at_once, log):
    (tmp_path / "file").write_text("")
    got = embed(Tabled(), cells(), partial_sums=tmp_path / "file" / "embed")
    np.testing.assert_array_equal(vectors(got), vectors(embed(Tabled(), cells())))
    assert [r.getMessage() for r in log.records if "was not written" in r.getMessage()][1:] == []
    assert "cannot be continued" in log.text


def test_short_runs_write_nothing(tmp_path):
    killed(tmp_path / "embed", 30)
    assert not (tmp_path / "embed").exists()


def batches(max_tokens, batch_size=1000, pooling="mean"):
    encoder = Tabled()
    encoder.max_tokens = max_tokens
    block = replace(next(iter(cells(block=N_CELLS))))
    found = list(encoder.batches(block, encoder.match(None), batch_size, pooling=pooling))
    lengths = np.diff(block.matrix.indptr)
    for batch in found:
        np.testing.assert_array_equal(batch.mask.sum(axis=1), lengths[batch.cells])
        for row, cell in enumerate(batch.cells):
            n = lengths[cell]
            np.testing.assert_array_equal(batch.ids[row, :n], block.matrix[cell].indices)
            np.testing.assert_allclose(
                batch.values[row, :n], np.sqrt(block.matrix[cell].data), rtol=1e-6
            )
            assert (batch.slots[row, n:] == -1).all()
    assert (
        sorted(np.concatenate([batch.cells for batch in found])) == np.flatnonzero(lengths).tolist()
    )
    return found


@pytest.mark.parametrize("max_tokens", [1, 20, 64, 10_000])
def test_batches_hold_as_many_tokens(max_tokens):
    found = batches(max_tokens)
    for batch, after in zip(found, [*found[1:], None], strict=True):
        assert batch.mask.size <= max_tokens or len(batch.cells) == 1
        if after is not None:
            assert batch.mask.size + batch.mask.shape[1] > max_tokens
            assert batch.mask.shape[1] >= after.mask.shape[1]
    assert np.mean(np.concatenate([batch.mask.ravel() for batch in found])) > (
        0.5 if max_tokens == 10_000 else 0.9
    )


def test_batch_size_limits_the_cells():
    assert [len(batch.cells) for batch in batches(None, 10)] == [10, 10, 10, 10, 4]
    assert max(len(batch.cells) for batch in batches(40, 3)) == 3


def test_where_every_gene_has_a_vector_that_is_what_counts():
    assert [len(batch.cells) for batch in batches(5 * N_GENES, pooling="mean_all")] == [5] * 8 + [4]


def test_half_precision_is_for_gpus():
    with pytest.raises(
        ValueError, match="precision='bfloat16' needs a CUDA device, but the device is 'cpu'"
    ):
        embed(Tabled(), cells(), precision="bfloat16")
    with pytest.raises(ValueError, match="precision='double' is not known"):
        embed(Tabled(), cells(), precision="double")
    assert embed(Tabled(), cells()).report["precision"] == "float32"


def test_the_bar_counts_every_cell(tmp_path, at_once, capsys):
    embed(Tabled(), cells(), progress=True)
    shown = capsys.readouterr().err
    assert "Tabled: 100%" in shown
    assert f"{N_CELLS}/{N_CELLS}" in shown
    killed(tmp_path, 20)
    capsys.readouterr()
    embed(Tabled(), cells(), progress=True, partial_sums=tmp_path)
    shown = capsys.readouterr().err
    assert f"{N_CELLS}/{N_CELLS}" in shown
    assert "cell/s" in shown


class Narrow(Tabled):
    """Has memory for some cells only."""

    def __init__(self, most):
        super().__init__()
        self.most, self.tried = most, []

    def encode(self, batch):
        self.tried.append(len(batch.cells))
        if len(batch.cells) > self.most:
            msg = "CUDA out of memory. Tried to allocate 2.00 GiB."
            raise torch.OutOfMemoryError(msg)
        return super().encode(batch)


@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_batch_that_does_not_fit_is_halved(log, most):
    whole, narrow = embed(Tabled(), cells(), batch_size=10), Narrow(most)
    halved = embed(narrow, cells(), batch_size=10)
    np.testing.assert_allclose(vectors(halved), vectors(whole), rtol=1e-6, atol=1e-7)
    assert [group.n_cells for group in halved.groups] == [group.n_cells for group in whole.groups]
    assert narrow.encoded == N_CELLS - 3, "every cell that has tokens, once"
    # Learned at the first batch.
    assert sum(n > most for n in narrow.tried) == log.text.count("too little memory for") > 0


def test_a_cell_that_does_not_fit_is_an_error():
    with pytest.raises(MemoryError, match="A single cell of .* does not fit .*device='cpu'"):
        embed(Narrow(0), cells())
