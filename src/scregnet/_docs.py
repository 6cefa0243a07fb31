"""Parameter descriptions shared by the public functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from docrep import DocstringProcessor

_F = TypeVar("_F", bound=Callable)

_adata = """\
adata
    Annotated data matrix, cells × genes; or a MuData that holds one (see ``mod``)."""
_mod = """\
mod
    Modality to use when ``adata`` is a MuData; not read otherwise."""
_layer = """\
layer
    Key of ``adata.layers`` with the matrix to use; ``None`` takes ``adata.X``."""
_cells = f"""\
{_layer}
counts
    Demand raw counts. ``False`` takes any non-negative values as they are, such as log-normalised
    ones.
gene_ids
    Column of ``adata.var`` with the ids that the model knows genes by; ``None`` takes
    ``adata.var_names``.
orthologues
    Human genes for those of another organism: a frame with the columns ``mouse`` and ``human``, a
    mapping, or ``"upper"`` for upper-cased symbols. ``None`` changes no id: a model of that
    organism needs none."""
_precision = """\
precision
    Number format of the model: ``"float32"``, ``"bfloat16"`` (CUDA only), or ``"auto"``: bfloat16
    for Geneformer and scGPT on a GPU that has it (vectors differ by about 0.6 % of their length),
    else float32. ``"float32"`` gives exact numbers everywhere."""
_key_added = """\
key_added
    Name of the slots that are written; ``None`` takes the name given below."""
_client = """\
client
    Who reads the cells: a ``dask.distributed.Client``, or an executor with ``submit``, whose
    workers each open the file of a backed ``adata`` and read a part of ``X`` (:ref:`machines`);
    or ``"torchrun"``, the processes that it started. ``None`` reads them here."""
_copy = """\
copy
    Return a changed copy instead of writing to ``adata``; not for a backed file."""
_random_state = """\
random_state
    Seed, an integer from 0 to 4294967295. The same seed, data and machine give the same result;
    ``None`` draws a seed, which is kept where the arguments are kept."""
_device = """\
device
    Where to compute: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:<index>"`` or ``"mps"``; ``None``
    takes ``sr.settings.device``."""
_folder = """\
folder
    Keep the figures of each fit here when it is done. The same call later takes what is there, so
    that a study that was stopped goes on; a fit that failed is made again. Another version of the
    package, other data or other arguments are fits of their own."""
_progress = """\
show_progress_bar
    Show a progress bar; ``None`` takes ``sr.settings.progress_bar``."""
_key = """\
key
    Name of the fitted network: the ``key_added`` of :func:`scregnet.tl.fit_grn`."""
_group = """\
group
    Group of cells to read; needed if the network was fitted with ``groupby``."""
_groups = """\
group
    Group of cells to read, if the network was fitted with ``groupby``. ``None`` reads all groups,
    one by one, and puts a column ``group`` first."""
_prior = """\
prior
    The known network. One of

    - a frame with columns ``source``, ``target`` and, optional, ``weight`` (decoupler's form) and
      ``sign`` (or ``mode``, ``mor``: numbers or words; a negative weight is a sign as well), or
      with the columns of pySCENIC, BEELINE, CellOracle, SCENIC+ or RegNetwork;
    - the path of such a table: csv, tsv or txt, plain or gzip, or parquet. Without a header that it
      knows, the first two columns are source and target;
    - the path of gene sets or a graph: gmt, graphml, gexf, cyjs or sif
      (:func:`scregnet.io.read_grn`);
    - a list of ``(source, target)`` or ``(source, target, weight)``;
    - a dict ``{TF: [targets]}`` or ``{TF: {target: weight}}``;
    - a directed :class:`networkx.DiGraph` whose edges run from regulator to target;
    - a key of ``adata.varp``;
    - a matrix of shape (n_vars, n_vars) in the order of ``adata.var_names`` (row = regulator,
      column = target);
    - a frame regulators × targets with gene names on both axes."""
_links = """\
sources
    Regulators to keep, one name or several; ``None`` keeps all.
targets
    Target genes to keep, one name or several; ``None`` keeps all.
by
    What orders the links, and which ones ``top_n`` and ``top_n_targets`` keep: the highest
    ``"probability"``, or the highest ``"lift"`` over the null model.
threshold
    Lowest probability of a link, between 0 and 1; of a network without labels, lowest score.
min_lift
    Lowest lift of a link.
max_q
    Highest ``q`` of a link, between 0 and 1.
top_n
    Number of links to keep in total, among those that pass all other filters.
top_n_targets
    Number of links to keep per TF.
new_only
    Leave out the known edges."""
_gene_symbols = """\
gene_symbols
    Column of ``adata.var`` with the names to show and to look up; ``None`` takes
    ``adata.var_names``. A gene whose name is missing there, or is also that of another gene, goes
    by its name in ``adata.var_names``."""
_split = """\
split
    Labelled pairs to use: ``"train"``, ``"validation"`` or ``"test"``."""
_metrics = """\
metrics
    Metrics to draw."""
_ax = """\
ax
    Axes to draw on; ``None`` makes a figure."""
_two_axes = """\
ax
    Two axes to draw on; ``None`` makes a figure."""
_figure = """\
figsize, dpi
    Size in inches and resolution of a new figure.
show
    Show the figure; ``None`` shows it in an interactive session unless ``ax``, ``save`` or
    ``return_fig`` is given.
save
    Path to write the figure to.
return_fig
    Return the figure."""
_plot_returns = """\
The :class:`~matplotlib.figure.Figure` if ``return_fig``, the :class:`~matplotlib.axes.Axes` (an
array where there are several) if ``show=False``, else ``None``."""

_processor = DocstringProcessor(
    adata=_adata,
    mod=_mod,
    layer=_layer,
    cells=_cells,
    precision=_precision,
    run="\n".join((_device, _random_state, _progress, _copy, _mod)),
    key_added=_key_added,
    client=_client,
    copy=_copy,
    random_state=_random_state,
    device=_device,
    folder=_folder,
    progress=_progress,
    key=_key,
    group=_group,
    groups=_groups,
    prior=_prior,
    links=_links,
    gene_symbols=_gene_symbols,
    split=_split,
    metrics=_metrics,
    ax=_ax,
    two_axes=_two_axes,
    figure=_figure,
    plot_returns=_plot_returns,
)


def doc(function: _F) -> _F:
    """Fill ``%(name)s`` in a docstring with the shared descriptions, indented as their line is."""
    return _processor.dedent(function)
