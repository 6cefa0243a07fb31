"""The known network: how much of it is about these genes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scregnet._report.html import Html, code, facts, join, number, paragraph, table, tag
from scregnet._report.page import Section
from scregnet._report.sections.data import evidence_of

if TYPE_CHECKING:
    from scregnet._report.subject import Subject

_FATES = {
    "set_aside": (
        "set aside",
        "they are neither links nor non-links, so that nothing was trained or judged on them",
    ),
    "drop": ("dropped", "they count as pairs without a known link"),
    "mark": ("kept", "they count as links and are only marked"),
}
"""What became of links without support, by the argument ``unsupported``."""


def known(subject: Subject) -> Section:
    """Return what matched, what did not, and which TFs have known targets."""
    member = subject.first
    if not member.has_pairs:
        body = paragraph(
            "No known network was used: ",
            "the links come from other evidence."
            if not member.has_scores
            else "the method reads no labels.",
            class_="missing",
        )
        return Section("known", "Known network", body)
    report = _report(subject)
    kind = subject.params.get("kind")
    told = None
    if kind is not None:
        told = paragraph(
            f"Labels of the kind {kind}. The labels of the other kinds ({_others(subject)}) are "
            "evidence."
        )
    body = join(
        told,
        _coverage(report),
        _support(subject, report),
        _signs(subject),
        _complexes(report),
        _tfs(subject),
    )
    return Section("known", "Known network", body)


def _others(subject: Subject) -> str:
    kinds = np.atleast_1d(subject.params.get("kinds", []))
    return ", ".join(str(one) for one in kinds if str(one) != str(subject.params["kind"]))


def _report(subject: Subject) -> Mapping[str, Any]:
    """Return what matched: of the whole network that was read, if the data still know it."""
    own = subject.params.get("prior", {})
    whole = subject.adata.uns.get("prior")
    # A fit that reads varp["prior"] sees the matched edges alone; pp.prior saw all.
    if (
        isinstance(whole, Mapping)
        and str(own.get("form")) == "varp"
        and _n_kept(whole) == own.get("n_edges_given")
    ):
        return whole
    return own if isinstance(own, Mapping) else {}


def _n_kept(report: Mapping[str, Any]) -> int | None:
    """Return how many edges a prior has in ``varp``: those that matched, less unsupported ones."""
    matched = report.get("n_edges_matched")
    support = report.get("support")
    if matched is None or not isinstance(support, Mapping) or support["unsupported"] == "mark":
        return matched
    return int(matched) - int(support["n_without_support"])


def _support(subject: Subject, report: Mapping[str, Any]) -> Html | None:
    """Return how many edges have no support in a layer, and what became of them."""
    support = report.get("support")
    if not isinstance(support, Mapping):
        return _aside(subject, report)
    n_without = int(support["n_without_support"])
    layer = code(support["layer"])
    if not n_without:
        return paragraph("Each link that the layer ", layer, " can tell of has support in it.")
    fate, meaning = _FATES.get(str(support["unsupported"]), ("left as they are", "unknown"))
    return join(
        paragraph(
            tag("b", number(n_without)),
            f" of the {number(int(report['n_edges_matched']))} links have no support in the layer ",
            layer,
            ", which knows TF and target and has nothing between them. They were ",
            tag("b", fate),
            f": {meaning}.",
        ),
        facts(
            [
                ("Links with support", number(int(support["n_supported"]))),
                ("Links that the layer cannot tell of", number(int(support["n_unknown"]))),
            ]
        ),
        _circular(subject, support),
    )


def _circular(subject: Subject, support: Mapping[str, Any]) -> Html | None:
    """Return a warning if the layer that chose the links is also evidence for them."""
    if support["layer"] not in evidence_of(subject) or support["unsupported"] == "mark":
        return None
    return paragraph(
        "The same layer is evidence of this fit. All links that it knows have support in it "
        "because the others were taken out: metrics make it look better than it is.",
        class_="missing",
    )


def n_set_aside(subject: Subject) -> int:
    """Return how many known links are neither links nor non-links of this fit."""
    report = _report(subject)
    support = report.get("support")
    if isinstance(support, Mapping) and support["unsupported"] == "set_aside":
        return int(support["n_without_support"])
    return _n_pairs_aside(subject, report)


def _n_pairs_aside(subject: Subject, report: Mapping[str, Any]) -> int:
    frame = report.get("set_aside")
    if not isinstance(frame, pd.DataFrame):
        entry = subject.adata.uns.get(str(subject.params.get("split", {}).get("key")))
        frame = entry.get("set_aside") if isinstance(entry, Mapping) else None
    return len(frame) if isinstance(frame, pd.DataFrame) else 0


def _aside(subject: Subject, report: Mapping[str, Any]) -> Html | None:
    """Return how many pairs a prior or a split without a record of its layer has set aside."""
    if not (n := _n_pairs_aside(subject, report)):
        return None
    return paragraph(
        tag("b", number(n)),
        " pairs were set aside: neither links nor non-links, so that nothing was trained or judged "
        "on them.",
    )


def _coverage(report: Mapping[str, Any]) -> Html | None:
    """Return given and matched numbers of edges, TFs and targets."""
    kinds = (("Links", "n_edges"), ("TFs", "n_tfs"), ("Targets", "n_targets"))
    rows = []
    for name, part in kinds:
        given, matched = report.get(f"{part}_given"), report.get(f"{part}_matched")
        if given is None or matched is None:
            continue
        share = f"{100 * matched / given:.1f} %" if given else "–"
        rows.append((name, number(int(given)), number(int(matched)), share))
    if not rows:
        return None
    extras = [
        (what, report.get(part))
        for what, part in (
            ("of a gene with itself", "n_self_loops"),
            ("of an ambiguous name", "n_ambiguous_edges"),
            ("of weight 0", "n_zero_weights"),
        )
    ]
    told = ", ".join(f"{number(int(n))} {what}" for what, n in extras if n)
    return join(
        table(("", "Given", "Among these genes", "Share"), rows),
        paragraph(f"Left out besides: {told}.", class_="note") if told else None,
    )


def _signs(subject: Subject) -> Html | None:
    """Return how many links are known to repress, and how well signs are predicted."""
    signs = subject.first.entry.get("signs")
    if not isinstance(signs, Mapping):
        return None
    params = signs.get("params", {})
    return facts(
        [
            ("Links of known sign", number(params.get("n_edges"))),
            ("of these, repressing", number(params.get("n_repressing"))),
            ("Signs of new links", _predictor(params)),
        ]
    )


def _predictor(params: Mapping[str, Any]) -> str | None:
    if "model" not in params:
        return None
    return "cannot be told" if params["model"] == "none" else f"predicted by {params['model']}"


def _complexes(report: Mapping[str, Any]) -> Html | None:
    frame = report.get("complexes")
    if not isinstance(frame, pd.DataFrame) or len(frame) == 0:
        return None
    rows = [
        (
            row["complex"],
            row["members"],
            number(int(row["n_edges"])),
            "given to members" if row["expanded"] else "left out",
        )
        for _, row in frame.iterrows()
    ]
    return join(
        tag("h3", "Complexes"), table(("Complex", "Members", "Links", ""), rows, texts=(0, 1, 3))
    )


def _tfs(subject: Subject) -> Html:
    """Return the TFs with most known targets, and how many TFs have none."""
    links = subject.first.links
    links = links[links["in_prior"]]
    counts = links["source"].astype(str).value_counts()
    counts = counts.sort_index().sort_values(ascending=False, kind="stable")
    candidates = subject.params.get("n_candidate_tfs")
    without = None if candidates is None else int(candidates) - len(counts)
    first = ", ".join(f"{name} ({n:,})" for name, n in counts.head(12).items())
    sizes = counts.to_numpy()
    median = float(np.median(sizes)) if len(sizes) else float("nan")
    return join(
        facts(
            [
                ("TFs with a known target", number(len(counts))),
                ("Candidate TFs without one", number(without) if without is not None else None),
                ("Known targets of a TF, median", number(median, 0)),
            ]
        ),
        paragraph("Most known targets: ", first, ".") if first else None,
        paragraph(
            "Known links are those among the links that ",
            code("sr.get.grn"),
            " returns.",
            class_="note",
        ),
    )
