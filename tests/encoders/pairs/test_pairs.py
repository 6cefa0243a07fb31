"""Attention and deletion, each against a plain loop over whole matrices and single cells."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scregnet.encoders import CellBlock, CellStream, create, partial
from scregnet.encoders.layers import performer
from scregnet.encoders.pairs import knockout
from scregnet.encoders.pairs.attention import attention_sums, over_expected
from scregnet.encoders.pairs.knockout import cosines, knockout_shifts, over_control
from scregnet.encoders.pairs.run import PairOptions

MODELS = ["geneformer V1", "geneformer V2", "scbert", "scfoundation", "scgpt"]


def encoder_of(model, write_small, **more):
    name, _, variant = model.partition(" ")
    if name == "geneformer":
        more = {"hidden_layer": 0, **more}
    return create(name, weights=write_small(name, variant), **more)


def stream_of(counts, size=30):
    blocks = [
        CellBlock(counts[at : at + size], np.zeros(len(range(at, min(at + size, 30))), int))
        for at in range(0, 30, size)
    ]
    return CellStream(blocks, 30)


def whole_matrices(encoder, batch):
    """The attention matrices of one cell: layer by layer, heads × positions × positions."""
    name, found = type(encoder).__name__, []
    if name == "GeneformerEncoder":
        ids = torch.as_tensor(batch.ids)
        return [layer[0] for layer in encoder.network(ids, output_attentions=True).attentions]
    attend = performer._attend

    def of_performer(queries, keys, values, features, *, received):
        # The attention itself comes out where the values are one-hot.
        eye = torch.eye(keys.shape[2]).expand(*keys.shape[:2], -1, -1)
        found.append(attend(queries, keys, eye, features, received=False)[0][0])
        return attend(queries, keys, values, features, received=received)

    hooks = []

    def of_layer(layer, inputs, output):
        q, k, _ = (
            layer.attention(inputs[0]).unflatten(-1, (3, layer.n_heads, -1)).permute(2, 0, 3, 1, 4)
        )
        found.append((q[0] @ k[0].transpose(1, 2) * q.shape[-1] ** -0.5).softmax(-1))

    for module in encoder.network.modules():
        if type(module).__name__ == "PostNormLayer":
            hooks.append(module.register_forward_hook(of_layer))
    performer._attend = of_performer
    try:
        encoder.encode(batch)
    finally:
        performer._attend = attend
        for hook in hooks:
            hook.remove()
    return found


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("how", [{}, {"layers": [-1], "heads": [1], "direction": "to_tf"}])
def test_attention_is_that_of_whole_matrices(model, how, write_small, genes, counts):
    encoder = encoder_of(model, write_small)
    plain = encoder_of(model, write_small, attention="eager") if "geneformer" in model else encoder
    match = encoder.match(genes)
    tfs = np.array([2, 7, 11])
    n_slots = len(match.tokens)
    expected, n_both = np.zeros((3, n_slots)), np.zeros((3, n_slots), int)
    block = CellBlock(counts, np.zeros(30, int))
    with torch.inference_mode():
        (found,) = attention_sums(encoder, stream_of(counts), match, tfs, **how)
        for batch in encoder.batches(block, match, 1):
            matrices = whole_matrices(plain, batch)
            if how:
                matrices = [matrices[-1][[1]]]
            gene_at = np.flatnonzero(batch.slots[0] >= 0)
            for row, tf in enumerate(tfs):
                for at in gene_at:
                    slot = batch.slots[0, at]
                    (tf_at,) = [np.flatnonzero(batch.slots[0] == tf)]
                    if slot == tf or not len(tf_at):
                        continue
                    n_both[row, slot] += 1
                    shares = []
                    for matrix in matrices:
                        # Of a Performer the positions are the genes of the model.
                        wide = matrix.shape[1] > batch.ids.shape[1] or model == "scbert"
                        q = batch.ids[0, at] if wide else at
                        k = batch.ids[0, tf_at[0]] if wide else tf_at[0]
                        one = matrix[:, q, k] + (0 if how else matrix[:, k, q])
                        shares.append(float(one.double().mean()))
                    expected[row, slot] += np.mean(shares)
    assert (n_both > 0).sum() > 60
    np.testing.assert_array_equal(found.n_both, n_both)
    np.testing.assert_allclose(found.sums, expected, rtol=2e-5, atol=1e-7)


@pytest.mark.shared
def test_golden_attention_of_a_performer(shared, tmp_path):
    folder = shared / "golden" / "scbert"
    content = json.loads((folder / "config.json").read_text())
    (tmp_path / "gene_order.txt").write_text("\n".join(content["reference_genes"]))
    (tmp_path / "w.safetensors").write_bytes((folder / "weights.safetensors").read_bytes())
    encoder = create("scbert", weights=tmp_path)
    inputs, expected = np.load(folder / "inputs.npz"), np.load(folder / "expected.npz")
    counts = sp.csr_matrix(inputs["reference_aligned_counts"].astype(float))
    match = encoder.match(np.array(content["reference_genes"]))
    stream = CellStream([CellBlock(counts, np.zeros(counts.shape[0], int))], counts.shape[0])
    tfs = np.array([1, 4])
    with torch.inference_mode():
        (found,) = attention_sums(encoder, stream, match, tfs, direction="from_tf")
    seen = counts.toarray() > 0
    both = seen[:, tfs, None] & seen[:, None, :]
    wanted = (expected["attention_mean_layer_head"][:, tfs, :-1] * both).sum(axis=0)
    wanted[[0, 1], tfs] = 0
    np.testing.assert_allclose(found.sums, wanted, atol=1e-6)


def test_what_the_totals_give():
    sums = np.outer([1.0, 3], [2.0, 1, 0])
    np.testing.assert_allclose(over_expected(sums), [[1, 1, 0], [1, 1, 0]])
    sums[0, 0] += 4
    assert over_expected(sums)[0, 0] > 1 > over_expected(sums)[0, 1]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("mode", ["delete", "overexpress"])
def test_shifts_are_those_of_single_cells(model, mode, write_small, genes, counts, monkeypatch):
    encoder = encoder_of(model, write_small)
    match = encoder.match(genes)
    tfs = np.array([2, 7])
    controls = []
    control = knockout._control
    monkeypatch.setattr(
        knockout, "_control", lambda *a: (controls.append((a[0], a[1])), control(*a))[1]
    )
    with torch.inference_mode():
        (found,) = knockout_shifts(encoder, stream_of(counts), match, tfs, n_cells=99, mode=mode)
    expected, n = np.zeros((2, len(match.tokens))), np.zeros((2, len(match.tokens)), int)

    def vectors(tokens):
        batch = encoder.padded(tokens, np.array([0]), match, "mean")
        with torch.inference_mode():
            encoded = encoder.encode(batch)
        slots = encoded.slots[0].numpy()
        return {s: v for s, v in zip(slots, encoded.hidden[0].double(), strict=True) if s >= 0}

    for cell in range(30):
        tokens = encoder.tokenise(CellBlock(counts[cell], np.zeros(1, int)), match)
        for row, tf in enumerate(tfs):
            at = np.flatnonzero(np.asarray(tokens.slots) == tf)
            if not len(at) or (tokens.slots >= 0).sum() < 2:
                continue
            keep = np.arange(len(tokens.ids)) != at[0]
            ids, slots, values = tokens.ids, tokens.slots, tokens.values
            if mode == "delete":
                ids, slots = ids[keep], slots[keep]
                values = None if values is None else values[keep]
            elif values is None:
                lead = int(tokens.slots[0] < 0)
                order = [*range(lead), at[0], *[i for i in range(lead, len(ids)) if i != at[0]]]
                ids, slots = ids[order], slots[order]
            else:
                values = values.copy()
                values[at[0]] = values[slots >= 0].max()
            changed = replace(
                tokens, indptr=np.array([0, len(ids)]), ids=ids, slots=slots, values=values
            )
            before, after = vectors(tokens), vectors(changed)
            for slot in before.keys() & after.keys() - {tf}:
                cosine = torch.nn.functional.cosine_similarity(before[slot], after[slot], dim=0)
                expected[row, slot] += 1 - float(cosine)
                n[row, slot] += 1
    np.testing.assert_array_equal(found.n_both, n)
    np.testing.assert_allclose(found.of_tf, expected / np.maximum(n, 1), rtol=1e-3, atol=1e-9)
    # Cells of so few genes have all of them in scBERT's highest bin already.
    assert found.of_tf.max() > 1e-6 or (model, mode) == ("scbert", "overexpress")
    # A control is another gene, at most ten places away.
    for ranked, place in controls:
        drawn = control(ranked, place, np.random.default_rng(0))
        assert 1 <= abs(list(ranked).index(drawn) - list(ranked).index(place)) <= knockout.NEAR
    share = over_control(found)
    assert ((share > 0) == (n > 0)).all()
    assert share.max() < 1


def test_cells_are_drawn_evenly_and_counted_where_the_tf_was_read(write_small, genes, counts):
    encoder = encoder_of("geneformer V2", write_small)
    match = encoder.match(genes)
    tfs = np.array([2, 5, 9])
    seen = (match.collapse(counts) > 0).toarray()
    for size in (30, 7):
        chosen = knockout._chosen_cells(stream_of(counts, size), match, tfs, 4, 3)
        for row, tf in enumerate(tfs):
            rng = np.random.default_rng([3, int(match.tokens[tf])])
            own = {cell for cell, found in chosen.items() if row in found}
            assert own == set(rng.permutation(np.flatnonzero(seen[:, tf]))[:4].tolist())
    # A TF that lies beyond what the model reads of a cell is not changed there.
    encoder.max_length = 6
    with torch.inference_mode():
        (found,) = knockout_shifts(encoder, stream_of(counts), match, tfs, n_cells=99)
    first = encoder.tokenise(CellBlock(counts, np.zeros(30, int)), match)
    cell = np.repeat(np.arange(30), np.diff(first.indptr))
    several = np.bincount(cell[first.slots >= 0], minlength=30) > 1
    n_changed = np.array([((first.slots == tf) & several[cell]).sum() for tf in tfs])
    assert (n_changed < seen[:, tfs].sum(axis=0)).any()
    np.testing.assert_array_equal(found.n_changed, n_changed)


def test_few_cells_are_drawn_and_a_stopped_run_continues(
    write_small, genes, counts, tmp_path, monkeypatch
):
    monkeypatch.setattr(partial, "INTERVAL", 0)
    monkeypatch.setattr(partial, "_SHARE", 0)
    encoder = encoder_of("geneformer V2", write_small)
    match = encoder.match(genes)
    tfs = np.array([2, 5, 9])
    runs = {
        "knockout": lambda folder: knockout_shifts(
            *(encoder, stream_of(counts, 7), match, tfs),
            n_cells=4,
            options=PairOptions(folder=folder),
        )[0],
        "attention": lambda folder: attention_sums(
            encoder, stream_of(counts, 7), match, tfs, options=PairOptions(folder=folder)
        )[0],
    }
    encode, calls = type(encoder).encode, []

    def failing(self, batch):
        calls.append(0)
        if len(calls) == 12:
            msg = "power cut"
            raise RuntimeError(msg)
        return encode(self, batch)

    for run in runs.values():
        calls.clear()
        with torch.inference_mode():
            whole = run(None)
            monkeypatch.setattr(type(encoder), "encode", failing)
            with pytest.raises(RuntimeError, match="power cut"):
                run(tmp_path)
            n_stopped = len(calls)
            again = run(tmp_path)
            monkeypatch.setattr(type(encoder), "encode", encode)
        assert len(calls) > n_stopped == 12
        for name, value in vars(whole).items():
            np.testing.assert_array_equal(getattr(again, name), value)
        assert not list(tmp_path.iterdir())
        if isinstance(whole, knockout.Shifts):
            assert whole.n_changed.tolist() == [4, 4, 4]


def test_likeness_of_tokens(write_small, genes):
    for model in MODELS:
        encoder = encoder_of(model, write_small)
        match = encoder.match(genes)
        vectors = encoder.static(match.tokens).numpy().astype(float)
        found = cosines(encoder.static(match.tokens), np.array([3, 0]))
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        expected = (1 + unit[[3, 0]] @ unit.T) / 2
        expected[[0, 1], [3, 0]] = 0
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert vectors.shape[0] == len(match.tokens)
