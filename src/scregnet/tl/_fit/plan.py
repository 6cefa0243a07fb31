"""What the fits of all groups of cells share."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from scregnet.tl._fit.network import candidate_tfs

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet._genes.split import LabelledPairs
    from scregnet.links import LinkMethod
    from scregnet.tl._fit.folds import Folds
    from scregnet.tl._fit.task import FitOptions
    from scregnet.tl._fit.verdict import Verdict


@dataclass(frozen=True, eq=False)
class Plan:
    """What the fits of all groups share."""

    name: str
    method: LinkMethod
    options: FitOptions
    labelled: LabelledPairs
    nulls: dict[str, Verdict]
    device: Any
    folds: Folds | None
    fold_nulls: dict[str, Verdict]

    def params(self, data: AnnData) -> dict[str, Any]:
        """Return what was asked for and what was found, for ``uns``."""
        train = self.labelled.parts.train
        own = vars(self.method)
        return {
            "method": self.name,
            "method_params": {k: list(v) if isinstance(v, tuple) else v for k, v in own.items()},
            **self.options.params(),
            "values": "probability",
            "split": self.labelled.params(),
            "prior": self.labelled.report,
            "n_genes": data.n_vars,
            "n_candidate_tfs": len(candidate_tfs(data, self.labelled)),
            "n_tfs": len(np.unique(train.sources[train.labels])),
            "n_edges_left_out": len(self.labelled.left_out[0]),
            "scregnet_version": version("scregnet"),
        }
