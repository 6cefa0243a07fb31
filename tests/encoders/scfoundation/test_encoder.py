from __future__ import annotations

import json
import logging
import math
import shutil

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from safetensors.torch import load_file, save_file

import scregnet as sr
from scregnet.encoders import CellBlock, CellStream, EmbedOptions, create, registry
from scregnet.encoders.scfoundation.depth import TargetResolution
from scregnet.encoders.scfoundation.network import Sizes
from scregnet.encoders.weights.files import verify

TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}


def block_of(matrix, *, counts=True) -> CellBlock:
    matrix = sp.csr_matrix(matrix, dtype=float)
    return CellBlock(matrix, np.zeros(matrix.shape[0], dtype=int), counts)


def per_cell(encoder, block, genes, *, batch_size=3, pooling="mean_all") -> np.ndarray:
    """The vectors of single cells, cells × genes of the vocabulary × width; NaN for none."""
    match = encoder.match(genes)
    result = np.full((block.matrix.shape[0], encoder.n_genes, encoder.dimension), np.nan)
    with torch.inference_mode():
        for batch in encoder.batches(block, match, batch_size, pooling=pooling):
            encoded = encoder.encode(batch)
            for cell, slots, hidden in zip(
                batch.cells, encoded.slots.numpy(), encoded.hidden.numpy(), strict=True
            ):
                result[cell, match.tokens[slots[slots >= 0]]] = hidden[slots >= 0]
    return result


def pooled(encoder, block, genes, pooling="mean", batch_size=4):
    stream = CellStream([block], block.matrix.shape[0], counts=block.counts)
    return encoder.embed(
        stream, genes, EmbedOptions(pooling=pooling, batch_size=batch_size, device="cpu")
    ).groups[0]


class Golden:
    """The official code's inputs and outputs, and encoders with the same weights."""

    def __init__(self, folder, work):
        content = json.loads((folder / "config.json").read_text())
        self.inputs = dict(np.load(folder / "inputs.npz"))
        self.expected = dict(np.load(folder / "expected.npz"))
        self.order, self.genes = (
            np.array(content["reference_genes"]),
            np.array(content["data_genes"]),
        )
        state = {
            f"model.{name}": value
            for name, value in load_file(folder / "weights.safetensors").items()
        }
        torch.save(
            {"gene": {"config": content["config"], "state_dict": state}}, work / "models.ckpt"
        )
        lines = ["gene_name\tindex", *(f"{gene}\t{i}" for i, gene in enumerate(self.order))]
        (work / "OS_scRNA_gene_index.47.tsv").write_text("\n".join(lines))
        self.work = work
        self.aligned = block_of(self.inputs["aligned_counts"])

    def encoder(self, target_resolution="f1"):
        return create("scfoundation", weights=self.work, target_resolution=target_resolution)


@pytest.fixture(scope="module")
def golden(shared, tmp_path_factory):
    return Golden(shared / "golden" / "scfoundation", tmp_path_factory.mktemp("golden"))


@pytest.mark.shared
@pytest.mark.parametrize("batch_size", [1, 2, 3, 6])
@pytest.mark.parametrize("pooling", ["mean", "mean_all"])
def test_golden_vectors_for_any_batch(golden, batch_size, pooling):
    counts = golden.inputs["aligned_counts"]
    got = per_cell(
        golden.encoder(), golden.aligned, golden.order, batch_size=batch_size, pooling=pooling
    )
    wanted = np.ones(counts.shape, dtype=bool) if pooling == "mean_all" else counts > 0
    np.testing.assert_array_equal(~np.isnan(got).any(axis=-1), wanted)
    np.testing.assert_allclose(got[wanted], golden.expected["gene_f1"][wanted], **TOLERANCE)


