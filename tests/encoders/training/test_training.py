"""Masked training: what is hidden, what the null model knows, what a run's folder keeps."""

from __future__ import annotations

import errno
import json
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from transformers import BertConfig, BertForMaskedLM

from scregnet.encoders import CellBlock, CellStream
from scregnet.encoders.geneformer.encoder import GeneformerEncoder
from scregnet.encoders.geneformer.training import GeneformerTraining, vocabulary_of
from scregnet.encoders.layers.packed import packed_attention
from scregnet.encoders.scbert.training import ScBertTraining
from scregnet.encoders.training import stored
from scregnet.encoders.training.loop import Trainer, TrainOptions, _order, _schedule, train
from scregnet.encoders.training.protocol import IGNORED, MaskedBatch
from scregnet.encoders.training.record import RunRecord
from scregnet.encoders.training.run import RunFolder
from scregnet.encoders.weights.files import locate

CPU = torch.device("cpu")
SIZES = {"n_layers": 1, "hidden_size": 8, "n_heads": 2}


def stream(matrix) -> CellStream:
    return CellStream(
        [CellBlock(matrix, np.zeros(matrix.shape[0], dtype=np.int64))], matrix.shape[0]
    )


@pytest.fixture(scope="module")
def many() -> tuple[sp.csr_matrix, np.ndarray]:
    """300 cells × 60 genes."""
    rng = np.random.default_rng(0)
    dense = rng.poisson(rng.gamma(0.7, 2, (300, 60)))
    return sp.csr_matrix(dense, dtype=np.float64), np.array([f"gene{i}" for i in range(60)])


@pytest.fixture(scope="module")
def geneformer(many) -> GeneformerTraining:
    model = GeneformerTraining.from_scratch(stream(many[0]), many[1], seed=0, **SIZES)
    model.read(stream(many[0]), many[1])
    return model


@pytest.fixture(scope="module")
def scbert(many) -> ScBertTraining:
    model = ScBertTraining.from_scratch(stream(many[0]), many[1], seed=0, **SIZES)
    model.read(stream(many[0]), many[1])
    return model


def test_medians_are_those_of_the_values_above_zero(many):
    matrix, genes = many
    vocabulary = vocabulary_of(stream(matrix), genes)
    dense = matrix.toarray()
    scaled = dense / dense.sum(axis=1, keepdims=True) * 1e4
    for column in (0, 7, 59):
        values = scaled[:, column]
        assert vocabulary.medians[f"gene{column}"] == pytest.approx(
            np.median(values[values > 0]), rel=1e-12
        )


def test_a_vocabulary_has_the_genes_that_cells_have_under_the_ids_they_are_read_by():
    genes = np.array(["ENSG00000000123.4", "ensg00000000123.5", "never", "Gata1", ""])
    matrix = sp.csr_matrix(np.array([[3.0, 1, 0, 4, 2], [0, 0, 0, 1, 1]]))
    vocabulary = vocabulary_of(stream(matrix), genes)
    assert vocabulary.tokens == {"<pad>": 0, "<mask>": 1, "ENSG00000000123": 2, "Gata1": 3}
    assert vocabulary.medians == {
        "ENSG00000000123": 4 / 10 * 1e4,
        "Gata1": np.median([4 / 10, 1 / 2]) * 1e4,
    }
    np.testing.assert_array_equal(vocabulary.match(genes).known, [True, True, False, True, False])


def test_geneformer_hides_by_berts_rule(geneformer):
    cells = np.arange(len(geneformer.lengths))
    counts = np.zeros(4)
    for epoch in range(40):
        batch = geneformer.masked(cells, np.random.default_rng(epoch))
        asked = batch.labels != IGNORED
        assert not (asked & ~batch.mask).any()
        assert (asked.sum(axis=1) >= 1).all()
        hidden, kept = batch.inputs == 1, batch.inputs == batch.labels
        counts += [asked.sum(), (asked & hidden).sum(), (asked & kept).sum(), batch.mask.sum()]
        # What is not asked for stays.
        np.testing.assert_array_equal(
            np.sort(np.where(asked, batch.labels, batch.inputs)[3]),
            np.sort(original(geneformer, cells)[3]),
        )
    assert counts[0] / counts[3] == pytest.approx(0.15, abs=0.005)
    assert counts[1] / counts[0] == pytest.approx(0.8, abs=0.01)
    # One of sixty random genes is the right one.
    assert counts[2] / counts[0] == pytest.approx(0.1 + 0.1 / 60, abs=0.01)


