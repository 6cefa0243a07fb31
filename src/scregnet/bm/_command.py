"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scregnet._logging import logger
from scregnet._settings import settings
from scregnet._text import checked_file
from scregnet._validate import check_choice, listed, with_notes
from scregnet.bm._ablation_study import WHOLE, ablation_study
from scregnet.bm._grid.sources import read_sources
from scregnet.bm._rank_turns import rank_turns
from scregnet.bm._robustness_study import robustness_study
from scregnet.bm._run import run
from scregnet.links import LINK_METHODS, SPLITS
from scregnet.links.registry import method_class
from scregnet.metrics._metrics import METRICS

if TYPE_CHECKING:
    import pandas as pd

DONE, FAILED, WRONG, STOPPED = 0, 1, 2, 130
"""Exit codes: all went well; some fits failed; the call is wrong and nothing was fitted; Ctrl-C."""

ABOUT = """\
Compare methods that predict gene regulatory links, on your data or on BEELINE's.

  python -m scregnet.bm run hESC/TFs+500 mDC/TFs+500 --methods joint pearson --out table.csv
  python -m scregnet.bm run --config benchmark.toml
  python -m scregnet.bm ablation hESC/TFs+500 --methods joint --out ablation.csv
  python -m scregnet.bm noise hESC/TFs+500 --methods joint genelink --out noise.csv

Data are folders of BEELINE (.../<cell type>/TFs+<n>) or DREAM4, or h5ad, h5mu or zarr files with a
network: a frame with source and target in uns["network"]. Exit codes: 0 all went well, 1 some fits
failed, 2 the call is wrong, 130 stopped by Ctrl-C.
"""

