"""Find and read the files of a model: in a folder, or on the hub at a fixed revision."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scregnet._logging import logger
from scregnet._settings import check_cache, settings, unwritable
from scregnet._validate import listed, shortened
from scregnet.encoders.weights.reading import INDEX, shards_of

if TYPE_CHECKING:
    from scregnet.encoders.weights.checkpoints import Checkpoint, WeightFile

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Role:
    """A file that a model needs, and its possible names in a folder, the preferred one first.

    ``also`` are names that are taken if there is none of the others. Files with a name in ``but``
    are never taken.
    """

    name: str
    patterns: tuple[str, ...]
    required: bool = True
    also: tuple[str, ...] = ()
    but: tuple[str, ...] = ()


@dataclass(frozen=True)
class Weights:
    """The files of one model by role, and where they came from (plain values for the record)."""

    files: Mapping[str, Path]
    record: Mapping[str, Any] = field(default_factory=dict)


def locate(
    model: str,
    roles: Sequence[Role],
    checkpoints: Mapping[str, Checkpoint],
    *,
    variant: str | None,
    named: bool,
    folder: str | Path | None,
) -> Weights:
    """Return the files of a model, from ``folder`` or from the hub.

    Parameters
    ----------
    model
        Name of the encoder, for messages.
    roles
        The files it needs.
    checkpoints
        Its published checkpoints by variant.
    variant
        The variant to use.
    named
        Whether the user named the variant. The files of a folder must then have its hashes.
    folder
        The files in one folder; or a copy of the hub repository's own tree; or the file with the
        weights itself, with the others next to it. ``None`` fetches from the hub.

    Raises
    ------
    TypeError
        If ``folder`` is no path.
    FileNotFoundError
        If files are missing; the message says how to get them.
    ValueError
        If a file is not the published one although ``named``.
    """
    checkpoint = checkpoints.get(variant) if variant is not None else None
    if folder is None:
        return _published(model, variant or "", checkpoint)
    # An empty path would be the folder where Python runs.
    if not isinstance(folder, (str, PathLike)) or not str(folder):
        msg = f"weights must be the path of a folder or a file, or None; got {shortened(folder)}."
        raise TypeError(msg)
    path = Path(folder).expanduser()
    if not path.exists():
        msg = f"weights={str(folder)!r} is not there." + _ways(model, checkpoint)
        raise FileNotFoundError(msg)
    if path.is_file():
        files = _side_by_side(path.parent, roles, model, checkpoint, weights=path)
    else:
        files = _tree(path, checkpoint) or _side_by_side(path, roles, model, checkpoint)
    if named and checkpoint is not None:
        record = _verified_record(files, variant or "", checkpoint)
    else:
        record = _recognised_record(files, checkpoints)
    return Weights(files=files, record={**record, "weights": str(path)})


def _published(model: str, variant: str, checkpoint: Checkpoint | None) -> Weights:
    if checkpoint is None:
        msg = f"model={model!r} has no published weights; name a folder with weights=."
        raise FileNotFoundError(msg)
    if not checkpoint.hub_id:
        msg = f"model={model!r} needs weights=: its weights are on no hub."
        raise FileNotFoundError(msg + _ways(model, checkpoint))
    return _from_hub(model, variant, checkpoint)


def _verified_record(
    files: Mapping[str, Path], variant: str, checkpoint: Checkpoint
) -> dict[str, Any]:
    """Return the record of the variant, after checking the files against its hashes."""
    for wanted in checkpoint.files:
        if wanted.role in files:
            verify(files[wanted.role], wanted)
    record = _hub_record(variant, checkpoint)
    # Some publishers give no hash. The record still says which file was used.
    if "weights_sha256" not in record:
        record["weights_sha256"] = sha256(files["weights"])
    return record


def _recognised_record(
    files: Mapping[str, Path], checkpoints: Mapping[str, Checkpoint]
) -> dict[str, Any]:
    """Return the record of the variant that has these weights, or that of the user's own."""
    path = files["weights"]
    digest = sha256(path)
    record = {"variant": "custom", "weights_sha256": digest}
    if path.name.endswith(INDEX):
        # The index names the parts alone.
        record["parts_sha256"] = " ".join(sha256(part) for part in shards_of(path))
    for variant, known in checkpoints.items():
        if digest in {file.sha256 for file in known.files}:
            record = _hub_record(variant, known)
            _check_beside(files, known)
    return record


def _check_beside(files: Mapping[str, Path], checkpoint: Checkpoint) -> None:
    """Raise unless published weights have the published files beside them, in the same format.

    Not the configuration, which programs write anew; its content is checked where it is read.
    """
    for wanted in checkpoint.files:
        found = files.get(wanted.role)
        same = found is not None and found.suffix == Path(wanted.path).suffix
        if found is not None and same and wanted.role not in ("config", "weights"):
            verify(found, wanted)


