"""What a biologist takes away from a fit, in figures.

Prints the tables of ``docs/results/delivered.md`` in markdown. The data are not shipped; ``--data``
names their folder, and ``--cache`` one for fits, which are made once::

    python benchmarks/delivered.py --data ../shared/data --cache fits             # all parts
    python benchmarks/delivered.py stability q --data ../shared/data --cache fits

All parts take one to two hours on one CPU core. Networks of cell types and signs have benchmarks of
their own, ``groups.py`` and ``signs.py``.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from delivered_activity import activity
from delivered_links import controls, popularity, q_values, stability

if TYPE_CHECKING:
    import pandas as pd

PARTS: dict[str, Callable[[Path, Path], Iterator[tuple[str, pd.DataFrame]]]] = {
    "stability": stability,
    "controls": controls,
    "popularity": popularity,
    "q": q_values,
    "activity": activity,
}


def markdown(table: pd.DataFrame) -> str:
    """Format a frame as a table in markdown, numbers with three digits after the point."""

    def text(value: object) -> str:
        if isinstance(value, bool | np.bool_):
            return "yes" if value else "no"
        if isinstance(value, float | np.floating):
            return "" if np.isnan(value) else f"{value:.3f}"
        return str(value)

    rows = [list(table.columns), ["---"] * table.shape[1]]
    rows += [[text(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Print the tables of the parts that are named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all if none is named")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("delivered_fits"))
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part is named {sorted(unknown)}; choose from {', '.join(PARTS)}")
    logging.getLogger("scregnet").setLevel(logging.ERROR)
    for part in options.parts or PARTS:
        for title, table in PARTS[part](options.data, options.cache):
            print(f"\n### {title}\n\n{markdown(table)}", flush=True)


if __name__ == "__main__":
    main()