CONFIG = """\
A file in TOML has the same names as the options, and more: tables of methods and splits.

  data = {hESC = "beeline/hESC/TFs+500", mine = "mine.h5ad"}
  splits = ["pairs", "targets"]
  seeds = 5
  folder = "cells"
  out = "table.csv"
  [methods.joint]
  [methods."joint, no trees"]
  method = "joint"
  n_trees = 0

Options of the command line come before those of the file. A name that is in a table of the file
takes what that says: --methods "joint, no trees" fits that one alone, and hESC is its folder.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    chosen = _parsed(arguments)
    try:
        return _called(chosen)
    except KeyboardInterrupt:
        kept = "The same command with --folder goes on with the fits that it keeps there."
        sys.stderr.write(f"\nscregnet.bm: stopped. {kept}\n")
        return STOPPED


def _called(chosen: argparse.Namespace) -> int:
    try:
        options = _options(chosen)
        # Fits may take days: what cannot be written is refused first.
        files = _files(options)
        metric = options.pop("turns_metric", "auprc")
        check_choice("turns_metric", metric, METRICS)
        with settings.override(verbosity="info"):
            table, n_failed = _COMMANDS[chosen.command](options)
    # What the user named is wrong: one line, no traceback.
    except (ValueError, KeyError, TypeError, OSError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        sys.stderr.write(f"scregnet.bm: {text}\n")
        return WRONG
    except RuntimeError as error:
        sys.stderr.write(f"scregnet.bm: {error}\n")
        return FAILED
    try:
        _write(chosen.command, table, files, metric)
    # After the fits, such as of a full disk: the call was right.
    except (ValueError, OSError) as error:
        sys.stderr.write(f"scregnet.bm: {error}\n")
        return FAILED
    return FAILED if n_failed or table["value"].isna().all() else DONE


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scregnet.bm",
        description=ABOUT,
        epilog=CONFIG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, text in (
        ("run", "fit methods to data sets, splits and seeds"),
        ("ablation", "take parts of methods away"),
        ("noise", "fit to networks with ever more wrong labels"),
    ):
        own = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=CONFIG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_arguments(own, name)
    chosen, unknown = parser.parse_known_args(arguments)
    takes = {name: set(vars(own.parse_args([]))) for name, own in commands.choices.items()}
    chosen.of_others = sorted(set().union(*takes.values()) - takes[chosen.command])
    if unknown:
        # In words of the command: the parser of all commands shows none of its options.
        commands.choices[chosen.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    return chosen


def _add_arguments(parser: argparse.ArgumentParser, command: str) -> None:
    # Without defaults: what is not given comes from the file, then from the functions.
    add = parser.add_argument
    add("data", nargs="*", help="folders of BEELINE or DREAM4, or h5ad, h5mu or zarr files")
    add("--config", type=Path, help="a file in TOML; see below")
    add("--methods", nargs="+", help=f"one or more of {', '.join(LINK_METHODS)}")
    add("--out", help="csv file to write; without it the table is printed")
    add("--folder", help="keep each fit here when it is done; a command that stopped goes on")
    add("--device", help="torch device, such as cuda")
    if command == "run":
        add("--splits", nargs="+", help=f"{', '.join(SPLITS)}, or names of stored splits")
        add("--seeds", type=int, help="number of seeds (5)")
        add("--retry-failed", action="store_true", default=None, help="fit failed ones again")
        add("--n-jobs", type=int, help="fits at a time (1); -1 takes all cores")
        add("--turns", help="also write how often the order of methods turns round, as csv")
        add("--turns-metric", help="the metric of that order (auprc)")
        add("--plot", help="also draw the table, one file a split: figure.png")
    elif command == "ablation":
        add("--split", help="a stored split, or the default one")
        add("--n-seeds", type=int, help="fits of each version (5)")
        add("--plot", help="also draw the table, one file a data set: figure.png")
    else:
        add("--split", help="a stored split, or the default one")
        add("--noise", nargs="+", type=float, help="shares of wrong labels (0.01 to 0.05)")
        add("--n-priors", type=int, help="wrong networks of each share (10)")
        add("--plot", help="also draw the table, one file a data set: figure.png")


_TABLES: dict[str, Callable[[str], Any]] = {
    "methods": lambda _: {},
    "splits": str,
    "data": str,
}
"""What may be a table in the file, and what a name means that is not in it."""


def _options(chosen: argparse.Namespace) -> dict[str, Any]:
    """Return the options of the file, with those of the command line in their place."""
    given = {
        name: value
        for name, value in vars(chosen).items()
        if value not in (None, []) and name not in ("command", "config", "of_others")
    }
    options: dict[str, Any] = {}
    if chosen.config is not None:
        try:
            options = tomllib.loads(chosen.config.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            msg = f"--config {chosen.config}: {error}"
            raise ValueError(msg) from error
    # All else may be an argument of the fits.
    if others := [name for name in chosen.of_others if name in options]:
        msg = f"--config {chosen.config}: {listed(others)} cannot be set for {chosen.command!r}."
        raise ValueError(msg)
    # A name takes the file's table of it: only the rest of the tables is left out.
    for name, of_name in _TABLES.items():
        table = options.get(name)
        if isinstance(table, Mapping) and name in given:
            asked = given[name]
            if name != "data" or set(asked) & set(table):
                given[name] = {one: table.get(one, of_name(one)) for one in asked}
    options |= given
    if not options.get("data"):
        msg = "no data: name folders of BEELINE or DREAM4, or h5ad files, or give them in --config."
        raise ValueError(msg)
    data = options["data"]
    if not isinstance(data, dict):
        options["data"] = _named([data] if isinstance(data, str) else data)
    return options


def _named(paths: Sequence[str]) -> dict[str, str]:
    """Name each path by its last parts, as many as it takes to tell them apart."""
    parts = [Path(path).parts for path in paths]
    for n in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-n:]) for part in parts]
        # The folder of a BEELINE set alone does not say which cell type.
        if len(set(names)) == len(names) and not any(name.startswith("TFs+") for name in names):
            break
    if len(set(names)) < len(names):
        msg = "data: a path is there twice."
        raise ValueError(msg)
    return dict(zip(names, map(str, paths), strict=True))


def _files(options: dict[str, Any]) -> dict[str, Path]:
    """Take the files to write out of the options; raise if one cannot be written."""
    files = {name: options.pop(name) for name in ("out", "turns", "plot") if name in options}
    if "plot" in files:
        from scregnet.pl._figure import check_save

        check_save("plot", files["plot"])
    return {name: checked_file(name, path) for name, path in files.items()}


def _write(command: str, table: pd.DataFrame, files: Mapping[str, Path], metric: str) -> None:
    """Write the table, or print it; then what is made of it."""
    if "out" in files:
        table.to_csv(files["out"], index=False)
    else:
        sys.stdout.write(table.to_csv(index=False))
    if "turns" in files:
        rank_turns(table, metric=metric).to_csv(files["turns"], index=False)
    if "plot" in files:
        _draw(command, table, files["plot"])


def _draw(command: str, table: pd.DataFrame, path: Path) -> None:
    """Draw the table, one file for each of its splits, or of the data sets of a study."""
    from scregnet.pl import ablation, benchmark, robustness

    by = "split" if command == "run" else "data"
    parts = list(table[by].unique())
    for part in parts:
        here = table[table[by] == part]
        ending = re.sub(r"[^\w+-]+", "_", str(part))
        name = path if len(parts) == 1 else path.with_stem(f"{path.stem}-{ending}")
        if command == "run":
            benchmark(here, split=part, save=name, show=False)
        elif command == "ablation":
            ablation(here, groupby="method", save=name, show=False)
        else:
            robustness(here, save=name, show=False)


def _run(options: dict[str, Any]) -> tuple[pd.DataFrame, int]:
    own = dict(options)
    table = run(own.pop("data"), **own)
    return table, int(table["error"].astype(bool).sum())


def _studies(
    study: Callable[..., pd.DataFrame], options: dict[str, Any]
) -> tuple[pd.DataFrame, int]:
    """Run a study for each data set and method; return the frames as one, and how many failed."""
    import pandas as pd

    own = dict(options)
    sources = read_sources(own.pop("data"), own.pop("prior", None), mod=own.pop("mod", "rna"))
    methods = own.pop("methods", ["joint"])
    keywords = {
        name: dict(methods[name]) if isinstance(methods, Mapping) else {} for name in methods
    }
    for label, given in keywords.items():
        method_class(given.setdefault("method", label))
    split = own.pop("split", None)
    tables, errors = [], list[Exception]()
    for source in sources:
        stored = source.data.uns.get("splits", {})
        frame = pd.DataFrame(stored[split]) if split in stored else split
        network = None if frame is not None else source.network
        for label, given in keywords.items():
            try:
                table = study(source.data, network, split=frame, **own | given)
            # A method may not fit a data set, such as one without a pseudotime.
            except (ValueError, KeyError, TypeError, RuntimeError) as error:
                error.add_note(f"{label} on {source.name}")
                errors.append(error)
            else:
                # Two versions of a method are two models.
                model = table["model"].astype(str).replace({keywords[label]["method"]: label})
                tables.append(table.assign(data=source.name, method=label, model=model))
    if not tables:
        raise errors[0]
    for failed in errors:
        logger.warning("failed: %s", with_notes(failed))
    return pd.concat(tables, ignore_index=True), len(errors)


def _ablation(options: dict[str, Any]) -> tuple[pd.DataFrame, int]:
    def study(data: Any, prior: Any, method: str, **own: Any) -> pd.DataFrame:
        found = method_class(method)
        # A null model is fitted whole, beside the others.
        if not (found.needs_expression or found.ablations):
            own = {"variants": {WHOLE: {}}, **own}
        return ablation_study(data, prior, method, **own)

    return _studies(study, options)


def _noise(options: dict[str, Any]) -> tuple[pd.DataFrame, int]:
    return _studies(robustness_study, options)


_COMMANDS: dict[str, Callable[[dict[str, Any]], tuple[pd.DataFrame, int]]] = {
    "run": _run,
    "ablation": _ablation,
    "noise": _noise,
}
