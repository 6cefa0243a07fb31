"""What is known of one link, as frames."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class LinkEvidence:
    """Why a link has its probability. Printed, or as the last line of a cell, it reads as a page.

    Parameters
    ----------
    source, target
        Names of both genes.
    summary
        ``probability``, ``logit``, ``is_out_of_fold`` and what :func:`scregnet.get.grn` says of the
        link, if it was written; ``n_targets`` and ``n_regulators``, known edges of the TF and of
        the target besides this one.
    parts
        One row for each term of the logit: ``part``, ``logit``, ``meaning``. They add up to
        ``summary["logit"]``.
    similar_targets
        The labelled genes of the TF that are most similar to the target: ``gene``, ``similarity``,
        ``label``, ``split``.
    similar_tfs
        The TFs with a label for the target that are most similar to the TF: ``tf``,
        ``similarity``, ``label``, ``split``.
    expression
        One row for each group of cells: ``group``, ``n_cells``, mean and share of expressing cells
        of both genes, their ``correlation`` within the group, and ``tf_expressed``.
    """

    source: str
    target: str
    summary: pd.Series
    parts: pd.DataFrame
    similar_targets: pd.DataFrame
    similar_tfs: pd.DataFrame
    expression: pd.DataFrame

    def _tables(self) -> dict[str, pd.DataFrame]:
        return {
            "What the logit is made of": self.parts,
            f"Labelled genes of {self.source} most like {self.target}": self.similar_targets,
            f"TFs most like {self.source} with a label for {self.target}": self.similar_tfs,
            "Expression": self.expression,
        }

    @property
    def _title(self) -> str:
        told = [f"probability {self.summary['probability']:.3f}"]
        for name in ("null", "lift", "sd", "q"):
            if name in self.summary and self.summary[name] == self.summary[name]:
                told.append(f"{name} {self.summary[name]:.3f}")
        told.append("known edge" if self.summary["in_prior"] else "not in the known network")
        return f"{self.source} → {self.target}: {', '.join(told)}"

    def __str__(self) -> str:
        tables = [
            f"{title}\n{table.to_string(index=False, float_format='{:.3f}'.format)}"
            for title, table in self._tables().items()
            if len(table)
        ]
        return "\n\n".join([self._title, *tables])

    def _repr_html_(self) -> str:
        texts = [f"<p><b>{escape(self._title)}</b></p>"]
        for title, table in self._tables().items():
            if len(table):
                shown = table.to_html(index=False, float_format="{:.3f}".format)
                texts.append(f"<p><b>{escape(title)}</b></p>{shown}")
        return "".join(texts)
