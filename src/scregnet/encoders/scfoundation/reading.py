"""How scFoundation's published files are read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scregnet._text import read_text
from scregnet._validate import listed
from scregnet.encoders.scfoundation.network import UNUSED, ScFoundationNetwork, Sizes, published
from scregnet.encoders.weights.reading import check_state, read_checkpoint


def read_genes(path: Path) -> list[str]:
    """Return the ``gene_name`` column of a table, in the order of its ``index`` column."""
    try:
        text = io.StringIO(read_text(path, str(path)), newline="")
        rows = list(csv.DictReader(text, delimiter="\t"))
        found = {int(row["index"]): row["gene_name"].strip() for row in rows}
    # A line with too few fields gives None.
    except (KeyError, ValueError, AttributeError, TypeError, csv.Error) as error:
        msg = (
            f"{path} was not read: it must be scFoundation's table of genes, tab-separated, with "
            f"the columns gene_name and index ({error})."
        )
        raise ValueError(msg) from error
    genes = [found.get(i, "") for i in range(len(rows))]
    if not genes or not all(genes) or len(set(genes)) < len(genes):
        msg = (
            f"{path} must give every gene one line, and indices from 0 to one less than their "
            "number."
        )
        raise ValueError(msg)
    return genes


def read_network(files: Mapping[str, Path], section: str) -> tuple[ScFoundationNetwork, str]:
    """Return the model, and the section of the file that it came from (empty without sections)."""
    path = files["weights"]
    content, config, found_section = _read_section(path, section)
    where = str(path)
    if config is None:
        if "config" not in files:
            msg = (
                f"{path} holds tensors without a configuration, which says how they fit together: "
                "put it into the same folder as config.json (the 'config' of the published file)."
            )
            raise ValueError(msg)
        where = str(files["config"])
        config = _read_config(files["config"])
    state = {_bare(name): value for name, value in content.items()}
    if wrong := [name for name, value in state.items() if not isinstance(value, torch.Tensor)]:
        msg = f"{path} holds something else than tensors under {listed(wrong)}."
        raise ValueError(msg)
    sizes = Sizes.read(config, where)
    # The meta device has no storage: no initial values are drawn from the user's generator.
    with torch.device("meta"):
        network = ScFoundationNetwork(sizes)
    own = {published(name): name for name in network.state_dict()}
    expected = network.state_dict()
    check_state(
        path,
        {name: value for name, value in state.items() if name not in UNUSED},
        {name: expected[own[name]] for name in own},
    )
    # Copied out of the file, which may change or go.
    kept = {own[name]: state[name].to(torch.float32, copy=True) for name in own}
    network.load_state_dict(kept, assign=True)
    return network, found_section


def _read_section(path: Path, section: str) -> tuple[dict[str, Any], object, str]:
    """Return tensors, configuration (``None`` without one) and the section they are in.

    The file holds sections with a ``state_dict`` each, one ``state_dict``, or tensors alone.
    """
    # Mapped: of the three sections, one is read.
    content, config = read_checkpoint(path, mapped=True), None
    if not isinstance(content, dict):
        msg = f"{path} is not a dictionary of tensors."
        raise ValueError(msg)
    sections = [
        name for name, part in content.items() if isinstance(part, dict) and "state_dict" in part
    ]
    if sections:
        if section not in sections:
            msg = (
                f"{path} has no section {section!r}; it has {listed(sections)}. "
                "Choose one with section=."
            )
            raise ValueError(msg)
        content = content[section]
    if isinstance(content.get("state_dict"), dict):
        config, content = content.get("config"), content["state_dict"]
    return content, config, section if sections else ""


def _read_config(path: Path) -> object:
    """Return the configuration in a JSON file, which may have it under ``config``."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{path} is not JSON: {error}."
        raise ValueError(msg) from error
    return (
        config["config"]
        if isinstance(config, dict) and isinstance(config.get("config"), dict)
        else config
    )


def _bare(name: str) -> str:
    """Return a tensor's name without prefixes of wrappers, which end at the first ``model.``."""
    _, found, rest = name.partition("model.")
    return rest if found else name.removeprefix("module.")
