"""What the studies share: fits of :func:`scregnet.tl.fit_grn` beside the user's data, which stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd

from scregnet._logging import logger
from scregnet.links import null_models
from scregnet.tl._fit_grn import fit_grn

if TYPE_CHECKING:
    from anndata import AnnData

_KEY = "_study"


def sharing(data: AnnData) -> AnnData:
    """Return an AnnData of the same matrices, which are not copied; slots written to it are not those of ``data``."""
    return ad.AnnData(
        data.X,
        obs=data.obs,
        var=data.var,
        uns=dict(data.uns),
        varm=dict(data.varm),
        varp=dict(data.varp),
        layers={name: value for name, value in data.layers.items() if name is not None},
    )


class Study:
    """Fits one after the other; those that diverge or collapse are kept as NaN, unless all of them do."""

    def __init__(self, data: AnnData) -> None:
        self.data = sharing(data)
        self.n_fits = 0
        self.failures: list[RuntimeError] = []

    def figures(self, prior: Any, name: str, **keywords: Any) -> pd.DataFrame:
        """Return the frame of metrics of one fit, columns model, split, metric and value; ``name`` is for the log."""
        self.n_fits += 1
        try:
            return self._fit(prior, keywords)
        except RuntimeError as error:
            logger.warning("%s: %s Its figures are NaN.", name, error)
            self.failures.append(error)
        common = {key: value for key, value in keywords.items() if key in _OF_THE_PAIRS}
        nulls = self._fit(prior, {**common, "method": null_models()[0]})
        of_one = nulls[nulls["model"] == nulls["model"].iloc[0]]
        method = str(keywords["method"])
        return pd.concat(
            [of_one.assign(model=method, value=np.nan), nulls[nulls["model"] != method]],
            ignore_index=True,
        )

    def check(self) -> None:
        """Raise the last failure if every fit failed."""
        if self.n_fits and len(self.failures) == self.n_fits:
            raise self.failures[-1]

    def _fit(self, prior: Any, keywords: Mapping[str, Any]) -> pd.DataFrame:
        fit_grn(
            self.data,
            prior,
            key_added=_KEY,
            keep=1,
            n_bootstrap=0,
            show_progress_bar=False,
            **keywords,
        )
        figures: pd.DataFrame = self.data.uns[_KEY]["metrics"]
        return figures[["model", "split", "metric", "value"]].copy()


_OF_THE_PAIRS = (
    "split",
    "negatives",
    "negative_ratio",
    "label_frequency",
    "test_fraction",
    "validation_fraction",
    "random_state",
)
