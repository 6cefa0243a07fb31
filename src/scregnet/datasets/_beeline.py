"""Read the BEELINE benchmark in GENELink's layout."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData

from scregnet._anndata.uns import to_uns
from scregnet._validate import check_choice, check_integer, listed
from scregnet.datasets._beeline_fetch import REPOSITORIES, fetch, registry

# Networks and parts of a split, with their names in folders and files.
_NETWORKS = {
    "chip": "Specific",
    "string": "STRING",
    "nonspecific": "Non-Specific",
    "lofgof": "Lofgof",
}
_PARTS = {"train": "Train_set", "validation": "Validation_set", "test": "Test_set"}


class _Set(NamedTuple):
    """One data set of the benchmark."""

    network: str
    cell_type: str
    n_genes: int


def beeline(
    cell_type: str,
    n_genes: int = 500,
    *,
    network: Literal["chip", "string", "nonspecific", "lofgof"] = "chip",
    path: str | Path | None = None,
) -> AnnData:
    """Read a data set of the BEELINE benchmark with its network and its published splits.

    The benchmark is that of :cite:t:`pratapa2020beeline`, in the layout of
    :cite:t:`chen2022genelink`. Gene symbols are as published, in upper case also for mouse.

    Parameters
    ----------
    cell_type
        ``"hESC"``, ``"hHEP"``, ``"mDC"``, ``"mESC"``, ``"mHSC-E"``, ``"mHSC-GM"``, ``"mHSC-L"``;
        with ``path``, any folder that exists.
    n_genes
        Number of most varying genes in addition to the TFs: 500 or 1000.
    network
        Gold standard: ``"chip"`` (ChIP-seq of the cell type), ``"string"`` (functional, STRING),
        ``"nonspecific"`` (ChIP-seq of any cell type) or ``"lofgof"`` (perturbations, mESC only).
    path
        Folder that holds ``<Specific|STRING|Non-Specific|Lofgof> Dataset/<cell_type>/TFs+<n>/``
        (for ``"chip"`` also without the first folder). ``None`` fetches the published files into
        ``sr.settings.cache_dir`` and checks each.

    Returns
    -------
    Cells × genes, in the order of the expression file, with:

    - ``X``: float32, log-normalised as published; not counts.
    - ``var["is_tf"]``: bool, the candidate TFs; not all have labels.
    - ``uns["network"]``: frame ``source``, ``target`` with every labelled edge.
    - ``uns["splits"]``: name → frame ``source``, ``target``, ``label``, ``split`` (``train``,
      ``validation``, ``test``). The fetched ``"official"`` is scRegNet's; only hESC's has a
      validation part.
    - ``uns["beeline"]``: what was read, and from where.

    Raises
    ------
    ValueError, FileNotFoundError
        If the data set does not exist (the message lists those that do), lacks a file, or its
        files contradict each other.
    ConnectionError
        If the files cannot be fetched.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.beeline("hESC", 500)  # doctest: +SKIP
    """
    check_choice("network", network, _NETWORKS)
    check_integer("n_genes", n_genes, minimum=1)
    wanted = _Set(network, cell_type, int(n_genes))
    root, folder, source = _locate(wanted, path)

    cells, genes, expression = _read_expression(_csv(folder, "BL--ExpressionData"))
    _check_targets(_csv(folder, "Target"), genes)
    is_tf = np.zeros(len(genes), dtype=bool)
    is_tf[_read_tfs(_csv(folder, "TF"), genes)] = True
    adata = AnnData(
        X=expression, obs=pd.DataFrame(index=cells), var=pd.DataFrame({"is_tf": is_tf}, index=genes)
    )
    adata.uns["network"] = _read_network(folder, genes)
    adata.uns["splits"] = {
        name: _read_split(place, genes) for name, place in _splits(root, folder, wanted).items()
    }
    record = {
        **wanted._asdict(),
        "expression": "log-normalised, as published; not counts",
        "source": source,
    }
    adata.uns["beeline"] = to_uns(record)
    return adata


def _locate(wanted: _Set, path: str | Path | None) -> tuple[Path, Path, str]:
    """The data folder, the folder of the data set in it, and where the data come from."""
    if path is None:
        folders = _folders(registry())
        _check_there(wanted, folders, "the published benchmark")
        root = fetch(folders[wanted])
        return root, root / folders[wanted], REPOSITORIES["genelink"]
    root = Path(path).expanduser()
    if not root.is_dir():
        msg = f"path={str(path)!r} is not a folder."
        raise FileNotFoundError(msg)
    # With and without the folder of the network.
    folders = _folders(
        file.relative_to(root).as_posix()
        for depth in ("*", "*/*")
        for file in root.glob(f"{depth}/TFs+*/*")
    )
    _check_there(wanted, folders, f"path={str(path)!r}")
    return root, root / folders[wanted], str(root)


def _folders(names: Iterable[str]) -> dict[_Set, str]:
    """Data sets and their folders, from the paths of files in the data folder."""
    labels = {f"{label} Dataset": network for network, label in _NETWORKS.items()}
    found: dict[_Set, str] = {}
    for name in names:
        *above, cell_type, size, _ = name.split("/")
        match = re.fullmatch(r"TFs\+(\d+)", size)
        network = labels.get(above[0]) if above else "chip"
        if match is None or network is None or cell_type in labels:
            continue
        key = _Set(network, cell_type, int(match[1]))
        # The layout with the folder of the network wins where both exist.
        if above or key not in found:
            found[key] = f"{'/'.join([*above, cell_type])}/{size}"
    return found


def _check_there(wanted: _Set, folders: dict[_Set, str], where: str) -> None:
    """Raise unless the data set was found; name the first argument that does not match."""
    if not folders:
        msg = (
            f"{where} holds no data set: neither '<cell type>/TFs+<n>/' nor "
            "'<network> Dataset/<cell type>/TFs+<n>/' is there."
        )
        raise FileNotFoundError(msg)
    networks = sorted({there.network for there in folders})
    if wanted.network not in networks:
        msg = f"network={wanted.network!r} is not in {where}; it has {listed(networks)}."
        raise ValueError(msg)
    cell_types = sorted({there.cell_type for there in folders if there.network == wanted.network})
    if wanted.cell_type not in cell_types:
        msg = (
            f"cell_type={wanted.cell_type!r} is not in {where} for network={wanted.network!r}; "
            f"it has {listed(cell_types)}."
        )
        raise ValueError(msg)
    if wanted not in folders:
        sizes = sorted(there.n_genes for there in folders if there[:2] == wanted[:2])
        msg = (
            f"n_genes={wanted.n_genes} is not in {where} for cell_type={wanted.cell_type!r} and "
            f"network={wanted.network!r}; it has {', '.join(map(str, sizes))}."
        )
        raise ValueError(msg)


def _find_csv(folder: Path, name: str) -> Path | None:
    """Path of a table, plain or compressed; ``None`` if there is none."""
    paths = (folder / f"{name}.csv", folder / f"{name}.csv.gz")
    return next((path for path in paths if path.is_file()), None)


def _csv(folder: Path, name: str) -> Path:
    """Path of a table that every data set has."""
    path = _find_csv(folder, name)
    if path is None:
        msg = f"{folder} has no {name}.csv or {name}.csv.gz; a BEELINE data set needs it."
        raise FileNotFoundError(msg)
    return path


def _table(path: Path, names: tuple[str, ...] = (), numbers: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read columns of a table: names as text, numbers as int64 also when written as floats."""
    # pandas would read genes such as NA and NULL as missing values.
    frame = pd.read_csv(path, keep_default_na=False, converters=dict.fromkeys(names, str))
    missing = [column for column in (*names, *numbers) if column not in frame.columns]
    if missing:
        msg = f"{path} lacks the column {listed(missing)}; it has {listed(frame.columns)}."
        raise ValueError(msg)
    columns: dict[str, Any] = {column: frame[column].to_numpy() for column in names}
    for column in numbers:
        values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64)
        wrong = ~np.equal(values, np.rint(values))
        if wrong.any():
            msg = (
                f"{path}, column {column!r}: {str(frame[column][wrong].iloc[0])!r} "
                "is not a whole number."
            )
            raise ValueError(msg)
        columns[column] = values.astype(np.int64)
    return pd.DataFrame(columns)


