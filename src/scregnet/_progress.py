"""What a call is doing: progress bars of loops and of named stages, and what each stage took."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import NamedTuple

from scregnet._logging import logger
from scregnet._settings import settings
from scregnet._validate import check_flags

_SHOWN = {"validation_auprc": "validation AUPRC", "best": "best validation AUROC + AUPRC"}


def bar_asked(*, show: bool | None) -> bool:
    """Return whether a call asks for bars: its own argument, or the setting for ``None``."""
    if show is None:
        return settings.progress_bar
    check_flags(show_progress_bar=show)
    return show


def bars_shown(*, show: bool | None) -> bool:
    """Return whether bars are shown; a program without a console has nowhere to show them."""
    return bar_asked(show=show) and sys.stderr is not None


@contextmanager
def progress_bar(
    title: str, total: int, *, show: bool | None, unit: str = "epoch"
) -> Iterator[Callable[[int, dict[str, float]], None] | None]:
    """Yield a function to call after each ``unit`` with its number and figures.

    Yield ``None`` if no bar is shown. ``show=None`` takes ``settings.progress_bar``.
    """
    if total == 0 or not bars_shown(show=show):
        yield None
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=title, unit=unit, leave=False) as bar:

        def advance(epoch: int, row: dict[str, float]) -> None:
            bar.update(epoch + 1 - bar.n)
            shown = {label: f"{row[name]:.3f}" for name, label in _SHOWN.items() if name in row}
            bar.set_postfix(shown, refresh=False)

        yield advance


class _Call(NamedTuple):
    """The call that stages belong to."""

    title: str
    show: bool
    shown: str
    """The title in bars."""


_call: ContextVar[_Call | None] = ContextVar("_call", default=None)

LONG_SECONDS = 5400
"""A rough time of at least so many seconds is given in hours."""

# Seconds after which the bar of a stage appears: short ones would only flicker.
_DELAY = 0.5


@contextmanager
def stages(title: str, *, show: bool | None) -> Iterator[None]:
    """Show and log, under ``title``, every :func:`stage` that is entered in the ``with`` block.

    The steps of a call need not hand anything on to each other for it.
    """
    token = _call.set(_Call(title, bars_shown(show=show), title))
    try:
        yield
    finally:
        _call.reset(token)


@contextmanager
def stage(name: str, total: int = 1) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each of ``total`` steps; log at ``info`` what all took.

    Without steps there is no bar, for a stage that has stages of its own. Outside of :func:`stages`
    nothing is shown and logged.
    """
    call = _call.get()
    if call is None:
        yield _nothing
        return
    start = perf_counter()
    title = f"{call.title}: {name}"
    if call.show and total:
        from tqdm.auto import tqdm

        shown = f"{call.shown}: {name}"
        with tqdm(total=total, desc=shown, unit="step", leave=False, delay=_DELAY) as bar:
            yield bar.update
    else:
        yield _nothing
    logger.info("%s took %.1f s", title, perf_counter() - start)


def announce(seconds: float) -> None:
    """Log how long the call takes, and show it in the title of the bars to come."""
    call = _call.get()
    if call is None:
        return
    hours = seconds >= LONG_SECONDS
    number = max(1, round(seconds / (3600 if hours else 60)))
    text = f"about {number} {'hour' if hours else 'minute'}{'s' if number > 1 else ''}"
    logger.info("%s: takes %s on an ordinary CPU", call.title, text)
    _call.set(call._replace(shown=f"{call.title} ({text})"))


def _nothing() -> None:
    """Take the place of a bar that is not shown."""
