"""Other data sets with a known network: what weights and probabilities are learned on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet._anndata.access import check_names, resolve
from scregnet._anndata.evidence import evidence_layers
from scregnet._anndata.streamed import gene_sums
from scregnet._genes.frames import PARTS
from scregnet._genes.split import labelled_pairs
from scregnet._validate import about
from scregnet.links.pairs.reciprocity import concatenate
from scregnet.links.transfer.columns import TransferColumns

if TYPE_CHECKING:
    from scregnet.links import Pairs
    from scregnet.links.transfer.weights import Labelled

# Labelled pairs that are read of a data set at most.
MOST_PAIRS = 500_000


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """A data set with labels, as columns of its pairs."""

    name: str
    columns: TransferColumns
    pairs: Pairs

    @property
    def data(self) -> Labelled:
        """What the core takes."""
        return self.columns, self.pairs


def describe(
    data: Any, keys: Sequence[str], layer: str | None
) -> tuple[TransferColumns, list[np.ndarray]]:
    """Return the columns of pairs of a data set, and the number of experiments of each gene."""
    layers, _ = evidence_layers(data, keys)
    sums = gene_sums(data, layer)
    counts = [data.var[f"{key}_n_experiments"].to_numpy() for key in keys]
    return TransferColumns.of(layers, sums.summary()), counts


def read_labelled(
    networks: Mapping[str, Any] | None, keys: Sequence[str], layer: str | None, mod: str
) -> list[LabelledSet]:
    """Read data sets that have the same evidence layers and a known network.

    Raises
    ------
    TypeError, KeyError, ValueError
        A data set lacks a layer, or a known network; the message names it.
    """
    if networks is None:
        return []
    if not isinstance(networks, Mapping):
        msg = (
            "networks must be a dict from a name to an AnnData with a known network, got "
            f"{type(networks).__name__}."
        )
        raise TypeError(msg)
    return [_read(str(name), entry, keys, layer, mod) for name, entry in networks.items()]


def _read(name: str, entry: Any, keys: Sequence[str], layer: str | None, mod: str) -> LabelledSet:
    with about(f"networks[{name!r}]"):
        data = resolve(entry, mod)
        check_names(data)
        columns, _ = describe(data, keys, layer)
        parts = labelled_pairs(data, None, None, random_state=0).parts
    pairs = concatenate([getattr(parts, part) for part in PARTS])
    pairs = pairs.take(np.arange(0, len(pairs), 1 + len(pairs) // MOST_PAIRS))
    if not pairs.labels.any() or pairs.labels.all():
        msg = f"networks[{name!r}]: its labelled pairs must hold edges and non-edges."
        raise ValueError(msg)
    return LabelledSet(name, columns, pairs)
