"""One progress bar for long loops, silent where the user wants none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scregnet._settings import settings


@contextmanager
def progress_bar(
    title: str, total: int, *, show: bool | None
) -> Iterator[Callable[[int, dict[str, float]], None] | None]:
    """Give a function that is called after each epoch with its number and figures; ``None`` where there is nothing to show.

    ``show=None`` falls back to ``settings.progress_bar``.
    """
    if total == 0 or not (settings.progress_bar if show is None else show):
        yield None
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=title, unit="epoch", leave=False) as bar:

        def advance(epoch: int, row: dict[str, float]) -> None:
            bar.update(epoch + 1 - bar.n)
            bar.set_postfix({"validation AUPRC": f"{row['validation_auprc']:.3f}"}, refresh=False)

        yield advance
