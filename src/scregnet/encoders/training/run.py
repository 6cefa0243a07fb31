"""The folder of a training run: what identifies the run, and checkpoints to continue from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._logging import logger
from scregnet._validate import listed
from scregnet.encoders.training.record import RunRecord

if TYPE_CHECKING:
    import torch

    from scregnet.encoders.training.protocol import MaskedModel

RECORD = "finetune.json"
CHECKPOINT = "finetune_checkpoint"


class RunFolder:
    """The output folder of a run.

    ``finetune.json`` says what the run is and how far it has come. ``finetune_checkpoint/`` holds
    its tensors, as safetensors; no pickle. Tensors are complete on disk before the record names
    them. So a kill at any moment leaves the former checkpoint or the new one.

    Parameters
    ----------
    folder
        The folder; need not be there.
    params
        What the result depends on, except the cells, as plain values.
    random_state
        Seed; ``None`` takes that of the run in the folder, or a fresh one.

    Raises
    ------
    FileExistsError
        If the folder holds anything else than a run.
    ValueError
        If it holds a run with other parameters.
    """

    def __init__(self, folder: Path, params: Mapping[str, Any], random_state: int | None) -> None:
        self.folder = folder
        self._record = self._read()
        if random_state is None:
            fresh = int(np.random.SeedSequence().generate_state(1)[0])
            random_state = self._record["params"]["random_state"] if self._record else fresh
        # As JSON would give them back, so that they compare equal to those of a record.
        self.params = json.loads(json.dumps({**params, "random_state": random_state}))
        former = self._record.get("params", self.params)
        changed = [
            f"{key}={former.get(key)!r} (now {self.params.get(key)!r})"
            for key in sorted(former.keys() | self.params.keys())
            if former.get(key) != self.params.get(key)
        ]
        if changed:
            msg = (
                f"output={str(folder)!r} holds a run with {', '.join(changed)}: give the same "
                "arguments to continue it, or name another folder."
            )
            raise ValueError(msg)

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return self.params["random_state"]

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return bool(self._record.get("finished"))

    @property
    def progress(self) -> RunRecord | None:
        """How far the run in the folder has come."""
        return RunRecord(**self._record["progress"]) if "progress" in self._record else None

    def begin(self, digest: str) -> None:
        """Raise ``ValueError`` if a run that is there saw cells of another ``digest``."""
        if self._record.get("digest", digest) != digest:
            msg = (
                f"output={str(self.folder)!r} holds a run on other cells or genes: name another "
                "folder."
            )
            raise ValueError(msg)
        self._record |= {"params": self.params, "digest": digest}
        # What a run that was killed in its last moments left behind.
        (self.folder / _part_name(RECORD)).unlink(missing_ok=True)
        if self.finished:
            shutil.rmtree(self.folder / CHECKPOINT, ignore_errors=True)

    def load(
        self,
        model: MaskedModel,
        optimizer: torch.optim.Optimizer,
        named: Mapping[str, torch.Tensor],
    ) -> RunRecord | None:
        """Set model and optimiser to the last checkpoint; ``None`` if there is no run."""
        progress = self.progress
        if progress is None:
            return None
        if self._record["last"]:
            tensors = self._tensors(self._record["last"])
            model.load(_part(tensors, "model."))
            moments = _part(tensors, "optimiser.")
            for name, tensor in named.items():
                if own := _part(moments, f"{name}/"):
                    # The counter of steps stays on the CPU, where torch keeps it.
                    optimizer.state[tensor] = {
                        key: value if value.ndim == 0 else value.to(tensor.device)
                        for key, value in own.items()
                    }
            logger.info("finetune: continuing at epoch %d, step %d", progress.epoch, progress.step)
        return progress

    def save(
        self,
        model: MaskedModel,
        optimizer: torch.optim.Optimizer,
        named: Mapping[str, torch.Tensor],
        progress: RunRecord,
    ) -> None:
        """Write a checkpoint."""
        tensors = {f"model.{name}": tensor for name, tensor in model.state().items()}
        for name, tensor in named.items():
            for key, value in optimizer.state.get(tensor, {}).items():
                tensors[f"optimiser.{name}/{key}"] = value
        self._write(f"last-{progress.epoch}-{progress.step}", tensors)
        self._point("last", f"last-{progress.epoch}-{progress.step}", progress)

    def keep_best(self, model: MaskedModel, progress: RunRecord) -> None:
        """Keep the weights as the best so far; the record names them from the next save on."""
        name = f"best-{progress.best_epoch}"
        self._write(name, model.state())
        self._record["best"] = name
        if "last" not in self._record:
            self._point("last", "", progress)

    def load_best(self, model: MaskedModel, progress: RunRecord) -> None:
        """Give the model the weights of the best epoch."""
        model.load(self._tensors(f"best-{progress.best_epoch}"))

    def finish(self, model: MaskedModel, progress: RunRecord) -> None:
        """Write the model's files and remove the checkpoints."""
        model.write(self.folder)
        self._record |= {"progress": asdict(progress), "finished": True}
        self._write_record()
        shutil.rmtree(self.folder / CHECKPOINT)

    def _read(self) -> dict[str, Any]:
        path = self.folder / RECORD
        if self.folder.exists() and not self.folder.is_dir():
            msg = f"output={str(self.folder)!r} is a file; name a folder."
            raise FileExistsError(msg)
        if not path.is_file():
            # A run that was killed before its first record leaves only its tensors and, perhaps, a
            # record that was not yet complete.
            own = {CHECKPOINT, _part_name(RECORD)}
            others = (
                sorted({entry.name for entry in self.folder.iterdir()} - own)
                if self.folder.is_dir()
                else []
            )
            if others:
                msg = (
                    f"output={str(self.folder)!r} holds other files ({listed(others, 3)}); name a "
                    "new or an empty folder."
                )
                raise FileExistsError(msg)
            return {}
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            RunRecord(**record["progress"])
            if not {"params", "digest", "last", "best"} <= record.keys():
                raise KeyError(*sorted({"params", "digest", "last", "best"} - record.keys()))
        except (
            json.JSONDecodeError,
            UnicodeDecodeError,
            RecursionError,
            KeyError,
            TypeError,
        ) as error:
            msg = (
                f"{path} is not the record of a run ({error}); name another folder, or delete this "
                "one."
            )
            raise ValueError(msg) from error
        return record

    def _tensors(self, name: str) -> dict[str, torch.Tensor]:
        from scregnet.encoders.weights.reading import read_state

        path = self.folder / CHECKPOINT / f"{name}.safetensors"
        if not path.is_file():
            msg = (
                f"{path} is not there, but {RECORD} names it: the run cannot continue. Delete "
                f"{self.folder} to start anew."
            )
            raise FileNotFoundError(msg)
        return read_state(path)

    def _write(self, name: str, tensors: Mapping[str, torch.Tensor]) -> None:
        folder = self.folder / CHECKPOINT
        folder.mkdir(parents=True, exist_ok=True)
        write_tensors(folder / f"{name}.safetensors", tensors)

    def _point(self, kind: str, name: str, progress: RunRecord) -> None:
        """Let the record name new tensors, then remove those that it no longer names."""
        self._record |= {kind: name, "progress": asdict(progress)}
        self._write_record()
        named = {f"{self._record[kind]}.safetensors" for kind in ("last", "best")}
        for path in (self.folder / CHECKPOINT).iterdir():
            if path.name not in named:
                path.unlink()

    def _write_record(self) -> None:
        write_json(self.folder / RECORD, self._record)


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write a ``.safetensors`` file that is complete or not there at all."""
    from safetensors.torch import save_file

    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with _replacing(path) as unfinished:
        save_file(on_cpu, unfinished)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a ``.json`` file that is complete or not there at all."""
    text = json.dumps(content, indent=1, allow_nan=False)
    with _replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give the name to write under; a whole file takes the place of ``path``, a failed one goes."""
    from safetensors import SafetensorError

    unfinished = path.with_name(_part_name(path.name))
    try:
        yield unfinished
        unfinished.replace(path)
    # A full disk is an error of its own kind in safetensors.
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            unfinished.unlink()
        msg = (
            f"{path} could not be written ({error}). Make room or name another folder; the same "
            "call continues the run."
        )
        raise OSError(msg) from error


def _part_name(name: str) -> str:
    return f"{name}.part"


def _part(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