def original(model: GeneformerTraining, cells: np.ndarray) -> np.ndarray:
    width = model.lengths[cells].max()
    rows = [model._ids.of(np.array([cell])) for cell in cells]
    return np.stack([np.pad(row, (0, width - len(row))) for row in rows])


def test_special_tokens_are_never_asked_for(folders, counts, genes):
    files = locate(
        "geneformer", GeneformerEncoder.roles, {}, variant=None, named=False, folder=folders["V2"]
    )
    model = GeneformerTraining.from_weights(files)
    model.read(stream(counts), genes)
    assert len(model.lengths) == 28, "two cells are empty"
    for seed in range(20):
        batch = model.masked(np.arange(28), np.random.default_rng(seed))
        assert (batch.inputs[:, 0] == 2).all()
        assert set(np.unique(batch.inputs)) - {0, 1, 2, 3} <= set(range(4, 44))
        assert batch.labels[batch.labels != IGNORED].min() >= 4


def test_scbert_hides_bins_above_zero(scbert, many):
    cells = np.arange(len(scbert.lengths))
    counts = np.zeros(3)
    for seed in range(40):
        batch = scbert.masked(cells, np.random.default_rng(seed))
        asked = batch.labels != IGNORED
        assert batch.labels[asked].min() >= 1
        assert batch.labels[asked].max() <= 5
        assert not batch.inputs[:, -1].any(), "the extra position"
        assert (asked.sum(axis=1) >= 1).all()
        restored = np.where(asked, batch.labels, batch.inputs)
        counts += [asked.sum(), (asked & (batch.inputs == 6)).sum(), (restored > 0).sum()]
        np.testing.assert_array_equal(np.where(asked, batch.inputs, 0) == 6, batch.inputs == 6)
    # At least one bin of a cell: with n bins 0.85^n more than its share.
    n = scbert._bins.lengths
    assert counts[0] / 40 == pytest.approx((0.15 * n + 0.85**n).sum(), rel=0.02)
    assert counts[1] / counts[0] == pytest.approx(0.9, abs=0.01)


def test_bins_of_a_small_panel_are_not_all_the_highest(scbert):
    assert scbert.encoder.target_sum == pytest.approx(1e4 * 60 / 16906)
    assert len(np.unique(np.concatenate(list(scbert._bins.pieces())))) >= 3


def test_null_model_of_geneformer(geneformer):
    train = np.arange(200)
    tokens = np.concatenate([original(geneformer, np.array([cell]))[0] for cell in train])
    share = np.array([(tokens == token).sum() + 1 for token in range(2, 62)], dtype=float)
    share /= share.sum()
    labels = np.array([[5, IGNORED, 61], [2, 2, IGNORED]])
    batch = MaskedBatch(inputs=labels, mask=np.ones((2, 3), dtype=bool), labels=labels)
    expected = -np.log(share[[3, 59, 0, 0]]).sum()
    assert geneformer.frequencies(train)(batch) == pytest.approx(expected, rel=1e-12)


def test_null_model_of_scbert(scbert):
    train = np.arange(0, 300, 2)
    bins = np.zeros((300, 61), dtype=int)
    for cell in range(300):
        one = np.array([cell])
        bins[cell, scbert._columns.of(one)] = scbert._bins.of(one)
    labels = np.full((1, 61), IGNORED)
    labels[0, [4, 30]] = [1, 5]
    batch = MaskedBatch(inputs=labels, mask=np.ones((1, 61), dtype=bool), labels=labels)
    expected = 0.0
    for gene, answer in ((4, 1), (30, 5)):
        counts = np.array([(bins[train, gene] == one).sum() + 1 for one in range(1, 6)])
        expected -= np.log(counts[answer - 1] / counts.sum())
    assert scbert.frequencies(train)(batch) == pytest.approx(expected, rel=1e-12)


def plain(model: GeneformerTraining, batch: MaskedBatch, kind: str = "sdpa") -> torch.Tensor:
    """Return the loss of transformers' own network with these weights, over padded cells."""
    network = BertForMaskedLM(BertConfig(**model.network.config.to_dict()))
    network.set_attn_implementation(kind)
    network.load_state_dict(model.network.state_dict())
    logits = network.train(model.network.training)(
        input_ids=torch.as_tensor(batch.inputs),
        attention_mask=torch.as_tensor(batch.mask, dtype=torch.long),
    ).logits
    loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1),
        torch.as_tensor(batch.labels).flatten(),
        ignore_index=IGNORED,
        reduction="sum",
    )
    loss.backward()
    return loss.detach(), {name: tensor.grad for name, tensor in network.named_parameters()}