@pytest.mark.shared
def test_golden_vectors_from_the_genes_as_the_data_have_them(golden):
    got = per_cell(golden.encoder(), block_of(golden.inputs["raw_counts"]), golden.genes)
    has = np.isin(golden.order, golden.genes)
    assert np.isnan(got[:, ~has]).all()
    assert 0 < (~has).sum() < 10
    np.testing.assert_allclose(got[:, has], golden.expected["gene_f1"][:, has], **TOLERANCE)


@pytest.mark.shared
def test_golden_vectors_are_not_those_of_a_maximum_over_the_batch(golden):
    got = per_cell(golden.encoder(), golden.aligned, golden.order, batch_size=6)
    assert np.abs(got[:4] - golden.expected["gene_batch_f1_first4"]).max() > 0.02


@pytest.mark.shared
@pytest.mark.parametrize("mode", ["f2", "t4", "a1"])
def test_golden_target_resolutions(golden, mode):
    encoder = golden.encoder(mode)
    got = per_cell(encoder, golden.aligned, golden.order)
    np.testing.assert_allclose(got[0], golden.expected[f"gene_{mode}_cell0"], **TOLERANCE)
    mean = pooled(encoder, golden.aligned, golden.order, "mean_all").vectors
    np.testing.assert_allclose(mean, golden.expected[f"gene_{mode}_mean_all_cells"], **TOLERANCE)


@pytest.mark.shared
def test_golden_log_normalised_input(golden):
    block = block_of(golden.inputs["log1p_cp10k"], counts=False)
    encoder = golden.encoder()
    got = per_cell(encoder, block, golden.order)
    np.testing.assert_allclose(got[0], golden.expected["gene_f1_prenormalized_cell0"], **TOLERANCE)
    mean = pooled(encoder, block, golden.order, "mean_all").vectors
    np.testing.assert_allclose(
        mean, golden.expected["gene_f1_prenormalized_mean_all_cells"], **TOLERANCE
    )


@pytest.mark.shared
@pytest.mark.parametrize(("pooling", "name"), [("mean", "expressing"), ("mean_all", "all")])
def test_golden_pooled(golden, pooling, name):
    result = pooled(golden.encoder(), golden.aligned, golden.order, pooling)
    expected = golden.expected[f"gene_embedding_mean_{name}_cells"]
    np.testing.assert_array_equal(result.covered, ~np.isnan(expected).any(axis=1))
    np.testing.assert_allclose(
        result.vectors[result.covered], expected[result.covered], **TOLERANCE
    )
    assert not result.vectors[~result.covered].any()
    assert result.n_cells == 6


@pytest.mark.shared
@pytest.mark.parametrize("cell", [0, 4])
def test_golden_steps_of_one_cell(golden, cell):
    encoder, expected = golden.encoder(), golden.expected
    tokens = encoder.tokenise(golden.aligned, encoder.match(golden.order))
    own = slice(tokens.indptr[cell], tokens.indptr[cell + 1])
    np.testing.assert_array_equal(tokens.ids[own], expected[f"cell{cell}_encoder_gene_ids"])
    np.testing.assert_allclose(
        tokens.values[own], expected[f"cell{cell}_encoder_values"], rtol=1e-6
    )
    values, ids = torch.tensor(tokens.values[own]), torch.tensor(tokens.ids[own])
    network = encoder.network
    with torch.inference_mode():
        embedded = network.values(values)
        encoded = network.encode(
            values[None], ids[None], torch.ones_like(ids, dtype=torch.bool)[None]
        )[0]
        entering = network.decoder_input(encoded, ids, network.unexpressed())
        decoded = network.decoder_norm(network.decoder(entering[None])[0][0])
    for step, got in (
        ("token_embedding", embedded),
        ("encoder_output", encoded),
        ("decoder_input", entering),
        ("decoder_output", decoded),
    ):
        np.testing.assert_allclose(got, expected[f"cell{cell}_{step}"], **TOLERANCE, err_msg=step)


