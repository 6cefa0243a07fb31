"""Names of the methods; a method's module is imported only when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from scregnet._validate import check_choice

if TYPE_CHECKING:
    import numpy as np

    from scregnet.links.task import FittedLinks, LinkMethod


@dataclass(frozen=True)
class MethodEntry:
    """Where a method lives (``"module:Class"``), where its fitted form lives, and what it is."""

    method: str
    fitted: str
    summary: str


LINK_METHODS: dict[str, MethodEntry] = {}

NULL_MODELS = ("degree", "label_factors")
"""Methods that never see expression; every fit reports their figures beside its own."""


def register_method(name: str, *, method: str, fitted: str, summary: str) -> None:
    """Make a method known under ``name``; ``method`` and ``fitted`` are ``"module:Class"`` and satisfy the two protocols."""
    LINK_METHODS[name] = MethodEntry(method, fitted, summary)


def get_method(name: str, **parameters: Any) -> LinkMethod:
    """Return the method ``name`` with the given hyper-parameters; unknown names of either raise, listing the valid ones."""
    check_choice("method", name, LINK_METHODS)
    cls = _load(LINK_METHODS[name].method)
    known = [f.name for f in fields(cls)]
    for parameter in parameters:
        if parameter not in known:
            close = get_close_matches(parameter, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            msg = f"{parameter!r} is not a parameter of method={name!r}; it takes {', '.join(known) or 'none'}.{hint}"
            raise TypeError(msg)
    return cls(**parameters)


def load_fitted(name: str, state: dict[str, np.ndarray]) -> FittedLinks:
    """Return the fitted links that method ``name`` saved as ``state``."""
    check_choice("method", name, LINK_METHODS)
    return _load(LINK_METHODS[name].fitted).from_state(state)


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


register_method(
    "degree",
    method="scregnet.links.methods.degree:Degree",
    fitted="scregnet.links.forms.additive:AdditiveLinks",
    summary="null model: how often is this TF a regulator, how often is this gene a target",
)
register_method(
    "label_factors",
    method="scregnet.links.methods.label_factors.method:LabelFactors",
    fitted="scregnet.links.methods.label_factors.method:FactorLinks",
    summary="null model: which TFs have targets in common, low-rank factors of the training labels",
)
register_method(
    "scregnet",
    method="scregnet.links.methods.scregnet.method:ScRegNet",
    fitted="scregnet.links.forms.additive:AdditiveLinks",
    summary="frozen foundation-model embedding beside a graph network, pair classifier (Kommu et al. 2025)",
)
register_method(
    "sctransnet",
    method="scregnet.links.methods.sctransnet.method:ScTransNet",
    fitted="scregnet.links.forms.bilinear:BilinearLinks",
    summary="frozen foundation-model embedding beside attention over the known network, hard negatives (Kommu et al. 2024)",
)
register_method(
    "joint",
    method="scregnet.links.methods.joint.method:Joint",
    fitted="scregnet.links.methods.joint.method:JointLinks",
    summary="Gaussian process over pairs, with factors of the labels and boosted trees or, for targets without labels, a forest of genes",
)
