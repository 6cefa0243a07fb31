"""Check a split of labelled pairs before anything is fitted to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._anndata.access import check_names, resolve
from scregnet._docs import doc
from scregnet._genes.frames import PARTS, pairs_frame, parts_and_labels
from scregnet._genes.network import read_network
from scregnet._genes.split import labelled_pairs
from scregnet._logging import logger
from scregnet._validate import check_flags, listed, seed_of
from scregnet.links import LinkTask, Pairs, get_method, hold_out, null_models
from scregnet.links.pairs.audit import FAIL, OK, WARNING, Finding, audit_pairs
from scregnet.metrics import evaluate

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

FIGURES = ("auroc", "auprc", "auprc_ratio", "per_tf_auroc", "per_tf_auprc")


@doc
def audit_split(
    adata: AnnData | MuData,
    split: str | pd.DataFrame,
    prior: Any = None,
    *,
    null_models: bool = True,
    random_state: int | None = 0,
    mod: str = "rna",
) -> pd.DataFrame:
    """Check a split for faults that make test figures worthless, and score the null models on it.

    Also reads frames that :func:`scregnet.tl.fit_grn` refuses, such as those with a pair in two
    parts, and says what is wrong with them. The verdicts are logged, failures as warnings.

    Parameters
    ----------
    %(adata)s
    split
        Name of a split of :func:`scregnet.pp.split`; or a frame with columns ``source``,
        ``target``, ``label`` (0 or 1) and ``split`` (``"train"``, ``"test"`` and, optional,
        ``"validation"``): a published split, your own, or the pairs of a fit.
    %(prior)s

        Its edges count as known, like the positives of ``split``.
    null_models
        Fit the null models to the training pairs and score the test pairs.
    random_state
        Seed for validation pairs, drawn from the training pairs where ``split`` has none.
    %(mod)s

    Returns
    -------
    One row per check and part; ``adata`` is not changed. Columns:

    - ``check``: ``gene_not_in_data``, ``both_labels``, ``self_pair``, ``repeated_pair``,
      ``pair_in_two_parts``, ``edge_as_negative``, ``training_edge_as_negative``, ``reverse_edge``,
      ``reverse_edge_of_negative``, ``tf_without_edges``, ``class_ratio``, ``tf_in_training``,
      ``target_in_training``, and figures such as ``degree_auroc``;
    - ``part``: ``"train"``, ``"validation"``, ``"test"``, or two of them;
    - ``count``, ``share``: how many pairs or genes, and of how many; NaN for figures;
    - ``value``: the figure of a null model, else NaN;
    - ``verdict``: ``"ok"``, ``"warning"`` (read the message first) or ``"fail"`` (do not trust the
      test figures);
    - ``message``: what it means.

    Raises
    ------
    ValueError
        ``split`` lacks columns or parts, or its labels are not 0 and 1.
    KeyError
        There is no split of that name.
    TypeError
        ``split`` is neither a name nor a frame.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(n_obs=200, n_vars=100)
    >>> sr.tl.fit_grn(adata, adata.uns["network"], method="degree")
    >>> report = sr.bm.audit_split(adata, adata.uns["grn"]["pairs"], adata.uns["network"])
    >>> report["verdict"].eq("fail").any()
    np.False_
    """
    random_state = seed_of(random_state)
    check_flags(null_models=null_models)
    data = resolve(adata, mod)
    report = audited(data, split, prior, null_models=null_models, random_state=random_state)
    _log(report)
    return report


def audited(
    data: AnnData,
    split: str | pd.DataFrame,
    prior: Any,
    *,
    null_models: bool,
    random_state: int | None,
) -> pd.DataFrame:
    """Return the report of :func:`audit_split`, and log nothing."""
    check_names(data)
    if isinstance(split, str):
        stored = labelled_pairs(data, None, split, random_state=random_state)
        split = pairs_frame(stored.parts, data.var_names)
    parts, genes = _read(split)
    known = None
    findings = [_missing(parts, genes, data)]
    if prior is not None:
        network = read_network(prior, data)
        names = data.var_names.astype(str)
        genes = genes.append(names.difference(genes))
        known = (
            genes.get_indexer(names[network.sources]),
            genes.get_indexer(names[network.targets]),
        )
    findings += audit_pairs(
        parts["train"], parts["validation"], parts["test"], len(genes), known=known
    )
    rows: list[dict[str, Any]] = [{**vars(finding), "value": np.nan} for finding in findings]
    if null_models:
        rows += _nulls(parts, len(genes), np.random.default_rng(random_state))
    report = pd.DataFrame(
        rows, columns=["check", "part", "count", "share", "value", "verdict", "message"]
    )
    report["count"] = report["count"].astype("Int64")
    report["verdict"] = pd.Categorical(report["verdict"], categories=[OK, WARNING, FAIL])
    return report


def _read(split: pd.DataFrame) -> tuple[dict[str, Pairs], pd.Index]:
    """The parts by name, in positions among the genes of the frame."""
    if not isinstance(split, pd.DataFrame):
        msg = (
            "split must be the name of a split of sr.pp.split, or a frame with columns source, "
            f"target, label and split, got {type(split).__name__}."
        )
        raise TypeError(msg)
    parts, labels = parts_and_labels(split)
    for column in ("source", "target"):
        if split[column].isna().any():
            n = int(split[column].isna().sum())
            msg = f"split: its column {column!r} misses {n} names. Drop those pairs first."
            raise ValueError(msg)
    names = [split[column].astype(str).to_numpy() for column in ("source", "target")]
    codes, genes = pd.factorize(np.concatenate(names))
    sources, targets = codes[: len(split)], codes[len(split) :]
    pairs = Pairs(sources, targets, labels.astype(bool))
    return {part: pairs.take(parts == part) for part in PARTS}, pd.Index(genes)


def _missing(parts: dict[str, Pairs], genes: pd.Index, data: AnnData) -> Finding:
    there = genes.isin(data.var_names.astype(str))
    outside = [~(there[pairs.sources] & there[pairs.targets]) for pairs in parts.values()]
    n, total = int(sum(mask.sum() for mask in outside)), sum(map(len, outside))
    message = (
        f"{n:,} pairs have a gene that is not in adata.var_names, "
        f"such as {listed(genes[~there], 3)}"
        if n
        else "all genes are in adata.var_names"
    )
    return Finding("gene_not_in_data", ", ".join(PARTS), n, n / total, FAIL if n else OK, message)


def _nulls(parts: dict[str, Pairs], n_genes: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Figures of the null models on the test pairs, as rows of the report."""
    train, validation, test = (parts[part] for part in PARTS)
    if len(validation) == 0:
        train, validation = hold_out(train, 0.1, rng=rng)
    if any(pairs.n_positive in (0, len(pairs)) for pairs in (train, validation, test)):
        message = "cannot be fitted and scored: a part has only one kind of pairs"
        return [_figure(null, "auroc", np.nan, FAIL, message) for null in null_models()]
    rows = []
    for null in null_models():
        links = (
            get_method(null).fit(LinkTask(n_genes, train, validation), rng=rng, device=None).links
        )
        figures = evaluate(test.labels, links.score(test.sources, test.targets), test.sources)
        for metric in FIGURES:
            message = (
                f"{null} reaches {figures[metric]:.3f} without any expression: "
                "what a model has to beat"
            )
            rows.append(_figure(null, metric, figures[metric], OK, message))
    return rows


def _figure(null: str, metric: str, value: float, verdict: str, message: str) -> dict[str, Any]:
    row = {"check": f"{null}_{metric}", "part": "test", "count": pd.NA, "share": np.nan}
    return {**row, "value": value, "verdict": verdict, "message": message}


def _log(report: pd.DataFrame) -> None:
    for verdict, log in ((FAIL, logger.warning), (WARNING, logger.info)):
        rows = report[report["verdict"] == verdict]
        for check, part, message in zip(rows["check"], rows["part"], rows["message"], strict=True):
            log("audit_split: %s, %s (%s): %s", verdict, check, part, message)
    counts = report["verdict"].value_counts()
    logger.info(
        "audit_split: %d checks ok, %d warnings, %d fail", counts[OK], counts[WARNING], counts[FAIL]
    )
