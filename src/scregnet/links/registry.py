"""Names of the methods. The module of a built-in method is imported when it is asked for."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

from scregnet._validate import check_choice, did_you_mean
from scregnet.links.forms.saved import HINT

if TYPE_CHECKING:
    import numpy as np

    from scregnet.links.task import FittedLinks, LinkMethod

LINK_METHODS: dict[str, str | type[LinkMethod]] = {
    "degree": "scregnet.links.methods.degree:Degree",
    "label_factors": "scregnet.links.methods.label_factors.method:LabelFactors",
    "scregnet": "scregnet.links.methods.scregnet.method:ScRegNet",
    "sctransnet": "scregnet.links.methods.sctransnet.method:ScTransNet",
    "genelink": "scregnet.links.methods.genelink.method:GeneLink",
    "cnnc": "scregnet.links.methods.cnnc.method:Cnnc",
    "deepdrim": "scregnet.links.methods.deepdrim.method:DeepDrim",
    "dgrns": "scregnet.links.methods.dgrns.method:Dgrns",
    "grn_transformer": "scregnet.links.methods.grn_transformer.method:GrnTransformer",
    "gne": "scregnet.links.methods.gne.method:Gne",
    "gnnlink": "scregnet.links.methods.gnnlink.method:GnnLink",
    "joint": "scregnet.links.methods.joint.method:Joint",
    "pearson": "scregnet.links.methods.pearson:Pearson",
    "genie3": "scregnet.links.methods.genie3:Genie3",
    "grnboost2": "scregnet.links.methods.grnboost2:GRNBoost2",
    "mutual_info": "scregnet.links.methods.mutual_info:MutualInfo",
    "pidc": "scregnet.links.methods.pidc:PIDC",
    "scode": "scregnet.links.methods.scode:Scode",
    "spearman": "scregnet.links.methods.spearman:Spearman",
}
"""Name of a method to its class, or to ``"module:Class"``, which is imported on first use."""


TRANSFER = "transfer"
"""Name of the links of :func:`scregnet.tl.transfer_grn`, which no labelled pairs are fitted to."""


def register_method(name: str, method: str | type[LinkMethod]) -> None:
    """Make a method known under ``name``.

    Parameters
    ----------
    name
        What users pass as ``method=``.
    method
        A dataclass that derives from :class:`scregnet.links.LinkMethod`, or ``"module:Class"``.
    """
    if not isinstance(method, str):
        _check_class(name, method)
    LINK_METHODS[name] = method


def method_class(name: str) -> type[LinkMethod]:
    """Return the class of a method; an unknown name raises and lists the valid ones."""
    check_choice("method", name, LINK_METHODS)
    entry = LINK_METHODS[name]
    if isinstance(entry, str):
        module, _, attribute = entry.partition(":")
        entry = getattr(import_module(module), attribute)
        _check_class(name, entry)
        LINK_METHODS[name] = entry
    return entry


def get_method(name: str, **parameters: Any) -> LinkMethod:
    """Return the method ``name`` with the given hyper-parameters.

    Unknown names of methods and hyper-parameters raise, and the message lists the valid ones.
    """
    cls = method_class(name)
    known = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    for parameter in parameters:
        if parameter not in known:
            hint = did_you_mean(parameter, known)
            msg = (
                f"{parameter!r} is not a parameter of method={name!r}; "
                f"it takes {', '.join(known) or 'none'}.{hint}"
            )
            raise TypeError(msg)
    return cls(**parameters)


def null_models() -> tuple[str, ...]:
    """Return the names of the null models. They never see expression; every fit reports them."""
    return tuple(name for name in LINK_METHODS if method_class(name).is_null)


def load_fitted(name: str, state: dict[str, np.ndarray], n_genes: int | None = None) -> FittedLinks:
    """Return the fitted links that method ``name`` saved as ``state``.

    Raises ``ValueError`` if arrays do not fit together, or are not about ``n_genes`` genes.
    """
    if name == TRANSFER:
        from scregnet.links.transfer.links import TransferLinks

        links: FittedLinks = TransferLinks.from_state(state)
    else:
        links = method_class(name).fitted.from_state(state)
    if n_genes not in (None, links.n_genes):
        msg = f"the saved network is about {links.n_genes} genes, not {n_genes}. {HINT}"
        raise ValueError(msg)
    return links


def _check_class(name: str, method: Any) -> None:
    """Raise ``TypeError`` unless ``method`` has what a method must offer."""
    needed = ("fit", "fitted", "summary", "__dataclass_fields__")
    missing = [part for part in needed if not hasattr(method, part)]
    if not isinstance(method, type) or missing:
        msg = (
            f"the method {name!r} must be a dataclass that derives from LinkMethod and names "
            f"summary and fitted; {method!r} lacks {', '.join(missing) or 'all of it'}."
        )
        raise TypeError(msg)
