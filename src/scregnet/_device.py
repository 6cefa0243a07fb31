"""Turn the ``device`` argument into a torch device."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from threading import RLock
from typing import TYPE_CHECKING

from scregnet._logging import logger
from scregnet._validate import check_choice

if TYPE_CHECKING:
    import torch


class _Alone:
    """A lock that is held while torch's generators, default dtype and number of threads are ours.

    All threads of a process share them. A fork has a lock of its own: the thread that held the
    parent's does not live on there.
    """

    lock = RLock()

    @classmethod
    def renew(cls) -> None:
        cls.lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Alone.renew)


DEVICE_NAME = re.compile(r"auto|(cpu|cuda|mps)(:\d{1,4})?")


def check_device_name(device: str | None) -> None:
    """Raise unless ``device`` is ``None`` or names a device, there or not. Imports no torch."""
    if device is not None and not DEVICE_NAME.fullmatch(str(device)):
        raise ValueError(_no_device(str(device)))


def _no_device(name: str) -> str:
    return f"device={name!r} is not a device; use 'auto', 'cpu', 'cuda', 'cuda:<index>' or 'mps'."


def resolve_device(device: str | None) -> torch.device:
    """Return the torch device for ``device``; ``None`` takes ``settings.device``.

    ``"auto"`` takes an accelerator if there is one. A named device that is absent raises
    ``ValueError``.
    """
    import torch

    from scregnet._settings import settings

    name = str(settings.device if device is None else device)
    if name == "auto":
        if torch.cuda.is_available():
            name = "cuda"
        else:
            name = "mps" if torch.backends.mps.is_available() else "cpu"
        logger.info("device: %s", name)
        return torch.device(name)
    msg = _no_device(name)
    try:
        found = torch.device(name)
    except RuntimeError as error:
        raise ValueError(msg) from error
    if found.type not in ("cpu", "cuda", "mps"):
        raise ValueError(msg)
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        msg = (
            f"device={name!r} is not there: torch sees {torch.cuda.device_count()} CUDA devices. "
            "Use device='auto' or 'cpu'."
        )
        raise ValueError(msg)
    if found.type == "mps" and not torch.backends.mps.is_available():
        msg = "device='mps' is not there on this machine. Use device='auto' or 'cpu'."
        raise ValueError(msg)
    return found


@contextmanager
def plain_torch() -> Iterator[None]:
    """Compute as torch does by default, whatever the user has set; one thread at a time.

    No default dtype or device, no ``no_grad``, ``inference_mode`` or ``autocast`` of the user
    reaches what is computed inside the ``with`` block. All of it is put back afterwards.
    """
    import torch

    with _Alone.lock, ExitStack() as stack:
        dtype = torch.get_default_dtype()
        stack.callback(torch.set_default_dtype, dtype)
        torch.set_default_dtype(torch.float32)
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            # No cache: torch clears it at the end of the outermost autocast, which is this one, so
            # that an autocast within would compute with the weights of its first step for ever.
            stack.enter_context(torch.autocast(kind, enabled=False, cache_enabled=False))
        yield


@contextmanager
def torch_threads(*, default: int | None = None) -> Iterator[None]:
    """Compute as :func:`plain_torch` with ``settings.n_jobs`` CPU threads in the ``with`` block.

    For -1 they are ``default``, or, if that is ``None``, torch's choice within the cores that the
    process may use. In a fork of a process that used torch there is one.
    """
    import torch

    from scregnet._settings import settings
    from scregnet._threads import forked_after_torch, n_threads

    with plain_torch():
        former = torch.get_num_threads()
        chosen = settings.n_jobs
        if chosen == -1:
            chosen = min(former, n_threads()) if default is None else default
        if chosen > 1 and forked_after_torch():
            logger.info("torch computes in one thread: the process is a fork of one that used it")
            chosen = 1
        try:
            torch.set_num_threads(chosen)
            yield
        finally:
            torch.set_num_threads(former)


def autocast(
    precision: str, device: torch.device
) -> tuple[str, Callable[[], AbstractContextManager]]:
    """Return the precision that ``precision`` means on a device, and a context that computes in it.

    Half precision needs CUDA. ``"auto"`` takes bfloat16 if the GPU has it in hardware, else
    float32.
    """
    import torch

    check_choice("precision", precision, ("auto", "float32", "bfloat16", "float16"))
    cuda = device.type == "cuda"
    if precision == "auto":
        # Emulated bfloat16 would be slower than float32.
        precision = (
            "bfloat16"
            if cuda and torch.cuda.is_bf16_supported(including_emulation=False)
            else "float32"
        )
    if precision == "float32":
        return precision, nullcontext
    if not cuda:
        msg = (
            f"precision={precision!r} needs a CUDA device, but the device is {device.type!r}; use "
            "'auto' or 'float32'."
        )
        raise ValueError(msg)
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float16
    return precision, lambda: torch.autocast("cuda", dtype=dtype)


@contextmanager
def own_randomness(device: torch.device | None = None) -> Iterator[None]:
    """Restore the user's random state after a ``with`` block that computes as :func:`plain_torch`.

    That of the CPU, and of ``device`` if it is another one.
    """
    import torch

    with plain_torch():
        if device is None or device.type == "cpu":
            forked = torch.random.fork_rng(devices=[])
        else:
            forked = torch.random.fork_rng(devices=[device], device_type=device.type)
        with forked:
            yield


def seed_torch(seed: int, device: torch.device) -> None:
    """Seed the generators that :func:`own_randomness` restores, and no other.

    ``torch.manual_seed`` would seed those of every device.
    """
    import torch

    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
