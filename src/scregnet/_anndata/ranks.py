"""The processes of ``torchrun``, which make the same calls and share the cells among them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from scregnet._logging import logger


class Ranks:
    """A client whose workers are the processes that ``torchrun`` started, this one included.

    All make the same calls. Of the tasks of a round each does one and sends what it gives to the
    others, so that all end with the same sums. An error of one is raised in all.

    Raises
    ------
    ValueError
        If the process was not started by ``torchrun``, or in the way that it does.
    """

    def __init__(self) -> None:
        needed = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
        missing = [name for name in needed if name not in os.environ]
        if missing:
            msg = (
                "client='torchrun' is for processes that torchrun starts: torchrun "
                f"--nproc-per-node=2 script.py. {', '.join(missing)} are not set."
            )
            raise ValueError(msg)
        from torch import distributed

        if not distributed.is_initialized():
            distributed.init_process_group("gloo")
        # A group of its own: the sums are in the memory of the host, which NCCL does not send.
        self._group = distributed.new_group(backend="gloo")
        self._rank, self._size = distributed.get_rank(), distributed.get_world_size()
        self._waiting: list[RankTask] = []
        logger.info("torchrun: process %d of %d", self._rank, self._size)

    @staticmethod
    def device(device: str | None) -> str | None:
        """Return the GPU of this process where the choice is left to us."""
        import torch

        from scregnet._settings import settings

        name = settings.device if device is None else device
        if name not in ("auto", "cuda") or not torch.cuda.is_available():
            return device
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"

    def submit(self, function: Callable[..., Any], *args: Any) -> RankTask:
        """Take a task, which some process does later."""
        task = RankTask(self, function, args)
        self._waiting.append(task)
        return task

    def forget(self, task: RankTask) -> None:
        """Leave a task out."""
        if task in self._waiting:
            self._waiting.remove(task)

    def do_round(self) -> None:
        """Do one of the next tasks here, the others' elsewhere; give each what it resulted in."""
        from torch import distributed

        tasks, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
        own: list[Any] = [None]
        if self._rank < len(tasks):
            own = [tasks[self._rank].run()]
        for rank, task in enumerate(tasks):
            # Of any group, ranks are those among all processes.
            found = own if rank == self._rank else [None]
            distributed.broadcast_object_list(found, src=rank, group=self._group)
            task.found = found[0]


class RankTask:
    """A task of :class:`Ranks`."""

    def __init__(self, ranks: Ranks, function: Callable[..., Any], args: tuple) -> None:
        self._ranks, self._function, self._args = ranks, function, args
        self.found: tuple[Any, Exception | None] | None = None

    def run(self) -> tuple[Any, Exception | None]:
        """Return what the function gives, or what it raises."""
        try:
            return self._function(*self._args), None
        # Sent to all processes, which would wait for ever for one that ended.
        except Exception as error:  # noqa: BLE001
            return None, error

    def result(self) -> Any:
        """Return what the function gave, wherever it ran."""
        while self.found is None:
            self._ranks.do_round()
        result, error = self.found
        if error is not None:
            raise error
        return result

    def cancel(self) -> None:
        """Leave the task undone."""
        self._ranks.forget(self)
