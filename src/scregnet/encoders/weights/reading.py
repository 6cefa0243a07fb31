"""Read the tensors of a model's files as data, and compare them with what the model needs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scregnet._validate import listed
from scregnet.encoders.weights.nested import check_nesting
from scregnet.encoders.weights.pickles import NUMBERS

if TYPE_CHECKING:
    import torch

INDEX = ".index.json"
"""How the name of a file ends that says which part of the tensors is in which file."""
# Pickles at the start of a torch file of the older form: a number, a version, the system, the
# tensors, the names of their numbers.
_PICKLES = 5
# What of torch's message names the offender. The rest is advice to run what the file carries.
_OFFENDER = re.compile(
    r"(?:WeightsUnpickler error: |^)((?:Unsupported|Trying to load|Trying to call|Can only) .*)"
)
_ADVICE = re.compile(r" (?:was not an allowed global|whose module|Please use|Please file).*")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def read_checkpoint(path: Path, *, mapped: bool = False) -> Any:
    """Read a ``.safetensors`` file, or any other with torch's reader that runs no code.

    Of an index (``model.safetensors.index.json``), all its parts. ``mapped`` leaves the numbers of
    a torch file in the file until they are used; who keeps them copies them.
    """
    import pickle
    import zipfile

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.name.endswith(INDEX):
        return _joined(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        _check_pickles(path)
        mapped = mapped and zipfile.is_zipfile(path)
        # Single numbers of NumPy lie beside the weights in some checkpoints. Functions of this
        # package read them, in place of NumPy's own.
        with torch.serialization.safe_globals(list(NUMBERS)):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped or None)
    except PermissionError:
        raise
    # For a cut-off archive torch raises any of these, even OSError.
    except (
        SafetensorError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        AttributeError,
        IndexError,
        KeyError,
        RuntimeError,
        TypeError,
        EOFError,
        OSError,
        ValueError,
    ) as error:
        cause = _cause(error)
        msg = (
            f"{path} was not read: {cause}. It is truncated, damaged, or carries more than tensors."
        )
        raise ValueError(msg) from error


def _cause(error: Exception) -> str:
    """Return one line of an error, that which names the offender."""
    lines = [_ANSI.sub("", line).strip() for line in str(error).splitlines()]
    for line in lines:
        if found := _OFFENDER.search(line):
            return _ADVICE.sub("", found[1]).rstrip(".")
    first = next(filter(None, lines), type(error).__name__)
    return "it holds more than tensors" if "Weights only load failed" in first else first


def shards_of(path: Path) -> list[Path]:
    """Return the files that an index names, all in its folder.

    Raises
    ------
    ValueError
        If it is no index, or names files elsewhere.
    FileNotFoundError
        If a part is not there.
    """
    return list(dict.fromkeys(_index(path).values()))


def _index(path: Path) -> dict[str, Path]:
    """Return the file of each tensor."""
    try:
        named = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        pairs = [(str(tensor), str(part)) for tensor, part in named.items()]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path} is not an index of tensors: it must hold a weight_map ({error!r})."
        raise ValueError(msg) from error
    if elsewhere := [part for _, part in pairs if Path(part).name != part or part.endswith(INDEX)]:
        msg = f"{path} names files that are not in its folder: {listed(elsewhere)}."
        raise ValueError(msg)
    if missing := [part for _, part in pairs if not (path.parent / part).is_file()]:
        msg = f"{path} names parts that are not there: {listed(dict.fromkeys(missing))}."
        raise FileNotFoundError(msg)
    return {tensor: path.parent / part for tensor, part in pairs}


def _joined(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of all parts; raise unless they are those that the index names."""
    where = _index(path)
    state: dict[str, torch.Tensor] = {}
    for part in dict.fromkeys(where.values()):
        found = read_state(part)
        named = {tensor for tensor, file in where.items() if file == part}
        if found.keys() != named:
            odd = sorted(found.keys() ^ named)
            msg = f"{part} holds other tensors than {path.name} says: {listed(odd)}."
            raise ValueError(msg)
        state |= found
    return state


def _check_pickles(path: Path) -> None:
    """Raise for a torch file that could end the process, or take more memory than it has bytes."""
    import zipfile

    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            # The older form: some pickles, then the numbers.
            for _ in range(_PICKLES):
                check_nesting(file)
        return
    with zipfile.ZipFile(path) as archive:
        # torch packs nothing.
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > path.stat().st_size:
            msg = f"it unpacks to {unpacked:,} bytes, more than the file has"
            raise ValueError(msg)
        for name in archive.namelist():
            if name.endswith(".pkl"):
                check_nesting(archive.read(name))


def read_state(path: Path, *, containers: Sequence[str] = ()) -> dict[str, torch.Tensor]:
    """Read the tensors of a file.

    ``containers`` are keys under which a training checkpoint may have them. Single numbers and
    texts beside the tensors are left out.
    """
    import torch

    state = read_checkpoint(path)
    for container in containers:
        if isinstance(state, dict) and isinstance(state.get(container), dict):
            state = state[container]
    tensors = {}
    if isinstance(state, dict):
        tensors = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
        beside = [value for value in state.values() if not isinstance(value, torch.Tensor)]
    if not tensors or not all(isinstance(value, (int, float, str)) for value in beside):
        msg = f"{path} is not a dictionary of tensors."
        raise ValueError(msg)
    return tensors


def check_state(
    path: Path, state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> None:
    """Raise ``ValueError`` unless a file has exactly the tensors of the model, in their shapes.

    Call it before anything is made of the tensors: ``expected`` may lie on the meta device.
    """
    faults = []
    if missing := [key for key in expected if key not in state]:
        faults.append(f"missing: {listed(missing)}")
    if unexpected := [key for key in state if key not in expected]:
        faults.append(f"unexpected: {listed(unexpected)}")
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    if shapes:
        faults.append(f"of another shape: {listed(shapes)}")
    else:
        there = {key: state[key] for key in expected if key in state}
        whole = [
            f"{key} ({value.dtype})"
            for key, value in there.items()
            if not (value.is_floating_point() or value.is_complex())
        ]
        if whole:
            faults.append(f"of whole numbers, which no weight is: {listed(whole)}")
        elif wrong := [key for key, value in there.items() if not _holds_numbers(value)]:
            faults.append(f"without a finite real number in every place: {listed(wrong)}")
    if faults:
        msg = f"the tensors of {path} do not fit its configuration; {'; '.join(faults)}."
        raise ValueError(msg)


def _holds_numbers(tensor: torch.Tensor) -> bool:
    """Whether a tensor has a finite number of its own in every place.

    A few bytes can be shown as a tensor of any size, which memory is taken for once it is copied.
    """
    import torch

    if tensor.layout != torch.strided or tensor.is_complex() or tensor.is_quantized:
        return False
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return False
    # As the network has it: a float64 may be too large for a float32.
    return bool(torch.isfinite(tensor.float()).all())
