"""What functions about pairs of genes share: cells, model and TFs read, evidence layers written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, check_writable, resolve, undone_on_failure, write
from scregnet._anndata.evidence import check_layer_slots
from scregnet._logging import logger
from scregnet._settings import settings
from scregnet._validate import check_integer, check_random_state, own_arguments
from scregnet.encoders import CellStream, GeneMatch, create
from scregnet.encoders.registry import check_parameters, find
from scregnet.pp._association import tf_positions
from scregnet.pp._evidence import evidence
from scregnet.tl._encoding.cells import Cells
from scregnet.tl._encoding.genes import genes_of

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scregnet.encoders.token_encoder import TokenEncoder

COLUMNS = ("covered", "popularity", "n_experiments")


@dataclass(frozen=True)
class CellsAsked:
    """How the cells are read, as the caller gave it."""

    layer: str | None
    counts: bool
    max_cells: int | None


@dataclass(frozen=True)
class Asked:
    """How genes and cells are read, as the caller gave it; ``cells`` is ``None`` if none are."""

    gene_ids: str | None
    orthologues: Any
    random_state: int | None
    cells: CellsAsked | None = None


@dataclass(frozen=True)
class Pairs:
    """A model with the genes and TFs of the data that it knows."""

    encoder: TokenEncoder
    cells: Cells | None
    match: GeneMatch
    tfs: np.ndarray
    """Positions of the TFs among the genes of the data."""

    record: Mapping[str, Any]

    @property
    def stream(self) -> CellStream:
        """The cells as the model reads them."""
        if self.cells is None:
            msg = "no cells were asked for"
            raise TypeError(msg)
        return CellStream(self.cells, len(self.cells.rows), 1, self.cells.counts)

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


def check_keys(adata: AnnData | MuData, keys: Sequence[str], mod: str, *, copy: bool) -> AnnData:
    """Return the data; raise unless layers of these names can be written."""
    data = resolve(adata, mod)
    check_names(data)
    check_writable(data, copy=copy)
    for key in keys:
        check_layer_slots(data, key)
    return data


def prepared(
    data: AnnData,
    model: str,
    tfs: Sequence[str] | None,
    asked: Asked,
    weights: str | Path | None,
    parameters: Mapping[str, Any],
    function: Callable[..., Any],
) -> Pairs:
    """Read TFs, cells and model; raise for what is wrong before the weights are read."""
    check_random_state(asked.random_state)
    entry = find(model).entry
    if parameters:
        check_parameters(entry, parameters, own_arguments(function))
    if asked.cells is not None and asked.cells.max_cells is not None:
        check_integer("max_cells", asked.cells.max_cells, minimum=1)
    where = tf_positions(data, tfs)
    genes, ids = genes_of(data, asked.gene_ids, asked.orthologues)
    cells = None if asked.cells is None else _cells(data, asked.cells, asked.random_state)

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
    return Pairs(encoder, cells, match, known, record)


def _cells(data: AnnData, asked: CellsAsked, random_state: int | None) -> Cells:
    """Return the cells to use; raise if the first of them cannot be."""
    rows = np.arange(data.n_obs)
    if asked.max_cells is not None:
        drawn = np.random.default_rng(random_state).permutation(rows)
        rows = np.sort(drawn[: asked.max_cells])
    cells = Cells(data, asked.layer, asked.counts, rows, np.zeros(data.n_obs, np.int64))
    next(iter(cells))
    return cells


@contextmanager
def computing(encoder: TokenEncoder, device: str | None) -> Iterator[None]:
    """Put a model on its device and compute in float32, without gradients."""
    import torch

    from scregnet._device import resolve_device, torch_threads

    encoder.to(resolve_device(device))
    with torch_threads(), torch.inference_mode():
        yield


def folder(*, resume: bool) -> Path | None:
    """Return where a long run saves its sums."""
    return settings.cache_dir / "pairs" if resume else None


def write_layers(
    adata: AnnData | MuData,
    pairs: Pairs,
    layers: Mapping[str, np.ndarray],
    record: Mapping[str, Any],
    mod: str,
    *,
    copy: bool,
) -> AnnData | MuData | None:
    """Write TFs × genes as evidence layers, all or none.

    Genes of value 0 for all TFs are not covered.
    """
    from anndata import AnnData

    changed = adata.copy() if copy else adata
    data = resolve(changed, mod)
    names = {"varm": [*layers], "varp": [*layers], "uns": [*layers]}
    names["var"] = [f"{key}_{column}" for key in layers for column in COLUMNS]
    with undone_on_failure(data, names):
        for key, values in layers.items():
            rows, columns = values.any(axis=1), values.any(axis=0)
            if not rows.any():
                msg = (
                    "no cell says anything of a TF and another gene: no TF is expressed together "
                    "with a gene that the model knows."
                )
                raise ValueError(msg)
            tfs = data.var_names[pairs.tfs[rows]]
            experiments = AnnData(
                values[rows][:, columns].astype(np.float32),
                obs=pd.DataFrame({"tf": tfs.to_numpy(str)}, index=tfs.astype(str)),
                var=pd.DataFrame(index=data.var_names[columns]),
            )
            evidence(data, experiments, key=key, random_state=pairs.record["random_state"])
            made = {**pairs.record, **record}
            versions = {"scregnet": version("scregnet"), **made.pop("versions", {})}
            write(data, uns={key: {**data.uns[key], "made_by": {**made, "versions": versions}}})
    return changed if copy else None