@pytest.mark.shared
@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("of", ["cells", "both"])
def test_golden_vectors_of_cells(golden, of, batch_size):
    stream = CellStream([golden.aligned], 6)
    encoder = golden.encoder("t4")
    for pool in ("all", "max"):
        options = EmbedOptions(device="cpu", batch_size=batch_size, of=of, cell_pooling=pool)
        found = encoder.embed(stream, golden.order, options)
        assert found.cells.covered.all()
        assert len(found.groups) == (of == "both")
        wanted = golden.expected[f"cell_t4_{pool}"]
        np.testing.assert_allclose(found.cells.vectors, wanted, **TOLERANCE)


@pytest.mark.shared
def test_golden_cell_vectors_from_the_encoder(golden):
    encoder = golden.encoder("t4")
    (batch,) = encoder.batches(golden.aligned, encoder.match(golden.order), 6)
    with torch.inference_mode():
        values, ids, mask = (torch.tensor(part) for part in (batch.values, batch.ids, batch.mask))
        encoded = encoder.network.encode(values, ids, mask)
    for cell, hidden, real in zip(batch.cells, encoded, mask, strict=True):
        tokens = hidden[real]
        of_genes = tokens[:-2]
        pool = torch.cat([tokens[-1], tokens[-2], of_genes.amax(0), of_genes.mean(0)])
        np.testing.assert_allclose(pool, golden.expected["cell_t4_all"][cell], **TOLERANCE)
        np.testing.assert_allclose(
            tokens.amax(0), golden.expected["cell_t4_max"][cell], **TOLERANCE
        )


@pytest.fixture
def write_wide(tmp_path, scfoundation_config, make_scfoundation_state):
    """A small network with as many positions as the published one, and a table of genes."""

    def write(table: str):
        part = {
            "config": scfoundation_config | {"seq_len": 19266},
            "state_dict": make_scfoundation_state(19264),
        }
        torch.save({"gene": part}, tmp_path / "models.ckpt")
        (tmp_path / "genes.tsv").write_bytes(table.encode())
        return tmp_path

    return write


@pytest.mark.shared
def test_the_published_list_of_genes(shared, write_wide, caplog):
    source = shared / "data" / "vocab" / "scfoundation" / "OS_scRNA_gene_index.19264.tsv"
    verify(source, registry.find("scfoundation")[0].checkpoints["100M"].files[0])
    text = source.read_text()
    with caplog.at_level(logging.WARNING, logger="scregnet"):
        encoder = create("scfoundation", weights=write_wide(text.replace("\n", "\r\n")))
    assert not caplog.records
    match = encoder.match(np.array(["TP53", "C1ORF112", "Gata1"]))
    assert match.known.tolist() == [True, "C1orf112" in text, False]
    assert text.splitlines()[1 + match.tokens[match.slots[0]]].split("\t")[0] == "TP53"
    assert match.report["n_vocabulary"] == 19264


def test_a_list_of_that_length_in_another_order_is_called_out(write_wide, caplog):
    table = "gene_name\tindex\n" + "".join(f"G{i}\t{i}\n" for i in range(19264))
    with caplog.at_level(logging.WARNING, logger="scregnet"):
        create("scfoundation", weights=write_wide(table))
    assert "is not the published list" in caplog.text