def _read_expression(path: Path) -> tuple[pd.Index, pd.Index, np.ndarray]:
    """Cells, genes and the matrix cells × genes; the file is genes × cells."""
    frame = pd.read_csv(path, keep_default_na=False, converters={0: str})
    genes = pd.Index(frame.iloc[:, 0].to_numpy())
    if not genes.is_unique:
        msg = f"{path} names genes twice: {listed(genes[genes.duplicated()].unique(), 5)}."
        raise ValueError(msg)
    try:
        values = np.ascontiguousarray(frame.iloc[:, 1:].to_numpy(dtype=np.float32).T)
    except ValueError as error:
        msg = f"{path} holds values that are not numbers: {error}."
        raise ValueError(msg) from error
    if not np.isfinite(values).all():
        msg = f"{path} holds NaN or infinite values."
        raise ValueError(msg)
    return frame.columns[1:].astype(str), genes, values


def _check_targets(path: Path, genes: pd.Index) -> None:
    """Raise unless the benchmark numbers genes by their rows in the expression file."""
    table = _table(path, ("Gene",), ("index",))
    in_order = np.array_equal(table["index"], np.arange(len(genes)))
    if not in_order or list(table["Gene"]) != list(genes):
        msg = (
            f"{path} numbers {len(table)} genes otherwise than the {len(genes)} rows of the "
            "expression file in the same folder; labels and splits would be read for the wrong "
            "genes. Files of different networks or sizes were mixed."
        )
        raise ValueError(msg)


