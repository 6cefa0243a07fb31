from __future__ import annotations

import json
import re
import shutil

import anndata as ad
import h5py
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from safetensors.torch import save_file

from scregnet.encoders import CellBlock, CellStream, EmbedOptions, TokenBatch, create
from scregnet.encoders.layers.performer import _attend
from scregnet.encoders.scbert import encoder as scbert

TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}


class Golden:
    """The official code's inputs and outputs, and the encoder with the same weights."""

    def __init__(self, folder, work):
        self.config = json.loads((folder / "config.json").read_text())
        self.inputs = dict(np.load(folder / "inputs.npz"))
        self.expected = dict(np.load(folder / "expected.npz"))
        shutil.copy(folder / "weights.safetensors", work)
        (work / "gene_order.txt").write_text("\n".join(self.config["reference_genes"]))
        self.encoder = create("scbert", weights=work)
        self.genes = np.array(self.config["data_genes"])
        self.block = CellBlock(
            sp.csr_matrix(self.inputs["raw_counts"], dtype=float), np.zeros(6, dtype=int)
        )

    def pooled(self, pooling, batch_size=4):
        """Pooled vectors in reference order, zero where the data lack the gene, and the mask."""
        options = EmbedOptions(pooling=pooling, batch_size=batch_size, device="cpu")
        result = self.encoder.embed(CellStream([self.block], 6), self.genes, options).groups[0]
        order = [
            list(self.genes).index(gene) if gene in self.genes else -1
            for gene in self.encoder.genes
        ]
        return np.where(np.array(order)[:, None] >= 0, result.vectors[order], 0), result.covered[
            order
        ] & (np.array(order) >= 0)


@pytest.fixture(scope="module")
def golden(shared, tmp_path_factory):
    return Golden(shared / "golden" / "scbert", tmp_path_factory.mktemp("golden"))


@pytest.mark.shared
def test_golden_tokens(golden):
    match = golden.encoder.match(golden.genes)
    tokens = golden.encoder.tokenise(golden.block, match)
    dense = np.zeros((6, len(golden.encoder.genes) + 1), dtype=np.int64)
    cells = np.repeat(np.arange(6), np.diff(tokens.indptr))
    dense[cells, tokens.ids] = tokens.values
    np.testing.assert_array_equal(dense, golden.inputs["tokens"])
    assert set(np.unique(dense)) == set(range(6))
    seen = np.zeros((6, len(golden.encoder.genes)), dtype=bool)
    seen[cells, tokens.ids] = True
    np.testing.assert_array_equal(seen, golden.inputs["reference_aligned_counts"] > 0)


@pytest.mark.shared
def test_golden_values_that_are_normalised_already(golden):
    counts = sp.csr_matrix(golden.inputs["reference_aligned_counts"], dtype=float)
    logs = counts.copy()
    logs.data = golden.inputs["normalised_log2"][counts.toarray() > 0].astype(float)
    np.testing.assert_array_equal(
        golden.encoder.bins(logs, normalised=True), golden.encoder.bins(counts)
    )


@pytest.mark.shared
@pytest.mark.parametrize("batch_size", [1, 3, 6])
def test_golden_encodings_and_weights(golden, batch_size):
    network = golden.encoder.network
    tokens = torch.as_tensor(golden.inputs["tokens"]).split(batch_size)
    with torch.inference_mode():
        results = [network(part, received=True) for part in tokens]
        hidden, shares = (torch.cat(part) for part in zip(*results, strict=True))
        logits = network.head(hidden)
    np.testing.assert_allclose(hidden, golden.expected["encodings"], **TOLERANCE)
    np.testing.assert_allclose(
        shares, golden.expected["gene_weight_within_cell"], atol=1e-6, rtol=0
    )
    np.testing.assert_allclose(logits, golden.expected["mlm_logits"], **TOLERANCE)
    # The published code's result for a batch is another: there the cells share one maximum.
    assert np.abs(hidden.numpy() - golden.expected["encodings_whole_batch_upstream"]).max() > 0.1