def plain_forward(state, values, target, source):
    """The specification written plainly, in float64: values of one cell in, all vectors out."""
    state = {name: value.double() for name, value in state.items()}

    def dense(name, x):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(name, x):
        return torch.nn.functional.layer_norm(
            x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"]
        )

    def embed(numbers):
        hidden = torch.nn.functional.leaky_relu(dense("token_emb.mlp", numbers[:, None]), 0.1)
        return (hidden + dense("token_emb.mlp2", hidden)).softmax(-1) @ state[
            "token_emb.emb.weight"
        ]

    x = torch.tensor([*values, target, source], dtype=torch.float64)
    places = state["pos_emb.weight"][:-1]
    read = x > 0
    hidden = embed(x[read]) + places[read]
    for i in range(2):
        prefix = f"encoder.transformer_encoder.{i}."
        layer = torch.nn.TransformerEncoderLayer(
            12, 3, 48, dropout=0.0, batch_first=True, dtype=torch.float64
        )
        layer.load_state_dict(
            {name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)}
        )
        hidden = layer(hidden[None])[0]
    all_positions = embed(x)
    all_positions[read] = norm("encoder.norm", hidden)
    h = dense("decoder_embed", all_positions + places)
    for i in range(2):
        layer = f"decoder.performer.net.layers.{i}."
        attention, normed = f"{layer}0.fn.", norm(f"{layer}0.norm", h)
        features = state[f"{attention}fast_attention.projection_matrix"]
        q, k, v = (
            dense(f"{attention}to_{part}", normed).view(-1, 2, 6).transpose(0, 1) for part in "qkv"
        )
        u_q, u_k = (6**-0.25 * rows @ features.T for rows in (q, k))
        c_q, c_k = (0.5 * 6**-0.5 * rows.square().sum(-1, keepdim=True) for rows in (q, k))
        phi_q = (u_q - c_q - u_q.amax(-1, keepdim=True)).exp() + 1e-4
        phi_k = (u_k - c_k - u_k.max()).exp() + 1e-4
        weights = phi_q @ phi_k.transpose(1, 2)
        mixed = (weights / weights.sum(-1, keepdim=True)) @ v
        h = h + dense(f"{attention}to_out", mixed.transpose(0, 1).flatten(1))
        inner = torch.nn.functional.gelu(dense(f"{layer}1.fn.fn.w1", norm(f"{layer}1.norm", h)))
        h = h + dense(f"{layer}1.fn.fn.w2", inner)
    return norm("norm", norm("decoder.norm", h))[:-2].detach().numpy()


@pytest.mark.parametrize("target_resolution", ["f1", "f2.5", "f0.02", "t4", "a-1.7", "a1"])
def test_single_cells_follow_the_specification(
    scfoundation_folder, make_scfoundation_state, counts, genes, target_resolution
):
    """Also where T is not above zero (f0.02 and a-1.7, in some cells).

    The encoder does not read it there, the decoder does.
    """
    encoder = create(
        "scfoundation", weights=scfoundation_folder, target_resolution=target_resolution
    )
    match = encoder.match(genes)
    aligned = np.zeros((counts.shape[0], encoder.n_genes))
    aligned[:, match.tokens] = match.collapse(counts).toarray()
    got = per_cell(encoder, block_of(counts), genes)
    state, number = make_scfoundation_state(), float(target_resolution[1:])
    negative = 0
    for cell in range(counts.shape[0]):
        total = aligned[cell].sum()
        if total <= 1:
            assert np.isnan(got[cell]).all()
            continue
        depth = math.log10(total)
        target = {"f": depth + math.log10(abs(number)), "t": number, "a": depth + number}[
            target_resolution[0]
        ]
        negative += target <= 0
        values = np.log(1 + aligned[cell] / total * 1e4)
        expected = plain_forward(state, values, target, depth)
        np.testing.assert_allclose(got[cell, match.tokens], expected[match.tokens], atol=1e-5)
    assert (0 < negative < 28) == (target_resolution in ("f0.02", "a-1.7"))


def test_values_depths_and_totals(scfoundation_folder):
    encoder = create("scfoundation", weights=scfoundation_folder, target_resolution="a0.5")
    order = list(encoder.gene_ids.tokens)
    genes = np.array([order[7], "stranger", order[2], order[7]])
    match = encoder.match(genes)
    block = block_of([[3, 1000, 0, 4], [0, 50, 1, 0], [0, 9, 0, 0], [1, 0, 5, 0]])
    tokens = encoder.tokenise(block, match)
    # The second and third cell have totals of 1 and 0 over the model's genes: neither has a depth.
    assert np.diff(tokens.indptr).tolist() == [3, 0, 0, 4]
    assert tokens.ids.tolist() == [7, 43, 44, 2, 7, 43, 44]
    assert tokens.slots.tolist() == [1, -1, -1, 0, 1, -1, -1]
    expected = [np.log(10001), np.log10(7) + 0.5, np.log10(7)]
    expected += [np.log(1 + 5e4 / 6), np.log(1 + 1e4 / 6), np.log10(6) + 0.5, np.log10(6)]
    np.testing.assert_allclose(tokens.values, expected, rtol=1e-6)
    assert tokens.values.dtype == np.float32


