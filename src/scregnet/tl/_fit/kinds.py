"""Several kinds of labels: one division of pairs for all, and what each says to the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scregnet._anndata.evidence import check_no_layer, layer_names
from scregnet._anndata.groups import check_network_key
from scregnet._anndata.uns import check_key
from scregnet._genes.evidence.reduce import profiles
from scregnet._genes.network import Network, read_network
from scregnet._genes.set_aside import joined
from scregnet._genes.split import PARTS, LabelledPairs, SplitOptions, check_split, labelled_pairs
from scregnet._logging import logger
from scregnet._validate import listed
from scregnet.links import Pairs, Split, split_pairs
from scregnet.links.evidence import EvidenceLayer
from scregnet.links.pairs.codes import pair_codes

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from scregnet.links import LinkMethod
    from scregnet.tl._fit.task import FitOptions

N_COMPONENTS = 32
"""Components of the profile of labels, at most."""


def check_kinds(
    data: AnnData,
    priors: Any,
    prior: Any,
    groupby: str | None,
    method: LinkMethod,
    options: FitOptions,
    key: str,
) -> None:
    """Raise where ``priors`` cannot be used, or its networks would overwrite something."""
    if not isinstance(priors, Mapping) or len(priors) < 2:
        found = f"{len(priors)} kinds" if isinstance(priors, Mapping) else type(priors).__name__
        msg = (
            "priors must be a mapping of at least two names to known networks, such as "
            f"{{'chip': bound, 'knockdown': changed}}, got {found}. For one network pass prior=."
        )
        raise ValueError(msg)
    for name in priors:
        check_key(name)
        check_key(f"{key}_{name}")
        check_no_layer(data, f"{key}_{name}")
        check_network_key(data, f"{key}_{name}")
    for other, given in (("prior", prior), ("groupby", groupby)):
        if given is not None:
            msg = f"priors= does not go with {other}=; leave one of them out."
            raise ValueError(msg)
    if not (method.uses_evidence or method.uses_embedding):
        msg = (
            "priors= needs a method that reads evidence layers or an embedding, such as 'joint': "
            "this one would not read what one kind of labels says to the other. Fit each alone "
            "with prior= and key_added=."
        )
        raise ValueError(msg)
    if twice := sorted(set(priors) & set(layer_names(options.evidence))):
        msg = f"priors= and evidence= both name {listed(twice)}; rename the kind of labels."
        raise ValueError(msg)


def labelled_kinds(
    data: AnnData,
    priors: Mapping[str, Any],
    split: str | pd.DataFrame | None,
    options: FitOptions,
    gene_symbols: str | None = None,
) -> dict[str, LabelledPairs]:
    """Return the labelled pairs of each kind, with what the others say of them.

    A pair is in the same part for all kinds: a test pair of one kind never trains another. What is
    said to the others is made of training pairs alone.
    """
    networks = {
        name: read_network(given, data, gene_symbols=gene_symbols) for name, given in priors.items()
    }
    parts, how = _common_parts(data, networks, split, options, gene_symbols)
    kinds = {
        name: _of_kind(name, network, parts, how, data.n_vars) for name, network in networks.items()
    }
    layers = {
        name: layer_of_labels(name, labelled.parts.train, data.n_vars, options.random_state)
        for name, labelled in kinds.items()
    }
    found = {}
    for name, labelled in kinds.items():
        others = [layer for layer in layers.values() if layer.name != name]
        found[name] = replace(labelled, layers=_informed(others, labelled.parts.validation))
    return found


def _common_parts(
    data: AnnData,
    networks: Mapping[str, Network],
    split: str | pd.DataFrame | None,
    options: FitOptions,
    gene_symbols: str | None,
) -> tuple[Split, SplitOptions | None]:
    """Divide all pairs of all TFs; a pair that is an edge of any kind counts as one."""
    if split is not None:
        given = labelled_pairs(
            data, None, split, random_state=options.random_state, gene_symbols=gene_symbols
        )
        if given.parts.train.share != 1 or given.negatives != "all":
            msg = (
                "priors= needs a split with all non-edges: those of one kind may be edges of "
                "another. Draw it with sr.pp.split(negatives='all', max_pairs=None)."
            )
            raise ValueError(msg)
        return given.parts, given.options
    codes = [pair_codes(net.sources, net.targets, data.n_vars) for net in networks.values()]
    sources, targets = np.divmod(np.unique(np.concatenate(codes)), data.n_vars)
    how = SplitOptions(max_pairs=None, random_state=options.random_state)
    rng = np.random.default_rng(options.random_state)
    found = split_pairs(
        sources.astype(np.int32),
        targets.astype(np.int32),
        data.n_vars,
        rng=rng,
        kind=how.kind,
        test_fraction=how.test_fraction,
    )
    return found, how


def _of_kind(
    name: str, network: Network, parts: Split, how: SplitOptions | None, n_genes: int
) -> LabelledPairs:
    """Return the pairs of the TFs of one kind, with its labels, and its edges in no part."""
    edges = pair_codes(network.sources, network.targets, n_genes)
    own, seen = [], []
    for part in PARTS:
        pairs: Pairs = getattr(parts, part)
        pairs = pairs.take(np.isin(pairs.sources, network.sources))
        codes = pair_codes(pairs.sources, pairs.targets, n_genes)
        if network.set_aside is not None:
            kept = ~np.isin(codes, pair_codes(*network.set_aside, n_genes))
            pairs, codes = pairs.take(kept), codes[kept]
        seen.append(codes)
        own.append(replace(pairs, labels=np.isin(codes, edges)))
    split = Split(*own)
    check_split(split, f"priors[{name!r}]")
    rest = ~np.isin(edges, np.concatenate(seen))
    left_out = joined((network.sources[rest], network.targets[rest]), network.set_aside)
    aside = network.set_aside
    return LabelledPairs(
        split,
        left_out,
        how,
        network.report,
        signs=network.signs,
        set_aside=aside,
    )


def _informed(layers: Iterable[EvidenceLayer], validation: Pairs) -> tuple[EvidenceLayer, ...]:
    """Return the layers that cover most targets of the held-out pairs.

    A layer that is there in training and not at held-out targets, which have no labels of any kind,
    would only take weight from what is there at both.
    """
    kept = []
    for layer in layers:
        if layer.covered[validation.targets].mean() > 0.5:
            kept.append(layer)
        else:
            logger.info(
                "priors: labels %r know no held-out target and are no evidence here", layer.name
            )
    return tuple(kept)


def layer_of_labels(
    name: str, train: Pairs, n_genes: int, random_state: int | None
) -> EvidenceLayer:
    """Return what training pairs of one kind say to another, as an evidence layer.

    The profile and the popularity of a gene are those of its labels, hidden pairs at the rate of
    their TF. It has no track of a TF: a pair's own label is hidden wherever the pair is held out,
    and a model that had learned to read it would find nothing there.
    """
    tfs, row = np.unique(train.sources, return_inverse=True)
    known, edges = (np.zeros((len(tfs), n_genes), bool) for _ in range(2))
    known[row, train.targets] = True
    edges[row, train.targets] = train.labels
    rate = edges.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    filled = np.where(known, edges, rate[:, None])
    covered = np.asarray(known.any(axis=0))
    width = min(N_COMPONENTS, len(tfs), int(covered.sum()))
    profile = np.zeros((n_genes, width), np.float32)
    table = sp.csr_matrix(filled[:, covered])
    profile[covered] = profiles(table, np.ones(len(tfs)), width, random_state)[0]
    popularity = np.where(covered, filled.mean(axis=0), 0).astype(np.float32)
    none = sp.csr_matrix((n_genes, n_genes), dtype=np.float32)
    return EvidenceLayer(
        name, profile, popularity, covered, none, np.zeros(n_genes, bool), len(tfs)
    )