@pytest.mark.shared
def test_golden_residual_stream_after_every_layer(golden):
    network = golden.encoder.network
    with torch.inference_mode():
        x = network.token_embedding(torch.as_tensor(golden.inputs["tokens"])) + network.positions
        for depth, expected in enumerate(golden.expected["residual_stream"].swapaxes(0, 1)):
            np.testing.assert_allclose(x, expected, **TOLERANCE)
            if depth < len(network.performer.layers):
                x, _ = network.performer.layers[depth](x)


@pytest.mark.shared
def test_golden_attention_matrix_and_its_column_sums(golden):
    """The matrix is what the attention makes of the identity as values; no encoder forms it."""
    network = golden.encoder.network
    total = 0
    with torch.inference_mode():
        x = network.token_embedding(torch.as_tensor(golden.inputs["tokens"])) + network.positions
        for layer in network.performer.layers:
            part = layer.attention
            normed = layer.attention_norm(x)
            q, k = (part._heads(linear(normed)) for linear in (part.query, part.key))
            identity = torch.eye(x.shape[1]).expand(*q.shape[:2], -1, -1)
            matrices, _ = _attend(q, k, identity, part.features, received=False)
            total = total + matrices.mean(1)
            x, _ = layer(x)
    total = total / len(network.performer.layers)
    np.testing.assert_allclose(
        total, golden.expected["attention_mean_layer_head"], atol=1e-6, rtol=0
    )
    sums = total.sum(1)
    np.testing.assert_allclose(
        sums / sums.sum(1, keepdim=True),
        golden.expected["gene_weight_within_cell"],
        atol=1e-6,
        rtol=0,
    )


@pytest.mark.shared
@pytest.mark.parametrize("batch_size", [1, 3, 6])
@pytest.mark.parametrize(
    ("pooling", "name"),
    [("mean", "mean_expressing_cells"), ("mean_all", "mean_all_cells"), ("attentive", "attentive")],
)
def test_golden_pooled_embeddings(golden, pooling, name, batch_size):
    vectors, covered = golden.pooled(pooling, batch_size)
    expected = golden.expected[f"gene_embedding_{name}"]
    in_data = np.isin(golden.encoder.genes, golden.genes)
    assert (~in_data).sum() == 6
    has_vector = in_data & ~np.isnan(expected).any(axis=1)
    np.testing.assert_allclose(vectors[has_vector], expected[has_vector], **TOLERANCE)
    np.testing.assert_array_equal(covered, has_vector)
    assert has_vector.sum() == (36 if pooling == "mean" else 37)


@pytest.mark.shared
def test_golden_cell_without_expression(golden):
    n_genes = len(golden.encoder.genes)
    batch = TokenBatch(
        cells=np.zeros(1),
        ids=np.full((1, 1), golden.encoder.pad_id),
        slots=np.full((1, 1), -1),
        mask=np.zeros((1, 1), dtype=bool),
        values=np.zeros((1, 1), dtype=np.float32),
        pooling="attentive",
    )
    with torch.inference_mode():
        encoded = golden.encoder.encode(batch)
    np.testing.assert_allclose(
        encoded.hidden[0], golden.expected["zero_cell_encoding"][:n_genes], **TOLERANCE
    )
    np.testing.assert_allclose(
        encoded.weights[0], golden.expected["zero_cell_gene_weight"][:n_genes], atol=1e-6, rtol=0
    )
    np.testing.assert_array_equal(encoded.slots[0], np.arange(n_genes))


@pytest.fixture(scope="module")
def encoder(scbert_folder):
    return create("scbert", weights=scbert_folder)