def test_packed_cells_have_the_loss_and_gradients_of_plain_padded_ones(geneformer):
    """Nothing of the loop changes what transformers' own network learns of a batch."""
    batch = geneformer.masked(np.array([5, 40, 7, 200, 201]), np.random.default_rng(1))
    assert len(set(geneformer.lengths[[5, 40, 7, 200, 201]])) > 2
    geneformer.network.eval().zero_grad()
    wanted, gradients = plain(geneformer, batch)
    loss = geneformer.loss(batch, CPU)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(wanted), rel=1e-6)
    for name, tensor in geneformer.network.named_parameters():
        torch.testing.assert_close(tensor.grad, gradients[name], atol=1e-5, rtol=1e-4)
    with torch.inference_mode():
        # Neither padding nor the division into batches shows.
        parts = sum(float(geneformer.loss(part, CPU)) for part in batch.parts(2))
    assert parts == pytest.approx(float(wanted), rel=1e-5)


def test_hidden_positions_alone_have_the_loss_and_gradients_of_all(scbert):
    batch = scbert.masked(np.array([5, 40, 7]), np.random.default_rng(1))
    labels = torch.as_tensor(batch.labels)
    asked = labels != IGNORED
    assert len(set(asked.sum(dim=1).tolist())) > 1
    found = []
    for own in (True, False):
        scbert.network.zero_grad()
        if own:
            loss = scbert.loss(batch, CPU)
        else:
            logits = scbert.network.head(scbert.network(torch.as_tensor(batch.inputs))[0][asked])
            loss = torch.nn.functional.cross_entropy(logits, labels[asked], reduction="sum")
        loss.backward()
        found.append([loss.detach(), *(x.grad.clone() for x in scbert.network.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["geneformer", "scbert"])
def test_layers_computed_twice_have_the_same_gradients(name, request, monkeypatch):
    model = request.getfixturevalue(name)
    batch = model.masked(np.arange(6), np.random.default_rng(3))
    kept, found = [], []
    model.network.train()
    for room in (1 << 40, 0):
        monkeypatch.setattr(model, "room", room, raising=False)
        model.network.zero_grad()
        torch.manual_seed(1)
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x: (kept[-1].append(x.numel()), x)[1], lambda x: x
        ):
            kept.append([])
            loss = model.loss(batch, CPU)
        loss.backward()
        found.append([loss.detach(), *(x.grad.clone() for x in model.network.parameters())])
    assert sum(kept[1]) < 0.8 * sum(kept[0])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_dropout_of_packed_attention_keeps_the_mean():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 2, 9, 4)
    arguments = (None, query, key, value, None)
    wanted, _ = packed_attention(*arguments, lengths=(5, 4))
    drawn = [packed_attention(*arguments, lengths=(5, 4), dropout=0.3)[0] for _ in range(4000)]
    assert not torch.allclose(drawn[0], wanted, atol=1e-3)
    torch.testing.assert_close(torch.stack(drawn).mean(0), wanted, atol=0.05, rtol=0)


def test_a_loss_that_is_no_longer_finite_is_told(many, monkeypatch, tmp_path):
    def loss(self, batch, _):
        return next(self.network.parameters()).sum() * (torch.nan if torch.is_grad_enabled() else 0)

    monkeypatch.setattr(GeneformerTraining, "loss", loss)
    model = GeneformerTraining.from_scratch(stream(many[0]), many[1], seed=0, **SIZES)
    model.read(stream(many[0]), many[1])
    options = TrainOptions(1, 1, 16, 1, 1e-3, 0.0, 0.0, 0.1, 3, device="cpu")
    with pytest.raises(RuntimeError, match="no longer finite, at step 3 of epoch 0 or before"):
        train(model, options, RunFolder(tmp_path, {}, 0))


