"""Data sets of a benchmark: an AnnData, a file of one, or a folder of BEELINE or DREAM4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData, read_h5ad
from anndata.io import read_zarr

from scregnet._anndata.access import check_names, resolve
from scregnet._genes.forms import SUFFIXES
from scregnet._genes.network import Network, read_network
from scregnet._genes.split import LabelledPairs, SplitOptions, draw_pairs, is_split, labelled_pairs
from scregnet._validate import about, listed, own_arguments, shortened
from scregnet.bm._kept.digest import digest_of_cells, named_by
from scregnet.bm._kept.plain import plain
from scregnet.datasets import beeline, dream4
from scregnet.datasets._dream4 import FILES
from scregnet.links import SPLITS

# Folders of GENELink's layout, and the name of their network in sr.datasets.beeline.
_NETWORKS = {
    "Specific Dataset": "chip",
    "STRING Dataset": "string",
    "Non-Specific Dataset": "nonspecific",
    "Lofgof Dataset": "lofgof",
}

# What a zarr store holds at its top, of format 2 and 3.
_ZARR = (".zattrs", "zarr.json")

SplitOf = str | Mapping[str, Any] | pd.DataFrame
"""A kind of split or a key of ``uns["splits"]`` or ``uns``; arguments of ``pp.split``; a frame."""


@dataclass(frozen=True, eq=False)
class Source:
    """One data set with its known network."""

    name: str
    given: AnnData | Path
    prior: Any = None
    """The known network; ``None`` takes what the data set holds."""

    mod: str = "rna"
    """The modality of a file of several."""

    opened: dict[str, Any] = field(default_factory=dict, repr=False)
    texts: dict[str, str] = field(default_factory=dict, repr=False)
    """Of stored splits, each made once: a split may have a million pairs."""

    @property
    def data(self) -> AnnData:
        """The cells; a file is read once."""
        if isinstance(self.given, AnnData):
            return self.given
        if "data" not in self.opened:
            self.opened["data"] = _read(self.given, self.name, self.mod)
        found: AnnData = self.opened["data"]
        return found

    @property
    def edges(self) -> Network:
        """The known network at the genes of the data; it is aligned, and told of, once."""
        if "edges" not in self.opened:
            self.opened["edges"] = read_network(self.network, self.data)
        found: Network = self.opened["edges"]
        return found

    def pairs(self, split: SplitOf, seed: int) -> LabelledPairs:
        """Return the labelled pairs of a split: drawn with ``seed``, or those of a frame."""
        data = self.data
        if isinstance(split, str) and split not in SPLITS:
            stored = data.uns.get("splits", {})
            if split in stored:
                split = pd.DataFrame(stored[split])
        if isinstance(split, pd.DataFrame) or (isinstance(split, str) and split not in SPLITS):
            found = labelled_pairs(data, None, split, random_state=seed)
            return found.redrawn(seed, data.n_vars)
        how = {"kind": split} if isinstance(split, str) else dict(split)
        network, options = self.edges, SplitOptions(**how, random_state=seed)
        ends = network.sources, network.targets
        return draw_pairs(*ends, data.n_vars, options, network.report, network.set_aside)

    @property
    def network(self) -> Any:
        """The known network, in any form that a fit takes."""
        if self.prior is not None:
            return self.prior
        data = self.data
        if "network" in data.uns:
            return pd.DataFrame(data.uns["network"])
        if "prior" in data.varp:
            return "prior"
        msg = (
            f"data[{self.name!r}] has no known network: pass one as prior=, or put a frame with "
            "source and target into adata.uns['network']."
        )
        raise KeyError(msg)

    def check(self, splits: Mapping[str, SplitOf]) -> None:
        """Raise unless names are proper, every split is there, and a network to draw one from."""
        data = self.data
        with about(f"data[{self.name!r}]"):
            check_names(data)
        stored = [*data.uns.get("splits", {}), *(k for k, v in data.uns.items() if is_split(v))]
        for split in splits.values():
            if isinstance(split, str) and split not in SPLITS and split not in stored:
                msg = (
                    f"splits: {split!r} is no kind of split ({listed(SPLITS)}) and no split of "
                    f"data[{self.name!r}]" + (f" ({listed(stored)})." if stored else ".")
                )
                raise ValueError(msg)
            if isinstance(split, Mapping) or (isinstance(split, str) and split in SPLITS):
                _ = self.edges

    @cached_property
    def digest(self) -> str:
        """Digest of the cells, the names, all vectors of genes and the known network."""
        data = self.data
        found = digest_of_cells(data)
        known = self.network
        if isinstance(known, pd.DataFrame):
            found.update(plain(known).encode())
        else:
            network = self.edges
            for ends in (network.sources, network.targets, *(network.set_aside or ())):
                found.update(np.ascontiguousarray(ends).tobytes())
        return found.hexdigest()

    def named(self, keywords: Mapping[str, Any], *, by_tfs: bool) -> list[str]:
        """Return the texts of what a fit reads beside :attr:`digest`: what its keywords name.

        ``by_tfs`` says that the marked TFs are read, as methods without labels do.
        """
        # The reader of a folder marks them, always alike.
        is_folder = isinstance(self.given, Path) and self.given.is_dir()
        return named_by(keywords, self.data, by_tfs=by_tfs and not is_folder)

    def stored(self, split: SplitOf) -> list[str]:
        """Return the text of a split of ``uns``; nothing for one that is drawn or given."""
        if not isinstance(split, str) or split in SPLITS:
            return []
        if split not in self.texts:
            splits = self.data.uns.get("splits", {})
            found = pd.DataFrame(splits[split]) if split in splits else self.data.uns[split]
            self.texts[split] = plain(found)
        return [self.texts[split]]

    def __getstate__(self) -> dict[str, Any]:
        # A worker reads a file itself.
        return {**vars(self), "opened": {}}


def read_sources(data: Any, prior: Any, *, mod: str = "rna") -> list[Source]:
    """Return the data sets that ``data`` means."""
    if not isinstance(data, Mapping):
        single = Path(data).name if isinstance(data, str | Path) else "data"
        data = {single: data}
    if not data:
        msg = "data is empty; name at least one data set."
        raise ValueError(msg)
    sources = []
    for name, given in data.items():
        if isinstance(given, str | Path):
            path = Path(given)
            if not path.exists():
                msg = f"data[{name!r}]: {path} does not exist."
                raise FileNotFoundError(msg)
            given = path
        elif isinstance(given, AnnData) or type(given).__name__ == "MuData":
            with about(f"data[{name!r}]"):
                given = resolve(given, mod)
        else:
            msg = (
                f"data[{name!r}] must be an AnnData, a MuData, or the path of a file or a folder; "
                f"got {shortened(given)}."
            )
            raise TypeError(msg)
        own = prior.get(name) if _is_by_data(prior, data) else prior
        sources.append(Source(str(name), given, own, mod))
    return sources


def _is_by_data(prior: Any, data: Mapping[str, Any]) -> bool:
    """Whether ``prior`` maps names of data sets to networks, not TFs to targets."""
    if not isinstance(prior, Mapping) or len(prior) == 0:
        return False
    unknown = [name for name in prior if name not in data]
    # The targets of a TF are no frame.
    if unknown and any(isinstance(network, pd.DataFrame) for network in prior.values()):
        msg = f"prior: {listed(unknown)} is no data set; data has {listed(list(data))}."
        raise ValueError(msg)
    return not unknown


def _read(path: Path, name: str, mod: str) -> AnnData:
    _check_not_labels(path)
    if path.is_file() or any((path / part).exists() for part in _ZARR):
        with about(f"data[{name!r}]"):
            return resolve(_read_store(path), mod)
    if all((path / f"{name}.tsv.gz").exists() for name in FILES):
        return dream4(path)
    # <root>/[<network> Dataset/]<cell type>/TFs+<n>
    size = path.name.removeprefix("TFs+")
    if not size.isdigit():
        msg = (
            f"data: the folder {path} is none of BEELINE's, which end in <cell type>/TFs+<n>, and "
            f"none of DREAM4, with {listed([f'{name}.tsv.gz' for name in FILES])}; pass one of "
            "these, an h5ad or h5mu file, a zarr store or an AnnData."
        )
        raise ValueError(msg)
    cell_type, root = path.parent.name, path.parent.parent
    network = _NETWORKS.get(root.name, "chip")
    if root.name in _NETWORKS:
        root = root.parent
    return beeline(cell_type, int(size), network=network, path=root)  # type: ignore[arg-type]


def _read_store(path: Path) -> Any:
    """Read a file of anndata or mudata, or a zarr store of anndata."""
    try:
        if path.is_dir():
            return read_zarr(path)
        if path.suffix == ".h5mu":
            from mudata import read_h5mu

            return read_h5mu(path)
        return read_h5ad(path)
    # Whatever h5py, zarr or anndata raise of a file that is none of theirs.
    except Exception as error:
        msg = f"{path} cannot be read as h5ad, h5mu or zarr: {error}"
        raise ValueError(msg) from error


def _check_not_labels(path: Path) -> None:
    """Raise for a table, such as the gold standards of yeast: labels without expression."""
    if path.is_file() and Path(path.name.removesuffix(".gz")).suffix.lower() in SUFFIXES:
        msg = (
            f"data: {path} is a table, such as of labels, and no cells: pass cells as data, and "
            f"labels as prior={str(path)!r}."
        )
        raise ValueError(msg)


def check_split_arguments(splits: Mapping[str, SplitOf]) -> None:
    """Raise ``TypeError`` for a split that is described by other than arguments of ``pp.split``."""
    known = set(own_arguments(SplitOptions)) - {"random_state"}
    for name, split in splits.items():
        if isinstance(split, str | pd.DataFrame):
            continue
        if not isinstance(split, Mapping):
            msg = (
                f"splits[{name!r}] must be a name, a frame or arguments of sr.pp.split, got "
                f"{type(split).__name__}."
            )
            raise TypeError(msg)
        if unknown := sorted(set(split) - known):
            msg = f"splits[{name!r}]: {listed(unknown)} not among {listed(sorted(known))}."
            raise TypeError(msg)
        SplitOptions(**split)