def test_values_that_are_no_counts_are_taken_as_they_are(scfoundation_folder):
    encoder = create("scfoundation", weights=scfoundation_folder)
    order = list(encoder.gene_ids.tokens)
    tokens = encoder.tokenise(
        block_of([[2.5, 1.25, 7]], counts=False), encoder.match(np.array([*order[:2], "stranger"]))
    )
    np.testing.assert_allclose(
        tokens.values, [2.5, 1.25, np.log10(3.75), np.log10(3.75)], rtol=1e-6
    )


def test_mean_is_over_expressing_cells_and_mean_all_over_all(scfoundation_folder, counts, genes):
    encoder = create("scfoundation", weights=scfoundation_folder)
    single = per_cell(encoder, block_of(counts), genes)
    match = encoder.match(genes)
    expressed = match.collapse(counts).toarray() > 0
    mean, mean_all = (
        pooled(encoder, block_of(counts), genes, pooling) for pooling in ("mean", "mean_all")
    )
    assert mean.n_cells == mean_all.n_cells == 28
    for gene in range(len(genes)):
        slot = match.slots[gene]
        cells = expressed[:, slot] if slot >= 0 else np.zeros(30, dtype=bool)
        assert mean.covered[gene] == cells.any()
        assert mean_all.covered[gene] == (slot >= 0)
        if cells.any():
            np.testing.assert_allclose(
                mean.vectors[gene], single[cells, match.tokens[slot]].mean(axis=0), atol=2e-6
            )
        if slot >= 0:
            everywhere = np.nanmean(single[:, match.tokens[slot]], axis=0)
            np.testing.assert_allclose(mean_all.vectors[gene], everywhere, atol=2e-6)
    assert not mean.covered[3]
    assert mean_all.covered[3], "the decoder gives a gene that no cell expresses a vector too"


def test_the_batch_does_not_show(scfoundation_folder, counts, genes):
    encoder = create("scfoundation", weights=scfoundation_folder)
    for pooling in ("mean", "mean_all"):
        expected = pooled(encoder, block_of(counts), genes, pooling, batch_size=1).vectors
        for batch_size in (2, 7, 64):
            got = pooled(encoder, block_of(counts), genes, pooling, batch_size=batch_size).vectors
            np.testing.assert_allclose(got, expected, atol=2e-6)


def test_batches_with_vectors_of_all_genes_stay_small(scfoundation_folder, counts, genes):
    encoder = create("scfoundation", weights=scfoundation_folder)
    match = encoder.match(genes)
    for pooling, sizes in (("mean", [12, 12, 4]), ("mean_all", [2] * 14)):
        batches = list(encoder.batches(block_of(counts), match, 12, pooling=pooling))
        assert [len(batch.cells) for batch in batches] == sizes
        assert sorted(np.concatenate([batch.cells for batch in batches])) == sorted(
            set(range(30)) - {4, 11}
        )


def test_reduced_precision_is_near(scfoundation_folder, counts, genes):
    encoder = create("scfoundation", weights=scfoundation_folder)
    expected = per_cell(encoder, block_of(counts), genes, pooling="mean")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = per_cell(encoder, block_of(counts), genes, pooling="mean")
    difference = np.abs(got - expected)
    assert 1e-4 < np.nanmax(difference) < 0.3
    assert np.nanmean(difference) < 0.02


