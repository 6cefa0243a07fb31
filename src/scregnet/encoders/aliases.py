"""Other names of human genes: previous symbols and aliases, for models that know only one name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._text import read_text
from scregnet._validate import listed

if TYPE_CHECKING:
    import pandas as pd

    from scregnet.encoders.protocol import GeneMatch

# Columns of HGNC's complete set, and of a table that its web page makes.
_APPROVED = ("symbol", "Approved symbol")
_PREVIOUS = ("prev_symbol", "Previous symbols", "Previous symbol")
_ALIAS = ("alias_symbol", "Alias symbols", "Alias symbol", "Synonyms")
# Names in one field: HGNC's files have "|", its web page ", ".
_BETWEEN = re.compile(r"[|,;]\s*")


@dataclass(frozen=True)
class AliasTable:
    """Which names a gene had, and has beside its symbol; each table from a name to several."""

    approved_of_previous: dict[str, list[str]] = field(default_factory=dict)
    approved_of_alias: dict[str, list[str]] = field(default_factory=dict)
    previous_of: dict[str, list[str]] = field(default_factory=dict)
    alias_of: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, table: pd.DataFrame | Mapping[str, Any] | str | Path) -> AliasTable:
        """Read a mapping or a frame, previous symbol to symbol; or HGNC's own table, or its file.

        Raises
        ------
        ValueError
            If a frame or file has other columns, or holds no name.
        TypeError
            If it is something else.
        """
        import pandas as pd

        if isinstance(table, (str, Path)):
            table = _read_file(Path(table).expanduser())
        if isinstance(table, pd.DataFrame):
            found = cls._of_frame(table)
        elif isinstance(table, (Mapping, pd.Series)):
            found = cls()
            for name, symbol in table.items():
                for one in symbol if isinstance(symbol, (list, tuple, np.ndarray)) else (symbol,):
                    found._add(one, previous=[name])
        else:
            msg = (
                "aliases= must be a frame, a mapping, or the path of HGNC's table, got "
                f"{type(table).__name__}."
            )
            raise TypeError(msg)
        if not (found.previous_of or found.alias_of):
            msg = "aliases= holds no name: every row lacks the symbol or the other name."
            raise ValueError(msg)
        return found

    @classmethod
    def _of_frame(cls, table: pd.DataFrame) -> AliasTable:
        symbol, previous, alias = (
            next((name for name in names if name in table), None)
            for names in (_APPROVED, _PREVIOUS, _ALIAS)
        )
        if symbol is None or (previous is None and alias is None):
            if table.shape[1] != 2:
                msg = (
                    "aliases= must have HGNC's columns ('symbol', 'prev_symbol', 'alias_symbol'), "
                    "or two columns, previous symbol and symbol in that order; it has "
                    f"{listed(table.columns)}."
                )
                raise ValueError(msg)
            previous, symbol = table.columns
        found = cls()
        empty = [None] * len(table)
        for own, *others in zip(
            table[symbol],
            empty if previous is None else table[previous],
            empty if alias is None else table[alias],
            strict=True,
        ):
            found._add(own, *map(_names, others))
        return found

    def _add(self, symbol: Any, previous: Iterable[Any] = (), alias: Iterable[Any] = ()) -> None:
        own = _names(symbol)
        if not own:
            return
        for names, back, forth in (
            (previous, self.approved_of_previous, self.previous_of),
            (alias, self.approved_of_alias, self.alias_of),
        ):
            for name in (one for given in names for one in _names(given)):
                if name != own[0]:
                    back.setdefault(name, []).append(own[0])
                    forth.setdefault(own[0], []).append(name)

    def candidates(self, name: str) -> Iterator[list[str]]:
        """Yield other names of a gene, the more certain ones first.

        First the symbol of which it is a previous one, then that of which it is an alias; then, for
        models older than the data, its own previous symbols and aliases.
        """
        for table in (
            self.approved_of_previous,
            self.approved_of_alias,
            self.previous_of,
            self.alias_of,
        ):
            if name in table:
                yield table[name]


def renamed(
    match: Callable[[np.ndarray], GeneMatch], genes: np.ndarray, table: AliasTable
) -> tuple[np.ndarray, dict[str, int]]:
    """Return the ids with those that a model does not know replaced by names that it knows.

    A name is not replaced if several genes of the model would do, or if the data have the gene
    already, under the name that the model knows.

    Parameters
    ----------
    match
        Finds genes in a model's vocabulary; raises ``ValueError`` if there is none.
    genes
        Ids as the user has them.
    table
        The other names.

    Returns
    -------
    Ids; and the record: ``n_renamed``, ``n_alias_ambiguous`` and ``n_alias_taken``, numbers of
    genes.
    """
    slots = _slots(match, genes)
    unknown = np.flatnonzero(slots < 0)
    found = {int(at): list(table.candidates(str(genes[at]))) for at in unknown}
    names = np.array(sorted({name for tiers in found.values() for tier in tiers for name in tier}))
    record = {"n_renamed": 0, "n_alias_ambiguous": 0, "n_alias_taken": 0}
    if not len(names):
        return genes, record
    # Together, so that equal slots mean equal genes.
    both = _slots(match, np.concatenate([genes.astype(str), names]))
    taken = set(both[: len(genes)][both[: len(genes)] >= 0].tolist())
    slot_of = dict(zip(names.tolist(), both[len(genes) :].tolist(), strict=True))
    result = genes.astype(object)
    for at, tiers in found.items():
        tier = next((known for tier in tiers if (known := _known(tier, slot_of))), {})
        if len(tier) > 1:
            record["n_alias_ambiguous"] += 1
        elif tier and next(iter(tier)) in taken:
            record["n_alias_taken"] += 1
        elif tier:
            result[at] = next(iter(tier.values()))
            record["n_renamed"] += 1
    return result.astype(str), record


def _known(tier: list[str], slot_of: Mapping[str, int]) -> dict[int, str]:
    """Return the genes of the model that these names mean, by slot."""
    return {slot_of[name]: name for name in tier if slot_of[name] >= 0}


def _slots(match: Callable[[np.ndarray], GeneMatch], genes: np.ndarray) -> np.ndarray:
    try:
        return np.asarray(match(genes).slots)
    except ValueError:
        # None is known, which is no error before other names were tried.
        return np.full(len(genes), -1)


def _names(value: Any) -> list[str]:
    """Return the names in a field; none in an empty one."""
    import pandas as pd

    if isinstance(value, (list, tuple, np.ndarray)):
        return [name for one in value for name in _names(one)]
    if value is None or pd.isna(value):
        return []
    return [name.strip().strip('"') for name in _BETWEEN.split(str(value)) if name.strip(' "')]


def _read_file(path: Path) -> pd.DataFrame:
    import io

    import pandas as pd

    if not path.is_file():
        msg = f"aliases={str(path)!r} is not a file."
        raise FileNotFoundError(msg)
    text = read_text(path, str(path))
    separator = "\t" if "\t" in text.partition("\n")[0] else ","
    try:
        return pd.read_csv(
            io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, low_memory=False
        )
    except (ValueError, pd.errors.ParserError) as error:
        msg = f"aliases={str(path)!r} is not a table: {error}."
        raise ValueError(msg) from error
