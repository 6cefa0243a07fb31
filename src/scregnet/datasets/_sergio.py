"""SERGIO's model of expression under a regulatory network, on plain arrays.

Dibaeinia & Sinha, Cell Systems 2020. The model has three parts: the network
(:func:`draw_network`), the kinetics (:func:`basal_rates`, :func:`steady_state`, :func:`langevin`)
and the noise of the experiment (:func:`scale_cells`, :func:`keep_mask`). A matrix of interactions
has one row per TF and one column per gene; the TFs are the first genes. Time is in mRNA lifetimes,
so the decay rate is one.
"""

from __future__ import annotations

import numpy as np

# Step of the integration, in mRNA lifetimes.
_STEP = 0.04
# After five lifetimes less than one per cent of the starting point remains (exp(-5) = 0.007).
_DURATION = 5.0
# Bounds memory. Blocks draw their noise one after the other, so another size changes the result.
_CELLS_PER_BLOCK = 500


def draw_network(
    n_tfs: int, n_genes: int, mean_regulators: float, repression: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a signed acyclic network with heavy-tailed out- and in-degrees.

    TFs are in a random order, and only earlier TFs regulate later ones. The first quarter are
    master regulators, which nothing regulates. A gene has one plus a Lomax variate (shape 2)
    of regulators, at most half of the TFs; they are drawn by Pareto-distributed popularities. Every
    TF gets at least one target. Strengths are uniform in [1, 5], as in the paper.

    Parameters
    ----------
    n_tfs, n_genes
        Number of TFs, and of genes with the TFs among them.
    mean_regulators
        Expected number of regulators of a gene, before it is cut at the number of TFs available.
    repression
        Probability that an edge represses.
    rng
        Source of randomness.

    Returns
    -------
    Strengths ``(n_tfs, n_genes)``, zero without an edge and negative for repression; and the TFs in
    an order in which each comes after its regulators.
    """
    order = rng.permutation(n_tfs)
    rank = np.argsort(order)
    n_masters = -(-n_tfs // 4)
    # How many TFs may regulate each gene: for a TF, those before it in the order.
    available = np.full(n_genes, n_tfs)
    available[:n_tfs] = np.where(rank < n_masters, 0, rank)
    # A Lomax variate of shape 2 has mean 1; taking the floor lowers the mean by about a half.
    tail = max(mean_regulators - 0.5, 0.0) * rng.pareto(2.0, n_genes)
    n_regulators = np.minimum(1 + np.floor(tail), np.minimum(available, max(1, n_tfs // 2))).astype(
        np.int64
    )
    # Heavy tail of out-degrees: a few TFs with many targets.
    popularity = 1.0 + rng.pareto(1.2, n_tfs)

    edges = np.zeros((n_tfs, n_genes), dtype=bool)
    for gene in np.flatnonzero(n_regulators):
        candidates = order[: available[gene]]
        share = popularity[candidates] / popularity[candidates].sum()
        edges[rng.choice(candidates, n_regulators[gene], replace=False, p=share), gene] = True
    # A TF that was never drawn gets one target that is not a TF, so the order still holds.
    for tf in np.flatnonzero(~edges.any(axis=1)):
        edges[tf, rng.integers(n_tfs, n_genes)] = True

    sign = np.where(rng.random(edges.shape) < repression, -1.0, 1.0)
    return np.where(edges, sign * rng.uniform(1.0, 5.0, edges.shape), 0.0), order


def order_of(strengths: np.ndarray) -> np.ndarray:
    """Return the TFs of an acyclic network in an order in which each comes after its regulators."""
    n_tfs = len(strengths)
    waiting = (strengths[:, :n_tfs] != 0).sum(axis=0)
    order: list[int] = []
    ready = list(np.flatnonzero(waiting == 0))
    while ready:
        tf = ready.pop(0)
        order.append(int(tf))
        for target in np.flatnonzero(strengths[tf, :n_tfs]):
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    return np.array(order, dtype=np.int64)


def rewire(
    strengths: np.ndarray, shared: float, repression: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a network that has a share of the edges of another one, and as many regulators a gene.

    Each edge that is not kept goes to another TF that may regulate the gene, drawn by the number of
    its targets, so that the order of the TFs holds and hubs stay hubs.

    Parameters
    ----------
    strengths
        Signed strengths of the other network, ``(n_tfs, n_genes)``.
    shared
        Probability that an edge is kept, with its strength.
    repression
        Probability that a new edge represses.
    rng
        Source of randomness.

    Returns
    -------
    As of :func:`draw_network`.
    """
    n_tfs, n_genes = strengths.shape
    order = order_of(strengths)
    rank = np.argsort(order)
    popularity = (strengths != 0).sum(axis=1)
    found = np.where(rng.random(strengths.shape) < shared, strengths, 0.0)
    for gene in range(n_genes):
        lost = np.flatnonzero((strengths[:, gene] != 0) & (found[:, gene] == 0))
        allowed = order[: rank[gene]] if gene < n_tfs else order
        free = allowed[strengths[allowed, gene] == 0]
        n_new = min(len(lost), len(free))
        if n_new:
            share = popularity[free] / popularity[free].sum()
            new = rng.choice(free, n_new, replace=False, p=share)
            sign = np.where(rng.random(n_new) < repression, -1.0, 1.0)
            found[new, gene] = sign * rng.uniform(1.0, 5.0, n_new)
        # Where too few TFs may regulate the gene, its other edges stay.
        back = lost[n_new:]
        found[back, gene] = strengths[back, gene]
    # A TF without a target takes one of its own back.
    for tf in np.flatnonzero(~found.any(axis=1)):
        target = int(np.flatnonzero(strengths[tf])[-1])
        found[tf, target] = strengths[tf, target]
    return found, order


def basal_rates(strengths: np.ndarray, n_cell_types: int, rng: np.random.Generator) -> np.ndarray:
    """Draw basal production: each master regulator is high in up to half of the cell types.

    Parameters
    ----------
    strengths
        Signed strengths, ``(n_tfs, n_genes)``. A gene without regulators is a master regulator.
    n_cell_types
        Number of cell types.
    rng
        Source of randomness.

    Returns
    -------
    Rates ``(n_cell_types, n_genes)``, zero for every gene that is regulated.
    """
    rates = np.zeros((n_cell_types, strengths.shape[1]))
    for gene in np.flatnonzero(~strengths.any(axis=0)):
        n_high = rng.integers(1, -(-n_cell_types // 2) + 1)
        high = np.isin(np.arange(n_cell_types), rng.choice(n_cell_types, n_high, replace=False))
        rates[:, gene] = np.where(
            high, rng.uniform(1.0, 2.0, n_cell_types), rng.uniform(0.05, 0.15, n_cell_types)
        )
    return rates


def hill(concentration: np.ndarray, half_response: np.ndarray, coefficient: float) -> np.ndarray:
    """Response to a regulator, between 0 and 1; 1/2 at ``half_response``."""
    ratio = (concentration / half_response) ** coefficient
    return ratio / (1 + ratio)


def production(response: np.ndarray, strengths: np.ndarray, basal: np.ndarray) -> np.ndarray:
    """Production rates: basal + ``K·h`` per activator + ``|K|·(1 - h)`` per repressor.

    ``response`` holds the Hill responses ``h`` of the TFs, ``(n, n_tfs)``; ``basal`` is
    ``(n, n_genes)``.
    """
    # For a repressor |K|·(1 - h) = |K| + K·h, so one product covers both kinds and |K| is added.
    return basal + response @ strengths - np.minimum(strengths, 0).sum(axis=0)


def steady_state(
    strengths: np.ndarray,
    order: np.ndarray,
    basal: np.ndarray,
    coefficient: float,
    half_response: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Concentrations at which production equals decay, and the half-responses of the TFs.

    The half-response of a TF is its mean concentration over the cell types, so that no TF is
    saturated or silent everywhere. Targets depend on it, so TFs are solved in order of regulation.

    Parameters
    ----------
    strengths
        Signed strengths, ``(n_tfs, n_genes)``.
    order
        The TFs, each after its regulators.
    basal
        Basal production rates, ``(n_cell_types, n_genes)``.
    coefficient
        Hill coefficient.
    half_response
        Half-responses of a network from which a TF was taken: they are properties of the promoters,
        which stay.

    Returns
    -------
    Concentrations ``(n_cell_types, n_genes)`` and half-responses ``(n_tfs,)``.
    """
    response = np.zeros((len(basal), len(strengths)))
    half = np.zeros(len(strengths)) if half_response is None else half_response
    for tf in order:
        concentration = production(response, strengths[:, tf], basal[:, tf])
        if half_response is None:
            half[tf] = concentration.mean()
        response[:, tf] = hill(concentration, half[tf], coefficient)
    return production(response, strengths, basal), half


def langevin(
    strengths: np.ndarray,
    basal: np.ndarray,
    start: np.ndarray,
    half_response: np.ndarray,
    cell_type: np.ndarray,
    *,
    coefficient: float,
    noise: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Integrate the chemical Langevin equation of every cell; return the end points.

    ``dx = (P(x) - x) dt + q·√P(x) dW₁ + q·√x dW₂``: production and decay have independent noise.
    Each cell starts at the steady state of its cell type and runs for five mRNA lifetimes
    (Euler-Maruyama).

    Parameters
    ----------
    strengths
        Signed strengths, ``(n_tfs, n_genes)``.
    basal, start
        Basal production rates and starting concentrations, ``(n_cell_types, n_genes)``.
    half_response
        Half-responses of the TFs, ``(n_tfs,)``.
    cell_type
        Cell type of each cell, ``(n_cells,)``.
    coefficient
        Hill coefficient.
    noise
        Noise amplitude ``q``.
    rng
        Source of randomness.

    Returns
    -------
    Concentrations, ``(n_cells, n_genes)`` float32, none negative.
    """
    n_tfs = len(strengths)
    # Single precision: its rounding is far below the noise.
    strengths, basal, start, half_response = (
        values.astype(np.float32) for values in (strengths, basal, start, half_response)
    )
    step, amplitude = np.float32(_STEP), np.float32(noise * np.sqrt(_STEP))
    end = np.empty((len(cell_type), strengths.shape[1]), dtype=np.float32)
    for first in range(0, len(cell_type), _CELLS_PER_BLOCK):
        kind = cell_type[first : first + _CELLS_PER_BLOCK]
        x, rates = start[kind], basal[kind]
        for _ in range(round(_DURATION / _STEP)):
            made = production(hill(x[:, :n_tfs], half_response, coefficient), strengths, rates)
            # Two independent Gaussian noises equal one whose variance is the sum.
            diffusion = np.sqrt(made + x) * rng.standard_normal(x.shape, dtype=np.float32)
            # A concentration cannot be negative.
            x = np.maximum(x + step * (made - x) + amplitude * diffusion, np.float32(0))
        end[first : first + _CELLS_PER_BLOCK] = x
    return end


def scale_cells(
    concentration: np.ndarray, median: float, spread: float, rng: np.random.Generator
) -> np.ndarray:
    """Scale every cell to a log-normal total with this median and this spread of the logarithm."""
    totals = concentration.sum(axis=1)
    size = median * np.exp(spread * rng.standard_normal(len(totals)))
    return concentration * (size / np.where(totals > 0, totals, 1))[:, None]


def keep_mask(
    expected: np.ndarray,
    percentile: float,
    shape: float,
    rng: np.random.Generator,
    reference: np.ndarray | None = None,
) -> np.ndarray:
    """Draw which measurements escape dropout.

    Their chance is logistic in ``log(1 + expected)``, with one half at the ``percentile`` of it and
    steepness ``shape``. The percentile is that of ``reference``, if other cells set the level.
    """
    logged = np.log1p(expected)
    midpoint = np.percentile(logged if reference is None else np.log1p(reference), percentile)
    # u < 1 / (1 + e), without the division.
    return rng.random(expected.shape) * (1 + np.exp(-shape * (logged - midpoint))) < 1