def sha256(path: Path) -> str:
    """Return a file's sha256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(path: Path, wanted: WeightFile) -> None:
    """Raise ``ValueError`` unless a file has the size and hash of its checkpoint."""
    size = path.stat().st_size
    found = f"{size} bytes instead of {wanted.size}" if size != wanted.size else ""
    if not found and (digest := sha256(path)) != wanted.sha256:
        found = f"sha256 {digest} instead of {wanted.sha256}"
    if found:
        msg = (
            f"{path} is not the published {wanted.path}: {found}. It is truncated or changed: "
            "delete it and get it again. For weights of your own name the model without its "
            "variant."
        )
        raise ValueError(msg)


def _hub_record(variant: str, checkpoint: Checkpoint) -> dict[str, Any]:
    hub = (
        {"hub_id": checkpoint.hub_id, "revision": checkpoint.revision} if checkpoint.hub_id else {}
    )
    known = [file.sha256 for file in checkpoint.files if file.role == "weights"]
    return {"variant": variant, **hub, **({"weights_sha256": known[0]} if known else {})}


def _tree(folder: Path, checkpoint: Checkpoint | None) -> dict[str, Path]:
    """Return the files if ``folder`` is a copy of the hub repository's own tree, else none."""
    if (
        checkpoint is None
        or not checkpoint.hub_id
        or all("/" not in file.path for file in checkpoint.files)
    ):
        return {}
    if not all((folder / file.path).is_file() for file in checkpoint.files):
        return {}
    return {file.role: folder / file.path for file in checkpoint.files}


def _side_by_side(
    folder: Path,
    roles: Sequence[Role],
    model: str,
    checkpoint: Checkpoint | None,
    *,
    weights: Path | None = None,
) -> dict[str, Path]:
    """Return the files of one folder by role; each role takes the first name that is there."""
    files: dict[str, Path] = {} if weights is None else {"weights": weights}
    missing = []
    for role in roles:
        if role.name in files:
            continue
        for pattern in (*role.patterns, *role.also):
            found = sorted(
                path
                for path in folder.glob(pattern)
                if path.is_file() and not any(fnmatch(path.name, name) for name in role.but)
            )
            if len(found) > 1:
                msg = (
                    f"weights={str(folder)!r} holds several files for {pattern!r}: "
                    f"{listed(path.name for path in found)}. Leave one."
                )
                raise ValueError(msg)
            if found:
                files[role.name] = found[0]
                break
        else:
            if role.required:
                missing.append(" or ".join(role.patterns))
    if missing:
        msg = f"weights={str(folder)!r} lacks {listed(missing)}." + _ways(model, checkpoint)
        raise FileNotFoundError(msg)
    return files


def _from_hub(model: str, variant: str, checkpoint: Checkpoint) -> Weights:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    files: dict[str, Path] = {}
    for wanted in checkpoint.files:
        fetch = partial(
            hf_hub_download,
            repo_id=checkpoint.hub_id,
            filename=wanted.path,
            revision=checkpoint.revision,
            cache_dir=settings.cache_dir / "hub",
        )
        try:
            # First without a request: a cached file needs no network.
            path = Path(fetch(local_files_only=True))
        except LocalEntryNotFoundError:
            check_cache(settings.cache_dir / "hub")
            logger.info("%s: fetching %s (%.1f MB)", model, wanted.path, wanted.size / 1e6)
            try:
                path = Path(fetch())
            except (HfHubHTTPError, OSError) as error:
                # What the network gives may be an OSError too; a full disk has its own numbers.
                if isinstance(error, OSError) and error.errno in _FULL:
                    where = settings.cache_dir / "hub" / wanted.path
                    raise OSError(unwritable(where, error)) from error
                msg = (
                    f"the weights of model='{model}:{variant}' are not on this machine and "
                    f"{checkpoint.hub_id} could not be reached ({type(error).__name__})."
                    + _ways(model, checkpoint)
                )
                raise FileNotFoundError(msg) from error
        # The cache holds a link to the file. A message must name the file itself, to be deleted.
        verify(path.resolve(), wanted)
        files[wanted.role] = path
    return Weights(files=files, record={**_hub_record(variant, checkpoint), "weights": "hub"})


def _ways(model: str, checkpoint: Checkpoint | None) -> str:
    """Return the ways to get the weights, as the end of a message."""
    if checkpoint is None:
        return ""
    if not checkpoint.hub_id:
        return f"\n{checkpoint.source}"
    names = "\n".join(f"    {file.path}" for file in checkpoint.files)
    return (
        "\nWays to get them:\n"
        f"  1. Run once with internet access: {checkpoint.size / 1e6:.0f} MB are fetched from "
        f"https://huggingface.co/{checkpoint.hub_id} and kept in {settings.cache_dir / 'hub'}.\n"
        f"  2. Put these files of {checkpoint.hub_id}, revision {checkpoint.revision}, into one "
        "folder and name it with weights=:\n"
        f"{names}" + (f"\n{checkpoint.source}" if checkpoint.source else "")
    )