def _container(parts):
    return {"gene": {"config": parts["config"], "state_dict": parts["state"]}}


LAYOUTS = {
    "published": lambda p: _container(
        p | {"state": {f"model.{k}": v for k, v in p["state"].items()}}
    ),
    "module": lambda p: _container(
        p | {"state": {f"module.model.{k}": v for k, v in p["state"].items()}}
    ),
    "section alone": lambda p: _container(p)["gene"],
    "bare": lambda p: p["state"],
    "bare module": lambda p: {f"module.{k}": v for k, v in p["state"].items()},
    "safetensors": lambda p: p["state"],
    "safetensors model": lambda p: {f"model.{k}": v for k, v in p["state"].items()},
    "no head": lambda p: _container(
        p | {"state": {k: v for k, v in p["state"].items() if "to_final" not in k}}
    ),
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_every_layout_of_the_weights(
    scfoundation_folder,
    scfoundation_config,
    make_scfoundation_state,
    counts,
    genes,
    tmp_path,
    layout,
):
    parts = {"config": scfoundation_config, "state": make_scfoundation_state()}
    content = LAYOUTS[layout](parts)
    if layout.startswith("safetensors"):
        file = tmp_path / "weights.safetensors"
        save_file(content, file)
    else:
        file = tmp_path / "models.ckpt"
        torch.save(content, file)
    has_config = layout in ("published", "module", "section alone", "no head")
    (tmp_path / "genes.tsv").write_bytes(
        (scfoundation_folder / "OS_scRNA_gene_index.43.tsv").read_bytes()
    )
    if not has_config:
        with pytest.raises(ValueError, match=r"without a configuration.*config\.json"):
            create("scfoundation", weights=tmp_path)
        wrapped = {"config": scfoundation_config} if layout == "bare" else scfoundation_config
        (tmp_path / "config.json").write_text(json.dumps(wrapped))
    expected = pooled(
        create("scfoundation", weights=scfoundation_folder), block_of(counts), genes
    ).vectors
    for weights in (tmp_path, file):
        got = pooled(create("scfoundation", weights=weights), block_of(counts), genes).vectors
        np.testing.assert_array_equal(got, expected)


def test_sections_are_separate_weights(scfoundation_folder, make_scfoundation_state, counts, genes):
    vectors = {}
    for seed, section in enumerate(("gene", "cell", "rde")):
        encoder = create("scfoundation", weights=scfoundation_folder, section=section)
        assert encoder.describe()["section"] == section
        expected = make_scfoundation_state(seed=seed)["norm.weight"]
        np.testing.assert_array_equal(encoder.network.norm.weight.detach(), expected)
        vectors[section] = pooled(encoder, block_of(counts), genes).vectors
    assert np.abs(vectors["gene"] - vectors["cell"]).max() > 0.1
    with pytest.raises(ValueError, match="section='genes' is not known.*Did you mean 'gene'"):
        create("scfoundation", weights=scfoundation_folder, section="genes")


@pytest.fixture
def own(scfoundation_folder, tmp_path):
    """A folder that a test may damage, with its content."""
    folder = tmp_path / "own"
    shutil.copytree(scfoundation_folder, folder)
    return folder


def damaged(folder, change):
    content = torch.load(folder / "models.ckpt", weights_only=True)
    change(content)
    torch.save(content, folder / "models.ckpt")
    return folder


def test_tensors_that_do_not_fit_are_listed(own):
    def change(content):
        state = content["gene"]["state_dict"]
        del state["model.encoder.transformer_encoder.1.self_attn.in_proj_bias"]
        del state["model.decoder.performer.net.layers.0.0.fn.fast_attention.projection_matrix"]
        state["model.encoder.transformer_encoder.2.norm1.weight"] = torch.ones(12)
        state["model.pos_emb.weight"] = torch.ones(45, 12)

    with pytest.raises(ValueError, match="do not fit") as caught:
        create("scfoundation", weights=damaged(own, change))
    message = str(caught.value)
    for part in (
        "missing: 'encoder.transformer_encoder.1.self_attn.in_proj_bias', "
        "'decoder.performer.net.layers.0.0.fn.fast_attention.projection_matrix'",
        "unexpected: 'encoder.transformer_encoder.2.norm1.weight'",
        "'pos_emb.weight (45, 12) instead of (46, 12)'",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c.pop("gene"),
            "has no section 'gene'; it has 'cell', 'rde'. Choose one with section=",
        ),
        (
            lambda c: c["gene"]["state_dict"].update(name="text"),
            "something else than tensors under 'name'",
        ),
        (
            lambda c: c["gene"]["config"].update(model="other"),
            "of a 'other' model; scFoundation's is 'mae_autobin'",
        ),
        (lambda c: c["gene"]["config"].pop("dataset_config"), "does not state n_positions, n_bins"),
        (lambda c: c["gene"].update(config=[1]), "does not state n_positions, n_bins, width"),
    ],
)
def test_files_of_another_kind(own, change, message):
    with pytest.raises(ValueError, match=message):
        create("scfoundation", weights=damaged(own, change))


