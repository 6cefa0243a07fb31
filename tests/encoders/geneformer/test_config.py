from __future__ import annotations

import json

import pytest

from scregnet.encoders.geneformer.encoder import read_config
from scregnet.encoders.geneformer.tokens import GeneformerVocabulary

SOUND = {
    "vocab_size": 4,
    "hidden_size": 12,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 20,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}


@pytest.fixture
def vocabulary():
    tokens = {"<pad>": 0, "<mask>": 1, "ENSG1": 2, "ENSG2": 3}
    return GeneformerVocabulary(tokens, {"ENSG1": 1.0, "ENSG2": 2.0})


def test_a_sound_configuration_is_read(tmp_path, vocabulary):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(SOUND))
    assert read_config(path, vocabulary) == SOUND


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", 10**6),
        ("num_hidden_layers", 0),
        ("num_hidden_layers", True),
        ("num_attention_heads", 0),
        ("num_attention_heads", 5),
        ("hidden_size", -12),
        ("hidden_size", "12"),
        ("hidden_size", 12.0),
        ("intermediate_size", 10**12),
        ("max_position_embeddings", None),
        ("vocab_size", [4]),
        ("pad_token_id", 4),
        ("pad_token_id", -1),
        ("pad_token_id", "0"),
    ],
)
def test_a_size_that_no_model_has_is_named_with_the_file(tmp_path, vocabulary, key, value):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(SOUND | {key: value}))
    with pytest.raises(ValueError, match=rf"config\.json has .*{key}"):
        read_config(path, vocabulary)


def test_deep_json_is_refused(tmp_path, vocabulary):
    path = tmp_path / "config.json"
    path.write_text("[" * 200_000)
    with pytest.raises(ValueError, match=r"config\.json is not JSON"):
        read_config(path, vocabulary)