@pytest.fixture
def folder(scbert_folder, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(scbert_folder, tmp_path / "own")


def test_bins_by_hand(encoder):
    # Total 10,000, so a count is its own normalised value: log2(1 + x) is 1 at 1, 2 at 3, 3 at 7,
    # 4 at 15, 5 at 31.
    counts = [1, 2, 3, 6, 7, 14, 15, 30, 31, 32, 500]
    row = sp.csr_matrix(np.array([[*counts, 10_000 - sum(counts)]], dtype=float))
    assert encoder.bins(row).tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5, 5]
    # Three times the depth: the bins stay, and one count in 30,000 shares bin 0 with none at all.
    assert encoder.bins(row * 3).tolist() == encoder.bins(row).tolist()
    assert encoder.bins(sp.csr_matrix([[1.0, 29_999.0]])).tolist() == [0, 5]
    assert encoder.bins(sp.csr_matrix([[0.4, 1.0, 2.9, 7.0]]), normalised=True).tolist() == [
        0,
        1,
        2,
        5,
    ]


def test_only_the_models_genes_count_for_the_depth(encoder, genes, counts):
    match = encoder.match(genes)
    known = encoder.tokenise(CellBlock(counts, np.zeros(30)), match)
    rest = counts.toarray()
    rest[:, ~match.known] *= 100
    other = encoder.tokenise(CellBlock(sp.csr_matrix(rest), np.zeros(30)), match)
    np.testing.assert_array_equal(known.values, other.values)
    assert len(known.ids) == (match.collapse(counts) > 0).sum()


def test_values_that_are_no_counts_are_taken_for_log2(encoder, genes, counts):
    logs = counts.copy()
    logs.data = np.log2(1 + logs.data)
    block = CellBlock(logs, np.zeros(30), counts=False)
    match = encoder.match(genes)
    expected = np.minimum(match.collapse(logs).data.astype(int), 5)
    np.testing.assert_array_equal(encoder.tokenise(block, match).values, expected)


def test_columns_of_one_gene_are_summed(encoder, genes, counts):
    gene = genes[0]
    column = counts[:, [0]].toarray()
    half = np.floor(column / 2)
    split = sp.csr_matrix(np.hstack([half, counts[:, 1:].toarray(), column - half]))
    both = np.array([*genes, gene])
    options = EmbedOptions(device="cpu")
    expected = encoder.embed(
        CellStream([CellBlock(counts, np.zeros(30, dtype=int))], 30), genes, options
    ).groups[0]
    got = encoder.embed(
        CellStream([CellBlock(split, np.zeros(30, dtype=int))], 30), both, options
    ).groups[0]
    np.testing.assert_array_equal(got.vectors[: len(genes)], expected.vectors)
    np.testing.assert_array_equal(got.vectors[-1], expected.vectors[0])


@pytest.mark.parametrize("pooling", ["mean_all", "attentive"])
def test_pooling_over_every_cell_gives_all_known_genes_a_vector(encoder, genes, counts, pooling):
    options = EmbedOptions(pooling=pooling, batch_size=7, device="cpu")
    groups = np.arange(30) % 2
    result = encoder.embed(CellStream([CellBlock(counts, groups)], 30, 2), genes, options)
    assert [group.n_cells for group in result.groups] == [14, 14], "cells 4 and 11 are empty"
    for group in result.groups:
        np.testing.assert_array_equal(group.covered, result.known)
    shuffled = np.random.default_rng(0).permutation(30)
    again = encoder.embed(
        CellStream([CellBlock(counts[shuffled], groups[shuffled])], 30, 2),
        genes,
        EmbedOptions(pooling=pooling, batch_size=2, device="cpu"),
    )
    for one, other in zip(result.groups, again.groups, strict=True):
        np.testing.assert_allclose(one.vectors, other.vectors, atol=2e-6)


def test_cells_in_parts_give_the_same(encoder, genes, counts, monkeypatch):
    stream = CellStream([CellBlock(counts, np.zeros(30, dtype=int))], 30)
    options = EmbedOptions(pooling="attentive", batch_size=30, device="cpu")
    expected = encoder.embed(stream, genes, options).groups[0].vectors
    monkeypatch.setattr(scbert, "_POSITIONS", 100)
    np.testing.assert_allclose(
        encoder.embed(stream, genes, options).groups[0].vectors, expected, atol=2e-6
    )


