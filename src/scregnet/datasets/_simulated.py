"""Simulated counts with a known regulatory network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from scregnet._anndata.uns import to_uns
from scregnet._docs import doc
from scregnet._validate import check_integer, check_interval, seed_of
from scregnet.datasets._knockouts import (
    CONTROL,
    Kinetics,
    binding,
    check_knockouts,
    effects_of,
    knock_out,
)
from scregnet.datasets._rewired import rewire_types, rewired_frame
from scregnet.datasets._sergio import (
    basal_rates,
    draw_network,
    keep_mask,
    order_of,
    rewire,
    scale_cells,
    steady_state,
)

# Parameters of the model and the experiment: lowest and highest value allowed.
_RANGES = {
    "mean_regulators": (1.0, 1000.0),
    "repression": (0.0, 1.0),
    "hill_coefficient": (0.5, 10.0),
    "noise": (0.0, 10.0),
    "level": (0.01, 1e6),
    "level_spread": (0.0, 5.0),
    "depth": (1e-4, 1e6),
    "depth_spread": (0.0, 3.0),
    "dropout_percentile": (0.0, 100.0),
    "dropout_shape": (0.0, 100.0),
}


@doc
def simulated(
    n_obs: int = 1000,
    n_vars: int | None = None,
    *,
    n_tfs: int | None = None,
    sister: AnnData | None = None,
    shared: float = 0.7,
    n_cell_types: int = 5,
    knockouts: Sequence[str] | None = None,
    n_knockout_obs: int = 100,
    silent_binding: float = 0.5,
    rewired: float = 0.0,
    mean_regulators: float = 2.5,
    repression: float = 0.25,
    hill_coefficient: float = 2.0,
    noise: float = 2.0,
    level: float = 3.0,
    level_spread: float = 1.0,
    depth: float = 1.0,
    depth_spread: float = 0.4,
    dropout_percentile: float = 84.0,
    dropout_shape: float = 6.5,
    random_state: int | None = 0,
) -> AnnData:
    """Simulate single-cell counts from a known regulatory network with SERGIO's model.

    The model is that of :cite:t:`dibaeinia2020sergio`; :doc:`/methods` says where it differs. The
    defaults are about as hard as real data.

    Parameters
    ----------
    n_obs, n_vars
        Number of cells, and of genes with the TFs among them; ``None`` takes 500 genes.
    n_tfs
        Number of TFs; ``None`` takes a tenth of the genes, but ten if there are at least twenty.
    sister
        Simulated data of a related tissue: its genes and TFs are taken, and a share of its network.
    shared
        With ``sister``: expected share of its edges that are kept, with their strengths. The others
        go to other TFs.
    n_cell_types
        Number of cell types, which differ in size.
    knockouts
        TFs to knock out, such as ``["TF001", "TF007"]``. Cells of each are added after the
        ``n_obs`` others, which stay the same.
    n_knockout_obs, silent_binding
        Read with ``knockouts``: number of cells of each; share of the genes that a TF binds and
        does not regulate.
    rewired
        Expected share of the targets, TFs left out, that a quarter of the TFs lose to other TFs in
        every second cell type. Those with most targets are taken; TFs are made as before.
    mean_regulators, repression
        Expected number of regulators of a regulated gene, not read with ``sister``; share of new
        edges that repress.
    hill_coefficient
        Steepness of the response to a regulator. Its mean concentration gives half the response.
    noise
        Amplitude of the noise of production and decay; 0 puts every cell on the steady state.
    level, level_spread
        Mean concentration of genes, in molecules: median, standard deviation of the natural log.
    depth, depth_spread
        Expected counts per gene before dropout: median over cells, deviation of the natural log.
    dropout_percentile, dropout_shape
        Percentile of the expected counts at which half of them are lost; steepness of the loss.
    %(random_state)s

    Returns
    -------
    Cells × genes, TFs first, with:

    - ``X``: raw counts, CSR float32; ``obs["cell_type"]``: categorical.
    - ``uns["network"]``: frame ``source``, ``target``, ``weight`` (1 to 5, negative: repression).
    - ``varp["network"]``: the same as CSR float32, row = source; ``uns["simulation"]``: parameters.
    - ``uns["rewired"]``, with ``rewired`` above 0: frame ``source``, ``target``, ``change``: what
      is ``"lost"`` and what is ``"gained"`` in ``type_2``, ``type_4``, …

    With ``knockouts`` also:

    - ``obs["perturbation"]``: ``"control"``, or the TF that the cell lacks.
    - ``uns["effects"]``: the frame of :func:`scregnet.datasets.perturbation` without noise:
      ``effect`` is log2 of the mean concentration over that of other cells, ``affected`` a change
      by a tenth; ``direct`` says whether the pair is an edge.
    - ``uns["binding"]``: frame ``source``, ``target``, ``functional``: what each TF binds, and
      whether it is an edge.

    Raises
    ------
    TypeError, ValueError
        A parameter is not a number or is outside the allowed range, ``sister`` was not simulated
        or has other genes than ``n_vars`` and ``n_tfs`` say, or ``knockouts`` names no TF.

    Examples
    --------
    >>> import scregnet as sr
    >>> adata = sr.datasets.simulated(200, 100)
    >>> related = sr.datasets.simulated(200, sister=adata, shared=0.6, random_state=1)
    >>> lost = sr.datasets.simulated(200, 100, knockouts=["TF001"], n_knockout_obs=50)
    >>> lost.obs["perturbation"].value_counts().tolist()
    [200, 50]
    """
    random_state = seed_of(random_state)
    given = None
    if sister is not None:
        given, n_vars, n_tfs = _network_of(sister, n_vars, n_tfs)
    n_vars = 500 if n_vars is None else n_vars
    n_tfs = _checked_sizes(n_obs, n_vars, n_tfs, n_cell_types)
    check_interval("shared", shared, 0, 1)
    genes = _names("TF", n_tfs, 3) + _names("G", n_vars - n_tfs, 4)
    check_integer("n_knockout_obs", n_knockout_obs, minimum=1)
    check_interval("silent_binding", silent_binding, 0, 1, closed="left")
    check_interval("rewired", rewired, 0, 1)
    lost = None if knockouts is None else check_knockouts(knockouts, genes[:n_tfs])
    numbers = {
        "mean_regulators": mean_regulators,
        "repression": repression,
        "hill_coefficient": hill_coefficient,
        "noise": noise,
        "level": level,
        "level_spread": level_spread,
        "depth": depth,
        "depth_spread": depth_spread,
        "dropout_percentile": dropout_percentile,
        "dropout_shape": dropout_shape,
    }
    for name, value in numbers.items():
        check_interval(name, value, *_RANGES[name])
    rng = np.random.default_rng(random_state)

    if given is None:
        strengths, order = draw_network(n_tfs, n_vars, mean_regulators, repression, rng)
    else:
        strengths, order = rewire(given, shared, repression, rng)
    kinetics = _kinetics(strengths, order, n_cell_types, numbers, rng)
    cell_type = _cell_types(n_obs, n_cell_types, rng)
    # The experiment: sequencing depth, dropout, counting.
    changed = None if rewired == 0 else rewire_types(kinetics, rewired, random_state)
    concentration = kinetics.concentrations(cell_type, rng)
    if changed is not None:
        # Draws of their own: the other cell types are the same with and without.
        second = cell_type % 2 == 1
        concentration[second] = changed.concentrations(cell_type[second], rng)
    expected = scale_cells(concentration, depth * n_vars, depth_spread, rng)
    counts = rng.poisson(expected * keep_mask(expected, dropout_percentile, dropout_shape, rng))
    if lost is None:
        adata = _assemble(counts, strengths, cell_type, genes, n_cell_types)
    else:
        types, cells, effects = knock_out(kinetics, lost, cell_type, n_knockout_obs, random_state)
        own = scale_cells(cells, depth * n_vars, depth_spread, rng)
        kept = keep_mask(own, dropout_percentile, dropout_shape, rng, expected)
        counts = np.concatenate([counts, rng.poisson(own * kept)])
        cell_type = np.concatenate([cell_type, types])
        adata = _assemble(counts, strengths, cell_type, genes, n_cell_types)
        groups = [CONTROL, *(genes[tf] for tf in lost)]
        labels = np.repeat(groups, [n_obs, *[n_knockout_obs] * len(lost)])
        adata.obs["perturbation"] = pd.Categorical(labels, categories=groups)
        adata.uns["effects"] = effects_of(effects, lost, strengths != 0, genes)
        adata.uns["binding"] = binding(strengths != 0, silent_binding, genes, random_state)
    if changed is not None:
        adata.uns["rewired"] = rewired_frame(kinetics, changed, genes)
    adata.uns["simulation"] = to_uns(
        {
            "model": "SERGIO",
            "n_tfs": n_tfs,
            "n_cell_types": n_cell_types,
            **({} if given is None else {"shared": float(shared)}),
            **({} if changed is None else {"rewired": float(rewired)}),
            **({} if lost is None else {"silent_binding": float(silent_binding)}),
            **{name: float(value) for name, value in numbers.items()},
            "random_state": random_state,
        }
    )
    return adata


def _network_of(
    sister: AnnData, n_vars: int | None, n_tfs: int | None
) -> tuple[np.ndarray, int, int]:
    """Return the strengths of simulated data, and how many genes and TFs they have."""
    made = sister.uns.get("simulation") if isinstance(sister, AnnData) else None
    if made is None or "network" not in sister.varp or "n_tfs" not in made:
        found = type(sister).__name__ if not isinstance(sister, AnnData) else "one that was not"
        msg = f"sister must be an AnnData of sr.datasets.simulated, got {found}."
        raise ValueError(msg)
    own = sister.n_vars, int(made["n_tfs"])
    for name, asked, has in zip(("n_vars", "n_tfs"), (n_vars, n_tfs), own, strict=True):
        if asked is not None and asked != has:
            msg = f"{name}={asked!r}, but sister has {has}; leave {name} out."
            raise ValueError(msg)
    network = sp.csr_matrix(sister.varp["network"])
    strengths = network[: own[1]].toarray().astype(np.float64)
    if network[own[1] :].nnz or len(order_of(strengths)) < own[1]:
        msg = (
            "sister: its genes or its network were changed since it was simulated: TFs must come "
            "first, and no TF may regulate itself through others."
        )
        raise ValueError(msg)
    return strengths, *own


def _checked_sizes(n_obs: int, n_vars: int, n_tfs: int | None, n_cell_types: int) -> int:
    """The number of TFs; raise if the sizes are not whole numbers or do not fit together."""
    check_integer("n_obs", n_obs, minimum=1)
    check_integer("n_vars", n_vars, minimum=4)
    if n_tfs is None:
        n_tfs = max(n_vars // 10, min(10, n_vars // 2))
    check_integer("n_tfs", n_tfs, minimum=2)
    check_integer("n_cell_types", n_cell_types, minimum=1)
    if n_tfs >= n_vars:
        msg = (
            f"n_tfs={n_tfs} must be below n_vars={n_vars}: "
            "the TFs are among the genes, and some genes must not be TFs."
        )
        raise ValueError(msg)
    if n_cell_types > n_obs:
        msg = (
            f"n_cell_types={n_cell_types} must not exceed n_obs={n_obs}: "
            "every cell type has a cell."
        )
        raise ValueError(msg)
    return n_tfs


def _kinetics(
    strengths: np.ndarray,
    order: np.ndarray,
    n_cell_types: int,
    numbers: dict[str, float],
    rng: np.random.Generator,
) -> Kinetics:
    """The kinetics of all genes, with the levels of expression that were asked for."""
    n_tfs, n_vars = strengths.shape
    coefficient = numbers["hill_coefficient"]
    basal = basal_rates(strengths, n_cell_types, rng)
    steady, half_response = steady_state(strengths, order, basal, coefficient)
    # Responses depend on concentration / half-response alone, so scaling the production of a gene
    # scales its concentration and changes no other gene.
    spread = np.exp(numbers["level_spread"] * rng.standard_normal(n_vars))
    scale = numbers["level"] * spread / steady.mean(axis=0)
    return Kinetics(
        strengths * scale,
        order,
        basal * scale,
        steady * scale,
        half_response * scale[:n_tfs],
        coefficient,
        numbers["noise"],
    )


def _assemble(
    counts: np.ndarray,
    strengths: np.ndarray,
    cell_type: np.ndarray,
    genes: list[str],
    n_cell_types: int,
) -> AnnData:
    """The AnnData with counts, cell types, and the network in both forms."""
    n_obs, n_vars = counts.shape
    adata = AnnData(
        X=sp.csr_matrix(counts, dtype=np.float32),
        obs=pd.DataFrame(index=_names("cell_", n_obs, 4)),
        var=pd.DataFrame(index=genes),
    )
    kinds = pd.Index([f"type_{kind + 1}" for kind in range(n_cell_types)])
    adata.obs["cell_type"] = pd.Categorical.from_codes(cell_type, categories=kinds)
    source, target = np.nonzero(strengths)
    weight = strengths[source, target].astype(np.float32)
    names = np.array(genes, dtype=object)
    adata.uns["network"] = pd.DataFrame(
        {"source": names[source], "target": names[target], "weight": weight}
    )
    adata.varp["network"] = sp.csr_matrix((weight, (source, target)), shape=(n_vars, n_vars))
    return adata


def _cell_types(n_obs: int, n_cell_types: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the cell type of each cell: unequal proportions, none absent."""
    proportions = rng.dirichlet(np.full(n_cell_types, 5.0))
    drawn = rng.choice(n_cell_types, n_obs - n_cell_types, p=proportions)
    # One cell of each type first, so that none is absent.
    return rng.permutation(np.concatenate([np.arange(n_cell_types), drawn]))


def _names(prefix: str, number: int, width: int) -> list[str]:
    """Names numbered from one, of equal length."""
    width = max(width, len(str(number)))
    return [f"{prefix}{index:0{width}d}" for index in range(1, number + 1)]
