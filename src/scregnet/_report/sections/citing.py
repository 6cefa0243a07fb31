"""What to cite for this fit."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from scregnet._report.html import Html, join, paragraph, tag
from scregnet._report.page import Section
from scregnet._report.papers import PAPERS, Paper
from scregnet._report.sections.data import evidence_of
from scregnet.links import LINK_METHODS, method_class

if TYPE_CHECKING:
    from scregnet._report.subject import Subject


def citing(subject: Subject) -> Section:
    """Return the papers of what was used, and a paragraph for a methods section."""
    papers = [PAPERS[key] for key in _keys(subject)]
    items = [_item(paper) for paper in papers]
    body = join(
        paragraph(
            "There is no paper on scregnet yet. Cite the repository with the version, and what "
            "this fit is built on:"
        ),
        tag("ul", *items, class_="papers") if items else None,
        paragraph(
            "Cite the source of the known network and of the cells as well; the data do not name "
            "them."
        ),
        tag("h3", "For a methods section"),
        paragraph(_methods(subject)),
    )
    return Section("citing", "How to cite", body)


def _keys(subject: Subject) -> list[str]:
    """Return the keys of the papers, in the order of their weight for this fit."""
    method = subject.first.method
    own = method_class(method).citation if method in LINK_METHODS else ""
    keys = [own] if own in PAPERS else []
    models = _models(subject)
    keys += [key for name, key in _ENCODERS.items() if name in models]
    if float(subject.params.get("label_frequency", 1.0)) < 1:
        keys.append("elkan2008")
    if any(
        isinstance(entry, Mapping) and "regulons" in entry for entry in subject.adata.uns.values()
    ):
        keys.append("badia2022decoupler")
    if "beeline" in subject.adata.uns:
        keys.append("pratapa2020beeline")
    return list(dict.fromkeys([*keys, "virshup2023scverse"]))


_ENCODERS = {
    "geneformer": "theodoris2023geneformer",
    "scbert": "yang2022scbert",
    "scfoundation": "hao2024scfoundation",
    "scgpt": "cui2024scgpt",
}


def _models(subject: Subject) -> set[str]:
    """Return the foundation models whose embedding, or evidence about pairs, was used."""
    names = [subject.params.get("embedding"), *evidence_of(subject)]
    entries = [subject.adata.uns.get(str(name)) for name in names]
    records = [
        entry.get(record, {})
        for entry in entries
        if isinstance(entry, Mapping)
        for record in ("params", "made_by")
    ]
    told = [one.get("model", "") for one in records if isinstance(one, Mapping)]
    return {str(name).partition(":")[0] for name in told} - {""}


def _item(paper: Paper) -> Html:
    return tag(
        "li",
        f"{paper.authors} ({paper.year}). {paper.title}. {paper.where}".rstrip(". "),
        ". ",
        tag("a", paper.link.removeprefix("https://"), href=paper.link) if paper.link else None,
    )


def _others(params: Mapping[str, Any]) -> str:
    drawn = params.get("split", {}).get("negatives")
    if drawn == "all":
        return "all other pairs of TFs with known targets"
    return f"other pairs (negatives={drawn!r})"


def _methods(subject: Subject) -> str:
    """Return sentences that a methods section can start from."""
    params, member = subject.params, subject.first
    cells = f"{subject.adata.n_obs:,} cells and {subject.adata.n_vars:,} genes"
    text = (
        f"Links of transcription factors to targets were predicted from {cells} with scregnet "
        f"{params.get('scregnet_version', version('scregnet'))} (method {member.method!r}, "
        f"random_state {params.get('random_state')})."
    )
    if member.has_pairs:
        pairs = member.entry["pairs"]
        folds = params.get("n_folds")
        text += (
            f" {int((pairs['label'] == 1).sum()):,} known links and {_others(params)} were divided "
            "into training, validation and test pairs; null models that use no expression were "
            "judged on the same pairs."
        )
        if member.is_out_of_fold:
            text += f" Probabilities are calibrated and out of fold ({folds} folds)."
    return text