def test_mouse_symbols_are_told(encoder):
    with pytest.raises(
        ValueError, match=r"none of the 2 genes \('Absent1', 'Absent2'\) is in scBERT's vocabulary"
    ):
        encoder.match(np.array(["Absent1", "Absent2"]))


def test_without_weights_the_message_tells_source_and_licence():
    with pytest.raises(FileNotFoundError) as caught:
        create("scbert")
    message = str(caught.value)
    for part in (
        "needs weights=",
        "GPL-3.0",
        "github.com/TencentAILabHealthcare/scBERT",
        "gene_order",
        "16,906 genes",
    ):
        assert part in message
    with pytest.raises(FileNotFoundError, match=r"(?s)'no/such' is not there.*GPL-3.0"):
        create("scbert", weights="no/such")


def state_of(folder):
    return torch.load(folder / "panglao_pretrain.pth", weights_only=True)["model_state_dict"]


@pytest.mark.parametrize("container", ["checkpoint", "bare", "safetensors"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_layout_of_the_file_gives_the_same_network(folder, encoder, container, prefix):
    state = {prefix + name: value for name, value in state_of(folder).items()}
    (folder / "panglao_pretrain.pth").unlink()
    if container == "safetensors":
        save_file(state, folder / "model.safetensors")
    else:
        optimizer = {
            "state": {0: {"exp_avg": torch.zeros(2), "step": 3}},
            "param_groups": [{"lr": 1e-4}],
        }
        whole = {
            "epoch": 2,
            "model_state_dict": state,
            "optimizer_state_dict": optimizer,
            "losses": [0.5],
        }
        torch.save(whole if container == "checkpoint" else state, folder / "fine-tuned.pth")
    got = create("scbert", weights=folder).network.state_dict()
    expected = encoder.network.state_dict()
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[name], expected[name]) for name in expected)


def test_the_file_itself_may_be_named(folder, encoder):
    shutil.copy(folder / "panglao_pretrain.pth", folder / "other.pth")
    assert create("scbert", weights=folder / "other.pth").describe()["variant"] == "custom"
    assert create("scbert", weights=folder).genes == encoder.genes


def test_a_classifiers_head_is_left_out(folder, encoder):
    state = {
        name: value for name, value in state_of(folder).items() if not name.startswith("to_out")
    }
    state |= {
        "to_out.conv1.weight": torch.zeros(1, 1, 1, 12),
        "to_out.fc1.weight": torch.zeros(4, 4),
    }
    torch.save({"model_state_dict": state}, folder / "panglao_pretrain.pth")
    got = create("scbert", weights=folder).network.state_dict()
    assert all(
        torch.equal(got[name], value)
        for name, value in encoder.network.state_dict().items()
        if name[:4] != "head"
    )


def test_published_names_come_back(encoder, scbert_folder):
    state = state_of(scbert_folder)
    published = encoder.network.published_state()
    assert published.keys() == state.keys() - {"performer.calls_since_last_redraw"}
    assert all(torch.equal(value, state[name].to(value.dtype)) for name, value in published.items())


def test_tensors_that_do_not_fit_are_listed(folder):
    state = state_of(folder)
    del state["performer.net.layers.1.0.fn.fast_attention.projection_matrix"]
    state["performer.net.layers.1.1.fn.fn.w2.bias"] = torch.zeros(13)
    state["cell_emb.weight"] = torch.zeros(2, 2)
    torch.save({"model_state_dict": state}, folder / "panglao_pretrain.pth")
    with pytest.raises(ValueError, match="do not fit") as caught:
        create("scbert", weights=folder)
    message = str(caught.value)
    assert "missing: 'performer.net.layers.1.0.fn.fast_attention.projection_matrix'" in message
    assert "unexpected: 'cell_emb.weight'" in message
    assert "performer.net.layers.1.1.fn.fn.w2.bias (13,) instead of (12,)" in message


