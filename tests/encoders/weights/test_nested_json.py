"""JSON that is nested deeper than Python can follow."""

from __future__ import annotations

import re

import pytest

from scregnet.encoders.huggingface.network import read_config
from scregnet.encoders.scbert.encoder import _target_sum
from scregnet.encoders.scfoundation.reading import _read_config
from scregnet.encoders.scgpt.network import read_sizes


@pytest.mark.parametrize("read", [_target_sum, _read_config, read_sizes, read_config])
def test_deeply_nested_json_is_an_error_that_names_the_file(tmp_path, read):
    path = tmp_path / "config.json"
    path.write_text("[" * 200_000)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        read(path)
