"""What functions about pairs of genes share: cells, model and TFs read, evidence layers written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, check_writable, resolve, undone_on_failure, write
from scregnet._anndata.evidence import check_layer_slots
from scregnet._anndata.groups import group_keys, large_groups
from scregnet._anndata.shards import check_client
from scregnet._anndata.uns import check_key
from scregnet._logging import logger
from scregnet._progress import bar_asked
from scregnet._settings import settings
from scregnet._validate import check_flags, check_integer, listed, own_arguments
from scregnet.encoders import CellStream, GeneMatch, create
from scregnet.encoders.registry import check_parameters, find
from scregnet.pp._association import tf_positions
from scregnet.pp._evidence import evidence
from scregnet.tl._encoding.cells import Cells, drawn
from scregnet.tl._encoding.genes import genes_of

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scregnet.encoders.pairs.run import PairOptions
    from scregnet.encoders.token_encoder import TokenEncoder

COLUMNS = ("covered", "popularity", "n_experiments")


@dataclass(frozen=True)
class CellsAsked:
    """How the cells are read, as the caller gave it."""

    layer: str | None
    counts: bool
    max_cells: int | None
    groupby: str | None = None
    min_cells: int = 50

    def __post_init__(self) -> None:
        check_flags(counts=self.counts)
        check_integer("min_cells", self.min_cells, minimum=1)


@dataclass(frozen=True)
class Asked:
    """How genes and cells are read, as the caller gave it; ``cells`` is ``None`` if none are."""

    gene_ids: str | None
    orthologues: Any
    random_state: int | None
    cells: CellsAsked | None = None
    client: Any = None


@dataclass(frozen=True)
class Keys:
    """The names of the layers to write: those of each group of cells, or of all cells.

    ``codes`` is the group of each cell, negative for cells of none; ``names`` is empty without
    ``groupby``.
    """

    groups: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    codes: np.ndarray
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pairs:
    """A model with the genes and TFs of the data that it knows."""

    encoder: TokenEncoder
    cells: Cells | None
    match: GeneMatch
    tfs: np.ndarray
    """Positions of the TFs among the genes of the data."""

    record: Mapping[str, Any]
    client: Any = None
    n_groups: int = 1

    @property
    def stream(self) -> CellStream:
        """The cells as the model reads them."""
        if self.cells is None:
            msg = "no cells were asked for"
            raise TypeError(msg)
        engine = None
        if self.client is not None:
            engine = self.cells.elsewhere(self.client, self.n_groups)
        n_cells = len(self.cells.rows)
        return CellStream(self.cells, n_cells, self.n_groups, self.cells.counts, engine)

    @property
    def tf_slots(self) -> np.ndarray:
        """The slots of the TFs, each once."""
        return np.unique(self.match.slots[self.tfs])

    def per_gene(self, values: np.ndarray) -> np.ndarray:
        """Return TFs × genes of the data of values of slots, 0 where the model knows no gene."""
        rows = np.searchsorted(self.tf_slots, self.match.slots[self.tfs])
        found = np.where(self.match.known, values[rows][:, self.match.slots], 0)
        found[np.arange(len(self.tfs)), self.tfs] = 0
        return np.asarray(found, np.float64)


def key_of(model: str, what: str, key_added: str | None) -> str:
    """Return the name of the layers: what was asked for, or that of the model and of the score."""
    key = f"{find(model).entry.name}_{what}" if key_added is None else key_added
    check_key(key)
    return key


def check_keys(
    adata: AnnData | MuData,
    key: str,
    endings: Sequence[str],
    mod: str,
    *,
    copy: bool,
    cells: CellsAsked | None = None,
) -> tuple[AnnData, Keys]:
    """Return the data and the names of the layers; raise unless these can be written.

    The layers are ``key``, or that of each group, and the same with each of ``endings``.
    """
    data = resolve(adata, mod)
    check_names(data)
    check_writable(data, copy=copy)
    names, codes, small = list[str](), np.zeros(data.n_obs, np.int64), dict[str, int]()
    if cells is not None and cells.groupby is not None:
        names, codes, small = large_groups(data, cells.groupby, cells.min_cells)
    bases = group_keys(key, names) if names else [key]
    groups = tuple((base, *(f"{base}_{ending}" for ending in endings)) for base in bases)
    every = [name for group in groups for name in group]
    if twice := sorted({name for name in every if every.count(name) > 1}):
        msg = f"categories of groupby give several layers one name: {listed(twice)}. Rename them."
        raise ValueError(msg)
    for name in every:
        check_layer_slots(data, name)
    return data, Keys(groups, tuple(names), codes, tuple(small))


def prepared(
    data: AnnData,
    model: str,
    tfs: Sequence[str] | None,
    asked: Asked,
    weights: str | Path | None,
    parameters: Mapping[str, Any],
    function: Callable[..., Any],
    keys: Keys,
) -> Pairs:
    """Read TFs, cells and model; raise for what is wrong before the weights are read."""
    entry = find(model).entry
    if parameters:
        check_parameters(entry, parameters, own_arguments(function))
    if asked.cells is not None and asked.cells.max_cells is not None:
        check_integer("max_cells", asked.cells.max_cells, minimum=1)
    check_client(asked.client, data, None if asked.cells is None else asked.cells.layer)
    where = tf_positions(data, tfs)
    genes, ids = genes_of(data, asked.gene_ids, asked.orthologues)
    cells = None if asked.cells is None else _cells(data, asked.cells, asked.random_state, keys)

    encoder: Any = create(model, weights=weights, **parameters)
    if not callable(getattr(encoder, "static", None)):
        msg = (
            f"model={model!r} reads no tokens of genes, which this score of pairs needs: choose a "
            "foundation model; sr.get.models() lists them."
        )
        raise ValueError(msg)
    match = encoder.match(genes)
    known = where[match.known[where]]
    if not len(known):
        msg = f"model={model!r} knows none of the {len(where)} TFs."
        raise ValueError(msg)
    if len(known) < len(where):
        logger.info("%s knows %d of %d TFs", model, len(known), len(where))
    record = {
        **encoder.describe(),
        **match.report,
        **ids,
        **({} if asked.cells is None else asdict(asked.cells)),
        "random_state": asked.random_state,
        "n_tfs_known": len(known),
    }
    return Pairs(encoder, cells, match, known, record, asked.client, len(keys.groups))


def _cells(data: AnnData, asked: CellsAsked, random_state: int | None, keys: Keys) -> Cells:
    """Return the cells to use; raise if the first of them cannot be."""
    rows = drawn(keys.codes, asked.max_cells, random_state)
    cells = Cells(data, asked.layer, asked.counts, rows, keys.codes)
    next(iter(cells))
    return cells


def options_of(*, device: str | None, resume: bool, bar: bool | None) -> PairOptions:
    """Return how to run, with the folder where a long run saves its sums."""
    check_flags(resume=resume)
    # Imports what the models need.
    from scregnet.encoders.pairs.run import PairOptions

    folder = settings.cache_dir / "pairs" if resume else None
    return PairOptions(device, folder, bar_asked(show=bar))


def write_layers(
    adata: AnnData | MuData,
    pairs: Pairs,
    keys: Keys,
    values: Sequence[Sequence[np.ndarray]],
    records: Sequence[Mapping[str, Any]],
    mod: str,
    *,
    copy: bool,
) -> AnnData | MuData | None:
    """Write TFs × genes as evidence layers, all or none.

    ``values`` and ``records`` are of each group. Genes of value 0 for all TFs are not covered. A
    group whose cells say nothing gets no layer.
    """
    changed = adata.copy() if copy else adata
    data = resolve(changed, mod)
    said = [all(layer.any() for layer in layers) for layers in values]
    if not any(said):
        msg = (
            "no cell says anything of a TF and another gene: no TF is expressed together "
            "with a gene that the model knows."
        )
        raise ValueError(msg)
    if silent := [name for name, says in zip(keys.names, said, strict=False) if not says]:
        logger.warning("no TF is expressed with another gene in the cells of %s", listed(silent))
    places = [place for place, says in enumerate(said) if says]
    written = [name for place in places for name in keys.groups[place]]
    names = {"varm": written, "varp": written, "uns": written}
    names["var"] = [f"{key}_{column}" for key in written for column in COLUMNS]
    with undone_on_failure(data, names):
        for place in places:
            made = {**pairs.record, **records[place]}
            if keys.names:
                made |= {"group": keys.names[place], "groups_left_out": list(keys.left_out)}
            for key, layer in zip(keys.groups[place], values[place], strict=True):
                _write_layer(data, pairs, key, layer, made)
    return changed if copy else None


def _write_layer(
    data: AnnData, pairs: Pairs, key: str, values: np.ndarray, made: Mapping[str, Any]
) -> None:
    """Write TFs × genes as an evidence layer, with the record of how they were made."""
    from anndata import AnnData

    rows, columns = values.any(axis=1), values.any(axis=0)
    tfs = data.var_names[pairs.tfs[rows]]
    experiments = AnnData(
        values[rows][:, columns].astype(np.float32),
        obs=pd.DataFrame({"tf": tfs.to_numpy(str)}, index=tfs.astype(str)),
        var=pd.DataFrame(index=data.var_names[columns]),
    )
    evidence(data, experiments, key=key, random_state=pairs.record["random_state"])
    versions = {"scregnet": version("scregnet"), **made.get("versions", {})}
    write(data, uns={key: {**data.uns[key], "made_by": {**made, "versions": versions}}})