def test_another_models_file_is_told(folder):
    torch.save({"bert.x": torch.zeros(2)}, folder / "panglao_pretrain.pth")
    with pytest.raises(
        ValueError,
        match="is not an scBERT: it lacks matrices named 'token_emb.weight'.*it has 'bert.x'",
    ):
        create("scbert", weights=folder)


def test_a_truncated_file_is_caught(folder):
    path = folder / "panglao_pretrain.pth"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="was not read"):
        create("scbert", weights=folder)


def test_a_named_variant_must_be_the_published_file(folder):
    with pytest.raises(
        ValueError, match="is not the published panglao_pretrain.pth: .* bytes instead of 87631538"
    ):
        create("scbert:panglao", weights=folder)


def test_the_order_of_genes_is_needed(folder):
    (folder / "gene_order.txt").rename(folder.parent / "elsewhere.txt")
    with pytest.raises(
        FileNotFoundError, match=r"order of its genes.*gene_order\*.txt.*gene_order="
    ):
        create("scbert", weights=folder)
    assert (
        len(create("scbert", weights=folder, gene_order=folder.parent / "elsewhere.txt").genes)
        == 43
    )
    with pytest.raises(FileNotFoundError, match="gene_order=.*not a file"):
        create("scbert", weights=folder, gene_order=folder / "nowhere.txt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda genes: genes[:-1], "list of genes has 42, but the weights have positions for 43"),
        (lambda genes: [*genes[:-1], genes[0]], "more than once"),
        (lambda genes: [f"{i}\t{gene}" for i, gene in enumerate(genes)], "one gene symbol a line"),
    ],
)
def test_a_wrong_list_of_genes_is_told(folder, encoder, change, message):
    (folder / "gene_order.txt").write_text("\n".join(change(encoder.genes)))
    with pytest.raises(ValueError, match=message):
        create("scbert", weights=folder)


@pytest.mark.parametrize("form", ["now", "named index", "before 0.7", "values and mask"])
def test_the_order_of_genes_from_an_h5ad_file(folder, encoder, form):
    (folder / "gene_order.txt").unlink()
    path = folder / "Zheng68K.h5ad"
    if form == "before 0.7":
        with h5py.File(path, "w") as file:
            file["var"] = np.array(
                [(name.encode(), 1) for name in encoder.genes],
                dtype=[("index", "S20"), ("n", "i4")],
            )
    elif form == "values and mask":
        with h5py.File(path, "w") as file:
            file["var/_index/values"] = [name.encode() for name in encoder.genes]
            file["var/_index/mask"] = np.zeros(43, bool)
    else:
        cells = ad.AnnData(sp.csr_matrix((2, 43), dtype=np.float32))
        cells.var_names = encoder.genes
        cells.var_names.name = "symbol" if form == "named index" else None
        cells.write_h5ad(path)
    assert create("scbert", weights=folder).genes == encoder.genes


@pytest.mark.parametrize("content", [b"no hdf5", None])
def test_an_h5ad_file_that_is_none(folder, content):
    (folder / "gene_order.txt").unlink()
    path = folder / "Zheng68K.h5ad"
    if content is None:
        with h5py.File(path, "w") as file:
            file["obs"] = [1]
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"{path} is not an .h5ad file")):
        create("scbert", weights=folder)


def test_reading_leaves_the_global_generator_alone(scbert_folder):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    create("scbert", weights=scbert_folder)
    np.testing.assert_array_equal(before.numpy(), torch.get_rng_state().numpy())


def test_description(encoder, scbert_folder):
    described = encoder.describe()
    assert described["variant"] == "custom"
    assert described["weights"] == str(scbert_folder)
    assert described["n_reference_genes"] == 43
    assert described["dimension"] == 12
    assert described["n_layers"] == 2
    assert len(described["gene_order_sha256"]) == len(described["weights_sha256"]) == 64