@pytest.mark.parametrize("most", [1 << 26, 0])
def test_tokens_in_a_file_are_those_in_memory(tmp_path, monkeypatch, most):
    monkeypatch.setattr(stored, "MOST_IN_MEMORY", most or 1)
    monkeypatch.setattr(stored, "_PIECE", 7)
    tokens = stored.StoredTokens(np.uint16, tmp_path)
    tokens.append(np.arange(6), np.array([4, 0, 2]))
    tokens.append(np.arange(10, 21), np.array([11]))
    tokens.close()
    assert tokens.lengths.tolist() == [4, 2, 11]
    assert tokens.of(np.array([2, 0])).tolist() == [*range(10, 21), 0, 1, 2, 3]
    assert np.concatenate(list(tokens.pieces())).tolist() == [*range(6), *range(10, 21)]
    assert not list(tmp_path.iterdir()), "the file has no name"


def test_tokens_that_the_disk_has_no_room_for_are_told(tmp_path, monkeypatch):
    tokens = stored.StoredTokens(np.uint16, tmp_path)

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tokens, "_file", SimpleNamespace(write=full))
    with pytest.raises(OSError, match=f"written to a file in {tmp_path}.*Make room"):
        tokens.append(np.arange(3), np.array([3]))


@pytest.mark.parametrize("name", ["geneformer", "scbert"])
def test_batches_of_a_step_have_the_gradient_of_the_step(name, request, monkeypatch):
    # Dropout is drawn batch by batch.
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, x: x)
    model = request.getfixturevalue(name)
    model.network.eval()
    batch = model.masked(np.arange(20), np.random.default_rng(2))
    start = {key: value.clone() for key, value in model.state().items()}
    moved = []
    for size in (20, 6):
        options = TrainOptions(1, 1, size, 1, 1.0, 0.0, 0.0, 0.1, 10, device="cpu")
        trainer = Trainer(model, options, seed=0)
        trainer.optimizer = torch.optim.SGD(model.network.parameters(), lr=1.0)
        trainer.step(batch, 0)
        moved.append({key: value.clone() for key, value in model.state().items()})
        model.load(start)
    assert not torch.allclose(moved[0][key := next(iter(start))], start[key])
    for key, value in moved[0].items():
        torch.testing.assert_close(moved[1][key], value, atol=1e-6, rtol=1e-5)


def test_every_cell_comes_once_an_epoch_among_cells_of_like_length():
    lengths = np.random.default_rng(0).integers(5, 500, 1003)
    cells = np.arange(3, 1003)
    orders = [_order(cells, lengths, 16, seed=7, epoch=epoch) for epoch in (0, 0, 1)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), cells)
    np.testing.assert_array_equal(orders[0], orders[1])
    assert (orders[0] != orders[2]).mean() > 0.9
    spread = [np.ptp(lengths[orders[0][start : start + 16]]) for start in range(0, 992, 16)]
    assert np.mean(spread) < 60


def test_learning_rate_rises_then_falls():
    rates = [_schedule(step, 100, 0.1) for step in range(100)]
    assert rates.index(max(rates)) == 10
    assert max(rates) == 1
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[-1] == pytest.approx(1 / 90)
    assert _schedule(0, 1, 0.0) == 1


def test_a_damaged_record_is_told(tmp_path):
    (tmp_path / "finetune.json").write_text("{")
    with pytest.raises(ValueError, match="is not the record of a run"):
        RunFolder(tmp_path, {"a": 1}, 0)
    (tmp_path / "finetune.json").write_text("[" * 200_000)
    with pytest.raises(ValueError, match="is not the record of a run"):
        RunFolder(tmp_path, {"a": 1}, 0)
    progress = RunRecord(1, 1, 1.0, 1.0, 1.0)
    (tmp_path / "finetune.json").write_text(
        json.dumps({"params": {}, "progress": vars(progress), "digest": "x"})
    )
    with pytest.raises(ValueError, match="is not the record of a run.*best"):
        RunFolder(tmp_path, {"a": 1}, 0)


def test_a_run_without_seed_gets_one_and_keeps_it(tmp_path):
    run = RunFolder(tmp_path, {"a": 1}, None)
    assert run.seed != RunFolder(tmp_path, {"a": 1}, None).seed
    record = {
        "params": run.params,
        "digest": "x",
        "last": "",
        "best": "",
        "progress": vars(RunRecord(1, 1, 1.0, 1.0, 1.0)),
    }
    (tmp_path / "finetune.json").write_text(json.dumps(record))
    assert RunFolder(tmp_path, {"a": 1}, None).seed == run.seed
