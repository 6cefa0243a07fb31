"""The progress bar of long loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scregnet._settings import settings

_SHOWN = {"validation_auprc": "validation AUPRC", "best": "best validation AUROC + AUPRC"}


@contextmanager
def progress_bar(
    title: str, total: int, *, show: bool | None, unit: str = "epoch"
) -> Iterator[Callable[[int, dict[str, float]], None] | None]:
    """Yield a function to call after each ``unit`` with its number and figures.

    Yield ``None`` if no bar is shown. ``show=None`` takes ``settings.progress_bar``.
    """
    if total == 0 or not (settings.progress_bar if show is None else show):
        yield None
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=title, unit=unit, leave=False) as bar:

        def advance(epoch: int, row: dict[str, float]) -> None:
            bar.update(epoch + 1 - bar.n)
            shown = {label: f"{row[name]:.3f}" for name, label in _SHOWN.items() if name in row}
            bar.set_postfix(shown, refresh=False)

        yield advance