@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        ("encoder", "norm_first", True, "encoder norm_first True; only False"),
        (
            "encoder",
            "module_type",
            "performer",
            "encoder module_type 'performer'; only 'transformer'",
        ),
        ("decoder", "module_type", "flash", "decoder module_type 'flash'"),
        (None, "mask_gene_name", True, "mask_gene_name True"),
        ("encoder", "heads", 5, "hidden_dim 12 is no multiple of its heads 5"),
        ("decoder", "depth", 0, "decoder_depth 0; it must be an integer from 1"),
        ("decoder", "depth", True, "does not state decoder_depth"),
        ("decoder", "dim_head", 6.5, "does not state decoder_head_dim"),
        (None, "bin_alpha", "1", "does not state bin_alpha"),
    ],
)
def test_configurations_that_are_not_known(scfoundation_config, part, key, value, message):
    config = json.loads(json.dumps(scfoundation_config))
    (config if part is None else config[part])[key] = value
    with pytest.raises(ValueError, match=f"here has a configuration.*{message}"):
        Sizes.read(config, "here")


def test_truncated_and_unsafe_files(own):
    file = own / "models.ckpt"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="truncated, damaged"):
        create("scfoundation", weights=own)
    torch.save({"gene": {"config": TargetResolution("f", 1.0), "state_dict": {}}}, file)
    with pytest.raises(ValueError, match="carries more than tensors"):
        create("scfoundation", weights=own)
    torch.save([torch.ones(1)], file)
    with pytest.raises(ValueError, match="is not a dictionary of tensors"):
        create("scfoundation", weights=own)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("gene\tindex\nA\t0\n", "columns gene_name and index"),
        ("gene_name,index\nA,0\n", "columns gene_name and index"),
        ("gene_name\tindex\nA\t0\nB\n", "columns gene_name and index"),
        ("gene_name\tindex\nA\tzero\n", "columns gene_name and index"),
        ("gene_name\tindex\nA\t0\nB\t2\n", "indices from 0"),
        ("gene_name\tindex\nA\t0\nA\t1\n", "every gene one line"),
        ("gene_name\tindex\n", "every gene one line"),
        ("gene_name\tindex\nA\t0\nB\t1\n", "lists 2 genes, but the model.*has positions for 43"),
    ],
)
def test_tables_of_genes_that_cannot_be(own, table, message):
    (own / "OS_scRNA_gene_index.43.tsv").write_text(table)
    with pytest.raises(ValueError, match=message):
        create("scfoundation", weights=own)