def _read_tfs(path: Path, genes: pd.Index) -> np.ndarray:
    """Positions of the candidate TFs."""
    table = _table(path, ("TF",), ("index",))
    positions = table["index"].to_numpy()
    _check_positions(path, positions, len(genes))
    wrong = np.flatnonzero(table["TF"].to_numpy() != genes[positions].to_numpy())
    if len(wrong):
        first = wrong[0]
        msg = (
            f"{path} gives {table['TF'][first]!r} the index {positions[first]}, "
            f"which is {genes[positions[first]]!r}."
        )
        raise ValueError(msg)
    return positions


def _check_positions(path: Path, positions: np.ndarray, n_genes: int) -> None:
    if len(positions) and not 0 <= positions.min() <= positions.max() < n_genes:
        msg = (
            f"{path} holds gene indices from {positions.min()} to {positions.max()}; "
            f"there are {n_genes} genes."
        )
        raise ValueError(msg)


def _pairs(path: Path, genes: pd.Index, *numbers: str) -> pd.DataFrame:
    """Read ``TF`` and ``Target`` indices as ``source`` and ``target`` names, and more columns."""
    table = _table(path, numbers=("TF", "Target", *numbers))
    pairs = table[["TF", "Target"]].to_numpy()
    _check_positions(path, pairs.ravel(), len(genes))
    names = genes.to_numpy()
    return pd.DataFrame(
        {
            "source": names[pairs[:, 0]],
            "target": names[pairs[:, 1]],
            **{n: table[n] for n in numbers},
        }
    )


def _read_network(folder: Path, genes: pd.Index) -> pd.DataFrame:
    """The labelled edges, from the indices of ``Label.csv`` or the names of ``BL--network.csv``.

    Both list the same edges in all published data sets. If they differ, neither can be trusted:
    the splits were drawn from the first, and users look at the second.
    """
    label, named = _find_csv(folder, "Label"), _find_csv(folder, "BL--network")
    if label is None and named is None:
        msg = (
            f"{folder} has neither Label.csv nor BL--network.csv, plain or as .csv.gz; "
            "a BEELINE data set needs one of them."
        )
        raise FileNotFoundError(msg)
    if named is None:
        return _pairs(_csv(folder, "Label"), genes)
    by_name = _table(named, ("Gene1", "Gene2")).set_axis(["source", "target"], axis=1)
    unknown = sorted({*by_name["source"], *by_name["target"]} - {*genes})
    if unknown:
        msg = f"{named} names genes that the expression file lacks: {listed(unknown, 5)}."
        raise ValueError(msg)
    if label is None:
        return by_name
    by_index = _pairs(label, genes)
    indexed, spelled = (
        {*frame.itertuples(index=False, name=None)} for frame in (by_index, by_name)
    )
    if indexed != spelled:
        only = [" → ".join(edge) for edge in sorted(indexed ^ spelled)]
        msg = (
            f"{label} and {named} are not the same network: {len(indexed - spelled)} edges are "
            f"only in the first and {len(spelled - indexed)} only in the second, "
            f"such as {listed(only, 3)}."
        )
        raise ValueError(msg)
    return by_index


def _splits(root: Path, folder: Path, wanted: _Set) -> dict[str, Path]:
    """Folders with the parts of a split, by the name of the split.

    They are the folders under ``splits/``; ``"default"``, if parts lie next to the expression file;
    and ``"genelink"``, GENELink's ``Train_validation_test/<cell_type> <n_genes>/``.
    """
    places = {place.name: place for place in sorted(folder.glob("splits/*")) if place.is_dir()}
    places.setdefault("default", folder)
    # GENELink published splits of the ChIP-seq networks only.
    if wanted.network == "chip":
        places.setdefault(
            "genelink", root / "Train_validation_test" / f"{wanted.cell_type} {wanted.n_genes}"
        )
    return {
        name: place
        for name, place in places.items()
        if any(_find_csv(place, part) for part in _PARTS.values())
    }


def _read_split(place: Path, genes: pd.Index) -> pd.DataFrame:
    """The labelled pairs of one split: train, then validation, then test."""
    frames = []
    for split, file in _PARTS.items():
        path = _find_csv(place, file)
        # Some published splits have no validation part.
        if path is None:
            continue
        pairs = _pairs(path, genes, "Label")
        if not pairs["Label"].isin([0, 1]).all():
            other = sorted(set(pairs["Label"]) - {0, 1})[:5]
            msg = f"{path} holds labels other than 0 and 1: {other}."
            raise ValueError(msg)
        frames.append(pairs.assign(split=split))
    pairs = pd.concat(frames, ignore_index=True)
    return pd.DataFrame(
        {
            "source": pairs["source"],
            "target": pairs["target"],
            "label": pairs["Label"].astype(np.int8),
            "split": pd.Categorical(pairs["split"], categories=list(_PARTS)),
        }
    )