def test_the_order_is_that_of_the_indices(own, counts, genes):
    expected = pooled(create("scfoundation", weights=own), block_of(counts), genes).vectors
    table = own / "OS_scRNA_gene_index.43.tsv"
    head, *lines = table.read_text().splitlines()
    table.write_text("\n".join([head, *sorted(lines)]))
    got = pooled(create("scfoundation", weights=own), block_of(counts), genes).vectors
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1", "is not a depth: give 'f' and a factor"),
        ("x1", "is not a depth"),
        ("f", "is not a depth"),
        ("f1e3", "is not a depth"),
        (4, "is not a depth"),
        ("f0", "factor must be above 0"),
        ("f-1", "factor must be above 0"),
        ("t10000", "log10 of a number of counts.*at most 10"),
        ("t0", "log10 of a number of counts, above 0"),
        ("a11", "from -10 to 10"),
    ],
)
def test_target_resolutions_that_cannot_be(scfoundation_folder, value, message):
    with pytest.raises(ValueError, match=message):
        create("scfoundation", weights=scfoundation_folder, target_resolution=value)


def test_without_weights_the_message_says_where_and_under_what_licence(own):
    with pytest.raises(FileNotFoundError) as caught:
        create("scfoundation")
    for part in (
        "on no hub",
        "SharePoint",
        "https://github.com/biomap-research/scFoundation",
        "non-commercial research only",
        "models.ckpt",
        "OS_scRNA_gene_index.19264.tsv",
        "weights=",
    ):
        assert part in str(caught.value)
    (own / "OS_scRNA_gene_index.43.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"(?s)lacks 'OS_scRNA_gene_index.*SharePoint"):
        create("scfoundation", weights=own)


def test_a_named_variant_must_have_the_published_genes(own):
    (own / "OS_scRNA_gene_index.43.tsv").rename(own / "OS_scRNA_gene_index.19264.tsv")
    with pytest.raises(ValueError, match="bytes instead of 228232"):
        create("scfoundation:100M", weights=own)


@pytest.mark.shared
def test_a_named_variant_must_have_the_published_sizes(shared, write_wide):
    source = shared / "data" / "vocab" / "scfoundation" / "OS_scRNA_gene_index.19264.tsv"
    folder = write_wide(source.read_text())
    assert create("scfoundation", weights=folder).describe()["variant"] == "custom"
    with pytest.raises(
        ValueError, match="not the published model='scfoundation:100M': its sizes differ"
    ):
        create("scfoundation:100M", weights=folder)


def test_building_leaves_the_global_generator_alone(scfoundation_folder):
    before = torch.random.get_rng_state()
    create("scfoundation", weights=scfoundation_folder)
    assert torch.equal(before, torch.random.get_rng_state())


def test_embed_writes_the_record(scfoundation_folder, counts, genes):
    dense = counts.toarray()
    dense[0] = np.arange(44) == 5
    adata = ad.AnnData(sp.csr_matrix(dense))
    adata.var_names = genes
    sr.tl.embed(
        adata,
        model="scfoundation",
        weights=scfoundation_folder,
        target_resolution="f2",
        pooling="mean_all",
        device="cpu",
        show_progress_bar=False,
    )
    params = adata.uns["scfoundation"]["params"]
    assert adata.varm["scfoundation"].shape == (44, 10)
    wanted = {
        "target_resolution": "f2",
        "section": "gene",
        "pooling": "mean_all",
        "n_vocabulary": 43,
        "dimension": 10,
    }
    assert {name: params[name] for name in wanted} == wanted
    assert len(params["weights_sha256"]) == len(params["genes_sha256"]) == 64
    # Two cells are empty; the first has a total of 1.
    assert (params["n_cells"], params["n_cells_empty"], params["n_cells_used"]) == (30, 2, 27)


def test_cells_with_a_total_of_one_only(scfoundation_folder, genes):
    encoder = create("scfoundation", weights=scfoundation_folder)
    group = pooled(encoder, block_of(np.eye(3, 44)), genes)
    assert group.n_cells == 0
    assert not group.covered.any()
